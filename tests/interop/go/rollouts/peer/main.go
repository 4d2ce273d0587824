// Command peer is a traffic router in Go that does the least a router can: UpdateHash does nothing, SetWeight reads the
// HTTPRoute once, without a client-side limit, and replaces it where its first rule divides otherwise. It is what our
// router is measured against where the Go router itself cannot be built from a registry, and it does less than that one.
package main

import (
	"context"
	"encoding/json"
	"os"

	goPlugin "github.com/hashicorp/go-plugin"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/rollout/trafficrouting/plugin/rpc"
	"github.com/argoproj/argo-rollouts/utils/plugin/types"
)

type router struct{ client dynamic.Interface }

var httpRoutes = schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"}

func (r *router) InitPlugin() types.RpcError {
	if os.Getenv("KUBECONFIG") == "" {
		return types.RpcError{}
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return types.RpcError{ErrorString: err.Error()}
	}
	config.QPS = -1
	if r.client, err = dynamic.NewForConfig(config); err != nil {
		return types.RpcError{ErrorString: err.Error()}
	}
	return types.RpcError{}
}

func (r *router) SetWeight(rollout *v1alpha1.Rollout, weight int32, _ []v1alpha1.WeightDestination) types.RpcError {
	var config struct {
		HTTPRoute string `json:"httpRoute"`
		Namespace string `json:"namespace"`
	}
	err := json.Unmarshal(rollout.Spec.Strategy.Canary.TrafficRouting.Plugins["argoproj-labs/gatewayAPI"], &config)
	if err != nil {
		return types.RpcError{ErrorString: err.Error()}
	}
	routes := r.client.Resource(httpRoutes).Namespace(config.Namespace)
	route, err := routes.Get(context.Background(), config.HTTPRoute, metav1.GetOptions{})
	if err != nil {
		return types.RpcError{ErrorString: err.Error()}
	}
	if divide(route, int64(weight)) {
		if _, err = routes.Update(context.Background(), route, metav1.UpdateOptions{}); err != nil {
			return types.RpcError{ErrorString: err.Error()}
		}
	}
	return types.RpcError{}
}

// divide sets the weights of the first rule and tells whether they were others.
func divide(route *unstructured.Unstructured, weight int64) bool {
	rules, _, _ := unstructured.NestedSlice(route.Object, "spec", "rules")
	if len(rules) == 0 {
		return false
	}
	backends, _, _ := unstructured.NestedSlice(rules[0].(map[string]any), "backendRefs")
	changed := false
	for at, want := range []int64{100 - weight, weight} {
		backend := backends[at].(map[string]any)
		changed = changed || backend["weight"] != want
		backend["weight"] = want
	}
	rules[0].(map[string]any)["backendRefs"] = backends
	return changed && unstructured.SetNestedSlice(route.Object, rules, "spec", "rules") == nil
}

func (r *router) UpdateHash(*v1alpha1.Rollout, string, string, []v1alpha1.WeightDestination) types.RpcError {
	return types.RpcError{}
}

func (r *router) SetHeaderRoute(*v1alpha1.Rollout, *v1alpha1.SetHeaderRoute) types.RpcError {
	return types.RpcError{}
}

func (r *router) SetMirrorRoute(*v1alpha1.Rollout, *v1alpha1.SetMirrorRoute) types.RpcError {
	return types.RpcError{}
}

func (r *router) VerifyWeight(*v1alpha1.Rollout, int32, []v1alpha1.WeightDestination) (types.RpcVerified, types.RpcError) {
	return types.Verified, types.RpcError{}
}

func (r *router) RemoveManagedRoutes(*v1alpha1.Rollout) types.RpcError { return types.RpcError{} }

func (r *router) Type() string { return "Peer" }

func main() {
	goPlugin.Serve(&goPlugin.ServeConfig{
		HandshakeConfig: goPlugin.HandshakeConfig{
			ProtocolVersion: 1, MagicCookieKey: "ARGO_ROLLOUTS_RPC_PLUGIN", MagicCookieValue: "trafficrouter",
		},
		Plugins: map[string]goPlugin.Plugin{"RpcTrafficRouterPlugin": &rpc.RpcTrafficRouterPlugin{Impl: &router{}}},
	})
}
