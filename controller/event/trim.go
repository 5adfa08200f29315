package event

import (
	"context"
	"time"

	"github.com/payperplay/payperplay/controller/store"
)

// trimBatch is how many events one transaction deletes, so that other writers wait for milliseconds only.
const trimBatch = 500

// Trim deletes events that are older than the retention or too many, except those that a holding cursor has not passed.
// It returns how many it deleted; call it from a loop.
func (l *Log) Trim(ctx context.Context, now time.Time) (int64, error) {
	var total int64
	for {
		n, err := l.trimSome(ctx, now)
		total += n
		if err != nil || n < trimBatch {
			l.m.trim(total)
			return total, err
		}
	}
}

func (l *Log) trimSome(ctx context.Context, now time.Time) (n int64, err error) {
	err = l.db.Update(ctx, func(tx store.Tx) error {
		n = 0
		limit, err := holdLimit(tx)
		if err != nil {
			return err
		}
		count, err := events.Count(tx)
		if err != nil {
			return err
		}
		last, err := l.expired(tx, limit, count-l.maxEvents, now.Add(-l.retention))
		if err != nil || len(last) == 0 {
			return err
		}
		for _, seq := range last {
			if err := events.Delete(tx, store.SeqKey(seq)); err != nil {
				return err
			}
		}
		n = int64(len(last))
		return cursors.Put(tx, cursorRow{Name: trimmedRow, Seq: last[n-1], Updated: now.UTC()})
	})
	return n, err
}

// expired lists the oldest events that may go: up to limit, logged before the cut or among the surplus.
func (l *Log) expired(tx store.Tx, limit, surplus int64, cut time.Time) ([]int64, error) {
	var out []int64
	newest, _, err := lastRow(tx)
	if err != nil {
		return nil, err
	}
	for r, err := range events.Range(tx, "", nil, nil, trimBatch, false) {
		if err != nil {
			return nil, err
		}
		// The newest event stays: it says where the numbers are.
		if r.Seq > limit || r.Seq == newest.Seq || int64(len(out)) >= surplus && !r.Logged.Before(cut) {
			break
		}
		out = append(out, r.Seq)
	}
	return out, nil
}

// holdLimit is the last event that every holding cursor has passed.
func holdLimit(tx store.Tx) (int64, error) {
	const none = int64(1)<<62 - 1
	limit := none
	for c, err := range cursors.Range(tx, "", nil, nil, 0, false) {
		if err != nil {
			return 0, err
		}
		if c.Hold {
			limit = min(limit, c.Seq)
		}
	}
	return limit, nil
}
