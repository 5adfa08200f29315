package open

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math/big"
	"slices"
	"strings"

	"github.com/payperplay/payperplay/controller/store"
)

// difference is the first thing in which two stores are not the same.
type difference struct{ what string }

func (d difference) Error() string { return d.what }

// compare reads both stores side by side, every row of the one and every row of the other, and returns the first
// difference as an error. terms is how much higher b's term must be.
func compare(ctx context.Context, a, b store.Source, terms int64, seen func(head store.Header, row store.Row)) error {
	var left, right store.Header
	nextLeft, stopLeft := iter.Pull2(store.RowsOf(ctx, a, func(h store.Header) error { left = h; return nil }))
	defer stopLeft()
	nextRight, stopRight := iter.Pull2(store.RowsOf(ctx, b, func(h store.Header) error { right = h; return nil }))
	defer stopRight()
	for first := true; ; first = false {
		l, err, more := nextLeft()
		if err != nil {
			return err
		}
		r, err, moreToo := nextRight()
		if err != nil {
			return err
		}
		if first {
			left.Term += terms
			if err := sameHead(left, right); err != nil {
				return err
			}
		}
		switch {
		case !more && !moreToo:
			return nil
		case !moreToo || more && before(l, r):
			return difference{fmt.Sprintf("%s, row %q: it did not arrive", l.Table, l.Key)}
		case !more || before(r, l):
			return difference{fmt.Sprintf("%s, row %q: it came from nowhere", r.Table, r.Key)}
		}
		if err := sameRow(l, r, indexesOf(left, l.Table), indexesOf(right, r.Table)); err != nil {
			return err
		}
		if seen != nil {
			seen(left, l)
		}
	}
}

func before(a, b store.Row) bool {
	return cmp.Or(strings.Compare(a.Table, b.Table), strings.Compare(a.Key, b.Key)) < 0
}

func indexesOf(h store.Header, table string) []store.IndexDef {
	for _, t := range h.Tables {
		if t.Name == table {
			return t.Indexes
		}
	}
	return nil
}

// sameHead compares what is not in rows. A table without rows may be missing: the next start makes it.
func sameHead(a, b store.Header) error {
	switch {
	case a.Cluster != b.Cluster:
		return difference{fmt.Sprintf("the cluster is %q, not %q", b.Cluster, a.Cluster)}
	case b.Term < a.Term:
		return difference{fmt.Sprintf("the term is %d, lower than %d", b.Term, a.Term)}
	}
	for _, way := range [][2]store.Header{{a, b}, {b, a}} {
		for name, n := range way[0].Sequences {
			if way[1].Sequences[name] != n {
				return difference{fmt.Sprintf("the sequence %s ends at %d, not at %d", name, b.Sequences[name], a.Sequences[name])}
			}
		}
		for _, t := range way[0].Tables {
			i := slices.IndexFunc(way[1].Tables, func(o store.TableHead) bool { return o.Name == t.Name })
			if t.Rows > 0 && (i < 0 || way[1].Tables[i].Rows != t.Rows) {
				return difference{fmt.Sprintf("the table %s does not have the same number of rows", t.Name)}
			}
		}
	}
	return nil
}

func sameRow(a, b store.Row, of, in []store.IndexDef) error {
	same, err := sameDoc(a.Doc, b.Doc)
	if err != nil {
		return fmt.Errorf("%s, row %q: %w", a.Table, a.Key, err)
	}
	if !same {
		return difference{fmt.Sprintf("%s, row %q: its document is another one", a.Table, a.Key)}
	}
	if len(a.Values) != len(of) || len(b.Values) != len(in) {
		return difference{fmt.Sprintf("%s, row %q: it has not one value for each index", a.Table, a.Key)}
	}
	for i, x := range of {
		j := slices.IndexFunc(in, func(y store.IndexDef) bool { return y == x })
		if j >= 0 && a.Values[i] != b.Values[j] && (a.Values[i].Set || b.Values[j].Set) {
			return difference{fmt.Sprintf("%s, row %q: its value for index %s is another one", a.Table, a.Key, x.Name)}
		}
	}
	return nil
}

// sameDoc compares two JSON documents by value: spaces, the order of keys, escapes and the spelling of numbers do not count.
func sameDoc(a, b []byte) (bool, error) {
	if bytes.Equal(a, b) {
		return true, nil
	}
	x, err := decode(a)
	if err != nil {
		return false, err
	}
	y, err := decode(b)
	return err == nil && sameValue(x, y), err
}

func decode(doc []byte) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	return v, dec.Decode(&v)
}

func sameValue(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			w, ok := b[k]
			if !ok || !sameValue(v, w) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, sameValue)
	case json.Number:
		b, ok := b.(json.Number)
		return ok && (a == b || sameNumber(a.String(), b.String()))
	}
	return a == b
}

// sameNumber compares exactly; a number too long for that is not the same unless it is spelled so.
func sameNumber(a, b string) bool {
	if len(a) > 2000 || len(b) > 2000 || exponent(a) > 2000 || exponent(b) > 2000 {
		return false
	}
	x, ok := new(big.Rat).SetString(a)
	y, okToo := new(big.Rat).SetString(b)
	return ok && okToo && x.Cmp(y) == 0
}

func exponent(s string) int {
	_, e, has := strings.Cut(strings.ToLower(s), "e")
	if !has {
		return 0
	}
	if e = strings.TrimLeft(e, "+-0"); len(e) > 5 {
		return 1 << 30
	}
	n := 0
	for _, c := range e {
		n = 10*n + int(c-'0')
	}
	return n
}
