package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/rpc"
	"os/exec"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"serinus.dev/interop/go-plugin/echo"
)

// How long anything may take that should happen at once: long enough for a busy machine.
const patient = 20 * time.Second

// A plugin as go-plugin's own client starts it, like the controller's.
type started struct {
	client   *plugin.Client
	protocol plugin.ClientProtocol
	echo     *rpc.Client
	log      *log
	stdout   *text
}

// config is the controller's (argo-rollouts, rollout/trafficrouting/plugin/client), with ears.
func config(file string, env ...string) (*plugin.ClientConfig, *log, *text) {
	command := exec.Command(file)
	command.Env = env
	log, stdout := &log{}, &text{}
	return &plugin.ClientConfig{
		HandshakeConfig: echo.Handshake,
		Plugins:         echo.Plugins,
		Cmd:             command,
		Managed:         true,
		SyncStdout:      stdout,
		Logger:          hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: log, JSONFormat: true}),
	}, log, stdout
}

func start(file string, env ...string) (*started, error) {
	config, log, stdout := config(file, env...)
	s := &started{client: plugin.NewClient(config), log: log, stdout: stdout}
	protocol, err := s.client.Client()
	if err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	s.protocol = protocol
	if s.echo, err = dispense(protocol); err != nil {
		s.client.Kill()
		return nil, err
	}
	return s, nil
}

func dispense(protocol plugin.ClientProtocol) (*rpc.Client, error) {
	raw, err := protocol.Dispense("echo")
	if err != nil {
		return nil, fmt.Errorf("dispense: %w", err)
	}
	return raw.(*rpc.Client), nil
}

// with starts a plugin, uses it, and ends it; a plugin that has to be killed is an error too.
func with(file string, env []string, use func(*started) error) error {
	s, err := start(file, env...)
	if err != nil {
		return err
	}
	if err := use(s); err != nil {
		s.client.Kill()
		return fmt.Errorf("%w\nthe host's log:\n%s", err, s.log.text())
	}
	return s.end()
}

// end is Kill, which has to be a graceful one.
func (s *started) end() error {
	s.client.Kill()
	if entry := s.log.find("plugin failed to exit gracefully"); entry != nil {
		return fmt.Errorf("the plugin had to be killed\nthe host's log:\n%s", s.log.text())
	}
	return nil
}

func (s *started) say(method, text string, millis uint64) (string, error) {
	return say(s.echo, method, text, millis)
}

func say(client *rpc.Client, method, text string, millis uint64) (string, error) {
	var reply echo.Message
	call := client.Go("Plugin."+method, echo.Message{Text: text, Millis: millis}, &reply, make(chan *rpc.Call, 1))
	err := wait(call, patient)
	return reply.Text, err
}

// within is an error when something does not happen in time, where net/rpc would wait for ever.
func within(patience time.Duration, what string, do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	case <-time.After(patience):
		return fmt.Errorf("%s: nothing happened for %v", what, patience)
	}
}

func wait(call *rpc.Call, patience time.Duration) error {
	select {
	case <-call.Done:
		return call.Error
	case <-time.After(patience):
		return fmt.Errorf("%s: no answer for %v", call.ServiceMethod, patience)
	}
}

func (s *started) ping() error { return within(patient, "ping", s.protocol.Ping) }

// text is an io.Writer to look into.
type text struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

func (t *text) Write(p []byte) (int, error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.buffer.Write(p)
}

func (t *text) String() string {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.buffer.String()
}

// log is what the host logs, its plugin's lines among it.
type log struct{ lines text }

func (l *log) Write(p []byte) (int, error) { return l.lines.Write(p) }

func (l *log) text() string { return l.lines.String() }

func (l *log) find(message string) map[string]any {
	decoder := json.NewDecoder(bytes.NewBufferString(l.text()))
	for {
		var entry map[string]any
		if err := decoder.Decode(&entry); err == io.EOF {
			return nil
		} else if err != nil {
			return map[string]any{"@message": "unreadable log: " + err.Error()}
		}
		if entry["@message"] == message {
			return entry
		}
	}
}

// eventually waits for something that is bound to happen.
func eventually(what string, happened func() bool) error {
	for end := time.Now().Add(patient); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if happened() {
			return nil
		}
	}
	return fmt.Errorf("%s: not within %v", what, patient)
}
