package postgres

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

var _ store.TermRaiser = (*DB)(nil)

// raised is a term and its first operation's number, by which the controller that raised it knows it as its own.
type raised struct{ term, op int64 }

// firstOp is where a term's numbers begin. Two controllers that come to the same term, each by its own way, differ in it.
func firstOp() int64 { return 1 + rand.Int64N(1<<62) }

// leads notes what is committed: this process leads with term, whose first number is op.
func (db *DB) leads(term, op int64) {
	db.op = op
	db.kept.Store(op)
	db.term.Store(term)
	clear(db.seqs)
}

// standing compares what the database says with what this process knows: done when it still leads.
func (db *DB) standing(term, op int64) verdict {
	switch mine := db.Term(); {
	case term > mine:
		return stale
	case term < mine, op < db.kept.Load(), op > db.op:
		return forgot
	}
	return done
}

// RaiseTerm makes the term at least atLeast, in the database first. It waits for the Update under way; what is committed
// after it is of the new term. Another controller that has taken over meanwhile keeps the store: ErrStaleTerm.
func (db *DB) RaiseTerm(ctx context.Context, atLeast int64) error {
	if err := db.writer.Take(ctx); err != nil {
		return err
	}
	defer db.writer.Give()
	if db.closed.Load() {
		return errClosed
	}
	if err := db.settle(ctx); err != nil {
		return err
	}
	switch {
	case db.isLost():
		return db.why
	case atLeast <= db.Term():
		return nil
	}
	if err := failpoint.Hit("store.commit.before"); err != nil {
		return err
	}
	// The watch would take the risen term for another controller's: it knows of it before the database does.
	db.rising.Store(atLeast)
	to := raised{term: atLeast, op: firstOp()}
	switch v, err := db.moveTerm(context.WithoutCancel(ctx), to); {
	case v == away: // it may have become so, or become so yet
		db.unsure = to
		return err
	case err != nil:
		db.rising.Store(0)
		return err
	}
	db.leads(to.term, to.op)
	db.rising.Store(0)
	return failpoint.Hit("store.commit.after")
}

// moveTerm makes the term to: done, final, or away when it could not be found out. After a lost connection it looks whether
// the term is to already.
func (db *DB) moveTerm(ctx context.Context, to raised) (verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	for n := 1; ; n++ {
		var was raised
		var v verdict
		err := db.onWriter(ctx, func(tx pgx.Tx) error {
			if err := db.lead(ctx, tx, &was); err != nil {
				return err
			}
			if v = db.standing(was.term, was.op); v != done {
				return nil
			}
			if _, err := tx.Exec(ctx, db.sql("INSERT INTO @._terms (term, op) SELECT term, op FROM @._leader ON CONFLICT (term) DO NOTHING")); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, db.sql("UPDATE @._leader SET term = $1, op = $2"), to.term, to.op)
			return err
		})
		switch {
		case err == nil && (v == done || was == to):
			return done, nil
		case err == nil && v == forgot:
			return final, db.lose(store.ErrForgotten)
		case err == nil:
			return final, db.lose(store.ErrStaleTerm)
		case judge(err) != away && n == 1:
			return final, db.explain(err)
		case judge(err) != away: // an attempt before may have been committed
			return away, db.explain(err)
		}
		if pause(ctx, n) != nil {
			return away, fmt.Errorf("raise the term: %w", db.errUnknown(err))
		}
	}
}

// settle finds out what became of a raise whose outcome was not known. Nobody can commit it after that: see resolve.
func (db *DB) settle(ctx context.Context) error {
	if db.unsure == (raised{}) {
		return nil
	}
	var is raised
	if err := db.onWriter(ctx, func(tx pgx.Tx) error { return db.lead(ctx, tx, &is) }); err != nil {
		if judge(err) == away && ctx.Err() == nil {
			db.away.Store(time.Now().UnixNano())
		}
		return db.explain(err)
	}
	if is == db.unsure {
		db.leads(is.term, is.op)
	}
	db.unsure = raised{}
	db.rising.Store(0)
	return nil
}

// lead reads who leads, as the only writer.
func (db *DB) lead(ctx context.Context, tx pgx.Tx, is *raised) error {
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", db.lock()); err != nil {
		return err
	}
	return tx.QueryRow(ctx, db.sql("SELECT term, op FROM @._leader")).Scan(&is.term, &is.op)
}

func (db *DB) onWriter(ctx context.Context, fn func(pgx.Tx) error) error {
	round, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	conn, err := acquire(round, db.writers)
	if err != nil {
		return err
	}
	defer release(ctx, conn)
	return pgx.BeginFunc(round, conn, fn)
}
