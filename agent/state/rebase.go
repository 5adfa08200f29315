package state

import (
	"context"

	bolt "go.etcd.io/bbolt"

	"github.com/payperplay/payperplay/protocol"
)

// Rebase gives the waiting reports new numbers after a number that this journal never gave: the controller has taken reports up to
// there from a journal that was lost or is newer than this one, and would take ours for old ones.
func (j *Journal) Rebase(ctx context.Context, after int64) error {
	return j.do(ctx, func(tx *bolt.Tx) error {
		if after < j.next {
			return nil // it was given here: nothing to mend
		}
		b := tx.Bucket(bucketReports)
		var waiting []protocol.Report
		c := b.Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			var r protocol.Report
			if err := decode(bucketReports, k, v, &r); err != nil {
				return damaged(j.path, err)
			}
			waiting = append(waiting, r)
		}
		for _, r := range waiting {
			if err := b.Delete(seqKey(r.Seq)); err != nil {
				return err
			}
		}
		next := after + 1
		for _, r := range waiting {
			r.Seq = next
			if err := put(tx, bucketReports, seqKey(next), r); err != nil {
				return err
			}
			next++
		}
		if err := put(tx, bucketMeta, []byte("next_seq"), next); err != nil {
			return err
		}
		j.first, j.next, j.handed = after+1, next, after
		clear(j.progress)
		j.bytes, j.dropped = measureReports(tx), 0
		return put(tx, bucketMeta, []byte("dropped_seq"), j.dropped)
	})
}
