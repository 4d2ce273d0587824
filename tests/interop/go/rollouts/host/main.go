// Command host calls every method of a plugin through the controller's own rpc packages and prints the answers as JSON,
// one line a call. Rust tests compare them value by value.
//
//	host trafficrouter|metricprovider|step PATH [ARG...]
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/hashicorp/go-hclog"
	goPlugin "github.com/hashicorp/go-plugin"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	metricrpc "github.com/argoproj/argo-rollouts/metricproviders/plugin/rpc"
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	steprpc "github.com/argoproj/argo-rollouts/rollout/steps/plugin/rpc"
	trafficrpc "github.com/argoproj/argo-rollouts/rollout/trafficrouting/plugin/rpc"
	"github.com/argoproj/argo-rollouts/utils/plugin/types"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: host trafficrouter|metricprovider|step PATH [ARG...]")
		os.Exit(2)
	}
	kind := os.Args[1]
	client := goPlugin.NewClient(&goPlugin.ClientConfig{
		HandshakeConfig: goPlugin.HandshakeConfig{
			ProtocolVersion:  1,
			MagicCookieKey:   "ARGO_ROLLOUTS_RPC_PLUGIN",
			MagicCookieValue: kind,
		},
		Plugins: map[string]goPlugin.Plugin{
			"RpcTrafficRouterPlugin":  &trafficrpc.RpcTrafficRouterPlugin{},
			"RpcMetricProviderPlugin": &metricrpc.RpcMetricProviderPlugin{},
			"RpcStepPlugin":           &steprpc.RpcStepPlugin{},
		},
		Cmd:    exec.Command(os.Args[2], os.Args[3:]...),
		Logger: hclog.New(&hclog.LoggerOptions{Name: "host", Output: os.Stderr, Level: hclog.Debug}),
	})
	defer client.Kill()
	if err := run(kind, client); err != nil {
		client.Kill()
		fmt.Fprintln(os.Stderr, "host:", err)
		os.Exit(1)
	}
}

func run(kind string, client *goPlugin.Client) error {
	protocol, err := client.Client()
	if err != nil {
		return err
	}
	if err := protocol.Ping(); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	names := map[string]string{
		"trafficrouter": "RpcTrafficRouterPlugin", "metricprovider": "RpcMetricProviderPlugin", "step": "RpcStepPlugin",
	}
	raw, err := protocol.Dispense(names[kind])
	if err != nil {
		return fmt.Errorf("dispense: %w", err)
	}
	switch plugin := raw.(type) {
	case trafficrpc.TrafficRouterPlugin:
		driveTrafficRouter(plugin)
	case metricrpc.MetricProviderPlugin:
		driveMetricProvider(plugin)
	case steprpc.StepPlugin:
		driveStep(plugin)
	default:
		return fmt.Errorf("kind %q: trafficrouter, metricprovider or step is accepted", kind)
	}
	if err := protocol.Ping(); err != nil {
		return fmt.Errorf("second ping: %w", err)
	}
	return nil
}

// answer prints one line: the call and what it returned.
func answer(call string, values ...any) {
	line, err := json.Marshal(map[string]any{"call": call, "answer": values})
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}

func ptr[T any](value T) *T { return &value }

var moment = metav1.NewTime(time.Date(2026, 11, 21, 10, 20, 30, 0, time.UTC))

// rollout has something in every corner that the SDK reads.
func rollout() *v1alpha1.Rollout {
	return &v1alpha1.Rollout{
		ObjectMeta: metav1.ObjectMeta{
			Name: "web", Namespace: "shop", UID: "4711", ResourceVersion: "12", Generation: 3,
			CreationTimestamp: moment, Labels: map[string]string{"app": "web"}, Annotations: map[string]string{"note": "käse"},
		},
		Spec: v1alpha1.RolloutSpec{
			Replicas: ptr(int32(5)),
			Strategy: v1alpha1.RolloutStrategy{Canary: &v1alpha1.CanaryStrategy{
				CanaryService: "web-canary", StableService: "web-stable",
				TrafficRouting: &v1alpha1.RolloutTrafficRouting{
					ManagedRoutes:    []v1alpha1.MangedRoutes{{Name: "dark"}, {Name: "mirror"}},
					Plugins:          map[string]json.RawMessage{"example/router": json.RawMessage(`{"route":"web"}`)},
					MaxTrafficWeight: ptr(int32(1000)),
				},
				Steps: []v1alpha1.CanaryStep{
					{SetWeight: ptr(int32(0))},
					{SetHeaderRoute: headerRoute()},
					{SetWeight: ptr(int32(200))},
					{Pause: &v1alpha1.RolloutPause{Duration: ptr(intstr.FromString("30s"))}},
					{Pause: &v1alpha1.RolloutPause{}},
					{Plugin: &v1alpha1.PluginStep{Name: "example/step", Config: json.RawMessage(`{"times":2}`)}},
				},
			}},
		},
		Status: v1alpha1.RolloutStatus{
			CurrentPodHash: "new", StableRS: "old", CurrentStepIndex: ptr(int32(2)),
			Canary: v1alpha1.CanaryStatus{Weights: &v1alpha1.TrafficWeights{
				Canary: v1alpha1.WeightDestination{Weight: 200, ServiceName: "web-canary", PodTemplateHash: "new"},
			}},
			Conditions: []v1alpha1.RolloutCondition{{Type: "Progressing", Status: "True", LastUpdateTime: moment}},
		},
	}
}

func headerRoute() *v1alpha1.SetHeaderRoute {
	return &v1alpha1.SetHeaderRoute{Name: "dark", Match: []v1alpha1.HeaderRoutingMatch{
		{HeaderName: "x-dark", HeaderValue: &v1alpha1.StringMatch{Exact: "yes"}},
	}}
}

func mirrorRoute() *v1alpha1.SetMirrorRoute {
	return &v1alpha1.SetMirrorRoute{Name: "mirror", Percentage: ptr(int32(10)), Match: []v1alpha1.RouteMatch{{
		Method: &v1alpha1.StringMatch{Exact: "GET"}, Path: &v1alpha1.StringMatch{Prefix: "/api"},
		Headers: map[string]v1alpha1.StringMatch{"x-user": {Regex: "^a.*"}},
	}}}
}

func driveTrafficRouter(plugin trafficrpc.TrafficRouterPlugin) {
	experiment := []v1alpha1.WeightDestination{{Weight: 50, ServiceName: "web-exp", PodTemplateHash: "exp"}}
	answer("InitPlugin", plugin.InitPlugin())
	answer("Type", plugin.Type())
	answer("UpdateHash", plugin.UpdateHash(rollout(), "new", "old", experiment))
	answer("SetHeaderRoute", plugin.SetHeaderRoute(rollout(), headerRoute()))
	answer("SetMirrorRoute", plugin.SetMirrorRoute(rollout(), mirrorRoute()))
	answer("SetWeight", plugin.SetWeight(rollout(), 200, experiment))
	verified, err := plugin.VerifyWeight(rollout(), 200, experiment)
	answer("VerifyWeight", verified, err)
	verified, err = plugin.VerifyWeight(rollout(), 201, nil)
	answer("VerifyWeight", verified, err)
	answer("SetWeight", plugin.SetWeight(rollout(), -1, nil))
	answer("RemoveManagedRoutes", plugin.RemoveManagedRoutes(rollout()))
	answer("RemoveManagedRoutes", plugin.RemoveManagedRoutes(&v1alpha1.Rollout{}))
}

func driveMetricProvider(plugin metricrpc.MetricProviderPlugin) {
	run := &v1alpha1.AnalysisRun{
		ObjectMeta: metav1.ObjectMeta{Name: "web-1", Namespace: "shop", UID: "0815"},
		Spec: v1alpha1.AnalysisRunSpec{
			Args: []v1alpha1.Argument{{Name: "service", Value: ptr("web")}, {Name: "key",
				ValueFrom: &v1alpha1.ValueFrom{SecretKeyRef: &v1alpha1.SecretKeyRef{Name: "keys", Key: "api"}}}},
		},
		Status: v1alpha1.AnalysisRunStatus{Phase: v1alpha1.AnalysisPhaseRunning, StartedAt: &moment},
	}
	metric := func(config string) v1alpha1.Metric {
		return v1alpha1.Metric{
			Name: "errors", Interval: "30s", Count: ptr(intstr.FromInt32(3)), FailureLimit: ptr(intstr.FromString("1")),
			SuccessCondition: "result < 5", FailureCondition: "result >= 5",
			Provider: v1alpha1.MetricProvider{Plugin: map[string]json.RawMessage{"example/metric": json.RawMessage(config)}},
		}
	}
	answer("InitPlugin", plugin.InitPlugin())
	answer("Type", plugin.Type())
	answer("GetMetadata", plugin.GetMetadata(metric(`{"value":3}`)))
	answer("Run", plugin.Run(run, metric(`{"value":3}`)))
	answer("Run", plugin.Run(run, metric(`{"value":7}`)))
	answer("Run", plugin.Run(run, metric(`{"value":"seven"}`)))
	measurement := v1alpha1.Measurement{
		Phase: v1alpha1.AnalysisPhaseRunning, StartedAt: &moment, Value: "1", Metadata: map[string]string{"job": "17"},
	}
	answer("Resume", plugin.Resume(run, metric(`{"value":3}`), measurement))
	answer("Terminate", plugin.Terminate(run, metric(`{"value":3}`), measurement))
	answer("GarbageCollect", plugin.GarbageCollect(run, metric(`{"value":3}`), 0))
	answer("GarbageCollect", plugin.GarbageCollect(run, metric(`{"value":3}`), 10))
}

func driveStep(plugin steprpc.StepPlugin) {
	context := func(config, status string) *types.RpcStepContext {
		context := &types.RpcStepContext{PluginName: "example/step", Config: json.RawMessage(config)}
		if status != "" {
			context.Status = json.RawMessage(status)
		}
		return context
	}
	answer("InitPlugin", plugin.InitPlugin())
	answer("Type", plugin.Type())
	result, err := plugin.Run(rollout(), context(`{"times":2}`, ""))
	answer("Run", result, err)
	result, err = plugin.Run(rollout(), context(`{"times":2}`, string(result.Status)))
	answer("Run", result, err)
	result, err = plugin.Run(rollout(), context(`{"times":"two"}`, ""))
	answer("Run", result, err)
	result, err = plugin.Terminate(rollout(), context(`{"times":2}`, `{"runs":1}`))
	answer("Terminate", result, err)
	result, err = plugin.Abort(rollout(), context(`{"times":2}`, `{"runs":1}`))
	answer("Abort", result, err)
	result, err = plugin.Abort(rollout(), nil)
	answer("Abort", result, err)
}
