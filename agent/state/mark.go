package state

import (
	"context"

	bolt "go.etcd.io/bbolt"
)

// maxMark bounds what is kept of a mark: one that no controller of ours can have made is not kept.
const maxMark = 256

// AckMarked is Ack that keeps the controller's mark for it in the same write. The mark is for controllers to read: it shows a store
// that was restored from a backup what was acknowledged since.
func (j *Journal) AckMarked(ctx context.Context, seq int64, mark []byte) error {
	return j.do(ctx, func(tx *bolt.Tx) error {
		if len(mark) > 0 && len(mark) <= maxMark {
			if err := put(tx, bucketMeta, []byte("mark"), mark); err != nil {
				return err
			}
		}
		return j.forget(tx, seq)
	})
}

// Mark gives the newest mark, nil when there is none. One that cannot be read is none: it is no state of this node's.
func (j *Journal) Mark() []byte {
	var mark []byte
	err := j.recoverRead(func(tx *bolt.Tx) error {
		_, err := get(tx, bucketMeta, []byte("mark"), &mark)
		return err
	})
	if err != nil {
		return nil
	}
	return mark
}
