package upkeep_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/bolt"
	"github.com/payperplay/payperplay/controller/upkeep"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type note struct {
	ID string    `json:"id"`
	At time.Time `json:"at"`
}

var notes = store.Table[note]{Name: "notes", Key: func(n note) string { return n.ID },
	Indexes: []store.Index[note]{store.Time("at", func(n note) time.Time { return n.At })}}

func trimNotes(tx store.Tx, now time.Time, most int) (int, error) {
	var dead []string
	for n, err := range notes.Range(tx, "at", nil, now.Add(-time.Hour), most, false) {
		if err != nil {
			return 0, err
		}
		dead = append(dead, n.ID)
	}
	for _, id := range dead {
		if err := notes.Delete(tx, id); err != nil {
			return 0, err
		}
	}
	return len(dead), nil
}

func types(t *testing.T, log *event.Log) []string {
	t.Helper()
	page, _, err := log.Query(t.Context(), event.Filter{Types: []string{"store.*"}})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range page {
		out = append(out, e.Type)
	}
	return out
}

// TestF13LowDiskIsToldOnce runs three virtual hours: rows go when their time is over, a disk that gets low is told once, and so is its
// recovery; while it is full, nothing can be told and nothing breaks.
func TestF13LowDiskIsToldOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "controller.db")
	synctest.Test(t, func(t *testing.T) {
		db, err := bolt.Open(t.Context(), path, bolt.Options{Tables: append(event.Tables(), notes.Def())})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		log, err := event.New(event.Options{DB: db})
		if err != nil {
			t.Fatal(err)
		}
		var free atomic.Int64
		free.Store(50 << 30)
		reg := prometheus.NewRegistry()
		var broken atomic.Bool
		broken.Store(true)
		u, err := upkeep.New(upkeep.Options{
			DB: db, Events: log, Data: "/data", File: db, Logger: slog.New(slog.DiscardHandler), Metrics: reg,
			Disk: func(string) (upkeep.Disk, error) { return upkeep.Disk{Free: free.Load(), Total: 100 << 30}, nil },
			Trims: []upkeep.Trim{
				{What: "broken", Some: func(store.Tx, time.Time, int) (int, error) {
					if broken.Load() {
						return 0, errors.New("cannot")
					}
					return 0, nil
				}},
				{What: "notes", Some: trimNotes},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(t.Context(), func(tx store.Tx) error {
			for i := range 1200 {
				if err := notes.Put(tx, note{ID: fmt.Sprint(i), At: time.Now()}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		left := func() (n int64) {
			_ = db.View(t.Context(), func(tx store.Tx) error { n, err = notes.Count(tx); return err })
			return n
		}
		done := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { done <- u.Run(ctx) }()
		time.Sleep(50 * time.Minute)
		if n := left(); n != 1200 {
			t.Errorf("%d rows after 50 minutes", n)
		}
		time.Sleep(30 * time.Minute)
		if n := left(); n != 0 { // a kind that fails does not keep the others
			t.Errorf("%d rows after 80 minutes", n)
		}
		if r := reading(u, t, "retention"); r.Level != upkeep.Warn {
			t.Errorf("retention that fails for 80 minutes: %+v", r)
		}
		broken.Store(false)
		time.Sleep(20 * time.Minute)
		if r := reading(u, t, "retention"); r.Level != upkeep.OK {
			t.Errorf("retention that works again: %+v", r)
		}
		for _, step := range []struct {
			free int64
			want []string
		}{
			{5 << 30, nil},
			{4 << 30, []string{"store.disk_low"}},
			{3 << 30, []string{"store.disk_low"}},
			{6 << 30, []string{"store.disk_low"}},
			{50 << 30, []string{"store.disk_low", "store.disk_ok"}},
			{1 << 30, []string{"store.disk_low", "store.disk_ok", "store.disk_low"}},
		} {
			free.Store(step.free)
			time.Sleep(5 * time.Minute)
			if got := types(t, log); !slices.Equal(got, step.want) {
				t.Errorf("%d GiB free: %v, want %v", step.free>>30, got, step.want)
			}
		}
		if n, err := testutil.GatherAndCount(reg, "payperplay_limit_level", "payperplay_data_disk_free_bytes"); err != nil || n != 7 {
			t.Errorf("%d series: %v", n, err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func reading(u *upkeep.Upkeep, t *testing.T, name string) upkeep.Reading {
	t.Helper()
	for _, r := range u.Readings(t.Context()) {
		if r.Name == name {
			return r
		}
	}
	t.Fatalf("no reading %s", name)
	return upkeep.Reading{}
}
