package bolt_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/bolt"
	"github.com/payperplay/payperplay/controller/store/storetest"
	bbolt "go.etcd.io/bbolt"
)

// row is what a room's row looks like: indexes that a usual change does not touch.
type row struct {
	ID    string    `json:"id"`
	Name  string    `json:"name"`
	Node  string    `json:"node"`
	Epoch int64     `json:"epoch"`
	Seen  time.Time `json:"seen"`
	Text  string    `json:"text"`
}

var rows = store.Table[row]{
	Name: "rows",
	Key:  func(v row) string { return v.ID },
	Indexes: []store.Index[row]{
		store.String("name", func(v row) string { return v.Name }).Uniq(),
		store.String("node", func(v row) string { return v.Node }),
	},
}

type rawEvent struct {
	Seq  uint64    `json:"seq"`
	At   time.Time `json:"at"`
	Type string    `json:"type"`
	Item string    `json:"item"`
}

// BenchmarkUpdate is performance.md §4: our Update with one put and one event against a raw bbolt transaction that puts the
// same JSON under the same keys in two buckets, in turn in one run. The figure is ratio ≤ 1.3, of the medians.
func BenchmarkUpdate(b *testing.B) {
	ctx := b.Context()
	db, err := bolt.Open(ctx, filepath.Join(b.TempDir(), "ours.db"), bolt.Options{Tables: append(event.Tables(), rows.Def())})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	log, err := event.New(event.Options{DB: db})
	if err != nil {
		b.Fatal(err)
	}
	raw, err := bbolt.Open(filepath.Join(b.TempDir(), "raw.db"), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = raw.Close() }()
	item := func(i int) row {
		return row{ID: fmt.Sprintf("server-%04d", i%1000), Name: fmt.Sprint("name", i%1000), Node: "node-1", Epoch: int64(i), Seen: time.Now().UTC(), Text: "a row of some length, as a server's is"}
	}
	ours := func(i int) error {
		return db.Update(ctx, func(tx store.Tx) error {
			v := item(i)
			if err := rows.Put(tx, v); err != nil {
				return err
			}
			_, err := log.Append(tx, event.Event{Type: "server.started", Server: v.ID, Node: v.Node, Owner: "me", Actor: "loop"})
			return err
		})
	}
	theirs := func(i int) error {
		return raw.Update(func(tx *bbolt.Tx) error { return rawPut(tx, item(i)) })
	}
	var mine, yard []time.Duration
	for i := 0; b.Loop(); i++ {
		mine = append(mine, timed(b, ours, i))
		yard = append(yard, timed(b, theirs, i))
	}
	b.ReportMetric(float64(median(mine).Nanoseconds()), "ours-ns")
	b.ReportMetric(float64(median(yard).Nanoseconds()), "bbolt-ns")
	b.ReportMetric(float64(median(mine))/float64(median(yard)), "ratio")
}

func rawPut(tx *bbolt.Tx, v row) error {
	items, err := tx.CreateBucketIfNotExists([]byte("items"))
	if err != nil {
		return err
	}
	doc, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := items.Put([]byte(v.ID), doc); err != nil {
		return err
	}
	events, err := tx.CreateBucketIfNotExists([]byte("events"))
	if err != nil {
		return err
	}
	n, err := events.NextSequence()
	if err != nil {
		return err
	}
	if doc, err = json.Marshal(rawEvent{Seq: n, At: time.Now().UTC(), Type: "server.started", Item: v.ID}); err != nil {
		return err
	}
	return events.Put([]byte(store.SeqKey(int64(n))), doc)
}

func timed(b *testing.B, fn func(int) error, i int) time.Duration {
	b.Helper()
	start := time.Now()
	if err := fn(i); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// BenchmarkGet reads rows by key, one View each, against raw bbolt with the same JSON.
func BenchmarkGet(b *testing.B) {
	ctx := b.Context()
	db, err := bolt.Open(ctx, filepath.Join(b.TempDir(), "ours.db"), bolt.Options{Tables: storetest.Tables()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	err = db.Update(ctx, func(tx store.Tx) error {
		for i := range 10_000 {
			if err := storetest.Items.Put(tx, storetest.Item{ID: fmt.Sprint(i), Name: fmt.Sprint("n", i)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		err := db.View(ctx, func(tx store.Tx) error {
			_, err := storetest.Items.Get(tx, fmt.Sprint(i%10_000))
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
