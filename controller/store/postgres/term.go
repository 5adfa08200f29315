package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

var _ store.TermRaiser = (*DB)(nil)

// RaiseTerm makes the term at least atLeast, in the database first. It waits for the Update under way; what is committed
// after it is of the new term. Another controller that has taken over meanwhile keeps the store: ErrStaleTerm.
func (db *DB) RaiseTerm(ctx context.Context, atLeast int64) error {
	select {
	case db.writer <- struct{}{}:
	case <-ctx.Done():
		return fault.Wrap(ctx.Err(), fault.KindOf(ctx.Err()), "the store was busy for too long", "try again")
	}
	defer func() { <-db.writer }()
	switch {
	case db.closed.Load():
		return errClosed
	case db.isLost():
		return store.ErrStaleTerm
	case atLeast <= db.Term():
		return nil
	}
	if err := failpoint.Hit("store.commit.before"); err != nil {
		return err
	}
	// The watch would take the risen term for another controller's: it knows of it before the database does.
	db.rising.Store(atLeast)
	defer db.rising.Store(0)
	switch happened, err := db.moveTerm(context.WithoutCancel(ctx), atLeast); {
	case err != nil:
		return err
	case !happened:
		db.lose()
		return store.ErrStaleTerm
	}
	db.term.Store(atLeast)
	db.op = 0
	clear(db.seqs)
	return failpoint.Hit("store.commit.after")
}

// moveTerm tells whether the term is to now. After a lost connection it looks: it may have become so.
func (db *DB) moveTerm(ctx context.Context, to int64) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	for n := 1; ; n++ {
		var was int64
		err := db.onWriter(ctx, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", db.lock()); err != nil {
				return err
			}
			if err := tx.QueryRow(ctx, db.sql("SELECT term FROM @._leader")).Scan(&was); err != nil || was != db.Term() {
				return err
			}
			if _, err := tx.Exec(ctx, db.sql("INSERT INTO @._terms (term, op) SELECT term, op FROM @._leader ON CONFLICT (term) DO NOTHING")); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, db.sql("UPDATE @._leader SET term = $1, op = 0"), to)
			return err
		})
		switch {
		case err == nil:
			return was == db.Term() || was == to && n > 1, nil
		case judge(err) != away:
			return false, db.explain(err)
		}
		if pause(ctx, n) != nil {
			return false, fmt.Errorf("raise the term: %w", db.errUnknown(err))
		}
	}
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
