// Package echo is the plugin of crates/go-plugin/examples/echo.rs as Go has it: the same calls with the same types, on
// hashicorp/go-plugin. The host drives either one through it.
package echo

import (
	"encoding/gob"
	"errors"
	"fmt"
	"net/rpc"
	"os"
	"time"

	"github.com/hashicorp/go-plugin"
)

// Handshake is what both plugins are started with.
var Handshake = plugin.HandshakeConfig{
	ProtocolVersion:  1,
	MagicCookieKey:   "GO_PLUGIN_ECHO",
	MagicCookieValue: "echo",
}

// Plugins are the names to dispense.
var Plugins = plugin.PluginSet{"echo": &Plugin{}, "no such plugin": &Plugin{}}

// Message is what most calls take and give back.
type Message struct {
	Text   string
	Millis uint64
}

// UpdateArgs is a large argument, sent as an interface value like the ones of Argo Rollouts.
type UpdateArgs struct {
	Name   string
	Object Object
}

// Object is large and nested, like a Kubernetes object.
type Object struct {
	Labels     map[string]string
	Containers []Container
	Conditions []Condition
}

// Container is one of many.
type Container struct {
	Name    string
	Image   string
	Args    []string
	Env     []EnvVar
	Limits  map[string]int64
	Probe   *Probe
	Enabled bool
}

// EnvVar is one of many.
type EnvVar struct{ Name, Value string }

// Probe is optional.
type Probe struct {
	Path    string
	Port    int32
	Seconds float64
}

// Condition has a GobEncoder.
type Condition struct {
	Type, Status, Message string
	At                    time.Time
}

func init() { gob.RegisterName("UpdateArgs", new(UpdateArgs)) }

// Large makes an object that travels as about size bytes.
func Large(size int) Object {
	object := Object{Labels: map[string]string{"app": "shop", "track": "stable"}}
	for i := 0; len(object.Containers)*560 < size; i++ {
		container := Container{
			Name:   fmt.Sprintf("container-%d", i),
			Image:  fmt.Sprintf("registry.example.com/team/component/image-%d@sha256:%064d", i, i),
			Limits: map[string]int64{"cpu": int64(i) * 250, "memory": int64(i) << 20},
			Probe:  &Probe{Path: "/healthz", Port: 8080, Seconds: 0.5},
		}
		for j := range 4 {
			container.Args = append(container.Args, fmt.Sprintf("--flag-number-%d=value-of-%d", j, i))
			container.Env = append(container.Env, EnvVar{fmt.Sprintf("VARIABLE_%d", j), fmt.Sprintf("value-%d-%d", i, j)})
		}
		object.Containers = append(object.Containers, container)
		if i%8 == 0 {
			object.Conditions = append(object.Conditions, Condition{"Available", "True", "as it should be", time.Unix(int64(i), 0)})
		}
	}
	return object
}

// Plugin is the one type there is.
type Plugin struct{}

// Server is what a plugin serves.
func (*Plugin) Server(*plugin.MuxBroker) (any, error) { return &server{}, nil }

// Client is what a host gets.
func (*Plugin) Client(_ *plugin.MuxBroker, client *rpc.Client) (any, error) { return client, nil }

type server struct{}

func (*server) Echo(message Message, reply *Message) error {
	reply.Text = message.Text
	return nil
}

func (*server) Sleep(message Message, reply *Message) error {
	time.Sleep(time.Duration(message.Millis) * time.Millisecond)
	reply.Text = message.Text
	return nil
}

func (*server) Fail(message Message, _ *Message) error { return errors.New(message.Text) }

func (*server) Print(message Message, reply *Message) error {
	fmt.Println(message.Text)
	reply.Text = message.Text
	return nil
}

func (*server) Exit(Message, *Message) error {
	os.Exit(3)
	return nil
}

func (*server) Panic(message Message, _ *Message) error {
	// net/rpc runs calls on goroutines of their own, so this ends the process.
	panic(message.Text)
}

func (*server) Update(args *any, reply *Message) error {
	reply.Text = "nothing"
	if update, ok := (*args).(UpdateArgs); ok {
		reply.Text = update.Name
	}
	return nil
}
