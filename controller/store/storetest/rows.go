package storetest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
)

func testRows(t *testing.T, db store.DB) {
	want := Item{
		ID: "a", Name: "näme", Group: "g", N: -7, At: time.Date(2026, 11, 21, 1, 2, 3, 456789000, time.UTC), On: true,
		Text: "\\u0000 is text, \\\\ too, \ufffd and <&> 🎮 too", Data: []byte{0, 0xff, 1},
	}
	put(t, db, want, Item{ID: "b"})
	view(t, db, func(tx store.Tx) error {
		got, err := Items.Get(tx, "a")
		if err != nil || !got.At.Equal(want.At) || got.Text != want.Text || string(got.Data) != string(want.Data) || got.N != -7 || !got.On {
			t.Errorf("Get = %+v, %v; want %+v", got, err, want)
		}
		got, err = Items.Lookup(tx, "name", "näme")
		if err != nil || got.ID != "a" {
			t.Errorf("Lookup = %+v, %v", got, err)
		}
		for _, key := range []string{"c", "", "A", "a ", "\x00", "\xff", strings.Repeat("x", 600)} {
			if _, err := Items.Get(tx, key); !errors.Is(err, store.ErrNotFound) || fault.KindOf(err) != fault.NotFound {
				t.Errorf("Get(%.10q): %v, want ErrNotFound", key, err)
			}
		}
		if _, err := Items.Lookup(tx, "name", "nobody"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Lookup of nobody: %v", err)
		}
		if _, err := Others.Get(tx, "a"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the other table has the row: %v", err)
		}
		return nil
	})
	put(t, db, Item{ID: "a", Name: "new", N: 2})
	if n := count(t, db); n != 2 {
		t.Errorf("Count = %d after replacing a row, want 2", n)
	}
	update(t, db, func(tx store.Tx) error {
		return errors.Join(Items.Delete(tx, "a"), Items.Delete(tx, "a"), Items.Delete(tx, "nobody"), Items.Delete(tx, ""))
	})
	if n := count(t, db); n != 1 {
		t.Errorf("Count = %d after a deletion, want 1", n)
	}
	for _, index := range []string{"", "grp", "n", "is_on"} {
		got := ids(t, db, func(tx store.Tx) func(func(Item, error) bool) { return Items.Range(tx, index, nil, nil, 0, false) })
		if !slices.Equal(got, []string{"b"}) {
			t.Errorf("index %q has %v, want only b", index, got)
		}
	}
}

// texts says which texts may be keys and index values: the same for every engine.
var texts = []struct {
	text string
	ok   bool
}{
	{"x", true}, {"ä", true}, {"\ufffd", true}, {"\x01", true}, {"\U0010ffff", true}, {" ", true}, {"a/b\\c\"", true},
	{strings.Repeat("x", 512), true}, {strings.Repeat("ä", 256), true},
	{strings.Repeat("x", 513), false}, {strings.Repeat("ä", 257), false},
	{"a\x00b", false}, {"\x00", false}, {"\xff", false}, {"a\xc3", false}, {"\xed\xa0\x80", false},
}

func testKeyRules(t *testing.T, db store.DB) {
	for _, test := range texts {
		for field, v := range map[string]Item{
			"key":          {ID: test.text},
			"unique index": {ID: "k1", Name: test.text},
			"index":        {ID: "k2", Group: test.text},
		} {
			err := db.Update(t.Context(), func(tx store.Tx) error { return Items.Put(tx, v) })
			if test.ok && err != nil {
				t.Errorf("%s %.20q refused: %v", field, test.text, err)
			}
			if !test.ok && (!errors.Is(err, store.ErrInvalid) || fault.KindOf(err) != fault.Invalid) {
				t.Errorf("%s %.20q: %v, want ErrInvalid", field, test.text, err)
			}
		}
		if !test.ok {
			continue
		}
		view(t, db, func(tx store.Tx) error {
			if v, err := Items.Get(tx, test.text); err != nil || v.ID != test.text {
				t.Errorf("Get(%.20q) = %.20q, %v", test.text, v.ID, err)
			}
			if v, err := Items.Lookup(tx, "name", test.text); err != nil || v.ID != "k1" {
				t.Errorf("Lookup(%.20q) = %.20q, %v", test.text, v.ID, err)
			}
			return nil
		})
	}
	if err := db.Update(t.Context(), func(tx store.Tx) error { return Items.Put(tx, Item{}) }); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("an empty key: %v, want ErrInvalid", err)
	}
	// The empty text is no key, but it is a value.
	put(t, db, Item{ID: "empty", Group: ""})
}

func testDocumentRules(t *testing.T, db store.DB) {
	for text, ok := range map[string]bool{
		"a\x00b": false, "\xff": false, "\\\x00": false, "\\u0000": true, "\\\\u0000": true, "\ufffd": true, "\u2028": true, "😀": true,
	} {
		err := db.Update(t.Context(), func(tx store.Tx) error { return Items.Put(tx, Item{ID: "x", Text: text}) })
		if ok != (err == nil) || !ok && !errors.Is(err, store.ErrInvalid) {
			t.Errorf("a document with the text %q: %v", text, err)
		}
		if !ok {
			continue
		}
		view(t, db, func(tx store.Tx) error {
			if v, err := Items.Get(tx, "x"); err != nil || v.Text != text {
				t.Errorf("text %q came back as %q, %v", text, v.Text, err)
			}
			return nil
		})
	}
}

func testUnique(t *testing.T, db store.DB) {
	put(t, db, Item{ID: "a", Name: "one"}, Item{ID: "b", Name: "two"}, Item{ID: "c"}, Item{ID: "d"})
	update(t, db, func(tx store.Tx) error {
		err := Items.Put(tx, Item{ID: "b", Name: "one", Group: "changed"})
		if !errors.Is(err, store.ErrConflict) || fault.KindOf(err) != fault.Conflict {
			t.Errorf("a taken name: %v, want ErrConflict", err)
		}
		if after, err := Items.Get(tx, "b"); err != nil || after.Group != "" {
			t.Errorf("the refused row was changed: %+v, %v", after, err)
		}
		return Items.Put(tx, Item{ID: "e", Name: "three"}) // and the transaction goes on
	})
	update(t, db, func(tx store.Tx) error { // a value may change hands inside a transaction
		return errors.Join(Items.Put(tx, Item{ID: "a", Name: "free"}), Items.Put(tx, Item{ID: "b", Name: "one"}),
			Items.Put(tx, Item{ID: "b", Name: "one", N: 3}))
	})
	update(t, db, func(tx store.Tx) error { return Items.Delete(tx, "e") })
	put(t, db, Item{ID: "f", Name: "three"})
	view(t, db, func(tx store.Tx) error {
		for name, id := range map[string]string{"one": "b", "free": "a", "three": "f"} {
			if v, err := Items.Lookup(tx, "name", name); err != nil || v.ID != id {
				t.Errorf("Lookup(%s) = %s, %v; want %s", name, v.ID, err, id)
			}
		}
		if _, err := Items.Lookup(tx, "name", "two"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a name given up is still there: %v", err)
		}
		return nil
	})
}

func testDamage(t *testing.T, db store.DB, damage func(t *testing.T, db store.DB, table, key string)) {
	put(t, db, Item{ID: "a", Name: "one"}, Item{ID: "b", Name: "two"}, Item{ID: "c", Name: "three"})
	damage(t, db, "items", "b")
	var want *store.DamagedError
	view(t, db, func(tx store.Tx) error {
		if _, err := Items.Get(tx, "b"); !errors.As(err, &want) || want.Table != "items" || want.Key != "b" {
			t.Errorf("Get of a damaged row: %v", err)
		}
		if fault.KindOf(want) != fault.Unavailable || fault.Next(want) == "" {
			t.Errorf("a damaged row has kind %q and next step %q", fault.KindOf(want), fault.Next(want))
		}
		if _, err := Items.Lookup(tx, "name", "two"); !errors.As(err, &want) {
			t.Errorf("Lookup of a damaged row: %v", err)
		}
		for _, index := range []string{"", "grp"} {
			var got []string
			for v, err := range Items.Range(tx, index, nil, nil, 0, false) {
				if err != nil {
					v.ID = "damaged"
				}
				got = append(got, v.ID)
			}
			if !slices.Equal(got, []string{"a", "damaged", "c"}) {
				t.Errorf("Range over index %q gives %v: one bad row must not hide the others", index, got)
			}
		}
		return nil
	})
	for name, fn := range map[string]func(tx store.Tx) error{
		"Put":    func(tx store.Tx) error { return Items.Put(tx, Item{ID: "b", Name: "two", N: 9}) },
		"Delete": func(tx store.Tx) error { return Items.Delete(tx, "b") },
	} {
		if err := db.Update(t.Context(), fn); !errors.As(err, &want) {
			t.Errorf("%s of a damaged row: %v", name, err)
		}
	}
}
