package storetest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/store"
)

// walk is a shorthand for the key order of a Range.
func walk(t testing.TB, db store.DB, index string, from, to any, limit int, reverse bool) []string {
	t.Helper()
	return ids(t, db, func(tx store.Tx) func(func(Item, error) bool) {
		return Items.Range(tx, index, from, to, limit, reverse)
	})
}

func testOrder(t *testing.T, db store.DB) {
	base := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var want = map[string][]Item{
		"grp": {{Group: ""}, {Group: "\x01"}, {Group: " "}, {Group: "A"}, {Group: "B"}, {Group: "a"}, {Group: "a\x01"}, {Group: "a b"}, {Group: "ab"},
			{Group: "b"}, {Group: "z"}, {Group: "ß"}, {Group: "ä"}, {Group: "\ue000"}, {Group: "\U0001F3AE"}},
		"n": {{N: math.MinInt64}, {N: -1 << 40}, {N: -256}, {N: -255}, {N: -1}, {N: 0}, {N: 1}, {N: 255}, {N: 256}, {N: 1 << 40}, {N: math.MaxInt64}},
		"at": {{At: time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC)}, {At: time.Date(1969, 12, 31, 23, 59, 59, 999999000, time.UTC)}, {At: time.Unix(0, 0)},
			{At: base}, {At: base.Add(time.Microsecond)}, {At: base.Add(2 * time.Microsecond).In(time.FixedZone("x", 3600))}, {At: base.Add(time.Hour)}},
		"is_on": {{On: false}, {On: true}},
	}
	for index, rows := range want {
		update(t, db, clearAll)
		var keys []string
		for i := range rows {
			rows[i].ID = fmt.Sprintf("%c%02d", 'z'-i, i) // keys in the opposite order
			keys = append(keys, rows[i].ID)
		}
		put(t, db, rows...)
		if got := walk(t, db, index, nil, nil, 0, false); !slices.Equal(got, keys) {
			t.Errorf("index %s: %v, want %v", index, got, keys)
		}
		slices.Reverse(keys)
		if got := walk(t, db, index, nil, nil, 0, true); !slices.Equal(got, keys) {
			t.Errorf("index %s in reverse: %v, want %v", index, got, keys)
		}
	}
	update(t, db, clearAll)
	put(t, db, Item{ID: "no time"}, Item{ID: "fine", At: base.Add(1900 * time.Nanosecond)}, Item{ID: "coarse", At: base.Add(time.Microsecond)})
	if got := walk(t, db, "at", base.Add(time.Microsecond), base.Add(2*time.Microsecond), 0, false); !slices.Equal(got, []string{"coarse", "fine"}) {
		t.Errorf("times finer than a microsecond: %v; want them cut off and the zero time left out", got)
	}
}

func clearAll(tx store.Tx) error {
	var keys []string
	for v, err := range Items.Range(tx, "", nil, nil, 0, false) {
		if err != nil {
			return err
		}
		keys = append(keys, v.ID)
	}
	var errs []error
	for _, key := range keys {
		errs = append(errs, Items.Delete(tx, key))
	}
	return errors.Join(errs...)
}

func testBounds(t *testing.T, db store.DB) {
	for i := range 5 {
		id := string(rune('a' + i))
		put(t, db, Item{ID: id, Name: "n" + id, Group: "g" + id, N: int64(i), On: i > 2}, Item{ID: id + id, Group: "g" + id, N: int64(i)})
	}
	tests := []struct {
		index    string
		from, to any
		limit    int
		reverse  bool
		want     string
	}{
		{"", nil, nil, 3, false, "a aa b"},
		{"", nil, nil, 3, true, "ee e dd"},
		{"", "b", "d", 0, false, "b bb c cc"},
		{"", "b", "d", 0, true, "cc c bb b"},
		{"", "aa", "bb", 0, false, "aa b"},
		{"", "x", nil, 0, false, ""},
		{"", "x", nil, 0, true, ""},
		{"", nil, "a", 0, true, ""},
		{"", "d", "b", 0, false, ""},
		{"", "b", "b", 0, true, ""},
		{"grp", "gb", "gd", 0, false, "b bb c cc"},
		{"grp", "gb", "gd", 0, true, "cc c bb b"},
		{"grp", "gb", "gd", 3, true, "cc c bb"},
		{"grp", "g", "gb", 0, false, "a aa"},
		{"grp", "gdd", nil, 0, false, "e ee"},
		{"name", "nb", "nd", 0, false, "b c"},
		{"name", "nb", "nd", 0, true, "c b"},
		{"name", nil, "nb\x01", 0, true, "b a"},
		{"n", int64(1), int64(3), 0, false, "b bb c cc"},
		{"n", 1, 3, 2, true, "cc c"},
		{"n", -5, 1, 0, false, "a aa"},
		{"n", int64(math.MinInt64), int64(math.MaxInt64), 1, true, "ee"},
		{"is_on", true, nil, 0, false, "d e"},
		{"is_on", nil, true, 2, false, "a aa"},
		{"is_on", true, nil, 0, true, "e d"},
	}
	for _, test := range tests {
		want := []string{}
		if test.want != "" {
			want = splitWords(test.want)
		}
		if got := walk(t, db, test.index, test.from, test.to, test.limit, test.reverse); !slices.Equal(got, want) {
			t.Errorf("Range(%q, %v, %v, %d, %v) = %v, want %v", test.index, test.from, test.to, test.limit, test.reverse, got, want)
		}
	}
}

func splitWords(s string) []string {
	var out []string
	for len(s) > 0 {
		i := 0
		for i < len(s) && s[i] != ' ' {
			i++
		}
		out = append(out, s[:i])
		s = s[min(i+1, len(s)):]
	}
	return out
}

func testMatch(t *testing.T, db store.DB) {
	type group string // named types are fine as values
	for _, g := range []string{"", "x", "x\x01", "xy"} {
		for i := range 4 {
			put(t, db, Item{ID: fmt.Sprintf("%d%s", i, g), Group: g, N: int64(i), Name: fmt.Sprintf("%s-%d", g, i)})
		}
	}
	tests := []struct {
		index   string
		value   any
		after   string
		limit   int
		reverse bool
		want    []string
	}{
		{"grp", "x", "", 0, false, []string{"0x", "1x", "2x", "3x"}},
		{"grp", "x", "", 0, true, []string{"3x", "2x", "1x", "0x"}},
		{"grp", group("x"), "1x", 0, false, []string{"2x", "3x"}},
		{"grp", "x", "1x", 1, false, []string{"2x"}},
		{"grp", "x", "2x", 0, true, []string{"1x", "0x"}},
		{"grp", "x", "2x", 1, true, []string{"1x"}},
		{"grp", "x", "1", 0, false, []string{"1x", "2x", "3x"}},
		{"grp", "x", "9", 0, false, []string{}},
		{"grp", "", "", 2, false, []string{"0", "1"}},
		{"grp", "none", "", 0, false, []string{}},
		{"n", 2, "2", 2, false, []string{"2x", "2x\x01"}},
		{"n", int64(2), "2x\x01", 0, true, []string{"2x", "2"}},
		{"name", "x-1", "", 0, false, []string{"1x"}},
		{"name", "x-1", "1x", 0, false, []string{}},
		{"name", "x-1", "1x", 0, true, []string{}},
		{"is_on", false, "3x", 1, false, []string{"3x\x01"}},
	}
	for _, test := range tests {
		got := ids(t, db, func(tx store.Tx) func(func(Item, error) bool) {
			return Items.Match(tx, test.index, test.value, test.after, test.limit, test.reverse)
		})
		if !slices.Equal(got, test.want) {
			t.Errorf("Match(%s, %v, %q, %d, %v) = %q, want %q", test.index, test.value, test.after, test.limit, test.reverse, got, test.want)
		}
	}
}

func testRanging(t *testing.T, db store.DB) {
	put(t, db, Item{ID: "a"}, Item{ID: "b"}, Item{ID: "c"})
	update(t, db, func(tx store.Tx) error {
		seen := 0
		for v, err := range Items.Range(tx, "", nil, nil, 0, false) {
			if err != nil {
				return err
			}
			seen++
			if err := Items.Put(tx, Item{ID: "d"}); !errors.Is(err, store.ErrRanging) {
				t.Errorf("Put inside a range over the table: %v, want ErrRanging", err)
			}
			if err := Items.Delete(tx, v.ID); !errors.Is(err, store.ErrRanging) {
				t.Errorf("Delete inside a range over the table: %v, want ErrRanging", err)
			}
			for range Items.Range(tx, "n", nil, nil, 1, true) { // a second range may begin and end
			}
			if err := Others.Put(tx, v); err != nil {
				t.Errorf("Put into another table inside a range: %v", err)
			}
			if v.ID == "b" {
				break
			}
		}
		if seen != 2 {
			t.Errorf("the range gave %d rows before the break, want 2", seen)
		}
		return Items.Put(tx, Item{ID: "d"}) // after the loop it is allowed again
	})
	if n := count(t, db); n != 4 {
		t.Errorf("Count = %d, want 4", n)
	}
}

func testBadCalls(t *testing.T, db store.DB) {
	put(t, db, Item{ID: "a"})
	view(t, db, func(tx store.Tx) error {
		for name, seq := range map[string]func(func(Item, error) bool){
			"unknown index":        Items.Range(tx, "nope", nil, nil, 0, false),
			"wrong type":           Items.Range(tx, "n", "text", nil, 0, false),
			"wrong type of to":     Items.Range(tx, "at", nil, 5, 0, false),
			"NUL":                  Items.Range(tx, "grp", "\x00", nil, 0, false),
			"match without value":  Items.Match(tx, "grp", nil, "", 0, false),
			"match on the key":     Items.Match(tx, "", "a", "", 0, false),
			"match after bad text": Items.Match(tx, "grp", "a", "\xff", 0, false),
		} {
			n := 0
			for _, err := range seq {
				if n++; err == nil || n > 1 {
					t.Errorf("%s: item %d with error %v; want one error", name, n, err)
				}
			}
			if n != 1 {
				t.Errorf("%s: %d results, want one error", name, n)
			}
		}
		if _, err := Items.Lookup(tx, "grp", "x"); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("Lookup on an index that is not unique: %v", err)
		}
		if err := Items.Put(tx, Item{ID: "b"}); !errors.Is(err, store.ErrReadTx) {
			t.Errorf("Put in a View: %v, want ErrReadTx", err)
		}
		if err := Items.Delete(tx, "a"); !errors.Is(err, store.ErrReadTx) {
			t.Errorf("Delete in a View: %v, want ErrReadTx", err)
		}
		if _, err := tx.Next("s"); !errors.Is(err, store.ErrReadTx) {
			t.Errorf("Next in a View: %v, want ErrReadTx", err)
		}
		if tx.Writable() {
			t.Error("a View says it is writable")
		}
		unknown := store.Table[Item]{Name: "unknown", Key: func(v Item) string { return v.ID }}
		if _, err := unknown.Get(tx, "a"); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("a table that the store was not opened with: %v", err)
		}
		return nil
	})
}
