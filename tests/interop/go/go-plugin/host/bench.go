package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"serinus.dev/interop/go-plugin/echo"
)

// figures are what bench measures of one plugin.
type figures struct {
	StartMicros  int64   `json:"start_us"`
	IdleKiB      int     `json:"idle_kib"`
	One          float64 `json:"one_calls_per_s"`
	OneP50Micros int64   `json:"one_p50_us"`
	Ten          float64 `json:"ten_calls_per_s"`
	TenP50Micros int64   `json:"ten_p50_us"`
	TenP99Micros int64   `json:"ten_p99_us"`
	SmallP50     int64   `json:"small_p50_us"`
	PingP99      int64   `json:"ping_under_load_p99_us"`
	LoadedKiB    int     `json:"loaded_kib"`
	CPUMicros    float64 `json:"plugin_cpu_us_per_call"`
}

// bench: calls with a 45 KB argument in which the plugin does nothing, by one and by ten callers. Prints one JSON object.
// args: for how long each.
func bench(file string, args []string) error {
	howLong, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	var f figures
	if f.StartMicros, err = startTime(file); err != nil {
		return err
	}
	configuration, _, _ := config(file, "ECHO_LOG_LEVEL=off")
	configuration.Logger = hclog.NewNullLogger()
	configuration.Stderr = io.Discard
	s := &started{client: plugin.NewClient(configuration)}
	defer s.client.Kill()
	if s.protocol, err = s.client.Client(); err != nil {
		return err
	}
	if s.echo, err = dispense(s.protocol); err != nil {
		return err
	}
	pid := s.client.ReattachConfig().Pid
	if f.IdleKiB, err = resident(pid); err != nil {
		return err
	}
	object := echo.Large(45_000)
	update := func() error {
		var reply echo.Message
		var args any = echo.UpdateArgs{Name: "shop", Object: object}
		return s.echo.Call("Plugin.Update", &args, &reply)
	}
	small := func() error {
		var reply echo.Message
		return s.echo.Call("Plugin.Echo", echo.Message{Text: "small"}, &reply)
	}
	if _, err := measure(10, howLong/4, update); err != nil {
		return err
	}
	one, err := measure(1, howLong, update)
	if err != nil {
		return err
	}
	f.One, f.OneP50Micros = float64(len(one))/howLong.Seconds(), quantile(one, 50)

	stop, pings := make(chan struct{}), make(chan []time.Duration, 1)
	go func() {
		var times []time.Duration
		for {
			select {
			case <-stop:
				pings <- times
				return
			case <-time.After(10 * time.Millisecond):
				begun := time.Now()
				if s.protocol.Ping() == nil {
					times = append(times, time.Since(begun))
				}
			}
		}
	}()
	cpu, err := cpuTime(pid)
	if err != nil {
		return err
	}
	ten, err := measure(10, howLong, update)
	if err != nil {
		return err
	}
	used, err := cpuTime(pid)
	if err != nil {
		return err
	}
	close(stop)
	f.CPUMicros = float64((used - cpu).Microseconds()) / float64(len(ten))
	f.Ten, f.TenP50Micros, f.TenP99Micros = float64(len(ten))/howLong.Seconds(), quantile(ten, 50), quantile(ten, 99)
	f.PingP99 = quantile(<-pings, 99)
	smalls, err := measure(1, howLong/4, small)
	if err != nil {
		return err
	}
	f.SmallP50 = quantile(smalls, 50)
	if f.LoadedKiB, err = resident(pid); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(f)
}

// startTime is the time from exec to the answer of a first call, the best of several.
func startTime(file string) (int64, error) {
	best := time.Hour
	for range 10 {
		configuration, _, _ := config(file, "ECHO_LOG_LEVEL=off")
		begun := time.Now()
		client := plugin.NewClient(configuration)
		protocol, err := client.Client()
		if err != nil {
			return 0, err
		}
		echo, err := dispense(protocol)
		if err != nil {
			return 0, err
		}
		if _, err := say(echo, "Echo", "", 0); err != nil {
			return 0, err
		}
		best = min(best, time.Since(begun))
		client.Kill()
	}
	return best.Microseconds(), nil
}

func measure(callers int, howLong time.Duration, call func() error) ([]time.Duration, error) {
	var group sync.WaitGroup
	var mutex sync.Mutex
	var all []time.Duration
	var failed error
	end := time.Now().Add(howLong)
	for range callers {
		group.Go(func() {
			var own []time.Duration
			var err error
			for err == nil && time.Now().Before(end) {
				begun := time.Now()
				err = call()
				own = append(own, time.Since(begun))
			}
			mutex.Lock()
			defer mutex.Unlock()
			all = append(all, own...)
			if err != nil {
				failed = err
			}
		})
	}
	group.Wait()
	return all, failed
}

func quantile(times []time.Duration, percent int) int64 {
	if len(times) == 0 {
		return -1
	}
	slices.Sort(times)
	return times[(len(times)-1)*percent/100].Microseconds()
}

// cpuTime is what a process has used of its processors.
func cpuTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	var user, system int64
	// The fields after the name, which is in parentheses, are the third and following; time is in ticks of 10 ms.
	_, rest, _ := cutLast(string(stat), ") ")
	var skip string
	var number int64
	if _, err := fmt.Sscan(rest, &skip, &number, &number, &number, &number, &number, &number, &number, &number, &number, &number, &user, &system); err != nil {
		return 0, err
	}
	return time.Duration(user+system) * 10 * time.Millisecond, nil
}

func cutLast(text, separator string) (before, after string, found bool) {
	for i := len(text) - len(separator); i >= 0; i-- {
		if text[i:i+len(separator)] == separator {
			return text[:i], text[i+len(separator):], true
		}
	}
	return text, "", false
}
