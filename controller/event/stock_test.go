package event_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/store"
)

// TestF14HeldBackRetentionIsVisible: a cursor of money that stands still keeps events beyond their limit, and everyone can see which.
func TestF14HeldBackRetentionIsVisible(t *testing.T) {
	reg := prometheus.NewRegistry()
	log, db := open(t, event.Options{MaxEvents: 10, Metrics: reg})
	c := cursor(t, log, "billing", event.CursorOptions{Hold: true})
	cursor(t, log, "webhook", event.CursorOptions{})
	addN(t, log, db, 50)
	trim := func() event.Stock {
		t.Helper()
		if _, err := log.Trim(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		s, err := log.Stock(t.Context(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := trim()
	if s.Count != 50 || s.Held != 40 || s.HeldBy != "billing" || s.Head != 50 || len(s.Cursors) != 2 || s.Cursors[0].Lag != 50 || s.Oldest.IsZero() {
		t.Errorf("%+v", s)
	}
	if n, err := testutil.GatherAndCount(reg, "payperplay_events_held", "payperplay_event_cursor_lag", "payperplay_events_oldest_timestamp_seconds"); err != nil || n != 4 {
		t.Errorf("%d series: %v", n, err)
	}
	if err := db.Update(t.Context(), func(tx store.Tx) error { return c.Commit(tx, 30) }); err != nil {
		t.Fatal(err)
	}
	if s = trim(); s.Count != 20 || s.Held != 10 {
		t.Errorf("after 30 are done: %+v", s)
	}
	if err := db.Update(t.Context(), func(tx store.Tx) error { return c.Commit(tx, 50) }); err != nil {
		t.Fatal(err)
	}
	if s = trim(); s.Count != 10 || s.Held != 0 || s.HeldBy != "" {
		t.Errorf("after all are done: %+v", s)
	}
	if s, err := log.Stock(t.Context(), time.Now().Add(91*24*time.Hour)); err != nil || s.Held != 0 {
		t.Errorf("old ones that every cursor has passed are not held: %+v %v", s, err)
	}
}
