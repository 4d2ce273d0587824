# Everything that CI does is a target here. `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CACHE := $(CURDIR)/.cache
# Tools of our own choosing live in the cache, so that nothing is installed on the user's machine.
CARGO_DENY_VERSION := 0.20.2
CARGO_DENY := $(CACHE)/tools/cargo-deny-$(CARGO_DENY_VERSION)/bin/cargo-deny

ROUTER := rollouts-plugin-trafficrouter-gatewayapi
DATADOG := rollouts-plugin-metric-datadog
CANARY_STEPS := argocd-cmp-canary-steps
TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
STATIC := $(CURDIR)/dist/linux-amd64
# What the real world plays with: the static binaries that a release has.
PLUGINS := --plugin $(STATIC)/$(ROUTER) --datadog $(STATIC)/$(DATADOG) --canary-steps $(STATIC)/$(CANARY_STEPS)

comma := ,

# Always the whole workspace with all features and tests: with a part of it Cargo would choose other features of the
# dependencies, and compile them a second time.
WHOLE := --locked --workspace --all-features
HARNESS := cargo build $(WHOLE) --tests --bin realworld

# As the tests build their Go programs, so that what Go has compiled for them serves here.
GO_BUILD := CGO_ENABLED=0 go build -trimpath -buildvcs=false -gcflags=all=-dwarf=false -ldflags="-s -w"

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 12

demo: ## a whole release on an embedded stage: no cluster, no account
	cargo build --locked -p gateway-api --bin $(ROUTER) -p serinus --bin serinus
	$(TARGET)/debug/serinus demo --plugin $(TARGET)/debug/$(ROUTER) --html $(TARGET)/demo.html

test: fmt-check lint unit deny ## format, lints, unit, property, interop and doc tests, dependency policy

fmt-check: ## formatting
	cargo fmt --all --check

lint: ## clippy, warnings are errors
	cargo clippy --locked --workspace --all-targets --all-features -- -D warnings

unit: ## unit, property, interop and doc tests; those with Go run where go exists
	cargo test $(WHOLE)

deny: $(CARGO_DENY) ## licences, sources and bans of all dependencies
	$(CARGO_DENY) --locked --workspace check --hide-inclusion-graph licenses bans sources

$(CARGO_DENY):
	@# Without optimisation: it runs once for each time that it is built.
	cargo install --debug --locked --version $(CARGO_DENY_VERSION) --root $(CACHE)/tools/cargo-deny-$(CARGO_DENY_VERSION) cargo-deny

e2e: ## the real world: API server, unmodified controllers, gateways, Argo CD (needs Go)
	ARCH=amd64 PROFILE=quick tools/dist $(ROUTER) $(DATADOG) $(CANARY_STEPS)
	$(HARNESS)
	$(TARGET)/debug/realworld e2e --again 2 $(PLUGINS)
	cargo test $(WHOLE) --test cmp -- --ignored

soak: ## the long forms of idle, kill and load tests (needs Go)
	ARCH=amd64 tools/dist $(ROUTER) $(DATADOG) $(CANARY_STEPS)
	$(HARNESS)
	$(TARGET)/debug/realworld e2e --long $(PLUGINS)
	cargo test $(WHOLE) --test go_plugin -- --ignored

fuzz: ## every fuzz target for a minute (SECONDS_EACH=600: ten; needs rustup's nightly)
	tools/fuzz

# The Go gateway plugin, where somebody has built it: GO_GATEWAY_PLUGIN=path/to/it. Without the limit on its requests.
GO_GATEWAY_PLUGIN_ROW := $(if $(GO_GATEWAY_PLUGIN),go-plugin=$(abspath $(GO_GATEWAY_PLUGIN))$(comma)-kubeClientQPS=100000$(comma)-kubeClientBurst=100000)

bench: ## the benchmarks of docs/benchmarks.md, beside Go in the same run (needs Go)
	cargo bench --locked -p interop --bench gob
	cargo bench --locked -p interop --bench conditions
	cargo bench --locked -p gateway-api --bench plan
	cargo build --locked --release -p interop --bin go-plugin-echo
	mkdir -p $(CACHE)/bench
	cd tests/interop/go/go-plugin && $(GO_BUILD) -o $(CACHE)/bench/go-plugin/ ./host ./plugin
	$(CACHE)/bench/go-plugin/host table $(TARGET)/release/go-plugin-echo $(CACHE)/bench/go-plugin/plugin 4s
	ARCH=amd64 tools/dist $(ROUTER) $(DATADOG) $(CANARY_STEPS)
	cargo bench --locked -p interop --bench cmp -- $(STATIC)/$(CANARY_STEPS)
	cd tests/interop/go/rollouts && $(GO_BUILD) -o $(CACHE)/bench/ ./bench ./peer
	cd tests/interop/go/rollouts && $(GO_BUILD) -o $(CACHE)/bench/ github.com/argoproj/argo-rollouts/test/cmd/metrics-plugin-sample
	cargo bench --locked -p datadog --bench plugin -- serinus=$(STATIC)/$(DATADOG) go=$(CACHE)/bench/metrics-plugin-sample
	echo '$(CACHE)/bench/bench -table -set-weight serinus=$(STATIC)/$(ROUTER) serinus-get=$(STATIC)/$(ROUTER),--no-watch go=$(CACHE)/bench/peer $(GO_GATEWAY_PLUGIN_ROW)' \
		| SHELL=/bin/sh cargo run --locked -p realworld -- shell --no-gateway --plugin $(STATIC)/$(ROUTER)

dist: ## static binaries, checksums and an SBOM in dist/ (ARCH=amd64 makes one)
	tools/dist
	tools/sbom

demo-arm64: ## the demo with arm64 binaries, emulated (needs qemu-user)
	tools/demo-arm64

.PHONY: help demo demo-arm64 test fmt-check lint unit deny e2e soak fuzz bench dist
