package store

import (
	"fmt"
	"reflect"
	"time"
)

// Kind is the type of an index's values.
type Kind string

// The kinds and their order.
const (
	KindString Kind = "string" // byte order (Postgres: COLLATE "C"); at most 512 bytes
	KindInt64  Kind = "int64"  // numeric
	KindTime   Kind = "time"   // as int64 microseconds since 1970 UTC; finer parts are cut off
	KindBool   Kind = "bool"   // false before true
)

// Index of a table. Of returns ok=false for a row that is not in the index. Whoever changes what Of means renames the
// index: engines rebuild an index that is new, not one that kept its name, kind and uniqueness.
type Index[T any] struct {
	Name   string
	Kind   Kind
	Unique bool
	Of     func(T) (value any, ok bool)
}

// String makes an index on a text.
func String[T any](name string, of func(T) string) Index[T] {
	return Index[T]{Name: name, Kind: KindString, Of: func(v T) (any, bool) { return of(v), true }}
}

// Int64 makes an index on a number.
func Int64[T any](name string, of func(T) int64) Index[T] {
	return Index[T]{Name: name, Kind: KindInt64, Of: func(v T) (any, bool) { return of(v), true }}
}

// Time makes an index on a time; the zero time is not in it.
func Time[T any](name string, of func(T) time.Time) Index[T] {
	return Index[T]{Name: name, Kind: KindTime, Of: func(v T) (any, bool) { t := of(v); return t, !t.IsZero() }}
}

// Bool makes an index on a flag.
func Bool[T any](name string, of func(T) bool) Index[T] {
	return Index[T]{Name: name, Kind: KindBool, Of: func(v T) (any, bool) { return of(v), true }}
}

// Uniq makes the index refuse a second row with the same value.
func (x Index[T]) Uniq() Index[T] { x.Unique = true; return x }

// When keeps rows out of the index for which pred is false.
func (x Index[T]) When(pred func(T) bool) Index[T] {
	of := x.Of
	x.Of = func(v T) (any, bool) {
		if !pred(v) {
			return nil, false
		}
		return of(v)
	}
	return x
}

// Value is what a row has in one index, as engines store it.
type Value struct {
	Set  bool // false: the row is not in the index
	Kind Kind // says which of the two below counts
	Str  string
	Int  int64 // KindInt64; KindTime in microseconds; KindBool as 0 or 1
}

// NewValue converts v to kind and checks it. Named types of the right basic type are fine.
func NewValue(kind Kind, v any) (Value, error) {
	out := Value{Set: true, Kind: kind}
	switch kind {
	case KindString:
		s, ok := v.(string)
		if !ok {
			r := reflect.ValueOf(v)
			if r.Kind() != reflect.String {
				return out, wrongType(kind, v)
			}
			s = r.String()
		}
		out.Str = s
		return out, CheckText(s)
	case KindTime:
		t, ok := v.(time.Time)
		if !ok {
			return out, wrongType(kind, v)
		}
		out.Int = t.UnixMicro()
		return out, nil
	case KindBool:
		r := reflect.ValueOf(v)
		if r.Kind() != reflect.Bool {
			return out, wrongType(kind, v)
		}
		if r.Bool() {
			out.Int = 1
		}
		return out, nil
	case KindInt64:
		r := reflect.ValueOf(v)
		if !r.CanInt() {
			return out, wrongType(kind, v)
		}
		out.Int = r.Int()
		return out, nil
	}
	return out, fmt.Errorf("store: unknown index kind %q", kind)
}

func wrongType(kind Kind, v any) error {
	return fmt.Errorf("store: a %T is not a value for an index of kind %s", v, kind)
}
