// The manifests as the repo-server itself makes them: GenerateManifests of Argo CD's reposerver/repository, for any kind
// of source. With a plugin as the source and ARGOCD_PLUGINSOCKFILEPATH set, they come through that plugin's socket.
//
// Reads one request a line on stdin and answers one line on stdout.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"time"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/reposerver/apiclient"
	"github.com/argoproj/argo-cd/v3/reposerver/repository"
	"github.com/argoproj/argo-cd/v3/util/git"
	utilio "github.com/argoproj/argo-cd/v3/util/io"
	"github.com/sirupsen/logrus"
	"k8s.io/apimachinery/pkg/api/resource"
)

type request struct {
	Repo        string                     `json:"repo"`
	App         string                     `json:"app"`
	AppName     string                     `json:"appName"`
	Namespace   string                     `json:"namespace"`
	Project     string                     `json:"project"`
	KubeVersion string                     `json:"kubeVersion"`
	ApiVersions []string                   `json:"apiVersions"`
	Source      v1alpha1.ApplicationSource `json:"source"`
}

type response struct {
	SourceType string            `json:"sourceType,omitempty"`
	Manifests  []json.RawMessage `json:"manifests"`
	Error      string            `json:"error,omitempty"`
}

func main() {
	logrus.SetOutput(io.Discard)
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<24)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for in.Scan() {
		var r request
		if err := json.Unmarshal(in.Bytes(), &r); err != nil {
			_ = out.Encode(response{Error: err.Error()})
			continue
		}
		_ = out.Encode(generate(r))
	}
}

func generate(r request) response {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	source := r.Source
	q := &apiclient.ManifestRequest{
		Repo:              &v1alpha1.Repository{Repo: "file://" + r.Repo},
		AppName:           r.AppName,
		Namespace:         r.Namespace,
		ProjectName:       r.Project,
		KubeVersion:       r.KubeVersion,
		ApiVersions:       r.ApiVersions,
		ApplicationSource: &source,
		HelmOptions:       &v1alpha1.HelmOptions{ValuesFileSchemes: []string{"https", "http"}},
	}
	answer, err := repository.GenerateManifests(ctx, r.App, r.Repo, "0123456789abcdef", q, false, git.NoopCredsStore{},
		resource.MustParse("10M"), utilio.NewRandomizedTempPaths(os.TempDir()))
	if err != nil {
		return response{Error: err.Error()}
	}
	manifests := make([]json.RawMessage, 0, len(answer.Manifests))
	for _, manifest := range answer.Manifests {
		manifests = append(manifests, json.RawMessage(manifest))
	}
	return response{SourceType: answer.SourceType, Manifests: manifests}
}
