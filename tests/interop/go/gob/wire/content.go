package wire

import (
	"encoding"
	"encoding/gob"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Content is what of a value travels, as something that encoding/json can write: floats as text, byte strings
// (and strings that are not UTF-8) as hexadecimal text, maps as a list of pairs, structs as objects with the fields that are sent, interface values as an
// object whose only key is the registered name.
func Content(v any) any {
	return content(reflect.ValueOf(v))
}

func content(v reflect.Value) any {
	if v.Kind() == reflect.Pointer {
		if method := Method(v.Type().Elem()); method != "" {
			return opaque(v)
		}
		return content(v.Elem())
	}
	if Method(v.Type()) != "" {
		return opaque(v)
	}
	switch v.Kind() {
	case reflect.Bool:
		return v.Bool()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return v.Uint()
	case reflect.Float32, reflect.Float64:
		return float(v.Float())
	case reflect.Complex64, reflect.Complex128:
		return []any{float(real(v.Complex())), float(imag(v.Complex()))}
	case reflect.String:
		if !utf8.ValidString(v.String()) {
			return hex.EncodeToString([]byte(v.String()))
		}
		return v.String()
	case reflect.Interface:
		if v.IsNil() {
			return nil
		}
		t := base(v.Elem().Type())
		name, ok := Registered[t]
		if !ok {
			name = t.String()
		}
		return map[string]any{name: content(v.Elem())}
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
			return hex.EncodeToString(v.Bytes())
		}
		list := make([]any, 0, v.Len())
		for i := range v.Len() {
			list = append(list, content(v.Index(i)))
		}
		return list
	case reflect.Map:
		pairs := make([]any, 0, v.Len())
		for entry := v.MapRange(); entry.Next(); {
			pairs = append(pairs, []any{content(entry.Key()), content(entry.Value())})
		}
		// Go's order is random.
		slices.SortFunc(pairs, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		return pairs
	case reflect.Struct:
		object := map[string]any{}
		for _, field := range Fields(v.Type()) {
			if value := v.FieldByIndex(field.Index); travels(value) {
				object[field.Name] = content(value)
			}
		}
		return object
	}
	panic(fmt.Sprintf("gob does not send a %s", v.Type()))
}

// travels says whether a struct's field is sent (encoding/gob/encode.go).
func travels(v reflect.Value) bool {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return false
		}
		if Method(v.Type().Elem()) != "" {
			return true
		}
		v = v.Elem()
	}
	if Method(v.Type()) != "" {
		// Only a method of the value, not one of the pointer, lets gob see that it is zero.
		return Method(v.Type()) != "" && (!v.IsZero() || !byValue(v.Type()))
	}
	switch v.Kind() {
	case reflect.Struct, reflect.Array:
		return true
	case reflect.Slice, reflect.String:
		return v.Len() > 0
	case reflect.Map, reflect.Interface:
		return !v.IsNil()
	case reflect.Float32, reflect.Float64:
		return v.Float() != 0
	case reflect.Complex64, reflect.Complex128:
		return v.Complex() != 0
	}
	return !v.IsZero()
}

func byValue(t reflect.Type) bool {
	return t.Implements(reflect.TypeFor[gob.GobEncoder]()) || t.Implements(reflect.TypeFor[encoding.BinaryMarshaler]())
}

func opaque(v reflect.Value) any {
	if v.Kind() != reflect.Pointer {
		pointer := reflect.New(v.Type())
		pointer.Elem().Set(v)
		v = pointer
	}
	var bytes []byte
	var err error
	switch method := v.Interface().(type) {
	case gob.GobEncoder:
		bytes, err = method.GobEncode()
	case encoding.BinaryMarshaler:
		bytes, err = method.MarshalBinary()
	}
	if err != nil {
		panic(err)
	}
	return hex.EncodeToString(bytes)
}

func float(f float64) string {
	return strconv.FormatFloat(f, 'g', -1, 64)
}
