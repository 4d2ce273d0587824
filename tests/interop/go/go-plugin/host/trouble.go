package main

import (
	"fmt"
	"net/rpc"
	"strings"
	"time"

	"serinus.dev/interop/go-plugin/echo"
)

// hang: a call that never answers ends with an error, and costs nobody else anything.
func hang(file string, _ []string) error {
	return with(file, []string{"ECHO_DEADLINE_MS=1000"}, func(s *started) error {
		var reply echo.Message
		hanging := s.echo.Go("Plugin.Hang", echo.Message{}, &reply, make(chan *rpc.Call, 1))
		if text, err := s.say("Echo", "meanwhile", 0); err != nil || text != "meanwhile" {
			return fmt.Errorf("meanwhile: %q, %v", text, err)
		}
		if err := wait(hanging, patient); err == nil || !strings.Contains(err.Error(), "Plugin.Hang: no answer within 1s") {
			return fmt.Errorf("Hang: %v", err)
		}
		// One that blocks its thread cannot be stopped, but its caller can be told.
		blocking := s.echo.Go("Plugin.Block", echo.Message{Millis: 3000}, &reply, make(chan *rpc.Call, 1))
		if err := wait(blocking, patient); err == nil || !strings.Contains(err.Error(), "no answer within 1s") {
			return fmt.Errorf("Block: %v", err)
		}
		return nil
	})
}

// panics: a call that panics ends with an error, and costs nobody else anything.
func panics(file string, _ []string) error {
	return with(file, nil, func(s *started) error {
		var reply echo.Message
		other := s.echo.Go("Plugin.Sleep", echo.Message{Text: "other", Millis: 300}, &reply, make(chan *rpc.Call, 1))
		for range 3 {
			if _, err := s.say("Panic", "broken", 0); err == nil || !strings.Contains(err.Error(), "Plugin.Panic: the plugin panicked: broken") {
				return fmt.Errorf("Panic: %v", err)
			}
		}
		if err := wait(other, patient); err != nil || reply.Text != "other" {
			return fmt.Errorf("another call: %q, %v", reply.Text, err)
		}
		logged := func() bool {
			for line := range strings.Lines(s.log.text()) {
				if strings.Contains(line, "panic: broken at ") {
					return strings.Contains(line, `"@level":"error"`)
				}
			}
			return false
		}
		if err := eventually("the panic is logged as an error", logged); err != nil {
			return err
		}
		return s.ping()
	})
}

// crash: the host sees that a plugin died.
func crash(file string, _ []string) error {
	s, err := start(file)
	if err != nil {
		return err
	}
	if _, err := s.say("Exit", "", 0); err == nil {
		return fmt.Errorf("Exit was answered")
	}
	if err := s.protocol.Ping(); err == nil {
		return fmt.Errorf("Ping was answered by a plugin that exited")
	}
	return eventually("the plugin's end is seen", s.client.Exited)
}

// busy: when all places for calls are taken, further calls are refused and pings answered.
func busy(file string, _ []string) error {
	const places = 8
	env := []string{"ECHO_DEADLINE_MS=3000", fmt.Sprintf("ECHO_MAX_CALLS=%d", places)}
	return with(file, env, func(s *started) error {
		calls := make([]*rpc.Call, places)
		for i := range calls {
			calls[i] = s.echo.Go("Plugin.Hang", echo.Message{}, &echo.Message{}, make(chan *rpc.Call, 1))
		}
		if _, err := s.say("Echo", "", 0); err == nil || !strings.Contains(err.Error(), "the plugin is busy: 8 calls are running") {
			return fmt.Errorf("one call too many: %v", err)
		}
		if err := pingDuring(s, calls); err != nil {
			return err
		}
		for _, call := range calls {
			if err := wait(call, patient); err == nil {
				return fmt.Errorf("a call that hangs was answered")
			}
		}
		// A call's place is free a moment after its answer.
		return eventually("a free place", func() bool {
			text, err := s.say("Echo", "free again", 0)
			return err == nil && text == "free again"
		})
	})
}

// blocked: more calls than there are threads block their thread; pings are answered all the same.
func blocked(file string, _ []string) error {
	return with(file, nil, func(s *started) error {
		calls := make([]*rpc.Call, 32)
		for i := range calls {
			calls[i] = s.echo.Go("Plugin.Block", echo.Message{Millis: 1500}, &echo.Message{}, make(chan *rpc.Call, 1))
		}
		return pingDuring(s, calls)
	})
}

// pingDuring is an error unless pings, and dispensing, are answered while every one of the calls still runs.
func pingDuring(s *started, calls []*rpc.Call) error {
	slowest := time.Duration(0)
	for range 20 {
		begun := time.Now()
		if err := s.ping(); err != nil {
			return err
		}
		slowest = max(slowest, time.Since(begun))
	}
	if _, err := dispense(s.protocol); err != nil {
		return err
	}
	for _, call := range calls {
		select {
		case <-call.Done:
			return fmt.Errorf("a call ended before the pings were answered, the slowest within %v: %v", slowest, call.Error)
		default:
		}
	}
	return nil
}
