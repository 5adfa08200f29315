package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"syscall"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol/failpoint"
	"github.com/payperplay/payperplay/protocol/plant"
	bbolt "go.etcd.io/bbolt"
	bberrors "go.etcd.io/bbolt/errors"
)

// tx is one transaction. It is used by one goroutine.
type tx struct {
	db     *DB
	ctx    context.Context
	b      *bbolt.Tx
	meta   *bbolt.Bucket
	open   map[string]*txTable
	after  []func()
	misuse error // an error of the program, which fails the transaction whatever the closure returns
	raised int64 // the term that this transaction raises ours to; 0: none
	done   bool
}

var errClosed = fault.New(fault.Unavailable, "the store is closed", "the controller is shutting down: try again")

// View runs fn on a snapshot.
func (db *DB) View(ctx context.Context, fn func(store.Tx) error) error {
	if db.closed.Load() {
		return errClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if db.doubleRun && store.Inside(closureEntry) {
		return store.ErrNested
	}
	defer catchFaults()()
	b, err := db.begin()
	if err != nil {
		return closedOr(err)
	}
	t := &tx{db: db, ctx: ctx, b: b}
	defer t.end()
	if err := closure(t, fn); err != nil {
		return err
	}
	return t.misuse
}

// Update runs fn as the only writer and commits.
func (db *DB) Update(ctx context.Context, fn func(store.Tx) error) error {
	start := time.Now()
	if store.Inside(closureEntry) {
		return store.ErrNested
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := db.writer.Take(ctx); err != nil {
		return err
	}
	after, err := db.update(ctx, start, fn)
	if err != nil {
		return err
	}
	for _, fn := range after {
		fn()
	}
	return nil
}

// update does what happens under the writer's lock and returns the functions to run after it.
func (db *DB) update(ctx context.Context, start time.Time, fn func(store.Tx) error) ([]func(), error) {
	defer db.writer.Give()
	locked := time.Now()
	if db.closed.Load() {
		return nil, errClosed
	}
	if err := db.broken.Load(); err != nil {
		return nil, *err
	}
	defer catchFaults()()
	if db.doubleRun {
		if _, err := db.run(ctx, fn, false); err != nil {
			return nil, err
		}
	}
	after, err := db.run(ctx, fn, true)
	db.m.Observe(locked.Sub(start), time.Since(locked), err)
	return after, err
}

// run is one run of the closure, rolled back unless commit is set and all went well.
func (db *DB) run(ctx context.Context, fn func(store.Tx) error, commit bool) ([]func(), error) {
	b, err := db.b.Begin(true)
	if err != nil {
		return nil, closedOr(err)
	}
	t := &tx{db: db, ctx: ctx, b: b}
	defer t.end()
	if err := t.checkTerm(); err != nil {
		return nil, err
	}
	if err := closure(t, fn); err != nil {
		return nil, err
	}
	if t.misuse != nil {
		return nil, t.misuse
	}
	if err := t.flush(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !commit {
		return nil, nil
	}
	return t.after, t.commit()
}

// closure calls the room's function. store.Inside looks for its frame, so it must have one.
//
//go:noinline
func closure(t *tx, fn func(store.Tx) error) error { return fn(t) }

var closureEntry = reflect.ValueOf(closure).Pointer()

// end rolls back what was not committed. A panic of bbolt here means that its lock may be lost.
func (t *tx) end() {
	t.done = true
	defer func() {
		if p := recover(); p != nil {
			_ = t.db.fail(fmt.Errorf("roll-back: %v", p))
			t.db.stuck.Store(true)
		}
	}()
	if err := t.b.Rollback(); err != nil && !errors.Is(err, bberrors.ErrTxClosed) {
		t.db.log.Error("roll-back failed", "error", err)
	}
}

// commit makes the transaction durable. When it cannot tell whether it did, the handle refuses every later Update.
func (t *tx) commit() error {
	if err := failpoint.Hit("store.commit.before"); err != nil {
		return err
	}
	id := t.b.ID()
	if err := commitGuarded(t.b); err != nil {
		return t.db.commitFailed(id, err)
	}
	if t.raised > 0 { // with the writer's lock held: the next one must find row and handle agreed
		t.db.term.Store(t.raised)
	}
	return failpoint.Hit("store.commit.after")
}

func commitGuarded(b *bbolt.Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &store.DamagedError{Table: "_pages", Why: fmt.Sprintf("the commit panicked: %v", p)}
		}
	}()
	return b.Commit()
}

func (db *DB) commitFailed(id int, err error) error {
	if isFull(err) && !db.committed(id) {
		return fault.Wrap(err, fault.ReadOnly, "the disk of the store is full: nothing was changed",
			"free space on the disk that holds "+db.path)
	}
	return db.fail(err)
}

// committed tells whether the header already names transaction id, although the commit failed.
func (db *DB) committed(id int) bool {
	b, err := db.b.Begin(false)
	if err != nil {
		return true
	}
	defer func() { _ = b.Rollback() }()
	return b.ID() >= id
}

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) ||
		errors.Is(err, bberrors.ErrMaxSizeReached)
}

// fail closes the handle to writers: after a failed fsync nobody knows what is on the disk.
func (db *DB) fail(err error) error {
	err = fault.Wrap(err, fault.Unavailable, "the store could not be written and takes no more changes",
		"look at the disk of "+db.path+", restart the controller, and run `controller store check` if it does not start")
	if db.broken.CompareAndSwap(nil, &err) {
		db.log.Error("store takes no more changes", "path", db.path, "error", err)
	}
	return err
}

func closedOr(err error) error {
	if errors.Is(err, bberrors.ErrDatabaseNotOpen) {
		return errClosed
	}
	return err
}

func (t *tx) checkTerm() error {
	term, err := t.metaInt("term")
	if err == nil && term != t.db.term.Load() && !plant.On(plant.StaleTermWrite) {
		err = store.ErrStaleTerm
	}
	return err
}

// metaBucket opens _meta once.
func (t *tx) metaBucket() (*bbolt.Bucket, error) {
	if t.meta != nil {
		return t.meta, nil
	}
	b, err := bucket(t.b, metaName)
	t.meta = b
	return b, err
}

// metaInt reads a framed number of _meta; 0 when there is none.
func (t *tx) metaInt(key string) (int64, error) {
	b, err := t.metaBucket()
	if err != nil {
		return 0, err
	}
	v, err := get(b, metaName, []byte(key))
	if v == nil || err != nil {
		return 0, err
	}
	p, err := unseal(metaName, key, v)
	if err != nil {
		return 0, err
	}
	if len(p) != 8 {
		return 0, &store.DamagedError{Table: metaName, Key: key, Why: errShort.Error()}
	}
	return int64(binary.BigEndian.Uint64(p)), nil
}

func (t *tx) putMetaInt(key string, n int64) error {
	return t.putMeta(key, binary.BigEndian.AppendUint64(nil, uint64(n)))
}

func (t *tx) putMeta(key string, payload []byte) error {
	b, err := t.metaBucket()
	if err != nil {
		return err
	}
	return put(b, metaName, []byte(key), seal(metaName, key, payload))
}

// Writable tells an Update from a View.
func (t *tx) Writable() bool { return t.b.Writable() }

// Engine gives Table its access.
func (t *tx) Engine() store.Engine { return t }

// AfterCommit keeps fn for after the commit.
func (t *tx) AfterCommit(fn func()) {
	switch {
	case t.done:
		panic(store.ErrTxDone)
	case !t.Writable():
		t.misuse = fmt.Errorf("AfterCommit: %w", store.ErrReadTx)
	default:
		t.after = append(t.after, fn)
	}
}

// Next takes the next number of a sequence.
func (t *tx) Next(sequence string) (int64, error) {
	if err := t.usable(true); err != nil {
		return 0, err
	}
	if err := store.CheckKey(sequence); err != nil {
		return 0, err
	}
	n, err := t.metaInt("q/" + sequence)
	if err != nil {
		return 0, err
	}
	return n + 1, t.putMetaInt("q/"+sequence, n+1)
}

func (t *tx) usable(write bool) error {
	switch {
	case t.done:
		return store.ErrTxDone
	case write && !t.Writable():
		return store.ErrReadTx
	}
	return nil
}
