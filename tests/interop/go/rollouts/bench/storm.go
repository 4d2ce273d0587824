package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
)

var rollouts = flag.Int("rollouts", 1000, "Rollouts, each with a route of its own, that change weight at once")

// storm is what it costs when all Rollouts of a cluster change weight at once.
type storm struct {
	figure
	// RequestsPerChange counts what the API server answered about routes: readings, writes and watches.
	RequestsPerChange float64 `json:"requestsPerChange"`
	// ProcessorMsPerChange is the processor time of all processes of the machine, by their names.
	ProcessorMsPerChange map[string]float64 `json:"processorMsPerChange"`
}

// storms changes the weights of many Rollouts with each plugin in turns; each plugin has routes of its own. Before, every
// Rollout has rested for two reconciles, as in a cluster that runs.
func storms(plugins []*measured, rollout *v1alpha1.Rollout) error {
	many := map[*measured][]*v1alpha1.Rollout{}
	for _, plugin := range plugins {
		for i := range *rollouts {
			one := rollout.DeepCopy()
			one.Name = fmt.Sprintf("%s-%d", plugin.Name, i)
			config := fmt.Sprintf(`{"httpRoute":%q,"namespace":%q}`, one.Name, *namespace)
			one.Spec.Strategy.Canary.TrafficRouting.Plugins["argoproj-labs/gatewayAPI"] = json.RawMessage(config)
			if err := makeRoute(one.Name, 0); err != nil {
				return err
			}
			many[plugin] = append(many[plugin], one)
		}
		for range 2 {
			plugin.setAll(many[plugin], 0)
		}
	}
	for round := range *rounds {
		for _, plugin := range plugins {
			// The API server counts what it has answered, and a watch it has closed.
			time.Sleep(time.Second)
			before, err := routeRequests()
			if err != nil {
				return err
			}
			rested := processorTimes()
			figure := plugin.setAll(many[plugin], int32(20+40*(round%2)))
			worked := processorTimes()
			after, err := routeRequests()
			if err != nil {
				return err
			}
			if plugin.Storm == nil || figure.CallsPerSecond > plugin.Storm.CallsPerSecond {
				changes := float64(*rollouts)
				plugin.Storm = &storm{*figure, (after - before) / changes, spent(rested, worked, changes)}
			}
		}
	}
	return nil
}

func (m *measured) setAll(rollouts []*v1alpha1.Rollout, weight int32) *figure {
	return timed(*callers, len(rollouts), func(i int) { fail("SetWeight", m.router.SetWeight(rollouts[i], weight, nil)) })
}

// processorTimes are the milliseconds that the running processes have had, by process and name (proc_pid_stat(5)).
func processorTimes() map[[2]string]float64 {
	const ticksPerSecond = 100
	times := map[[2]string]float64{}
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	check(err)
	for _, file := range files {
		// A process that has ended meanwhile.
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		before, rest, found := strings.Cut(string(text), ") ")
		pid, name, _ := strings.Cut(before, " (")
		fields := strings.Fields(rest)
		if !found || len(fields) < 13 {
			continue
		}
		user, _ := strconv.ParseFloat(fields[11], 64)
		system, _ := strconv.ParseFloat(fields[12], 64)
		times[[2]string{pid, name}] = (user + system) * 1000 / ticksPerSecond
	}
	return times
}

// spent is what processes had between two looks, a change, by name.
func spent(before, after map[[2]string]float64, changes float64) map[string]float64 {
	spent := map[string]float64{}
	for process, time := range after {
		if more := time - before[process]; more > 0 {
			spent[process[1]] += more / changes
		}
	}
	return spent
}

// routeRequests is how many requests about HTTPRoutes the API server has answered.
func routeRequests() (float64, error) {
	config, err := apiServer()
	if err != nil {
		return 0, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return 0, err
	}
	text, err := client.RESTClient().Get().AbsPath("/metrics").DoRaw(context.Background())
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "apiserver_request_total{") && strings.Contains(line, `resource="httproutes"`) {
			count, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, ' '):]), 64)
			if err != nil {
				return 0, err
			}
			sum += count
		}
	}
	return sum, nil
}
