package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/store"
)

// The rows here are where engines differ by nature: bytes against jsonb, a B+tree in a file against SQL.

func putErr(t *testing.T, db store.DB, v Item) error {
	t.Helper()
	return db.Update(t.Context(), func(tx store.Tx) error { return Items.Put(tx, v) })
}

func get(t *testing.T, db store.DB, key string) (v Item) {
	t.Helper()
	view(t, db, func(tx store.Tx) (err error) {
		v, err = Items.Get(tx, key)
		return err
	})
	return v
}

// testRawDocuments has JSON that did not come from encoding/json: it is kept as a value, or refused by every engine.
func testRawDocuments(t *testing.T, db store.DB) {
	for doc, ok := range map[string]bool{
		`"\ud83c\udfae"`: true, `"\u00e4\/\u2028"`: true, `{"b":1,"a":{"y":[ ],"x":[1 , 2]}}`: true, `{"":""}`: true, `[null,true,{}]`: true,
		`{"a":1,"a":2}`: true, // the later one counts, as for encoding/json
		`"\u0000"`:      false, `{"\u0000":1}`: false, `"a\ud800b"`: false, `"\udc00"`: false, `"\ud800\ud800"`: false, `"\ud800\u0041"`: false,
		`1e5000`: false, strings.Repeat("[", 1200) + strings.Repeat("]", 1200): false, strings.Repeat(`{"a":`, 900) + "1" + strings.Repeat("}", 900): true,
	} {
		err := putErr(t, db, Item{ID: "x", Raw: json.RawMessage(doc)})
		if ok != (err == nil) || !ok && !errors.Is(err, store.ErrInvalid) {
			t.Errorf("a document with %.40s: %v", doc, err)
			continue
		}
		if ok && !sameJSON(t, string(get(t, db, "x").Raw), doc) {
			t.Errorf("%.60s came back as %.60s", doc, get(t, db, "x").Raw)
		}
	}
}

// sameJSON compares values: spaces, the order of keys and the spelling of texts do not count; numbers are compared exactly.
func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	values := [2]any{}
	for i, s := range []string{a, b} {
		dec := json.NewDecoder(strings.NewReader(s))
		dec.UseNumber()
		if err := dec.Decode(&values[i]); err != nil {
			t.Errorf("%.60s: %v", s, err)
			return false
		}
	}
	return equalJSON(values[0], values[1])
}

func equalJSON(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		x, okx := new(big.Rat).SetString(string(a))
		y, oky := new(big.Rat).SetString(string(b))
		return ok && okx && oky && x.Cmp(y) == 0
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equalJSON)
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			if w, ok := b[k]; !ok || !equalJSON(v, w) {
				return false
			}
		}
		return true
	}
	return a == b
}

// testNumbers keeps numbers exactly, beyond what a float64 holds too.
func testNumbers(t *testing.T, db store.DB) {
	for _, n := range []string{
		"9007199254740993", "-9223372036854775808", "18446744073709551615", "123456789012345678901234567890", "0.1", "-0", "0.000001", "1e-7", "1E+21",
		"1.7976931348623157e308", "5e-324", "3.141592653589793238462643383279", "-1.50", "1e300",
	} {
		put(t, db, Item{ID: "x", Raw: json.RawMessage(n)})
		if got := string(get(t, db, "x").Raw); !sameJSON(t, got, n) {
			t.Errorf("%s came back as %s", n, got)
		}
	}
	for _, n := range []int64{1 << 53, 1<<53 + 1, -1 << 63, 1<<63 - 1} {
		put(t, db, Item{ID: "x", N: n})
		if got := get(t, db, "x").N; got != n {
			t.Errorf("%d came back as %d", n, got)
		}
		if got := walk(t, db, "n", n, nil, 1, false); !slices.Equal(got, []string{"x"}) {
			t.Errorf("the index on %d has %v", n, got)
		}
	}
}

// oddKeys are in byte order.
var oddKeys = []string{
	"\x01", "\t", "\n", " ", "  ", "!", `"`, `""`, "$1", "%s", "'", "''; DROP TABLE items; --", "(a,b)", "-", "/", "//", "A", "B", "NULL", "Z", `\`, `\"`, `\N`, `\\`, "_", "a", "a b", "a/b", "b",
	"null", "{}", "\x7f", "ß", "ä", "\u2028", "\ue000", "\ufffd", "\U0001F3AE", "\U0010ffff",
}

// testOddKeys has keys that mean something to some engine; all of them are only bytes.
func testOddKeys(t *testing.T, db store.DB) {
	for i, key := range slices.Backward(oddKeys) {
		put(t, db, Item{ID: key, Name: key, Group: "same", N: int64(i)})
	}
	if got := walk(t, db, "", nil, nil, 0, false); !slices.Equal(got, oddKeys) {
		t.Errorf("keys in the order %q", got)
	}
	if got := walk(t, db, "name", nil, nil, 0, false); !slices.Equal(got, oddKeys) {
		t.Errorf("a unique index in the order %q", got)
	}
	for i, key := range oddKeys {
		if v := get(t, db, key); v.ID != key || v.Name != key {
			t.Errorf("Get(%q) = %q", key, v.ID)
		}
		after := ids(t, db, func(tx store.Tx) func(func(Item, error) bool) { return Items.Match(tx, "grp", "same", key, 2, false) })
		if want := oddKeys[i+1 : min(i+3, len(oddKeys))]; !slices.Equal(after, want) {
			t.Errorf("the two after %q are %q, want %q", key, after, want)
		}
		if got := walk(t, db, "", key, nil, 1, false); !slices.Equal(got, []string{key}) {
			t.Errorf("Range from %q begins with %q", key, got)
		}
		before := walk(t, db, "name", nil, key, 1, true)
		if want := oddKeys[max(i-1, 0):i]; !slices.Equal(before, want) {
			t.Errorf("before %q is %q, want %q", key, before, want)
		}
	}
	update(t, db, func(tx store.Tx) error {
		var errs []error
		for _, key := range oddKeys {
			errs = append(errs, Items.Delete(tx, key))
		}
		return errors.Join(errs...)
	})
	if n := count(t, db); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// testLongValues fills keys and indexes to their limit with characters of several bytes.
func testLongValues(t *testing.T, db store.DB) {
	var want []string
	for _, r := range []string{"a", "ä", "€", "🎮"} {
		for _, end := range []string{"x", "y"} {
			text := strings.Repeat(r, (store.MaxText-1)/len(r))
			text += strings.Repeat("-", store.MaxText-1-len(text)) + end
			put(t, db, Item{ID: text, Name: text, Group: text})
			want = append(want, text)
		}
	}
	for _, index := range []string{"", "name", "grp"} {
		if got := walk(t, db, index, nil, nil, 0, false); !slices.Equal(got, want) {
			t.Errorf("index %q has %d long values in another order", index, len(got))
		}
		if got := walk(t, db, index, want[3], want[5], 0, false); !slices.Equal(got, want[3:5]) {
			t.Errorf("index %q gives %d rows between two long values, want 2", index, len(got))
		}
	}
	if err := putErr(t, db, Item{ID: "other", Name: want[0]}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a long name that is taken: %v", err)
	}
	put(t, db, Item{ID: "other", Name: want[0][:store.MaxText-1]}) // differs in the last byte only
}

// testTimes cuts off what is finer than a microsecond, downwards, before 1970 too.
func testTimes(t *testing.T, db store.DB) {
	at := func(ns int64) time.Time { return time.Unix(0, ns).UTC() }
	rows := map[string]time.Time{
		"1 first": time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC), "2 old": time.Date(1582, 10, 15, 0, 0, 0, 0, time.UTC),
		"3 -1500ns": at(-1500), "4 -1000ns": at(-1000), "5 -1ns": at(-1), "6 zero": at(0), "7 999ns": at(999), "8 1µs": at(1000), "9 far": time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC),
	}
	var want []string
	for id, when := range rows {
		put(t, db, Item{ID: id, At: when})
		want = append(want, id)
		if got := get(t, db, id).At; !got.Equal(when) {
			t.Errorf("%s came back as %v", id, got)
		}
	}
	slices.Sort(want)
	if got := walk(t, db, "at", nil, nil, 0, false); !slices.Equal(got, want) {
		t.Errorf("in the order %q", got)
	}
	for _, test := range []struct {
		from, to int64 // ns
		want     []string
	}{
		{-2000, -1000, []string{"3 -1500ns"}},
		{-1000, 0, []string{"4 -1000ns", "5 -1ns"}},
		{-1, 1, []string{"4 -1000ns", "5 -1ns"}}, // the bounds are cut off as well
		{0, 1000, []string{"6 zero", "7 999ns"}},
		{1999, 2000, []string{"8 1µs"}},
	} {
		if got := walk(t, db, "at", at(test.from), at(test.to), 0, false); !slices.Equal(got, test.want) {
			t.Errorf("from %d ns to %d ns: %q, want %q", test.from, test.to, got, test.want)
		}
	}
}

// testBigDocuments walks over more than an engine should hold at once.
func testBigDocuments(t *testing.T, db store.DB) {
	text := strings.Repeat(`ein "langer" Text mit \ und ä `, 8<<10) // 256 KiB
	for i := range 24 {
		put(t, db, Item{ID: fmt.Sprintf("%02d", i), Text: text, N: int64(i)})
	}
	put(t, db, Item{ID: "huge", Text: strings.Repeat(text, 12), N: 99})
	n := 0
	view(t, db, func(tx store.Tx) error {
		for v, err := range Items.Range(tx, "n", nil, nil, 0, false) {
			if err != nil {
				return err
			}
			if len(v.Text)%len(text) != 0 || len(v.Text) == 0 || v.Text[:len(text)] != text {
				t.Errorf("row %s has another text", v.ID)
			}
			n++
		}
		return nil
	})
	if n != 25 {
		t.Errorf("%d rows, want 25", n)
	}
}

// testBigUpdate has more in one transaction than an engine would keep in memory or send at once.
func testBigUpdate(t *testing.T, db store.DB) {
	const rows = 3000
	key := func(i int) string { return fmt.Sprintf("%05d", i) }
	update(t, db, func(tx store.Tx) error {
		for i := range rows {
			if err := Items.Put(tx, Item{ID: key(i), Name: key(i), N: int64(i % 7)}); err != nil {
				return err
			}
			if i%500 == 499 {
				v, err := Items.Get(tx, key(i-400))
				n, cerr := Items.Count(tx)
				if err != nil || cerr != nil || v.N != int64((i-400)%7) || n != int64(i+1) {
					return fmt.Errorf("after %d rows: %d counted, %+v: %w", i+1, n, v, errors.Join(err, cerr))
				}
			}
		}
		if err := Items.Put(tx, Item{ID: "z", Name: key(3)}); !errors.Is(err, store.ErrConflict) {
			return fmt.Errorf("a name that the transaction has taken itself: %w", err)
		}
		return nil
	})
	update(t, db, func(tx store.Tx) error {
		var some []string
		for v, err := range Items.Range(tx, "n", 3, 5, 0, false) {
			if err != nil {
				return err
			}
			some = append(some, v.ID)
		}
		for _, id := range some {
			if err := Items.Delete(tx, id); err != nil {
				return err
			}
		}
		return nil
	})
	var left []string
	for i := range rows {
		if i%7 != 3 && i%7 != 4 {
			left = append(left, key(i))
		}
	}
	if got := walk(t, db, "", nil, nil, 0, false); !slices.Equal(got, left) || count(t, db) != int64(len(left)) {
		t.Errorf("%d rows are left (%d counted), want %d", len(got), count(t, db), len(left))
	}
}

// testOwnWrites: a transaction sees what it has done, by key and by index, and not what it has undone.
func testOwnWrites(t *testing.T, db store.DB) {
	put(t, db, Item{ID: "a", Name: "one", Group: "g"}, Item{ID: "b", Name: "two", Group: "g"})
	update(t, db, func(tx store.Tx) error {
		see := func(what, index string, want ...string) {
			t.Helper()
			got := []string{}
			for v, err := range Items.Range(tx, index, nil, nil, 0, false) {
				if err != nil {
					t.Errorf("%s: %v", what, err)
				}
				got = append(got, v.ID)
			}
			if !slices.Equal(got, append([]string{}, want...)) {
				t.Errorf("%s: index %q has %q, want %q", what, index, got, want)
			}
		}
		err := errors.Join(Items.Put(tx, Item{ID: "c", Name: "three", Group: "a"}), Items.Delete(tx, "a"))
		see("after a put and a delete", "", "b", "c")
		see("after a put and a delete", "grp", "c", "b")
		err = errors.Join(err, Items.Put(tx, Item{ID: "a", Name: "three again", Group: "z"}), Items.Put(tx, Item{ID: "b", Name: "one", Group: "0"}))
		see("the name of the deleted row is free", "name", "b", "c", "a")
		see("in the new order", "grp", "b", "c", "a")
		err = errors.Join(err, Items.Delete(tx, "c"), Items.Put(tx, Item{ID: "c", Name: "three", Group: "again"}), Items.Delete(tx, "c"))
		see("after coming and going", "grp", "b", "a")
		if _, err := Items.Get(tx, "c"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a row that is deleted again: %v", err)
		}
		if n, cerr := Items.Count(tx); n != 2 || cerr != nil {
			t.Errorf("Count = %d, %v; want 2", n, cerr)
		}
		return err
	})
	if got := walk(t, db, "grp", nil, nil, 0, false); !slices.Equal(got, []string{"b", "a"}) || count(t, db) != 2 {
		t.Errorf("after the commit: %q", got)
	}
}

// testGapFree: whoever looks while many write sees the numbers of a log without a hole, and each only once.
func testGapFree(t *testing.T, db store.DB) {
	const writers, each = 6, 20
	var group, readers sync.WaitGroup
	stop := make(chan struct{})
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			err := db.View(t.Context(), func(tx store.Tx) error {
				next := int64(1)
				for v, err := range Others.Range(tx, "", nil, nil, 0, false) {
					if err != nil {
						return err
					}
					if v.N != next {
						return fmt.Errorf("number %d where %d should be", v.N, next)
					}
					next++
				}
				n, err := Others.Count(tx)
				if n != next-1 {
					return fmt.Errorf("%d rows, %d counted", next-1, n)
				}
				return err
			})
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	for w := range writers {
		group.Go(func() {
			for i := range each {
				err := db.Update(t.Context(), func(tx store.Tx) error {
					n, err := tx.Next("log")
					if err != nil {
						return err
					}
					if err := Others.Put(tx, Item{ID: store.SeqKey(n), N: n}); err != nil {
						return err
					}
					if (w+i)%4 == 0 {
						return errStop
					}
					return nil
				})
				if err != nil && !errors.Is(err, errStop) {
					t.Errorf("Update: %v", err)
				}
			}
		})
	}
	group.Wait()
	close(stop)
	readers.Wait()
}
