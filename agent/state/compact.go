package state

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/payperplay/payperplay/protocol/durable"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

// compactAbove and half of it free: the journal is compacted when it is opened. bbolt never gives space back by itself, and a
// controller that was away for weeks leaves a file full of nothing.
const compactAbove = 16 << 20

// compact gives the journal's name to a copy without free pages. The copy is locked from before it has the name, and equal, row by
// row, or it never gets it. Whatever goes wrong before that, the file stays as it is.
func (j *Journal) compact(path string, above int64) error {
	tmp := leftover(path)
	_ = os.Remove(tmp) // of an agent that died at this; the journal is locked, so nobody else is
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	free := int64(j.db.Stats().FreePageN+j.db.Stats().PendingPageN) * int64(j.db.Info().PageSize)
	if info.Size() <= above || free*2 <= info.Size() {
		return nil
	}
	began := time.Now()
	next, err := copyJournal(j.db, tmp)
	if err == nil {
		err = errors.Join(failpoint.Hit("state.compact.rename.before"))
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		if next != nil {
			_ = next.Close()
		}
		_ = os.Remove(tmp)
		j.log.Warn("the journal was not compacted", "path", path, "err", err)
		return nil
	}
	old := j.db
	j.db = next
	err = errors.Join(failpoint.Hit("state.compact.rename.after"), durable.SyncDir(filepath.Dir(path)), old.Close(), failpoint.Hit("state.compact.after"))
	if err != nil {
		return err // which file has the name after a power failure is not known: the agent starts again
	}
	j.log.Info("the journal was compacted", "path", path, "before", info.Size(), "after", size(path), "took", time.Since(began))
	return nil
}

func leftover(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".compact")
}

func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// content is what a bucket holds: how many rows, and the sum of their checksums.
type content struct {
	rows int
	sum  uint64
}

func (c *content) add(k, v []byte) {
	c.rows++
	c.sum += uint64(crc32.Update(crc32.Checksum(k, castagnoli), castagnoli, v))<<16 ^ uint64(len(k)+len(v))
}

// copyJournal copies the rows, each of which must match its checksum, into a new file, syncs it and reads it back.
func copyJournal(from *bolt.DB, tmp string) (next *bolt.DB, err error) {
	if err := failpoint.Hit("state.compact.before"); err != nil {
		return nil, err
	}
	if next, err = openFile(tmp); err != nil {
		return nil, err
	}
	next.NoSync = true
	err = safely(func() error {
		want := map[string]content{}
		if err := from.View(func(src *bolt.Tx) error { return copyBuckets(src, next, want) }); err != nil {
			return err
		}
		if err := next.Sync(); err != nil {
			return err
		}
		next.NoSync = false
		if err := failpoint.Hit("state.compact.synced"); err != nil {
			return err
		}
		return next.View(func(tx *bolt.Tx) error { return compare(tx, want) })
	})
	return next, err
}

func copyBuckets(src *bolt.Tx, next *bolt.DB, want map[string]content) error {
	return src.ForEach(func(name []byte, b *bolt.Bucket) error {
		return next.Update(func(dst *bolt.Tx) error {
			to, err := dst.CreateBucket(name)
			if err != nil {
				return err
			}
			to.FillPercent = 0.9
			var c content
			err = b.ForEach(func(k, v []byte) error {
				if err := sound(name, k, v); err != nil {
					return err
				}
				c.add(k, v)
				return to.Put(k, v)
			})
			want[string(name)] = c
			return err
		})
	})
}

func compare(tx *bolt.Tx, want map[string]content) error {
	buckets := 0
	err := tx.ForEach(func(name []byte, b *bolt.Bucket) error {
		buckets++
		var c content
		err := b.ForEach(func(k, v []byte) error {
			c.add(k, v)
			return sound(name, k, v)
		})
		if err == nil && c != want[string(name)] {
			err = fmt.Errorf("the copy of %s has %d rows and should have %d, or they differ", name, c.rows, want[string(name)].rows)
		}
		return err
	})
	if err == nil && buckets != len(want) {
		err = fmt.Errorf("the copy has %d tables and should have %d", buckets, len(want))
	}
	return err
}
