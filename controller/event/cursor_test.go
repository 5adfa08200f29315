package event_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
)

func cursor(t *testing.T, log *event.Log, name string, opts event.CursorOptions) *event.Cursor {
	t.Helper()
	c, err := log.Cursor(t.Context(), name, opts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func read(t *testing.T, c *event.Cursor, batch int) []int64 {
	t.Helper()
	page, err := c.Read(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	return seqs(page)
}

func TestCursorIsDurable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "controller.db")
	log, db := openAt(t, path, event.Options{})
	addN(t, log, db, 10)
	c := cursor(t, log, "billing", event.CursorOptions{Hold: true})
	if got := read(t, c, 4); !slices.Equal(got, []int64{1, 2, 3, 4}) {
		t.Errorf("first read %v", got)
	}
	if got := read(t, c, 4); !slices.Equal(got, []int64{1, 2, 3, 4}) {
		t.Errorf("a read without a commit moved the cursor: %v", got)
	}
	commit := func(seq int64) error {
		return db.Update(t.Context(), func(tx store.Tx) error { return c.Commit(tx, seq) })
	}
	if err := errors.Join(commit(4), commit(4)); err != nil {
		t.Fatal(err)
	}
	for _, seq := range []int64{3, 11} {
		if err := commit(seq); fault.KindOf(err) != fault.Conflict {
			t.Errorf("Commit(%d) from 4 of 10: %v, want conflict", seq, err)
		}
	}
	_ = db.Update(t.Context(), func(tx store.Tx) error { return errors.Join(c.Commit(tx, 9), context.Canceled) }) // the reader's change failed
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	log, db = openAt(t, path, event.Options{})
	c = cursor(t, log, "billing", event.CursorOptions{Hold: true})
	if got := read(t, c, 100); !slices.Equal(got, []int64{5, 6, 7, 8, 9, 10}) {
		t.Errorf("after a restart %v", got)
	}
	if err := db.Update(t.Context(), func(tx store.Tx) error { return c.Commit(tx, 10) }); err != nil {
		t.Fatal(err)
	}
	if got := read(t, c, 100); len(got) != 0 {
		t.Errorf("at the end %v", got)
	}
	woken := make(chan error)
	go func() { woken <- c.Wait(t.Context()) }()
	addN(t, log, db, 1)
	if err := <-woken; err != nil {
		t.Errorf("Wait: %v", err)
	}
	if got := read(t, cursor(t, log, "new", event.CursorOptions{FromNow: true}), 10); len(got) != 0 {
		t.Errorf("a cursor from now on reads %v", got)
	}
	if _, err := log.Cursor(t.Context(), ".trimmed", event.CursorOptions{}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("the log's own row as a cursor: %v", err)
	}
}

func TestTrim(t *testing.T) {
	log, db := open(t, event.Options{Retention: time.Hour, MaxEvents: 1_000_000})
	addN(t, log, db, 1200) // more than two batches
	money := cursor(t, log, "billing", event.CursorOptions{Hold: true})
	lazy := cursor(t, log, "webhook", event.CursorOptions{})
	commit := func(c *event.Cursor, seq int64) {
		t.Helper()
		if err := db.Update(t.Context(), func(tx store.Tx) error { return c.Commit(tx, seq) }); err != nil {
			t.Fatal(err)
		}
	}
	trim := func(after time.Duration) int64 {
		t.Helper()
		n, err := log.Trim(t.Context(), time.Now().Add(after))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := trim(30 * time.Minute); n != 0 {
		t.Errorf("%d events trimmed before their time", n)
	}
	if n := trim(2 * time.Hour); n != 0 {
		t.Errorf("%d events trimmed that billing has not read", n)
	}
	commit(money, 1100)
	if n := trim(2 * time.Hour); n != 1100 {
		t.Errorf("%d events trimmed, want the 1100 that billing has done", n)
	}
	if got := read(t, money, 1000); len(got) != 100 || got[0] != 1101 {
		t.Errorf("billing reads %d events from %v", len(got), got[:1])
	}
	for name, err := range map[string]error{
		"Follow of an old place":    first(log.Follow(t.Context(), 1099, event.Filter{})),
		"Follow from the beginning": first(log.Follow(t.Context(), 0, event.Filter{})),
		"Follow of the future":      first(log.Follow(t.Context(), 1201, event.Filter{})),
		"a cursor left behind":      func() error { _, err := lazy.Read(t.Context(), 10); return err }(),
	} {
		if !errors.Is(err, event.ErrCursorGone) || fault.Next(err) == "" {
			t.Errorf("%s: %v, want ErrCursorGone", name, err)
		}
	}
	if err := first(log.Follow(t.Context(), 1100, event.Filter{})); err != nil {
		t.Errorf("Follow from the first one that is left: %v", err)
	}
	commit(lazy, 1200) // resynchronised
	if got := read(t, lazy, 10); len(got) != 0 {
		t.Errorf("after the resynchronisation %v", got)
	}
	commit(money, 1200)
	if n := trim(2 * time.Hour); n != 99 {
		t.Errorf("%d events trimmed, want all but the newest", n)
	}
	addN(t, log, db, 1)
	if page, _, err := log.Query(t.Context(), event.Filter{}); err != nil || !slices.Equal(seqs(page), []int64{1200, 1201}) {
		t.Errorf("after it all %v, %v", seqs(page), err)
	}
	if page, _, err := log.Query(t.Context(), event.Filter{Server: "s3", After: 5}); err != nil || !slices.Equal(seqs(page), []int64{1200}) {
		t.Errorf("by the index %v, %v", seqs(page), err)
	}
	if page, _, err := log.Query(t.Context(), event.Filter{Since: time.Now().Add(-time.Hour)}); err != nil || len(page) != 2 {
		t.Errorf("by time %v, %v", seqs(page), err)
	}
}

func first(seq func(func(event.Event, error) bool)) (err error) {
	seq(func(_ event.Event, e error) bool { err = e; return false })
	return err
}

func TestTrimByCount(t *testing.T) {
	log, db := open(t, event.Options{MaxEvents: 10})
	addN(t, log, db, 25)
	n, err := log.Trim(t.Context(), time.Now())
	page, _, err2 := log.Query(t.Context(), event.Filter{})
	if n != 15 || len(page) != 10 || errors.Join(err, err2) != nil {
		t.Errorf("Trim = %d, %v; %d left", n, err, len(page))
	}
}

// TestMoneyIsExact folds the log with a cursor while the reader crashes at random places: each event counts once.
func TestMoneyIsExact(t *testing.T) {
	total := store.Table[sum]{Name: "sums", Key: func(s sum) string { return s.Name }}
	log, db := openAt(t, filepath.Join(t.TempDir(), "controller.db"), event.Options{Retention: time.Nanosecond}, total.Def())
	c := cursor(t, log, "billing", event.CursorOptions{Hold: true})
	crash := errors.New("crash")
	want := int64(0)
	for round := range 60 {
		for i := range round % 4 {
			want += int64(i)
			add(t, log, db, event.Event{Type: "billing.used", Data: event.JSON(i)})
		}
		page, err := c.Read(t.Context(), 3)
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(t.Context(), func(tx store.Tx) error {
			s, err := total.Get(tx, "sum")
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			s.Name = "sum"
			for _, e := range page {
				var n int64
				if _, err := fmt.Sscan(string(e.Data), &n); err != nil {
					return err
				}
				s.Seq += n
				if err := c.Commit(tx, e.Seq); err != nil {
					return err
				}
			}
			if err := total.Put(tx, s); err != nil {
				return err
			}
			if round%3 == 0 && round < 57 {
				return crash
			}
			return nil
		})
		if err != nil && !errors.Is(err, crash) {
			t.Fatal(err)
		}
		if _, err := log.Trim(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	for {
		page, err := c.Read(t.Context(), 100)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		err = db.Update(t.Context(), func(tx store.Tx) error {
			s, err := total.Get(tx, "sum")
			for _, e := range page {
				var n int64
				_, scanErr := fmt.Sscan(string(e.Data), &n)
				s.Seq += n
				err = errors.Join(err, scanErr)
			}
			return errors.Join(err, total.Put(tx, s), c.Commit(tx, page[len(page)-1].Seq))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	err := db.View(t.Context(), func(tx store.Tx) error {
		s, err := total.Get(tx, "sum")
		if s.Seq != want {
			t.Errorf("the sum is %d, want %d", s.Seq, want)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

type sum struct {
	Name string `json:"name"`
	Seq  int64  `json:"seq"`
}
