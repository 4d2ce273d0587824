// Command bench measures traffic router plugins as the controller's own client code sees them, one line of JSON a
// plugin:
//
//	bench [-callers N] [-calls N] [-starts N] [-set-weight] [-rollouts N] NAME=PATH[,ARGUMENT]...
//
// With -set-weight, SetWeight is measured too, on a route that it makes on the API server of KUBECONFIG and that has the
// wanted weights already: what a controller asks at every reconcile of a release that rests. And then the opposite, all
// Rollouts of a cluster at once (storm.go), beside what the API server gives to a client that does nothing else (bare.go).
//
// The plugins are measured in turns, round by round, so that whatever else the machine does meets all of them.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/gob"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	goPlugin "github.com/hashicorp/go-plugin"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/rollout/trafficrouting/plugin/rpc"
	"github.com/argoproj/argo-rollouts/utils/plugin/types"
)

var httpRoutes = schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"}

var (
	callers   = flag.Int("callers", 10, "calls under way at once")
	calls     = flag.Int("calls", 4000, "calls to measure in a round")
	rounds    = flag.Int("rounds", 3, "rounds, of which the best counts")
	starts    = flag.Int("starts", 20, "starts to measure")
	namespace = flag.String("namespace", "default", "namespace of the Rollout")
	route     = flag.String("route", "web", "HTTPRoute in the plugin's configuration")
	weight    = flag.Int("weight", 20, "weight that SetWeight asks for; the route should have it already")
	setWeight = flag.Bool("set-weight", false, "measure SetWeight too (needs an API server: KUBECONFIG)")
	table     = flag.Bool("table", false, "print a table instead of JSON")
)

func main() {
	flag.Parse()
	rollout := rollout()
	var buffer bytes.Buffer
	var args any = rpc.UpdateHashArgs{Rollout: *rollout}
	check(gob.NewEncoder(&buffer).Encode(&args))
	fmt.Fprintf(os.Stderr, "a Rollout of %d bytes of gob, types included\n", buffer.Len())

	if *setWeight {
		check(makeRoute(*route, *weight))
	}
	plugins := []*measured{}
	for _, arg := range flag.Args() {
		name, path, found := strings.Cut(arg, "=")
		if !found {
			check(fmt.Errorf("argument %q: NAME=PATH is accepted", arg))
		}
		plugins = append(plugins, measure(name, path))
	}
	for range *rounds {
		for _, plugin := range plugins {
			plugin.round(rollout)
		}
	}
	all := plugins
	if *setWeight {
		bares, err := bares()
		check(err)
		all = append(slices.Clone(plugins), bares...)
		check(storms(all, rollout))
	}
	for _, plugin := range plugins {
		plugin.ResidentAfterKB = resident(plugin.pid)
		plugin.client.Kill()
	}
	plugins = all
	if *table {
		printTable(plugins)
		return
	}
	for _, plugin := range plugins {
		line, err := json.Marshal(plugin)
		check(err)
		fmt.Println(string(line))
	}
}

func printTable(plugins []*measured) {
	fmt.Printf("%-12s %9s %9s %9s %9s", "router", "MB", "start ms", "idle MB", "after MB")
	fmt.Printf("   %-25s %-25s %-25s %s\n", "UpdateHash /s p50 p99 ms", "alone /s p50 p99 ms", "SetWeight /s p50 p99 ms",
		"changes /s p50 p99 ms, requests each")
	for _, p := range plugins {
		fmt.Printf("%-12s %9.1f %9.1f %9.1f %9.1f", p.Name, float64(p.Bytes)/1e6, p.StartMs,
			float64(p.ResidentIdleKB)/1e3, float64(p.ResidentAfterKB)/1e3)
		for _, f := range []*figure{p.UpdateHash, p.UpdateHashAlone, p.SetWeight} {
			if f == nil {
				f = &figure{}
			}
			fmt.Printf("   %7.0f %7.2f %8.2f ", f.CallsPerSecond, f.P50Ms, f.P99Ms)
		}
		if s := p.Storm; s != nil {
			fmt.Printf("   %7.0f %7.2f %8.2f   %.2f", s.CallsPerSecond, s.P50Ms, s.P99Ms, s.RequestsPerChange)
		}
		fmt.Println()
	}
	for _, p := range plugins {
		if p.Storm != nil {
			fmt.Printf("%-12s processor ms a change:%s\n", p.Name, mostOf(p.Storm.ProcessorMsPerChange))
		}
	}
}

// mostOf are the largest of the values, with their names.
func mostOf(values map[string]float64) string {
	names := slices.SortedFunc(maps.Keys(values), func(a, b string) int { return cmp.Compare(values[b], values[a]) })
	text := ""
	for _, name := range names[:min(7, len(names))] {
		text += fmt.Sprintf(" %s %.2f", name, values[name])
	}
	return text
}

// apiServer is the API server of KUBECONFIG, without a client-side limit.
var apiServer = sync.OnceValues(func() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err == nil {
		config.QPS = -1
	}
	return config, err
})

// makeRoute makes an HTTPRoute that SetWeight is asked about.
func makeRoute(name string, weight int) error {
	config, err := apiServer()
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	backend := func(service string, weight int) map[string]any {
		return map[string]any{"group": "", "kind": "Service", "name": service, "port": int64(80), "weight": int64(weight)}
	}
	route := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
		"metadata": map[string]any{"name": name, "namespace": *namespace},
		"spec": map[string]any{"rules": []any{map[string]any{"backendRefs": []any{
			backend("web-stable", 100-weight), backend("web-canary", weight),
		}}}},
	}}
	_, err = client.Resource(httpRoutes).Namespace(*namespace).Create(context.Background(), route, metav1.CreateOptions{})
	return err
}

// measured is one plugin and its figures; times in milliseconds.
type measured struct {
	Name            string  `json:"name"`
	Bytes           int64   `json:"bytes"`
	StartMs         float64 `json:"startMs"`
	ResidentIdleKB  int     `json:"residentIdleKB"`
	ResidentAfterKB int     `json:"residentAfterKB"`
	UpdateHash      *figure `json:"updateHash"`
	UpdateHashAlone *figure `json:"updateHashAlone"`
	SetWeight       *figure `json:"setWeight,omitempty"`
	Storm           *storm  `json:"storm,omitempty"`

	client *goPlugin.Client
	router rpc.TrafficRouterPlugin
	pid    int
}

type figure struct {
	CallsPerSecond float64 `json:"callsPerSecond"`
	P50Ms          float64 `json:"p50Ms"`
	P99Ms          float64 `json:"p99Ms"`
}

// measure times the way from exec to the first answer, and leaves one plugin running.
func measure(name, path string) *measured {
	path, rest, _ := strings.Cut(path, ",")
	arguments := strings.FieldsFunc(rest, func(r rune) bool { return r == ',' })
	info, err := os.Stat(path)
	check(err)
	m := &measured{Name: name, Bytes: info.Size()}
	var times []float64
	for range *starts {
		if m.client != nil {
			m.client.Kill()
		}
		begin := time.Now()
		m.client = goPlugin.NewClient(&goPlugin.ClientConfig{
			HandshakeConfig: goPlugin.HandshakeConfig{
				ProtocolVersion: 1, MagicCookieKey: "ARGO_ROLLOUTS_RPC_PLUGIN", MagicCookieValue: "trafficrouter",
			},
			Plugins: map[string]goPlugin.Plugin{"RpcTrafficRouterPlugin": &rpc.RpcTrafficRouterPlugin{}},
			Cmd:     exec.Command(path, arguments...),
			Logger:  hclog.New(&hclog.LoggerOptions{Output: os.Stderr, Level: hclog.Error}),
		})
		protocol, err := m.client.Client()
		check(err)
		raw, err := protocol.Dispense("RpcTrafficRouterPlugin")
		check(err)
		m.router = raw.(rpc.TrafficRouterPlugin)
		fail("InitPlugin", m.router.InitPlugin())
		m.router.Type()
		times = append(times, ms(time.Since(begin)))
	}
	slices.Sort(times)
	m.StartMs = times[len(times)/2]
	m.pid, _ = strconv.Atoi(m.client.ID())
	m.ResidentIdleKB = resident(m.pid)
	return m
}

func (m *measured) round(rollout *v1alpha1.Rollout) {
	updateHash := func() { fail("UpdateHash", m.router.UpdateHash(rollout, "new", "old", nil)) }
	m.UpdateHash = best(m.UpdateHash, run(*callers, *calls, updateHash))
	m.UpdateHashAlone = best(m.UpdateHashAlone, run(1, *calls/4, updateHash))
	if *setWeight {
		m.SetWeight = best(m.SetWeight, run(*callers, *calls, func() {
			fail("SetWeight", m.router.SetWeight(rollout, int32(*weight), nil))
		}))
	}
}

func best(a, b *figure) *figure {
	if a == nil || b.CallsPerSecond > a.CallsPerSecond {
		return b
	}
	return a
}

// run makes calls from several goroutines, after a tenth of them as warm-up.
func run(callers, calls int, call func()) *figure {
	timed(callers, calls/10, func(int) { call() })
	return timed(callers, calls, func(int) { call() })
}

// timed makes calls from several goroutines; each is told which one it is.
func timed(callers, calls int, call func(int)) *figure {
	loop := func(calls int) []float64 {
		var next atomic.Int64
		times := make([]float64, calls)
		var group sync.WaitGroup
		for range callers {
			group.Go(func() {
				for i := next.Add(1) - 1; int(i) < calls; i = next.Add(1) - 1 {
					begin := time.Now()
					call(int(i))
					times[i] = ms(time.Since(begin))
				}
			})
		}
		group.Wait()
		return times
	}
	begin := time.Now()
	times := loop(calls)
	took := time.Since(begin).Seconds()
	slices.Sort(times)
	return &figure{CallsPerSecond: float64(calls) / took, P50Ms: times[calls/2], P99Ms: times[calls*99/100]}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// resident reads VmRSS of a process, in kB.
func resident(pid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	check(err)
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmRSS:" {
			kb, _ := strconv.Atoi(fields[1])
			return kb
		}
	}
	return 0
}

func fail(call string, err types.RpcError) {
	if err.HasError() {
		check(fmt.Errorf("%s: %w", call, err))
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		goPlugin.CleanupClients()
		os.Exit(1)
	}
}

func ptr[T any](value T) *T { return &value }

// rollout is as large as those of real services: a pod template with many variables, status and conditions.
func rollout() *v1alpha1.Rollout {
	moment := metav1.NewTime(time.Date(2026, 11, 21, 10, 20, 30, 0, time.UTC))
	rollout := &v1alpha1.Rollout{
		ObjectMeta: metav1.ObjectMeta{
			Name: "web", Namespace: *namespace, UID: "2e6f0b54-6b8c-4d0a-9d0e-000000000001", ResourceVersion: "1234",
			Generation: 7, CreationTimestamp: moment, Labels: map[string]string{"app": "web"},
			Annotations: map[string]string{"rollout.argoproj.io/revision": "7"},
		},
		Spec: v1alpha1.RolloutSpec{
			Replicas: ptr(int32(5)),
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
			Strategy: v1alpha1.RolloutStrategy{Canary: &v1alpha1.CanaryStrategy{
				CanaryService: "web-canary", StableService: "web-stable",
				TrafficRouting: &v1alpha1.RolloutTrafficRouting{Plugins: map[string]json.RawMessage{
					"argoproj-labs/gatewayAPI": json.RawMessage(fmt.Sprintf(`{"httpRoute":%q,"namespace":%q}`, *route, *namespace)),
				}},
				Steps: []v1alpha1.CanaryStep{
					{SetWeight: ptr(int32(20))}, {Pause: &v1alpha1.RolloutPause{}},
					{SetWeight: ptr(int32(60))}, {Pause: &v1alpha1.RolloutPause{}},
				},
			}},
		},
		Status: v1alpha1.RolloutStatus{
			CurrentPodHash: "7d8f9c6b5d", StableRS: "6c9d8b7f5c", CurrentStepIndex: ptr(int32(1)),
			Replicas: 6, AvailableReplicas: 6, ReadyReplicas: 6, UpdatedReplicas: 1, Phase: "Paused",
		},
	}
	rollout.Spec.Template.Labels = map[string]string{"app": "web"}
	for c := range 6 {
		container := corev1.Container{Name: fmt.Sprintf("container-%d", c), Image: "registry.example/team/service:v1.2.3"}
		for e := range 90 {
			container.Env = append(container.Env, corev1.EnvVar{
				Name: fmt.Sprintf("SETTING_%d_%d", c, e), Value: strings.Repeat("value ", 6),
			})
		}
		for p := range 4 {
			container.Ports = append(container.Ports, corev1.ContainerPort{Name: "http", ContainerPort: int32(8080 + p)})
			container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: "data", MountPath: "/data"})
		}
		rollout.Spec.Template.Spec.Containers = append(rollout.Spec.Template.Spec.Containers, container)
	}
	for range 6 {
		rollout.Status.Conditions = append(rollout.Status.Conditions, v1alpha1.RolloutCondition{
			Type: "Progressing", Status: "True", LastUpdateTime: moment, LastTransitionTime: moment,
			Reason: "ReplicaSetUpdated", Message: "ReplicaSet web-7d8f9c6b5d is progressing.",
		})
	}
	return rollout
}
