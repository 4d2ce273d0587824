package main

import (
	"errors"
	"math"
	"math/big"
	"net/rpc"
	"net/url"
	"strings"
	"time"

	"serinus.dev/interop/gob/wire"
)

// One stream of the corpus.
type testCase struct {
	name  string
	about string
	// The values, sent on one stream.
	values []any
	// Set where gob's bytes do not depend on the process, and are not cut by definitions inside the value: our encoder
	// writes the same.
	exact bool
}

type Numbers struct {
	I   int
	I8  int8
	I16 int16
	I32 int32
	I64 int64
	U   uint
	U8  uint8
	U16 uint16
	U32 uint32
	U64 uint64
	P   uintptr
	F32 float32
	F64 float64
	C64 complex64
	C   complex128
	B   bool
}

type Texts struct {
	S string
	B []byte
	N Name
	R Raw
	O []Octet
}

type (
	Name  string
	Raw   []byte
	Octet byte
)

type Inner struct {
	V int
}

type Embedded struct {
	Inner
	*Outer
	Own string
}

type Outer struct {
	A int
	B any
	C any
}

type Mid struct {
	X any
}

type Lists struct {
	Ints    []int
	Texts   []string
	Structs []Inner
	Points  []*Inner
	Nested  [][]int
	Fixed   [3]int
	Bytes   [3]byte
	Empty   [0]int
	Bools   []bool
	Floats  []float64
	Deep    [2][2]Inner
}

type Maps struct {
	Text     map[string]string
	ByNumber map[int]Inner
	ByStruct map[Inner]bool
	ByArray  map[[2]uint8]string
	Pointers map[string]*Inner
	Lists    map[string][]string
}

type Pointers struct {
	I  *int
	S  *string
	P  **int
	St *Inner
	L  *[]int
	M  *map[string]int
	A  *[2]int
}

type Tree struct {
	Value int
	Left  *Tree
	Right *Tree
	Many  []Tree
	Named map[string]*Tree
}

// Ping and Pong consist of each other.
type Ping struct {
	Pongs []Pong
	Depth int
}

type Pong struct {
	Ping  *Ping
	Pings map[string]Ping
}

// Onion is a list of itself.
type Onion []Onion

type Opaques struct {
	At      time.Time
	Maybe   *time.Time
	Link    *url.URL
	Number  *big.Int
	List    []time.Time
	Map     map[string]time.Time
	Through any
}

type Anything struct {
	One  any
	Many []any
	By   map[string]any
	Err  error
}

// NotAll has fields that do not travel.
type NotAll struct {
	A      int
	hidden int
	F      func()
	C      chan int
	B      string
}

type Nothing struct{}

type Zeros struct {
	N     int
	Inner Inner
	Fixed [2]Inner
	None  Nothing
	List  []Inner
	Map   map[string]Inner
	Ptr   *Inner
	When  time.Time
}

// The types below are named as those of the protocol that this project speaks.

type RpcError struct {
	ErrorString string
}

type VerifyWeightResponse struct {
	Verified int32
	Err      RpcError
}

type SetWeightArgs struct {
	Rollout       *Outer
	DesiredWeight int32
	Status        map[string]string
}

func init() {
	wire.Register("Inner", Inner{})
	wire.Register("Mid", Mid{})
	wire.Register("Outer", Outer{})
	wire.Register("*Tree", &Tree{})
	wire.Register("time", time.Time{})
	wire.Register("link", &url.URL{})
	wire.Register("strings by name", map[string]string{})
	wire.Register("anything", map[string]any{})
	wire.Register("list of anything", []any{})
	wire.Register("SetWeightArgs", SetWeightArgs{})
	wire.Register("Name", Name(""))
	wire.Register("error", Failure(""))
	wire.Register("array", [2]Inner{})
}

type Failure string

func (f Failure) Error() string { return string(f) }

func ptr[T any](v T) *T { return &v }

var noon = time.Date(2026, 11, 21, 12, 0, 0, 123456789, time.UTC)

func cases() []testCase {
	var nothing any
	var inner any = Inner{7}
	var nested any = Mid{Mid{Inner{1}}}
	return []testCase{
		{"bool", "a value that is no struct", []any{true, false}, true},
		{"int", "the borders of integers of each length", []any{0, 1, -1, 63, 64, -64, -65, 1 << 20, math.MaxInt64, math.MinInt64}, true},
		{"uint", "", []any{uint(0), uint(127), uint(128), uint64(math.MaxUint64), uint8(255)}, true},
		{"float", "", []any{0.0, 17.0, -0.25, math.Copysign(0, -1), math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(1), math.NaN(), float32(0.1)}, true},
		{"complex", "", []any{complex(1, -2), complex64(complex(0, 0.5))}, true},
		{"string", "lengths above 127, text that is not UTF-8", []any{"", "hi", "Grüße, 世界", strings.Repeat("x", 300), "\xff\x00\xfe"}, true},
		{"bytes", "", []any{[]byte{}, []byte{0, 127, 128, 255}, Raw("{}"), []Octet{200, 1}}, true},
		{"named", "a top-level value of a named basic type", []any{Name("n"), time.Duration(5)}, true},
		{"numbers", "fields of each width, at their borders, and all zero", []any{
			Numbers{-1, math.MinInt8, math.MinInt16, math.MinInt32, math.MinInt64, 1, math.MaxUint8, math.MaxUint16, math.MaxUint32, math.MaxUint64, 5, math.MaxFloat32, -1.5, 1 + 2i, -2i, true},
			Numbers{},
			Numbers{F64: math.Copysign(0, -1), C: complex(math.Copysign(0, -1), 0)},
		}, true},
		{"texts", "", []any{Texts{"s", []byte{1}, "n", Raw("{}"), []Octet{255}}, Texts{}}, true},
		{"lists", "empty, nested, of structs and pointers; arrays travel when they are zero", []any{
			Lists{[]int{0, 1}, []string{"", "a"}, []Inner{{}, {3}}, []*Inner{{4}, {}}, [][]int{{}, {1}}, [3]int{1, 0, 3}, [3]byte{0, 200, 7}, [0]int{}, []bool{false, true}, []float64{0, 0.5}, [2][2]Inner{{{1}, {}}, {}}},
			Lists{Ints: []int{}, Structs: []Inner{}},
		}, true},
		{"list", "top-level lists, empty ones too", []any{[]string{"a", ""}, []string{}, [][]Inner{{{1}}}, [2]bool{true}, []Inner(nil)}, true},
		{"maps", "nil, empty, and with keys of any kind", []any{
			Maps{map[string]string{"k": ""}, map[int]Inner{-5: {}}, map[Inner]bool{{2}: false}, map[[2]uint8]string{{1, 200}: "x"}, map[string]*Inner{"p": {}}, map[string][]string{"": nil}},
			Maps{Text: map[string]string{}},
			Maps{},
		}, true},
		{"map", "top-level maps", []any{map[string]int{"a": 0}, map[string]int{}, map[string]int(nil), map[bool]map[string]bool{true: {"t": true}}}, true},
		{"pointers", "flattened; a pointer to zero is left out, except to a struct or an array", []any{
			Pointers{ptr(1), ptr("s"), ptr(ptr(2)), &Inner{3}, ptr([]int{4}), ptr(map[string]int{"k": 5}), &[2]int{6}},
			Pointers{ptr(0), ptr(""), ptr(ptr(0)), &Inner{}, ptr([]int{}), ptr(map[string]int{}), &[2]int{}},
			&Pointers{},
		}, true},
		{"embedded", "an embedded struct is a field with the type's name", []any{Embedded{Inner{1}, &Outer{A: 2}, "o"}, Embedded{}}, true},
		{"zeros", "structs and arrays travel although they are zero", []any{Zeros{}, Zeros{List: []Inner{}, Map: map[string]Inner{}, Ptr: &Inner{}}}, true},
		{"nothing", "structs without fields, with and without a name", []any{struct{}{}, Nothing{}, []Nothing{{}, {}}}, true},
		{"anonymous", "types without a name", []any{struct {
			A struct{ B []struct{ C int } }
		}{struct{ B []struct{ C int } }{[]struct{ C int }{{1}}}}}, true},
		{"not-all", "fields that are not exported, functions and channels do not travel", []any{NotAll{A: 1, hidden: 2, B: "b"}}, true},
		{"tree", "a recursive type", []any{
			Tree{1, &Tree{Value: 2}, nil, []Tree{{Value: 3}, {Many: []Tree{{Value: 4}}}}, map[string]*Tree{"k": {Value: 5}}},
			Tree{},
		}, true},
		{"ping-pong", "types that consist of each other", []any{Ping{[]Pong{{&Ping{Depth: 1}, map[string]Ping{"p": {Depth: 2}}}}, 3}, Pong{}}, true},
		{"onion", "a list of itself", []any{Onion{Onion{}, Onion{Onion{}}}}, true},
		{"opaque", "types that make their own bytes, by value and by pointer", []any{
			Opaques{At: noon, Maybe: &noon, Link: &url.URL{Scheme: "https", Host: "argoproj.io"}, Number: big.NewInt(-12345), List: []time.Time{noon, {}}, Map: map[string]time.Time{"t": noon}},
			Opaques{Maybe: &time.Time{}, Number: big.NewInt(0)},
			Opaques{},
			// Go also defines the types of url.URL's fields, which never travel.
		}, false},
		{"opaque-fields", "", []any{struct {
			A time.Time
			N *big.Int
			L []*big.Int
		}{noon, big.NewInt(7), []*big.Int{big.NewInt(1 << 50)}}}, true},
		{"opaque-pointer-first", "a pointer to an opaque type that the stream has not seen", []any{struct{ P, Q *time.Time }{&noon, nil}, noon}, true},
		{"opaque-top", "an opaque type that is the whole value", []any{noon, big.NewInt(1 << 40), noon}, true},
		{"interface", "top-level interface values: the type's definition stands inside the value the first time", []any{&inner, &inner, &nothing, &inner}, false},
		{"interface-basic", "Go's own registered names", []any{&[]any{1, int8(-2), uint16(3), float32(0.5), 1i, "s", true, []byte("b"), nil}}, true},
		{"interface-lists", "the same for lists", []any{&[]any{[]string{"l"}, []int{}, []bool{true}, []float64{0.5}}}, false},
		{"interface-fields", "definitions inside several fields of one struct", []any{
			Anything{One: Inner{1}, Many: []any{nil, Inner{2}, "s", Outer{A: 3, B: Inner{4}}}, By: map[string]any{"k": &Tree{Value: 5}}, Err: Failure("bad")},
			Anything{One: noon, Many: []any{&url.URL{Host: "h"}, Name("n"), [2]Inner{{1}}}},
			Anything{},
		}, false},
		{"interface-nested", "definitions inside interface values inside interface values, three deep", []any{&nested, Anything{Many: []any{Mid{Outer{A: 1, B: map[string]any{"m": &Tree{Value: 1}}, C: Inner{}}}, Mid{Mid{}}}}}, false},
		{"interface-known", "an interface value of a type that is known already", []any{Inner{1}, &inner}, true},
		{"interface-maps", "JSON-like values", []any{map[string]any{"list": []any{map[string]any{"n": 1.5}, nil, true}}}, false},
		{"rpc-call", "what net/rpc sends for two calls: a header and an argument, which Argo sends as an interface value", []any{
			rpc.Request{ServiceMethod: "Plugin.SetWeight", Seq: 1}, ptr(any(SetWeightArgs{&Outer{A: 1}, 20, map[string]string{"k": "v"}})),
			rpc.Request{ServiceMethod: "Plugin.Type", Seq: 2}, &nothing,
			rpc.Request{ServiceMethod: "Plugin.SetWeight", Seq: 3}, ptr(any(SetWeightArgs{&Outer{A: 2}, 60, nil})),
		}, false},
		{"rpc-answer", "what net/rpc sends back: headers and replies, an empty struct where the header carries an error", []any{
			rpc.Response{ServiceMethod: "Plugin.SetWeight", Seq: 1}, RpcError{},
			rpc.Response{ServiceMethod: "Plugin.VerifyWeight", Seq: 2}, VerifyWeightResponse{1, RpcError{}},
			rpc.Response{ServiceMethod: "Plugin.Nope", Seq: 3, Error: "rpc: can't find method Plugin.Nope"}, struct{}{},
			rpc.Response{ServiceMethod: "Plugin.SetWeight", Seq: 4}, RpcError{errors.ErrUnsupported.Error()},
		}, true},
	}
}
