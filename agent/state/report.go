package state

import (
	"context"
	"encoding/binary"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/payperplay/payperplay/protocol"
)

// Append makes reports of facts; they are kept until Ack covers them.
func (j *Journal) Append(ctx context.Context, facts ...protocol.Fact) error {
	return j.do(ctx, func(tx *bolt.Tx) error { return j.append(tx, facts) })
}

// append runs in the writer's transaction, with mu held.
func (j *Journal) append(tx *bolt.Tx, facts []protocol.Fact) error {
	for _, f := range facts {
		seq, keep := j.place(f)
		if !keep {
			continue
		}
		r := protocol.Report{Boot: j.boot, Run: j.run, Seq: seq, At: time.Now().UTC(), Fact: f}
		j.bytes -= reportSize(tx, seqKey(seq)) // of the one it replaces
		if err := put(tx, bucketReports, seqKey(seq), r); err != nil {
			return err
		}
		j.bytes += reportSize(tx, seqKey(seq))
		if seq < j.next {
			continue
		}
		j.next = seq + 1
		if err := put(tx, bucketMeta, []byte("next_seq"), j.next); err != nil {
			return err
		}
	}
	return j.trim(tx)
}

// place gives a report its number. A newer progress text takes the place of an older one that has certainly not been sent,
// and is dropped when too many reports wait; all other facts get a number of their own, always.
func (j *Journal) place(f protocol.Fact) (seq int64, keep bool) {
	if f.Observed == nil {
		return j.next, true
	}
	server := f.Observed.Server
	if f.Observed.Progress == "" {
		delete(j.progress, server)
		return j.next, true
	}
	if at := j.progress[server]; at > j.handed {
		return at, true
	}
	if j.next-j.first >= int64(j.max) {
		return 0, false
	}
	j.progress[server] = j.next
	return j.next, true
}

// Next reads up to limit unacknowledged reports after seq, oldest first, without holes.
func (j *Journal) Next(_ context.Context, after int64, limit int) ([]protocol.Report, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []protocol.Report
	err := j.recoverRead(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketReports).Cursor()
		for k, v := c.Seek(seqKey(max(after+1, 0))); k != nil && len(out) < limit; k, v = c.Next() {
			var r protocol.Report
			if err := decode(bucketReports, k, v, &r); err != nil {
				return damaged(j.path, err)
			}
			out = append(out, r)
		}
		return nil
	})
	if len(out) > 0 {
		j.handed = max(j.handed, out[len(out)-1].Seq)
	}
	return out, err
}

// Ack forgets all reports up to seq.
func (j *Journal) Ack(ctx context.Context, seq int64) error {
	j.mu.Lock()
	nothing := seq < j.first
	j.mu.Unlock()
	if nothing {
		return nil
	}
	return j.do(ctx, func(tx *bolt.Tx) error { return j.forget(tx, seq) })
}

func (j *Journal) forget(tx *bolt.Tx, seq int64) error {
	c := tx.Bucket(bucketReports).Cursor()
	for k, v := c.First(); k != nil && int64(binary.BigEndian.Uint64(k)) <= seq; k, v = c.First() { // not Next, as in trim
		j.bytes -= int64(len(k) + len(v))
		if err := c.Delete(); err != nil {
			return err
		}
	}
	j.first = min(max(j.first, seq+1), j.next)
	return nil
}

// NextSeq gives the Seq of the first report that is not acknowledged, or of the next one there will be.
func (j *Journal) NextSeq() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.first
}

// Waiting counts the reports that are not acknowledged.
func (j *Journal) Waiting() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.next - j.first
}

// Wake gives a channel that gets a value after something was written; one reader only.
func (j *Journal) Wake() <-chan struct{} { return j.wake }
