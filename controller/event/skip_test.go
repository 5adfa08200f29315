package event_test

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/store"
)

func follow(t *testing.T, log *event.Log, after int64) ([]int64, error) {
	t.Helper()
	var got []int64
	for e, err := range log.Follow(t.Context(), after, event.Filter{}) {
		if err != nil {
			return got, err
		}
		if got = append(got, e.Seq); e.Type == "node.last" {
			return got, nil
		}
	}
	return got, nil
}

// TestF25SkipLeavesAHole: after a restore no number is given twice, and a cursor of the lost time is told so for good.
func TestF25SkipLeavesAHole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "controller.db")
	log, db := openAt(t, path, event.Options{})
	addN(t, log, db, 10)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	// A process over the restored store: it logs two events before it notices, and one in the very transaction.
	log, db = openAt(t, path, event.Options{})
	addN(t, log, db, 2)
	if err := db.Update(t.Context(), func(tx store.Tx) error {
		_, err1 := log.Append(tx, event.Event{Type: "node.before"})
		err2 := log.Skip(tx)
		e, err3 := log.Append(tx, event.Event{Type: "node.after"})
		if e.Seq != event.Era+1 {
			t.Errorf("the first number after the hole is %d", e.Seq)
		}
		return errors.Join(err1, err2, err3)
	}); err != nil {
		t.Fatal(err)
	}
	add(t, log, db, event.Event{Type: "node.last"})
	want := []int64{11, 12, 13, event.Era + 1, event.Era + 2}
	if got, err := follow(t, log, 10); err != nil || !slices.Equal(got, want) {
		t.Errorf("from the last certain number: %v, %v; want %v", got, err, want)
	}
	for _, cursor := range []int64{11, 14, 500_000, event.Era - 1} {
		if got, err := follow(t, log, cursor); !errors.Is(err, event.ErrCursorGone) {
			t.Errorf("cursor %d: %v, %v; want ErrCursorGone", cursor, got, err)
		}
	}
	if got, err := follow(t, log, event.Era+1); err != nil || !slices.Equal(got, []int64{event.Era + 2}) {
		t.Errorf("after the hole: %v, %v", got, err)
	}
	// The next process goes on above, and a search by time finds its way over the hole.
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	log, db = openAt(t, path, event.Options{})
	add(t, log, db, event.Event{Type: "node.last"})
	if got, err := follow(t, log, event.Era+2); err != nil || !slices.Equal(got, []int64{event.Era + 3}) {
		t.Errorf("the next process: %v, %v", got, err)
	}
	page, _, err := log.Query(t.Context(), event.Filter{Since: time.Now().Add(-time.Hour), Limit: 100})
	if err != nil || len(page) != 16 {
		t.Errorf("by time: %d events, %v", len(page), err)
	}
}

// TestF25EveryTimeIsFoundOverHoles compares the search by time with looking at every row.
func TestF25EveryTimeIsFoundOverHoles(t *testing.T) {
	log, db := open(t, event.Options{})
	for i := range 12 {
		addN(t, log, db, i%4)
		if err := db.Update(t.Context(), log.Skip); err != nil {
			t.Fatal(err)
		}
	}
	addN(t, log, db, 1)
	all, _, err := log.Query(t.Context(), event.Filter{Limit: 1000})
	if err != nil || len(all) < 19 {
		t.Fatalf("%d events, %v", len(all), err)
	}
	for _, from := range all {
		got, _, err := log.Query(t.Context(), event.Filter{Since: from.At, Limit: 1000})
		want := slices.DeleteFunc(slices.Clone(all), func(e event.Event) bool { return e.At.Before(from.At) })
		if err != nil || len(got) != len(want) || got[0].Seq != want[0].Seq {
			t.Errorf("since %d: %d events, %v; want %d", from.Seq, len(got), err, len(want))
		}
	}
}

// TestF25SkipBesideALateCommit: what a commit tells may arrive after the next writer's Skip, and must not bring the old numbers back.
func TestF25SkipBesideALateCommit(t *testing.T) {
	log, db := openAt(t, filepath.Join(t.TempDir(), "controller.db"), event.Options{})
	if err := db.Update(t.Context(), func(tx store.Tx) error {
		tx.AfterCommit(func() { // runs before what Append registers
			if err := db.Update(t.Context(), log.Skip); err != nil {
				t.Error(err)
			}
		})
		_, err := log.Append(tx, event.Event{Type: "node.before"})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	add(t, log, db, event.Event{Type: "node.after"}, event.Event{Type: "node.last"})
	want := []int64{1, event.Era + 1, event.Era + 2}
	if got, err := follow(t, log, 0); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}
