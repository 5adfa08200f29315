// Package storetest is the conformance suite of package store: what every engine has to pass, so that a room is written once.
//
//	func TestConformance(t *testing.T) { storetest.Run(t, open) }
package storetest

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/store"
)

// Option of a store that the suite asks for.
type Option string

// DoubleRun asks for the mode in which every Update's closure runs twice.
const DoubleRun Option = "double-run"

// Opener makes an empty store with these tables; it closes it at the end of the test.
type Opener func(t *testing.T, tables []store.TableDef, opts ...Option) store.DB

// Hooks are what an engine can do for the suite; a nil one skips the test.
type Hooks struct {
	// Damage changes a byte of a row's document behind the engine's back.
	Damage func(t *testing.T, db store.DB, table, key string)
}

// Item is the row of the suite's table: one index of each kind, unique and not.
type Item struct {
	ID    string    `json:"id"`
	Name  string    `json:"name"`
	Group string    `json:"group"`
	N     int64     `json:"n"`
	At    time.Time `json:"at"`
	On    bool      `json:"on"`
	Text  string    `json:"text,omitempty"`
	Data  []byte    `json:"data,omitempty"`
	// Raw is for JSON that encoding/json has not made.
	Raw json.RawMessage `json:"raw,omitempty"`
}

// Items is the suite's table. Rows without a name are not in the unique index.
var Items = store.Table[Item]{
	Name: "items",
	Key:  func(v Item) string { return v.ID },
	Indexes: []store.Index[Item]{
		store.String("name", func(v Item) string { return v.Name }).Uniq().When(func(v Item) bool { return v.Name != "" }),
		store.String("grp", func(v Item) string { return v.Group }),
		store.Int64("n", func(v Item) int64 { return v.N }),
		store.Time("at", func(v Item) time.Time { return v.At }),
		store.Bool("is_on", func(v Item) bool { return v.On }),
	},
}

// Others is a second table, so that "the same table" and "another one" can be told apart.
var Others = store.Table[Item]{Name: "others", Key: func(v Item) string { return v.ID }}

// Tables are the suite's tables.
func Tables() []store.TableDef { return []store.TableDef{Items.Def(), Others.Def()} }

// Run runs the suite.
func Run(t *testing.T, open Opener, hooks Hooks) {
	tests := []struct {
		name string
		fn   func(t *testing.T, db store.DB)
		opts []Option
	}{
		{"Rows", testRows, nil},
		{"KeyRules", testKeyRules, nil},
		{"DocumentRules", testDocumentRules, nil},
		{"Order", testOrder, nil},
		{"Bounds", testBounds, nil},
		{"Match", testMatch, nil},
		{"Unique", testUnique, nil},
		{"Ranging", testRanging, nil},
		{"BadCalls", testBadCalls, nil},
		{"Snapshot", testSnapshot, nil},
		{"AllOrNothing", testAllOrNothing, nil},
		{"Panic", testPanic, nil},
		{"AfterCommit", testAfterCommit, nil},
		{"DoubleRun", testDoubleRun, []Option{DoubleRun}},
		{"Sequences", testSequences, nil},
		{"Nested", testNested, []Option{DoubleRun}},
		{"Done", testDone, nil},
		{"Context", testContext, nil},
		{"Concurrent", testConcurrent, nil},
		{"Backup", testBackup, nil},
		{"Closed", testClosed, nil},
		{"RawDocuments", testRawDocuments, nil},
		{"Numbers", testNumbers, nil},
		{"OddKeys", testOddKeys, nil},
		{"LongValues", testLongValues, nil},
		{"Times", testTimes, nil},
		{"BigDocuments", testBigDocuments, nil},
		{"BigUpdate", testBigUpdate, nil},
		{"BigUpdateDoubleRun", testBigUpdate, []Option{DoubleRun}},
		{"OwnWrites", testOwnWrites, nil},
		{"OwnWritesDoubleRun", testOwnWrites, []Option{DoubleRun}},
		{"GapFree", testGapFree, nil},
		{"Model", testModel, nil},
		{"ModelDoubleRun", testModel, []Option{DoubleRun}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.fn(t, open(t, Tables(), test.opts...)) })
	}
	t.Run("Damage", func(t *testing.T) {
		if hooks.Damage == nil {
			t.Skip("this engine cannot damage a row from outside")
		}
		testDamage(t, open(t, Tables()), hooks.Damage)
	})
}

// view and update fail the test on an error.
func view(t testing.TB, db store.DB, fn func(tx store.Tx) error) {
	t.Helper()
	if err := db.View(context.Background(), fn); err != nil {
		t.Fatalf("View: %v", err)
	}
}

func update(t testing.TB, db store.DB, fn func(tx store.Tx) error) {
	t.Helper()
	if err := db.Update(context.Background(), fn); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

func put(t testing.TB, db store.DB, items ...Item) {
	t.Helper()
	update(t, db, func(tx store.Tx) error {
		for _, v := range items {
			if err := Items.Put(tx, v); err != nil {
				return err
			}
		}
		return nil
	})
}

// ids collects the keys of a walk; an error ends the test.
func ids(t testing.TB, db store.DB, walk func(tx store.Tx) func(func(Item, error) bool)) []string {
	t.Helper()
	out := []string{}
	view(t, db, func(tx store.Tx) error {
		for v, err := range walk(tx) {
			if err != nil {
				return err
			}
			out = append(out, v.ID)
		}
		return nil
	})
	return out
}

func count(t testing.TB, db store.DB) int64 {
	t.Helper()
	var n int64
	view(t, db, func(tx store.Tx) (err error) {
		n, err = Items.Count(tx)
		return err
	})
	return n
}
