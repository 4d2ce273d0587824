package main

import (
	"errors"
	"fmt"
	"net/rpc"
	"strings"

	"serinus.dev/interop/go-plugin/echo"
)

// calls: what a call can end with, one after the other on one stream.
func calls(file string, _ []string) error {
	return with(file, nil, func(s *started) error {
		if err := s.ping(); err != nil {
			return err
		}
		if text, err := s.say("Echo", "hello", 0); err != nil || text != "hello" {
			return fmt.Errorf("Echo: %q, %v", text, err)
		}
		var reply echo.Message
		fails := []struct {
			method   string
			argument any
			contains string
		}{
			{"Plugin.NoSuchMethod", echo.Message{}, "rpc: can't find method Plugin.NoSuchMethod"},
			{"Other.Echo", echo.Message{}, "rpc: can't find service Other.Echo"},
			{"Echo", echo.Message{}, "rpc: service/method request ill-formed: Echo"},
			{"Plugin.Fail", echo.Message{Text: "no\nway"}, "no\nway"},
			{"Plugin.Fail", echo.Message{}, "Plugin.Fail"},
			{"Plugin.Echo", "a string", "Message"},
			{"Plugin.Echo", struct{ Text []int }{[]int{1}}, "Text"},
		}
		for _, fail := range fails {
			err := within(patient, fail.method, func() error { return s.echo.Call(fail.method, fail.argument, &reply) })
			var said rpc.ServerError
			if !errors.As(err, &said) || !strings.Contains(string(said), fail.contains) {
				return fmt.Errorf("%s: got %v, want an error with %q", fail.method, err, fail.contains)
			}
			if text, err := s.say("Echo", "after", 0); err != nil || text != "after" {
				return fmt.Errorf("after %s: %q, %v", fail.method, text, err)
			}
		}
		if _, err := s.protocol.Dispense("no such plugin"); err == nil || !strings.Contains(err.Error(), "unknown plugin type: no such plugin") {
			return fmt.Errorf("dispensing an unknown name: %v", err)
		}
		second, err := dispense(s.protocol)
		if err != nil {
			return err
		}
		if text, err := say(second, "Echo", "second", 0); err != nil || text != "second" {
			return fmt.Errorf("dispensed a second time: %q, %v", text, err)
		}
		if err := second.Close(); err != nil {
			return err
		}
		if text, err := s.say("Echo", "first", 0); err != nil || text != "first" {
			return fmt.Errorf("after the second was closed: %q, %v", text, err)
		}
		return nil
	})
}

// large: values larger than any window, and interface values.
func large(file string, _ []string) error {
	return with(file, nil, func(s *started) error {
		for _, size := range []int{1, 4095, 4096, 262_143, 262_144, 262_145, 1 << 20, 8 << 20} {
			sent := strings.Repeat("x", size)
			if text, err := s.say("Echo", sent, 0); err != nil || text != sent {
				return fmt.Errorf("%d bytes: %d came back, %v", size, len(text), err)
			}
		}
		for _, update := range []any{echo.UpdateArgs{Name: "shop", Object: echo.Large(45_000)}, echo.UpdateArgs{}, nil} {
			var reply echo.Message
			if err := s.echo.Call("Plugin.Update", &update, &reply); err != nil {
				return err
			}
			want := "nothing"
			if args, ok := update.(echo.UpdateArgs); ok {
				want = args.Name
			}
			if reply.Text != want {
				return fmt.Errorf("Update: got %q, want %q", reply.Text, want)
			}
		}
		return nil
	})
}

// overlap: 64 calls at once, of which the later ones are answered first.
func overlap(file string, _ []string) error {
	const count = 64
	return with(file, nil, func(s *started) error {
		replies := make([]echo.Message, count)
		done := make(chan *rpc.Call, count)
		for i := range replies {
			message := echo.Message{Text: fmt.Sprint(i), Millis: uint64(count-i) * 20}
			s.echo.Go("Plugin.Sleep", message, &replies[i], done)
		}
		last := count
		swapped := 0
		for range replies {
			call := <-done
			if call.Error != nil {
				return call.Error
			}
			number := 0
			if _, err := fmt.Sscan(call.Reply.(*echo.Message).Text, &number); err != nil || call.Reply != &replies[number] {
				return fmt.Errorf("the answer of another call: %+v", call.Reply)
			}
			if number > last {
				swapped++
			}
			last = number
		}
		// Neighbours are 20 ms apart, so a few may swap on a busy machine.
		if swapped > count/4 {
			return fmt.Errorf("%d of %d calls were not answered in the order in which they were ready", swapped, count)
		}
		return nil
	})
}
