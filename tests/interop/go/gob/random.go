package main

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"net/url"
	"reflect"
	"strings"
	"time"
)

// random makes types and values from a seed.
type random struct {
	*rand.Rand
}

func newRandom(seed uint64) random {
	return random{rand.New(rand.NewPCG(seed, 0))}
}

var scalars = []reflect.Type{
	reflect.TypeFor[bool](), reflect.TypeFor[string](), reflect.TypeFor[Name](),
	reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[int16](), reflect.TypeFor[int32](), reflect.TypeFor[int64](),
	reflect.TypeFor[uint](), reflect.TypeFor[uint8](), reflect.TypeFor[uint16](), reflect.TypeFor[uint32](), reflect.TypeFor[uint64](), reflect.TypeFor[uintptr](),
	reflect.TypeFor[float32](), reflect.TypeFor[float64](), reflect.TypeFor[complex64](), reflect.TypeFor[complex128](),
}

// Keys of maps are comparable, and what is not a number is not equal to itself.
var keys = append([]reflect.Type{reflect.TypeFor[Inner](), reflect.TypeFor[[2]uint8](), reflect.TypeFor[struct{ A, B string }]()}, scalars[:14]...)

var declared = []reflect.Type{
	reflect.TypeFor[[]byte](), reflect.TypeFor[Raw](), reflect.TypeFor[[]Octet](),
	reflect.TypeFor[Inner](), reflect.TypeFor[Outer](), reflect.TypeFor[Embedded](), reflect.TypeFor[Numbers](), reflect.TypeFor[Lists](),
	reflect.TypeFor[Maps](), reflect.TypeFor[Pointers](), reflect.TypeFor[Tree](), reflect.TypeFor[Ping](), reflect.TypeFor[Onion](),
	reflect.TypeFor[Anything](), reflect.TypeFor[Zeros](), reflect.TypeFor[Nothing](), reflect.TypeFor[struct{}](),
	reflect.TypeFor[time.Time](), reflect.TypeFor[*url.URL](), reflect.TypeFor[*big.Int](), reflect.TypeFor[any](), reflect.TypeFor[[]any](),
}

func pick[T any](r random, from []T) T {
	return from[r.IntN(len(from))]
}

// anyType makes a type, of types up to depth levels below it.
func (r random) anyType(depth int) reflect.Type {
	if depth == 0 {
		return pick(r, scalars)
	}
	switch r.IntN(8) {
	case 0:
		return pick(r, scalars)
	case 1, 2:
		return pick(r, declared)
	case 3:
		return reflect.SliceOf(r.anyType(depth - 1))
	case 4:
		return reflect.ArrayOf(r.IntN(4), r.anyType(depth-1))
	case 5:
		return reflect.MapOf(pick(r, keys), r.anyType(depth-1))
	}
	var fields []reflect.StructField
	for n := range 1 + r.IntN(8) {
		t := r.anyType(depth - 1)
		if t.Kind() != reflect.Interface && t.Kind() != reflect.Pointer && r.IntN(4) == 0 {
			t = reflect.PointerTo(t)
		}
		fields = append(fields, reflect.StructField{Name: fmt.Sprintf("F%d", n), Type: t})
	}
	return reflect.StructOf(fields)
}

// fill sets v to a random value.
func (r random) fill(v reflect.Value, depth int) {
	r.set(v, depth, true)
}

// set leaves v nil at times, if it may be.
func (r random) set(v reflect.Value, depth int, whole bool) {
	t := v.Type()
	switch t {
	case reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(r.time()))
		return
	case reflect.TypeFor[big.Int](), reflect.TypeFor[url.URL]():
		return
	case reflect.TypeFor[*big.Int]():
		if whole || r.IntN(2) == 0 {
			v.Set(reflect.ValueOf(big.NewInt(r.Int64())))
		}
		return
	case reflect.TypeFor[*url.URL]():
		if whole || r.IntN(2) == 0 {
			v.Set(reflect.ValueOf(&url.URL{Scheme: "https", Host: "host", Path: "/" + fmt.Sprint(r.IntN(100))}))
		}
		return
	}
	switch t.Kind() {
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(r.bits(t.Bits())) << (64 - t.Bits()) >> (64 - t.Bits()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		v.SetUint(r.bits(t.Bits()))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(r.float(t.Bits()))
	case reflect.Complex64, reflect.Complex128:
		v.SetComplex(complex(r.float(t.Bits()/2), r.float(t.Bits()/2)))
	case reflect.String:
		v.SetString(r.text())
	case reflect.Pointer:
		if whole || depth > 0 && r.IntN(3) > 0 {
			v.Set(reflect.New(t.Elem()))
			r.set(v.Elem(), depth-1, whole)
		}
	case reflect.Interface:
		if depth > 0 {
			if value := r.content(t, depth-1); value != nil {
				v.Set(reflect.ValueOf(value))
			}
		}
	case reflect.Slice:
		if n := r.count(depth); n >= 0 {
			v.Set(reflect.MakeSlice(t, n, n))
			for i := range n {
				r.set(v.Index(i), depth-1, true)
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			r.set(v.Index(i), depth-1, true)
		}
	case reflect.Map:
		if n := r.count(depth); n >= 0 {
			v.Set(reflect.MakeMap(t))
			for range n {
				key, value := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
				r.set(key, depth-1, true)
				r.set(value, depth-1, true)
				v.SetMapIndex(key, value)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Field(i)
			// The elements of an array must not be nil, so it cannot stay as it is.
			if field.CanSet() && (r.IntN(4) > 0 || field.Kind() == reflect.Array || field.Kind() == reflect.Struct) {
				r.set(field, depth-1, false)
			}
		}
	}
}

// count is a number of elements; below zero means nil.
func (r random) count(depth int) int {
	if depth <= 0 {
		return -1 + r.IntN(2)
	}
	return -1 + r.IntN(5)
}

// bits has small numbers and borders more often than chance.
func (r random) bits(size int) uint64 {
	u := r.Uint64() >> (64 - size)
	switch r.IntN(4) {
	case 0:
		return u % 4
	case 1:
		return u >> r.IntN(size)
	case 2:
		return math.MaxUint64 >> (64 - size + r.IntN(2))
	}
	return u
}

func (r random) float(size int) float64 {
	special := []float64{0, math.Copysign(0, -1), 1, -0.5, math.Inf(1), math.Inf(-1), math.NaN(), math.MaxFloat32, math.SmallestNonzeroFloat32}
	if r.IntN(3) == 0 {
		return pick(r, special)
	}
	if size == 32 {
		return float64(r.Float32() * 1e6)
	}
	return (r.Float64() - 0.5) * math.Pow(10, float64(r.IntN(600)-300))
}

func (r random) text() string {
	return pick(r, []string{"", "a", "Grüße, 世界", "\xff\xfe", strings.Repeat("long ", r.IntN(60)), fmt.Sprint(r.IntN(1000))})
}

func (r random) time() time.Time {
	if r.IntN(4) == 0 {
		return time.Time{}
	}
	return time.Unix(r.Int64N(1<<33), r.Int64N(1e9)).In(time.FixedZone("", 900*(r.IntN(96)-48)))
}

// content is a value of a registered type that an interface of type t can hold, or nil.
func (r random) content(t reflect.Type, depth int) any {
	if t == reflect.TypeFor[error]() {
		return pick(r, []any{nil, Failure("bad"), Failure("")})
	}
	value := pick(r, []any{
		nil, 0, int8(-1), int64(1 << 40), uint8(200), uint64(math.MaxUint64), 1.5, float32(0.25), 2i, true, false, "", "text", []byte("bytes"),
		[]string{"a", ""}, []int{}, []float64{0.5}, Name("name"), Failure("failure"), time.Unix(5, 0).UTC(), &url.URL{Host: "h"},
		Inner{}, Mid{}, Outer{}, &Tree{}, map[string]string{}, map[string]any{}, []any{}, [2]Inner{},
	})
	if value == nil {
		return nil
	}
	v := reflect.New(reflect.TypeOf(value)).Elem()
	v.Set(reflect.ValueOf(value))
	switch v.Kind() {
	case reflect.Struct, reflect.Map, reflect.Slice, reflect.Array:
		r.set(v, depth, true)
	case reflect.Pointer:
		if v.Type() == reflect.TypeFor[*Tree]() {
			r.set(v, depth, true)
		}
	}
	return v.Interface()
}
