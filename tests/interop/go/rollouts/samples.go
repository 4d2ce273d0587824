//go:build samples

// Package rollouts pins the sample plugins of the argo-rollouts module, so that `go build` finds them here.
package rollouts

import (
	_ "github.com/argoproj/argo-rollouts/test/cmd/metrics-plugin-sample"
	_ "github.com/argoproj/argo-rollouts/test/cmd/step-plugin-sample"
	_ "github.com/argoproj/argo-rollouts/test/cmd/trafficrouter-plugin-sample"
)
