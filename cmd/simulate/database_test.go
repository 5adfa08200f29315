package simulate

import (
	"context"
	"encoding/json"
	"io"
	"runtime"
	"sync"
	"time"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/bolt"
	"github.com/payperplay/payperplay/protocol"
)

// database is a controller's store with what may go wrong around it, and with a witness of every commit.
type database struct {
	c     *controllerProcess
	inner *bolt.DB

	mu      sync.Mutex
	chance  func(n int) int
	dieAt   int // the commit the controller dies at; 0: none
	after   bool
	commits int
	late    int // so many ms at most before a transaction begins
}

var _ store.DB = (*database)(nil)

func newDatabase(c *controllerProcess, inner *bolt.DB, n int) *database {
	r := rnd(c.w.seed, "database", n)
	d := &database{c: c, inner: inner, late: 40}
	d.chance = func(n int) int {
		d.mu.Lock()
		defer d.mu.Unlock()
		return r.IntN(n)
	}
	return d
}

func (d *database) Term() int64 { return d.inner.Term() }
func (d *database) Backup(ctx context.Context, w io.Writer) (int64, error) {
	return d.inner.Backup(ctx, w)
}
func (d *database) Close() error { return nil }

// RestoreSequence passes the engine's on.
func (d *database) RestoreSequence() int64 { return restores(d.inner) }

func restores(db any) int64 {
	if r, ok := db.(interface{ RestoreSequence() int64 }); ok {
		return r.RestoreSequence()
	}
	return 0
}

func (d *database) View(ctx context.Context, fn func(store.Tx) error) error {
	if !d.c.alive() {
		return errGone
	}
	return d.inner.View(ctx, fn)
}

// Update lets a transaction wait a little, so that what its caller saw before may be old, and lets others run between the closure and the
// commit, as an fsync does.
func (d *database) Update(ctx context.Context, fn func(store.Tx) error) error {
	if d.late > 0 && d.chance(3) == 0 {
		pause(ctx, time.Duration(d.chance(d.late))*time.Millisecond)
	}
	if !d.c.alive() {
		return errGone
	}
	if err := d.c.w.writes.Take(ctx); err != nil { // else the witness could hear of two commits in the wrong order
		return err
	}
	defer d.c.w.writes.Give()
	hit := d.count()
	rec := &record{}
	err := d.inner.Update(ctx, func(tx store.Tx) error {
		*rec = record{tx: tx, puts: map[string]map[string][]byte{}, tellers: map[string]bool{}}
		tx.AfterCommit(func() { d.c.w.truth.committed(d.c, rec) })
		if err := fn(spyTx{tx, rec}); err != nil {
			return err
		}
		for range 4 {
			runtime.Gosched()
		}
		if hit && !d.after {
			d.c.die("before a commit")
		}
		if !d.c.alive() {
			return errGone
		}
		return d.trouble()
	})
	if err == nil && hit {
		d.c.die("after a commit")
	}
	if err == nil && !d.c.alive() {
		return errGone
	}
	return err
}

func (d *database) count() (hit bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.commits++
	if hit = d.dieAt > 0 && d.commits >= d.dieAt; hit {
		d.dieAt = 0
	}
	return hit
}

// trouble is what the disk says at the end of a transaction.
func (d *database) trouble() error {
	w := d.c.w
	w.mu.Lock()
	full, fails := w.full > 0, w.fails > 0
	w.mu.Unlock()
	switch {
	case full:
		return fault.New(fault.ReadOnly, "the disk of the store is full: nothing was changed", "free space")
	case fails && d.chance(2) == 0:
		return fault.New(fault.Unavailable, "the store is away", "try again")
	}
	return nil
}

func (d *database) arm(n int, after bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dieAt, d.after = d.commits+n, after
}

func (d *database) disarm() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dieAt = 0
}

// record is what one transaction wrote, and on whose word.
type record struct {
	tx      store.Tx
	puts    map[string]map[string][]byte // by table and key; nil: deleted
	tellers map[string]bool              // nodes whose reports or inventory were taken
	taken   []takenReport
}

type takenReport struct {
	node string
	protocol.Report
}

func told(tx store.Tx) *record { return tx.(spyTx).rec }

// spyTx is a transaction that is watched.
type spyTx struct {
	store.Tx
	rec *record
}

func (t spyTx) Engine() store.Engine { return spyEngine{t.Tx.Engine(), t.rec} }

type spyEngine struct {
	store.Engine
	rec *record
}

func (e spyEngine) note(table, key string, doc []byte) {
	if e.rec.puts[table] == nil {
		e.rec.puts[table] = map[string][]byte{}
	}
	e.rec.puts[table][key] = doc
}

func (e spyEngine) Put(table, key string, doc []byte, values []store.Value) error {
	err := e.Engine.Put(table, key, doc, values)
	if err == nil {
		e.note(table, key, append([]byte{}, doc...))
	}
	return err
}

func (e spyEngine) Delete(table, key string) error {
	err := e.Engine.Delete(table, key)
	if err == nil {
		e.note(table, key, nil)
	}
	return err
}

// change is what a transaction did to the rows that the witness follows.
type change struct {
	servers  map[string]*fleet.Server // nil: gone
	nodes    map[string]*fleet.Node
	bookings map[string]*fleet.Booking
	events   []event.Event
}

func changed[T any](docs map[string][]byte) map[string]*T {
	out := map[string]*T{}
	for key, doc := range docs {
		if doc == nil {
			out[key] = nil
			continue
		}
		row := new(T)
		if err := json.Unmarshal(doc, row); err != nil {
			panic(err)
		}
		out[key] = row
	}
	return out
}
