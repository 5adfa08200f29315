package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

// tx is one transaction. It is used by one goroutine.
type tx struct {
	db    *DB
	ctx   context.Context
	write bool
	// careful asks the database before each write, where a new row would otherwise be assumed.
	careful bool
	start   time.Time // of the caller's wait
	tries   int

	conn         *pgxpool.Conn // nil until the first round trip
	begun        bool
	pending      []step // writes that wait for the next round trip
	pendingBytes int
	wrote        bool // something was written, sent or not
	open         map[string]*txTable
	seqs         map[string]sequence

	after  []func()
	misuse error // an error of the program, which fails the transaction whatever the closure returns
	failed error // of a round trip: likewise
	ended  bool
}

type sequence struct{ was, is int64 }

// View runs fn on a snapshot, which begins with the first read.
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
	t := &tx{db: db, ctx: ctx, start: time.Now()}
	defer t.leave()
	err := closure(t, fn)
	switch {
	case t.failed != nil && ctx.Err() != nil:
		return db.tooLate(ctx, t.failed)
	case t.failed != nil:
		return db.explain(t.failed)
	case err != nil:
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

// update does what happens under the process's lock and returns the functions to run after it.
func (db *DB) update(ctx context.Context, start time.Time, fn func(store.Tx) error) ([]func(), error) {
	defer db.writer.Give()
	locked := time.Now()
	if db.closed.Load() {
		return nil, errClosed
	}
	if db.isLost() {
		return nil, db.why
	}
	// Who waited while others found Postgres away does not wait as long again: a queue would never get shorter.
	if since := time.Since(time.Unix(0, db.away.Load())); since < time.Second && time.Since(start) > patience {
		return nil, db.explain(io.ErrUnexpectedEOF)
	}
	if err := db.settle(ctx); err != nil {
		return nil, err
	}
	if db.doubleRun {
		if _, err := db.attempts(ctx, start, fn, false); err != nil {
			return nil, err
		}
	}
	after, err := db.attempts(ctx, start, fn, true)
	db.m.observe(locked.Sub(start), time.Since(locked), err)
	return after, err
}

// attempts runs the closure until it is committed, rolled back by its own error, or there is no hope.
func (db *DB) attempts(ctx context.Context, start time.Time, fn func(store.Tx) error, commit bool) ([]func(), error) {
	const clashes = 10
	var watchful bool
	var before error // of an attempt that found Postgres away
	for n := 1; ; n++ {
		after, v, err := db.run(ctx, &tx{db: db, ctx: ctx, write: true, careful: watchful, start: start}, fn, commit)
		if v == done {
			return after, nil
		}
		clear(db.seqs)
		if v == away && (before == nil || ctx.Err() == nil) {
			before = err
		}
		switch {
		case v == stale:
			return nil, db.lose(store.ErrStaleTerm)
		case v == forgot:
			return nil, db.lose(store.ErrForgotten)
		case v == careful && n < clashes:
			watchful = true
			continue
		case v == clash && n < clashes, v == away && time.Since(start) < patience:
			db.m.retry()
			if pause(ctx, n) != nil {
				return nil, db.tooLate(ctx, before)
			}
			continue
		case v == away && ctx.Err() != nil:
			return nil, db.tooLate(ctx, before)
		case v == away:
			db.away.Store(time.Now().UnixNano())
		}
		return nil, db.explain(err)
	}
}

// run is one run of the closure, rolled back unless commit is set and all went well.
func (db *DB) run(ctx context.Context, t *tx, fn func(store.Tx) error, commit bool) ([]func(), verdict, error) {
	defer t.end()
	err := closure(t, fn)
	switch {
	case t.failed != nil:
		return nil, judge(t.failed), t.failed
	case err != nil:
		return nil, final, err
	case t.misuse != nil:
		return nil, final, t.misuse
	}
	if err := ctx.Err(); err != nil {
		return nil, final, err
	}
	if !commit {
		err := t.send(ctx, t.finish(0)...)
		return nil, judge(err), err
	}
	v, err := t.commit()
	return t.after, v, err
}

// closure calls the room's function. store.Inside looks for its frame, so it must have one.
//
//go:noinline
func closure(t *tx, fn func(store.Tx) error) error { return fn(t) }

var closureEntry = reflect.ValueOf(closure).Pointer()

// end rolls back what was not committed.
func (t *tx) end() {
	t.ended = true
	if t.conn != nil {
		release(t.ctx, t.conn)
		t.conn = nil
	}
}

// leave is end for a View: nobody waits for Postgres to hear that it is over.
func (t *tx) leave() {
	t.ended = true
	if conn := t.conn; conn != nil {
		t.conn = nil
		go release(t.ctx, conn) // Close waits for it: the pool does
	}
}

// finish writes what goes with every change: the operation's number, counts and sequences.
func (t *tx) finish(op int64) []step {
	if !t.wrote {
		return nil
	}
	var names, seqs []string
	var rows, digests, was, is []int64
	for name, tt := range t.open {
		if tt.rowsDelta != 0 || tt.digest != 0 {
			names, rows, digests = append(names, name), append(rows, tt.rowsDelta), append(digests, tt.digest)
		}
	}
	for name, s := range t.seqs {
		if s.is != s.was {
			seqs, was, is = append(seqs, name), append(was, s.was), append(is, s.is)
		}
	}
	return []step{{sql: t.db.sql("SELECT @._finish($1, $2, $3, $4, $5, $6, $7, $8)"), args: []any{t.db.Term(), op, names, rows, digests, seqs, was, is}}}
}

// commit sends the rest and makes it durable. From here on the caller's context does not count: whoever cuts a commit
// short does not know whether it happened.
func (t *tx) commit() (verdict, error) {
	if err := failpoint.Hit("store.commit.before"); err != nil {
		return final, err
	}
	ctx := context.WithoutCancel(t.ctx)
	t.db.op++
	op := t.db.op
	err := t.send(ctx, append(t.finish(op), step{sql: "COMMIT"})...)
	switch {
	case err == nil:
	case answered(err), t.conn == nil, !t.wrote:
		return judge(err), err
	default:
		t.db.log.Warn("the answer to a commit was lost", "error", err)
		t.end() // the pool closes the broken connection
		happened, rerr := t.db.resolve(ctx, op)
		if rerr != nil {
			return judgeResolve(rerr), errors.Join(t.db.errUnknown(rerr), err)
		}
		if !happened {
			return away, err
		}
	}
	if t.wrote {
		t.db.kept.Store(op)
	}
	for name, s := range t.seqs {
		t.db.seqs[name] = s.is
	}
	return done, failpoint.Hit("store.commit.after")
}

func judgeResolve(err error) verdict {
	switch {
	case errors.Is(err, store.ErrForgotten):
		return forgot
	case errors.Is(err, store.ErrStaleTerm):
		return stale
	}
	return final
}

// resolve finds out whether the Update with this number was committed. Nobody can commit it later: the lock that resolve
// takes is free only when the old transaction has ended.
func (db *DB) resolve(ctx context.Context, op int64) (happened bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	db.m.resolving()
	for n := 1; ; n++ {
		term, last, err := db.lastOp(ctx)
		switch {
		case err == nil && db.standing(term, last) == stale:
			why := db.lose(store.ErrStaleTerm)
			if last == op {
				return true, nil
			}
			return false, why
		case err == nil && db.standing(term, last) == forgot:
			return false, db.lose(store.ErrForgotten)
		case err == nil:
			return last == op, nil
		case judge(err) != away:
			return false, err
		}
		if pause(ctx, n) != nil {
			return false, err
		}
	}
}

// lastOp reads who leads and the last number of our own term, under the writer's lock.
func (db *DB) lastOp(ctx context.Context) (term, op int64, err error) {
	conn, err := acquire(ctx, db.writers)
	if err != nil {
		return 0, 0, err
	}
	defer release(ctx, conn)
	round, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	batch := &pgx.Batch{}
	batch.Queue(beginUpdate)
	batch.Queue("SELECT pg_advisory_xact_lock($1)", db.lock())
	batch.Queue(db.sql(`SELECT l.term, CASE WHEN l.term = $1 THEN l.op ELSE coalesce((SELECT p.op FROM @._terms p WHERE p.term = $1), 0) END FROM @._leader l`), db.Term()).
		QueryRow(func(row pgx.Row) error { return row.Scan(&term, &op) })
	return term, op, conn.SendBatch(round, batch).Close()
}

// Writable tells an Update from a View.
func (t *tx) Writable() bool { return t.write }

// Engine gives Table its access.
func (t *tx) Engine() store.Engine { return t }

// AfterCommit keeps fn for after the commit.
func (t *tx) AfterCommit(fn func()) {
	switch {
	case t.ended:
		panic(store.ErrTxDone)
	case !t.write:
		t.misuse = fmt.Errorf("AfterCommit: %w", store.ErrReadTx)
	default:
		t.after = append(t.after, fn)
	}
}

func (t *tx) usable(write bool) error {
	switch {
	case t.ended:
		return store.ErrTxDone
	case write && !t.write:
		return store.ErrReadTx
	}
	return nil
}
