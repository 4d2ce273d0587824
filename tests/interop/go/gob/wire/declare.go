// Package wire describes Go values as encoding/gob sends them: their types in Go syntax, for crates/gob's Schema, and
// their content as JSON, to be compared with what Rust reads.
package wire

import (
	"encoding"
	"encoding/gob"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Registered is what was given to gob.RegisterName, which does not tell.
var Registered = map[reflect.Type]string{}

// Register registers the type of value for interface values, here and with gob.
func Register(name string, value any) {
	gob.RegisterName(name, value)
	Registered[base(reflect.TypeOf(value))] = name
}

// Declare writes the declarations of all named types that the given ones consist of, sorted by name.
// If there is an interface among them, the registered types follow, because its values may bring them.
func Declare(types ...reflect.Type) string {
	named := map[string]reflect.Type{}
	interfaces := false
	for _, t := range types {
		interfaces = collect(t, named) || interfaces
	}
	var registrations []string
	if interfaces {
		for t, name := range Registered {
			collect(t, named)
			registrations = append(registrations, fmt.Sprintf("gob.RegisterName(%q, %s{})\n", name, t))
		}
	}
	names := make([]string, 0, len(named))
	for name := range named {
		names = append(names, name)
	}
	slices.Sort(names)
	slices.Sort(registrations)
	var text strings.Builder
	for _, name := range names {
		fmt.Fprintf(&text, "type %s %s\n", name, underlying(named[name]))
	}
	for _, registration := range registrations {
		text.WriteString(registration)
	}
	return text.String()
}

func base(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// collect adds the named types that t consists of, and says whether it met an interface.
func collect(t reflect.Type, named map[string]reflect.Type) bool {
	t = base(t)
	if t.PkgPath() != "" {
		if known, done := named[t.String()]; done {
			if known != t {
				panic(fmt.Sprintf("two types print as %s: those of %s and %s", t, t.PkgPath(), known.PkgPath()))
			}
			return false
		}
		named[t.String()] = t
	}
	if Method(t) != "" {
		return false
	}
	interfaces := false
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Array, reflect.Slice:
		return collect(t.Elem(), named)
	case reflect.Map:
		interfaces = collect(t.Key(), named)
		interfaces = collect(t.Elem(), named) || interfaces
	case reflect.Struct:
		for _, field := range Fields(t) {
			interfaces = collect(field.Type, named) || interfaces
		}
	}
	return interfaces
}

func underlying(t reflect.Type) string {
	if method := Method(t); method != "" {
		return method
	}
	switch t.Kind() {
	case reflect.Array:
		return fmt.Sprintf("[%d]%s", t.Len(), t.Elem())
	case reflect.Slice:
		return "[]" + t.Elem().String()
	case reflect.Map:
		return fmt.Sprintf("map[%s]%s", t.Key(), t.Elem())
	case reflect.Interface:
		return "interface {}"
	case reflect.Struct:
		var text strings.Builder
		text.WriteString("struct {\n")
		for _, field := range Fields(t) {
			fmt.Fprintf(&text, "\t%s %s\n", field.Name, field.Type)
		}
		text.WriteString("}")
		return text.String()
	}
	return t.Kind().String()
}

// Fields are the fields of a struct that gob sends.
func Fields(t reflect.Type) []reflect.StructField {
	var fields []reflect.StructField
	for i := range t.NumField() {
		field := t.Field(i)
		first, _ := utf8.DecodeRuneInString(field.Name)
		kind := base(field.Type).Kind()
		if unicode.IsUpper(first) && kind != reflect.Chan && kind != reflect.Func {
			fields = append(fields, field)
		}
	}
	return fields
}

// Method names the interface by which a type makes its own bytes; empty if it does not.
func Method(t reflect.Type) string {
	implements := func(i reflect.Type) bool { return t.Implements(i) || reflect.PointerTo(t).Implements(i) }
	switch {
	case t.Kind() == reflect.Interface:
		return ""
	case implements(reflect.TypeFor[gob.GobEncoder]()):
		return "gob.GobEncoder"
	case implements(reflect.TypeFor[encoding.BinaryMarshaler]()):
		return "encoding.BinaryMarshaler"
	}
	return ""
}
