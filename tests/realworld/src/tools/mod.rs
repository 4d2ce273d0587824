//! The programs of the real world, built from pinned Go modules; and Envoy, taken out of a pinned Python package.
//!
//! Each folder of `tests/realworld/tools` is a Go module that requires one project at one version. A program is one
//! line of [`PROGRAMS`]; what a world takes out of a module's files (custom resource definitions) is one line of
//! [`SOURCES`].

mod build;
mod wheel;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use build::{build, cache_folder, module_sources};
pub use wheel::{ENVOY, Wheel};

/// A program built from a Go module of this repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// What it is called here and in the cache; also the name of its log file.
    pub name: &'static str,
    /// The folder under `tests/realworld/tools` with its `go.mod`.
    pub folder: &'static str,
    /// The main package.
    pub package: &'static str,
    /// Values for the linker's `-X` flag, by package variable.
    pub variables: &'static [(&'static str, &'static str)],
}

/// What the API server says of itself to clients that adapt to its version.
const KUBERNETES_VERSION: &[(&str, &str)] = &[
    ("k8s.io/component-base/version.gitVersion", "v1.35.4"),
    ("k8s.io/component-base/version.gitMajor", "1"),
    ("k8s.io/component-base/version.gitMinor", "35"),
];

/// Every program that some world starts, in the order in which they are built.
pub const PROGRAMS: &[Program] = &[
    program("etcd", "etcd", "go.etcd.io/etcd/server/v3"),
    Program {
        variables: KUBERNETES_VERSION,
        ..program(
            "kube-apiserver",
            "kubernetes",
            "k8s.io/kubernetes/cmd/kube-apiserver",
        )
    },
    Program {
        variables: KUBERNETES_VERSION,
        ..program(
            "kube-controller-manager",
            "kubernetes",
            "k8s.io/kubernetes/cmd/kube-controller-manager",
        )
    },
    program(
        "rollouts-controller-1.10.1",
        "argo-rollouts-1.10",
        ROLLOUTS_CONTROLLER,
    ),
    program(
        "rollouts-controller-1.7.2",
        "argo-rollouts-1.7",
        ROLLOUTS_CONTROLLER,
    ),
    program("traefik", "traefik", "github.com/traefik/traefik/v3/cmd/traefik"),
    program("argocd", "argocd", "github.com/argoproj/argo-cd/v3/cmd"),
    program("redis", "argocd", "serinus.dev/realworld/tools/argocd/redis"),
    Program {
        variables: ENVOY_GATEWAY_METRICS,
        ..program(
            "envoy-gateway",
            "envoy-gateway",
            "github.com/envoyproxy/gateway/cmd/envoy-gateway",
        )
    },
    program(
        "contour",
        "contour",
        "github.com/projectcontour/contour/cmd/contour",
    ),
    program("istiod", "istio", "istio.io/istio/pilot/cmd/pilot-discovery"),
];

/// Where it serves its own metrics; the default is port 8080 of every address, which pods want.
const ENVOY_GATEWAY_METRICS: &[(&str, &str)] = &[(
    "sigs.k8s.io/controller-runtime/pkg/metrics/server.DefaultBindAddress",
    "127.0.0.1:18091",
)];

const ROLLOUTS_CONTROLLER: &str = "github.com/argoproj/argo-rollouts/cmd/rollouts-controller";

const fn program(name: &'static str, folder: &'static str, package: &'static str) -> Program {
    Program {
        name,
        folder,
        package,
        variables: &[],
    }
}

/// Files of a module which a world applies to its API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// What it is called in [`Toolbox::sources`].
    pub name: &'static str,
    /// The folder under `tests/realworld/tools` whose `go.mod` decides the version.
    pub folder: &'static str,
    /// The module.
    pub module: &'static str,
    /// The folder inside the module.
    pub inside: &'static str,
}

/// Every folder of files that some world applies.
pub const SOURCES: &[Source] = &[
    Source {
        name: "gateway-api",
        folder: "gateway-api",
        module: "sigs.k8s.io/gateway-api",
        inside: "config/crd/standard",
    },
    Source {
        name: "gateway-api-experimental",
        folder: "gateway-api",
        module: "sigs.k8s.io/gateway-api",
        inside: "config/crd/experimental",
    },
    Source {
        name: "argo-rollouts-1.10.1",
        folder: "argo-rollouts-1.10",
        module: "github.com/argoproj/argo-rollouts",
        inside: "manifests/crds",
    },
    Source {
        name: "argo-rollouts-1.7.2",
        folder: "argo-rollouts-1.7",
        module: "github.com/argoproj/argo-rollouts",
        inside: "manifests/crds",
    },
    Source {
        name: "argocd",
        folder: "argocd",
        module: "github.com/argoproj/argo-cd/v3",
        inside: "manifests/crds",
    },
    Source {
        name: "envoy-gateway",
        folder: "envoy-gateway",
        module: "github.com/envoyproxy/gateway",
        inside: "charts/gateway-crds-helm/templates/generated",
    },
    Source {
        name: "contour",
        folder: "contour",
        module: "github.com/projectcontour/contour",
        inside: "examples/contour",
    },
    Source {
        name: "istio",
        folder: "istio",
        module: "istio.io/istio",
        inside: "manifests/charts/base/files",
    },
];

/// Where the built programs and the module folders are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Toolbox {
    /// Executables, by [`Program::name`].
    pub programs: BTreeMap<String, PathBuf>,
    /// Folders, by [`Source::name`].
    pub sources: BTreeMap<String, PathBuf>,
}

impl Toolbox {
    /// The executable of a program of [`PROGRAMS`].
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn program(&self, name: &str) -> anyhow::Result<&PathBuf> {
        self.programs
            .get(name)
            .ok_or_else(|| anyhow::anyhow!("no program `{name}` in the table of tools"))
    }

    /// The folder of a source of [`SOURCES`].
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn source(&self, name: &str) -> anyhow::Result<&PathBuf> {
        self.sources
            .get(name)
            .ok_or_else(|| anyhow::anyhow!("no source `{name}` in the table of tools"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn tools() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tools")
    }

    #[test]
    fn every_line_has_a_folder_that_names_its_package_and_pins_its_sums() {
        for program in PROGRAMS {
            let folder = tools().join(program.folder);
            let imports = std::fs::read_to_string(folder.join("tools.go")).unwrap();
            assert!(
                imports.contains(&format!("\"{}\"", program.package)),
                "{}: {imports}",
                program.name
            );
            assert!(folder.join("go.sum").exists(), "{} has no go.sum", program.folder);
        }
        for source in SOURCES {
            let requires = std::fs::read_to_string(tools().join(source.folder).join("go.mod")).unwrap();
            assert!(
                requires.contains(&format!("{} v", source.module)),
                "{}: {requires}",
                source.name
            );
        }
    }

    #[test]
    fn every_folder_has_a_line() {
        let named: BTreeSet<_> = PROGRAMS
            .iter()
            .map(|p| p.folder)
            .chain(SOURCES.iter().map(|s| s.folder))
            .chain([ENVOY.name])
            .map(str::to_owned)
            .collect();
        let there: BTreeSet<_> = std::fs::read_dir(tools())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(named, there);
    }

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = PROGRAMS.iter().map(|p| p.name).collect();
        assert_eq!(names.len(), PROGRAMS.len());
    }
}
