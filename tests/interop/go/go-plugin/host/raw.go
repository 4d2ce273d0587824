package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/rpc"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/hashicorp/yamux"

	"serinus.dev/interop/go-plugin/echo"
)

// raw is a host that does by hand what go-plugin's client does, so that it can do it wrong.
type raw struct {
	command *exec.Cmd
	address []string
	stderr  io.Reader
	session *yamux.Session
	control *rpc.Client
	stdout  net.Conn
	log     *text
}

func startRaw(file string, config *yamux.Config, env ...string) (*raw, error) {
	r := &raw{command: exec.Command(file), log: &text{}}
	r.command.Env = append(append(os.Environ(), env...), echo.Handshake.MagicCookieKey+"="+echo.Handshake.MagicCookieValue)
	stdout, err := r.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if r.stderr, err = r.command.StderrPipe(); err != nil {
		return nil, err
	}
	if err := r.command.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, err
	}
	r.address = strings.Split(line, "|")[2:4]
	connection, err := net.Dial(r.address[0], r.address[1])
	if err != nil {
		return nil, err
	}
	config.LogOutput = r.log
	if r.session, err = yamux.Client(connection, config); err != nil {
		return nil, err
	}
	control, err := r.session.Open()
	if err != nil {
		return nil, err
	}
	r.control = rpc.NewClient(control)
	if r.stdout, err = r.session.Open(); err != nil {
		return nil, err
	}
	_, err = r.session.Open()
	return r, err
}

func withRaw(file string, config *yamux.Config, use func(*raw) error, env ...string) error {
	r, err := startRaw(file, config, env...)
	if err != nil {
		return err
	}
	err = use(r)
	if err == nil {
		err = within(patient, "quit", func() error { return r.control.Call("Control.Quit", true, &struct{}{}) })
	}
	if err != nil {
		err = fmt.Errorf("%w\nthe session's log:\n%s", err, r.log)
		_ = r.command.Process.Kill()
	}
	_ = r.session.Close()
	if waited := within(patient, "the plugin's end", r.command.Wait); err == nil {
		err = waited
	}
	return err
}

func (r *raw) ping() error {
	return within(patient, "ping", func() error { return r.control.Call("Control.Ping", true, &struct{}{}) })
}

// dial dispenses and opens the stream, without a client on it.
func (r *raw) dial() (net.Conn, error) {
	var id uint32
	if err := r.control.Call("Dispenser.Dispense", "echo", &id); err != nil {
		return nil, err
	}
	stream, err := r.session.Open()
	if err != nil {
		return nil, err
	}
	var back uint32
	if err := binary.Write(stream, binary.LittleEndian, id); err != nil {
		return nil, err
	}
	err = within(patient, "the broker's answer", func() error { return binary.Read(stream, binary.LittleEndian, &back) })
	if err == nil && back != id {
		err = fmt.Errorf("the broker answered %d with %d", id, back)
	}
	return stream, err
}

// idle: what takes 75 s by default, in a few seconds: streams without ACK, keepalive.
func idle(file string, _ []string) error {
	config := yamux.DefaultConfig()
	config.StreamOpenTimeout = time.Second
	config.KeepAliveInterval = 300 * time.Millisecond
	config.ConnectionWriteTimeout = time.Second
	return withRaw(file, config, func(r *raw) error {
		time.Sleep(3 * time.Second)
		if r.session.IsClosed() {
			return fmt.Errorf("the session is closed")
		}
		return r.ping()
	})
}

// halfClosed: a host that closes a stream for writing gets its answers all the same, also those larger than the window.
func halfClosed(file string, _ []string) error {
	return withRaw(file, yamux.DefaultConfig(), func(r *raw) error {
		stream, err := r.dial()
		if err != nil {
			return err
		}
		client := rpc.NewClient(stream)
		sent := strings.Repeat("x", 1<<20)
		replies := make([]echo.Message, 2)
		calls := []*rpc.Call{
			client.Go("Plugin.Sleep", echo.Message{Text: sent, Millis: 300}, &replies[0], nil),
			client.Go("Plugin.Sleep", echo.Message{Text: "second", Millis: 100}, &replies[1], nil),
		}
		// Closes the stream for writing only; the client goes on reading.
		if err := stream.Close(); err != nil {
			return err
		}
		for _, call := range calls {
			if err := wait(call, patient); err != nil {
				return err
			}
		}
		if replies[0].Text != sent || replies[1].Text != "second" {
			return fmt.Errorf("%d bytes and %q came back", len(replies[0].Text), replies[1].Text)
		}
		return r.ping()
	})
}

// goAway: a host that takes no new streams is served on those it has.
func goAway(file string, _ []string) error {
	return withRaw(file, yamux.DefaultConfig(), func(r *raw) error {
		stream, err := r.dial()
		if err != nil {
			return err
		}
		client := rpc.NewClient(stream)
		if err := r.session.GoAway(); err != nil {
			return err
		}
		for range 10 {
			if text, err := say(client, "Sleep", "served", 20); err != nil || text != "served" {
				return fmt.Errorf("after GoAway: %q, %v", text, err)
			}
		}
		return r.ping()
	})
}

// unread: a host that does not read the answers on one stream, nor stdout, is served on the others.
func unread(file string, _ []string) error {
	return withRaw(file, yamux.DefaultConfig(), func(r *raw) error {
		stuck, err := r.dial()
		if err != nil {
			return err
		}
		// As a client writes, but nobody reads: the answers fill the window, and then more.
		mute := rpc.NewClient(struct {
			io.Reader
			io.WriteCloser
		}{never{}, stuck})
		go func() {
			// Sooner or later this waits, because the plugin stops reading the stream.
			for range 64 {
				mute.Go("Plugin.Echo", echo.Message{Text: strings.Repeat("x", 64<<10)}, &echo.Message{}, nil)
			}
		}()
		printing, err := r.dial()
		if err != nil {
			return err
		}
		printer := rpc.NewClient(printing)
		for range 50 {
			if _, err := say(printer, "Print", strings.Repeat("printed ", 10_000), 0); err != nil {
				return err
			}
		}
		for range 10 {
			if err := r.ping(); err != nil {
				return err
			}
			other, err := r.dial()
			if err != nil {
				return err
			}
			if text, err := say(rpc.NewClient(other), "Echo", "other", 0); err != nil || text != "other" {
				return fmt.Errorf("on another stream: %q, %v", text, err)
			}
		}
		return nil
	})
}

type never struct{}

func (never) Read([]byte) (int, error) { select {} }

// late: a broker id that nobody fetches within 5 s is gone, and a stream that names no id, or an unknown one, is closed.
func late(file string, _ []string) error {
	return withRaw(file, yamux.DefaultConfig(), func(r *raw) error {
		var id uint32
		if err := r.control.Call("Dispenser.Dispense", "echo", &id); err != nil {
			return err
		}
		silent, err := r.session.Open()
		if err != nil {
			return err
		}
		unknown, err := r.session.Open()
		if err != nil {
			return err
		}
		if err := binary.Write(unknown, binary.LittleEndian, uint32(4711)); err != nil {
			return err
		}
		time.Sleep(6 * time.Second)
		tardy, err := r.session.Open()
		if err != nil {
			return err
		}
		if err := binary.Write(tardy, binary.LittleEndian, id); err != nil {
			return err
		}
		for name, stream := range map[string]net.Conn{"silent": silent, "unknown": unknown, "tardy": tardy} {
			err := within(patient, name, func() error {
				if count, err := stream.Read(make([]byte, 4)); err != io.EOF {
					return fmt.Errorf("the stream is not closed: %d bytes, %v", count, err)
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		_, err = r.dial()
		return err
	})
}

// unreadLog: a host that does not read stderr is served.
func unreadLog(file string, _ []string) error {
	return withRaw(file, yamux.DefaultConfig(), func(r *raw) error {
		stream, err := r.dial()
		if err != nil {
			return err
		}
		client := rpc.NewClient(stream)
		for range 1000 {
			if _, err := say(client, "Log", strings.Repeat("x", 4000), 0); err != nil {
				return err
			}
		}
		if err := r.ping(); err != nil {
			return err
		}
		// Reading again shows how much was lost.
		lost := make(chan string, 1)
		go func() {
			lines := bufio.NewScanner(r.stderr)
			for lines.Scan() {
				if strings.Contains(lines.Text(), "log lines were dropped because stderr was not read") {
					lost <- lines.Text()
				}
			}
		}()
		return within(patient, "the count of what was lost", func() error {
			for {
				select {
				case <-lost:
					return nil
				default:
					if _, err := say(client, "Log", "next", 0); err != nil {
						return err
					}
				}
			}
		})
	})
}

// flood: a peer that sends whatever costs memory and reads nothing does not make the plugin grow without a bound.
func flood(file string, _ []string) error {
	r, err := startRaw(file, yamux.DefaultConfig())
	if err != nil {
		return err
	}
	defer r.command.Wait()
	defer r.command.Process.Kill()
	go io.Copy(io.Discard, r.stderr)
	before, err := resident(r.command.Process.Pid)
	if err != nil {
		return err
	}
	frame := func(kind byte, flags uint16, stream, length uint32) []byte {
		header := []byte{0, kind, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
		binary.BigEndian.PutUint16(header[2:], flags)
		binary.BigEndian.PutUint32(header[4:], stream)
		binary.BigEndian.PutUint32(header[8:], length)
		return header
	}
	floods := map[string]func(write func([]byte) bool){
		"pings": func(write func([]byte) bool) {
			for write(frame(2, 1, 0, 7)) {
			}
		},
		"streams": func(write func([]byte) bool) {
			for id := uint32(1); write(frame(1, 1, id, 0)); id += 2 {
			}
		},
		"streams with data": func(write func([]byte) bool) {
			for id := uint32(1); write(append(frame(0, 1, id, 1024), make([]byte, 1024)...)); id += 2 {
			}
		},
		"windows": func(write func([]byte) bool) {
			write(frame(1, 1, 1, 0))
			for write(frame(1, 0, 1, 1)) {
			}
		},
	}
	for name, send := range floods {
		connection, err := net.Dial(r.address[0], r.address[1])
		if err != nil {
			return err
		}
		sent, end := 0, time.Now().Add(500*time.Millisecond)
		writer := bufio.NewWriterSize(connection, 64<<10)
		send(func(bytes []byte) bool {
			if sent%4096 < len(bytes) {
				_ = connection.SetWriteDeadline(end)
			}
			sent += len(bytes)
			_, err := writer.Write(bytes)
			return err == nil && time.Now().Before(end)
		})
		after, err := resident(r.command.Process.Pid)
		if err != nil {
			return err
		}
		fmt.Printf("%s: %d bytes sent, resident memory %d KiB -> %d KiB\n", name, sent, before, after)
		if after > before+64*1024 {
			return fmt.Errorf("%s: the plugin grew from %d to %d KiB", name, before, after)
		}
		if err := r.ping(); err != nil {
			return fmt.Errorf("during %s: %w", name, err)
		}
		if err := connection.Close(); err != nil {
			return err
		}
	}
	return nil
}

// resident is the memory of a process in KiB.
func resident(pid int) (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		var kib int
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &kib); err == nil {
			return kib, nil
		}
	}
	return 0, fmt.Errorf("no VmRSS of process %d", pid)
}
