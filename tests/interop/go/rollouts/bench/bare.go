package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	apitypes "k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/utils/plugin/types"
)

// bare is what no router can beat: a client in this process that knows each route beforehand, decides nothing, and makes
// one request a change. What it does not reach, the API server does not give.
type bare struct {
	client dynamic.NamespaceableResourceInterface
	write  func(*bare, string, int32) error
	mutex  sync.Mutex
	routes map[string]*unstructured.Unstructured
}

// bares are the ways to write a route by one request.
func bares() ([]*measured, error) {
	config, err := apiServer()
	if err != nil {
		return nil, err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	way := func(name string, write func(*bare, string, int32) error) *measured {
		router := &bare{client: client.Resource(httpRoutes), write: write, routes: map[string]*unstructured.Unstructured{}}
		return &measured{Name: name, router: router}
	}
	return []*measured{
		way("bare-patch", func(b *bare, name string, weight int32) error { return b.patch(name, weight, "") }),
		way("bare-ignore", func(b *bare, name string, weight int32) error {
			return b.patch(name, weight, metav1.FieldValidationIgnore)
		}),
		way("bare-put", (*bare).put),
	}, nil
}

// patch tests what it stands on, as our router does.
func (b *bare) patch(name string, weight int32, validation string) error {
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	known := b.known(name)
	path := "/spec/rules/0/backendRefs/%d/weight"
	operations := []operation{
		{"replace", fmt.Sprintf(path, 0), 100 - weight}, {"replace", fmt.Sprintf(path, 1), weight},
	}
	if known != nil {
		tests := []operation{{"test", "/metadata/uid", known.GetUID()}, {"test", "/metadata/generation", known.GetGeneration()}}
		operations = append(tests, operations...)
	}
	body, err := json.Marshal(operations)
	if err != nil {
		return err
	}
	options := metav1.PatchOptions{FieldManager: "bare", FieldValidation: validation}
	route, err := b.client.Namespace(*namespace).Patch(context.Background(), name, apitypes.JSONPatchType, body, options)
	return b.learn(name, route, err)
}

// put replaces the whole object; the first time it has to read it.
func (b *bare) put(name string, weight int32) error {
	routes := b.client.Namespace(*namespace)
	known := b.known(name)
	if known == nil {
		var err error
		if known, err = routes.Get(context.Background(), name, metav1.GetOptions{}); err != nil {
			return err
		}
	}
	route := known.DeepCopy()
	rules, _, _ := unstructured.NestedSlice(route.Object, "spec", "rules")
	backends := rules[0].(map[string]any)["backendRefs"].([]any)
	backends[0].(map[string]any)["weight"], backends[1].(map[string]any)["weight"] = int64(100-weight), int64(weight)
	if err := unstructured.SetNestedSlice(route.Object, rules, "spec", "rules"); err != nil {
		return err
	}
	route.SetManagedFields(nil)
	route, err := routes.Update(context.Background(), route, metav1.UpdateOptions{FieldManager: "bare"})
	return b.learn(name, route, err)
}

func (b *bare) known(name string) *unstructured.Unstructured {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.routes[name]
}

func (b *bare) learn(name string, route *unstructured.Unstructured, err error) error {
	if err == nil {
		b.mutex.Lock()
		defer b.mutex.Unlock()
		b.routes[name] = route
	}
	return err
}

func (b *bare) SetWeight(rollout *v1alpha1.Rollout, weight int32, _ []v1alpha1.WeightDestination) types.RpcError {
	if err := b.write(b, rollout.Name, weight); err != nil {
		return types.RpcError{ErrorString: err.Error()}
	}
	return types.RpcError{}
}

func (b *bare) InitPlugin() types.RpcError { return types.RpcError{} }

func (b *bare) UpdateHash(*v1alpha1.Rollout, string, string, []v1alpha1.WeightDestination) types.RpcError {
	return types.RpcError{}
}

func (b *bare) SetHeaderRoute(*v1alpha1.Rollout, *v1alpha1.SetHeaderRoute) types.RpcError {
	return types.RpcError{}
}

func (b *bare) SetMirrorRoute(*v1alpha1.Rollout, *v1alpha1.SetMirrorRoute) types.RpcError {
	return types.RpcError{}
}

func (b *bare) VerifyWeight(*v1alpha1.Rollout, int32, []v1alpha1.WeightDestination) (types.RpcVerified, types.RpcError) {
	return types.Verified, types.RpcError{}
}

func (b *bare) RemoveManagedRoutes(*v1alpha1.Rollout) types.RpcError { return types.RpcError{} }

func (b *bare) Type() string { return "Bare" }
