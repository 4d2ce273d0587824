// Command schema prints the types that travel between controller and plugin as Go declares them, in the syntax that the
// crate gob reads. crates/rollouts-plugin/src/schema/ holds its output:
//
//	go run ./schema trafficrouter|metricprovider|step
package main

import (
	"encoding"
	"encoding/gob"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	metricrpc "github.com/argoproj/argo-rollouts/metricproviders/plugin/rpc"
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	steprpc "github.com/argoproj/argo-rollouts/rollout/steps/plugin/rpc"
	trafficrpc "github.com/argoproj/argo-rollouts/rollout/trafficrouting/plugin/rpc"
	"github.com/argoproj/argo-rollouts/utils/plugin/types"
)

// kind is what travels for one kind of plugin.
type kind struct {
	// arguments travel as interface values, under these names.
	arguments map[string]any
	answers   []any
}

var kinds = map[string]kind{
	"trafficrouter": {
		arguments: map[string]any{
			"UpdateHashArgs":               trafficrpc.UpdateHashArgs{},
			"SetWeightAndVerifyWeightArgs": trafficrpc.SetWeightAndVerifyWeightArgs{},
			"SetHeaderArgs":                trafficrpc.SetHeaderArgs{},
			"SetMirrorArgs":                trafficrpc.SetMirrorArgs{},
			"RemoveManagedRoutesArgs":      trafficrpc.RemoveManagedRoutesArgs{},
		},
		answers: []any{types.RpcError{}, trafficrpc.VerifyWeightResponse{}},
	},
	"metricprovider": {
		arguments: map[string]any{
			"RunArgs":                metricrpc.RunArgs{},
			"TerminateAndResumeArgs": metricrpc.TerminateAndResumeArgs{},
			"GarbageCollectArgs":     metricrpc.GarbageCollectArgs{},
			"GetMetadataArgs":        metricrpc.GetMetadataArgs{},
		},
		answers: []any{types.RpcError{}, v1alpha1.Measurement{}},
	},
	"step": {
		arguments: map[string]any{
			"step.RunArgs":       steprpc.RunArgs{},
			"step.TerminateArgs": steprpc.TerminateArgs{},
			"step.AbortArgs":     steprpc.AbortArgs{},
		},
		answers: []any{types.RpcError{}, steprpc.Response{}},
	},
}

func main() {
	if len(os.Args) != 2 || kinds[os.Args[1]].answers == nil {
		fmt.Fprintln(os.Stderr, "usage: schema trafficrouter|metricprovider|step")
		os.Exit(2)
	}
	kind := kinds[os.Args[1]]
	printer := printer{names: map[string]reflect.Type{}}
	fmt.Printf("// Printed by tests/interop/go/rollouts/schema %s; do not edit.\n\n", os.Args[1])
	for _, name := range slices.Sorted(maps.Keys(kind.arguments)) {
		fmt.Printf("gob.RegisterName(%q, %s{})\n", name, printer.declare(reflect.TypeOf(kind.arguments[name])))
	}
	for _, value := range kind.answers {
		printer.declare(reflect.TypeOf(value))
	}
	for len(printer.queue) > 0 {
		t := printer.queue[0]
		printer.queue = printer.queue[1:]
		fmt.Printf("\ntype %s %s\n", t.Name(), printer.underlying(t))
	}
}

type printer struct {
	names map[string]reflect.Type
	queue []reflect.Type
}

// declare makes sure that a named type is printed, once.
func (p *printer) declare(t reflect.Type) string {
	if known, ok := p.names[t.Name()]; ok {
		if known != t {
			panic(fmt.Sprintf("two types are named %s: %s and %s", t.Name(), known.PkgPath(), t.PkgPath()))
		}
		return t.Name()
	}
	p.names[t.Name()] = t
	p.queue = append(p.queue, t)
	return t.Name()
}

var (
	gobEncoder      = reflect.TypeFor[gob.GobEncoder]()
	binaryMarshaler = reflect.TypeFor[encoding.BinaryMarshaler]()
)

// expression is how a type is written where it is used.
func (p *printer) expression(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		return "*" + p.expression(t.Elem())
	}
	if t.Kind() == reflect.Struct && t.Name() != "" {
		return p.declare(t)
	}
	return p.underlying(t)
}

func (p *printer) underlying(t reflect.Type) string {
	if t.Implements(gobEncoder) || reflect.PointerTo(t).Implements(gobEncoder) {
		return "gob.GobEncoder"
	}
	if t.Implements(binaryMarshaler) || reflect.PointerTo(t).Implements(binaryMarshaler) {
		return "encoding.BinaryMarshaler"
	}
	switch t.Kind() {
	case reflect.Struct:
		var fields []string
		for i := range t.NumField() {
			field := t.Field(i)
			kind := field.Type
			for kind.Kind() == reflect.Pointer {
				kind = kind.Elem()
			}
			// Go: encoding/gob/type.go isSent
			if !field.IsExported() || kind.Kind() == reflect.Chan || kind.Kind() == reflect.Func {
				continue
			}
			fields = append(fields, fmt.Sprintf("\t%s %s\n", field.Name, p.expression(field.Type)))
		}
		return "struct {\n" + strings.Join(fields, "") + "}"
	case reflect.Map:
		return fmt.Sprintf("map[%s]%s", p.expression(t.Key()), p.expression(t.Elem()))
	case reflect.Slice:
		return "[]" + p.expression(t.Elem())
	case reflect.Array:
		return fmt.Sprintf("[%d]%s", t.Len(), p.expression(t.Elem()))
	case reflect.Interface:
		return "any"
	default:
		return t.Kind().String()
	}
}
