// The objects of a manifest stream as the repo-server reads them out of a plugin's answer: SplitYAML of gitops-engine,
// and lists taken apart as GenerateManifests of reposerver/repository does.
//
// Reads one stream a line on stdin, as a JSON string, and answers one line on stdout.
package main

import (
	"bufio"
	"encoding/json"
	"os"

	"github.com/argoproj/gitops-engine/pkg/utils/kube"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

type answer struct {
	Objects []map[string]any `json:"objects"`
	Error   string           `json:"error,omitempty"`
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<24)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for in.Scan() {
		var text string
		if err := json.Unmarshal(in.Bytes(), &text); err != nil {
			_ = out.Encode(answer{Error: err.Error()})
			continue
		}
		objects, err := read(text)
		if err != nil {
			_ = out.Encode(answer{Error: err.Error()})
			continue
		}
		_ = out.Encode(answer{Objects: objects})
	}
}

func read(text string) ([]map[string]any, error) {
	read, err := kube.SplitYAML([]byte(text))
	if err != nil {
		return nil, err
	}
	objects := []map[string]any{}
	for _, object := range read {
		switch {
		case object == nil:
		case object.IsList():
			err := object.EachListItem(func(item runtime.Object) error {
				if item, ok := item.(*unstructured.Unstructured); ok {
					objects = append(objects, item.Object)
				}
				return nil
			})
			if err != nil {
				return nil, err
			}
		default:
			objects = append(objects, object.Object)
		}
	}
	return objects, nil
}
