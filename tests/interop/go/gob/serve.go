package main

import (
	"bufio"
	"bytes"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"

	"serinus.dev/interop/gob/wire"
)

// A request is one line. The answer is one line too.
type request struct {
	// make: a random type and values of it. check: are these the values made last? echo: decode and encode again.
	Op   string `json:"op"`
	Seed uint64 `json:"seed"`
	// Name of the type that the values of an echo have.
	Type string `json:"type"`
	// A gob stream in hexadecimal.
	Stream string `json:"stream"`
}

type answer struct {
	Error  string `json:"error,omitempty"`
	Schema string `json:"schema,omitempty"`
	Type   string `json:"type,omitempty"`
	Stream string `json:"stream,omitempty"`
	Values []any  `json:"values,omitempty"`
}

// made is what the last request "make" brought about.
type made struct {
	t      reflect.Type
	values []any
}

func serve(in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	encoder := json.NewEncoder(out)
	var last made
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var request request
		if err := json.Unmarshal(line, &request); err != nil {
			return err
		}
		reply, err := handle(request, &last)
		if err != nil {
			reply = answer{Error: err.Error()}
		}
		if err := encoder.Encode(reply); err != nil {
			return err
		}
	}
}

func handle(request request, last *made) (answer, error) {
	stream, err := hex.DecodeString(request.Stream)
	if err != nil {
		return answer{}, err
	}
	switch request.Op {
	case "make":
		return last.random(request.Seed)
	case "check":
		return answer{}, last.check(stream)
	case "echo":
		return echo(request.Type, stream)
	}
	return answer{}, fmt.Errorf("no op %q", request.Op)
}

func (m *made) random(seed uint64) (answer, error) {
	r := newRandom(seed)
	*m = made{t: r.anyType(4)}
	for m.t.Kind() == reflect.Pointer {
		// Go's encoder panics at a pointer to a pointer to an opaque type.
		m.t = r.anyType(4)
	}
	var stream bytes.Buffer
	encoder := gob.NewEncoder(&stream)
	for range 1 + r.IntN(4) {
		value := reflect.New(m.t)
		r.fill(value.Elem(), 4)
		m.values = append(m.values, wire.Content(value.Interface()))
		if err := encoder.EncodeValue(value); err != nil {
			return answer{}, fmt.Errorf("Go's encoder refuses %s: %w", m.t, err)
		}
	}
	return answer{
		Schema: wire.Declare(m.t),
		Type:   m.t.String(),
		Stream: hex.EncodeToString(stream.Bytes()),
		Values: m.values,
	}, nil
}

func (m *made) check(stream []byte) error {
	decoder := gob.NewDecoder(bytes.NewReader(stream))
	for n, sent := range m.values {
		value := reflect.New(m.t)
		if err := decoder.DecodeValue(value); err != nil {
			return fmt.Errorf("value %d: %w", n, err)
		}
		want, err := json.Marshal(sent)
		if err != nil {
			return err
		}
		got, err := json.Marshal(wire.Content(value.Interface()))
		if err != nil {
			return err
		}
		if !bytes.Equal(want, got) {
			return fmt.Errorf("value %d is %s instead of %s", n, got, want)
		}
	}
	if err := decoder.Decode(new(int)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("after the last value: %v", err)
	}
	return nil
}

// Rich has a field of everything; crates/gob's tests have the same type in Rust.
type Rich struct {
	I8      int8
	I64     int64
	U8      uint8
	U64     uint64
	F32     float32
	F64     float64
	C       complex128
	Flag    bool
	Text    string
	Phase   Name
	Bytes   []byte
	Numbers []int16
	Fixed   [3]uint16
	Digest  [4]byte
	Texts   map[string]string
	Points  map[int32]Inner
	Inner   Inner
	Maybe   *Inner
	Count   *uint32
	Tree    *Tree
	Shape   any
	Shapes  []any
	Nothing struct{}
}

type Circle struct {
	Radius float64
}

type Group struct {
	Shapes []any
}

func init() {
	wire.Register("Circle", Circle{})
	wire.Register("main.Group", &Group{})
}

func echo(name string, stream []byte) (answer, error) {
	types := map[string]reflect.Type{
		"Rich":  reflect.TypeFor[Rich](),
		"Shape": reflect.TypeFor[any](),
	}
	t := types[name]
	if t == nil {
		return answer{}, fmt.Errorf("no type %q", name)
	}
	decoder := gob.NewDecoder(bytes.NewReader(stream))
	var out bytes.Buffer
	encoder := gob.NewEncoder(&out)
	for {
		value := reflect.New(t)
		err := decoder.DecodeValue(value)
		if errors.Is(err, io.EOF) {
			return answer{Stream: hex.EncodeToString(out.Bytes())}, nil
		} else if err != nil {
			return answer{}, err
		}
		if err := encoder.EncodeValue(value); err != nil {
			return answer{}, err
		}
	}
}
