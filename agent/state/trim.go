package state

import (
	"encoding/binary"

	bolt "go.etcd.io/bbolt"
)

// The controller may be away for weeks. Reports are bounded by their bytes: beyond that the oldest go, down to seven eighths of
// the bound. The loss is marked by itself: at the next hello this node says which number it begins with, the controller writes
// down that those before it are lost (node.reports_lost), and takes the inventory for what is true now.

// reportSize is what one report takes in the file, 0 when there is none of that number.
func reportSize(tx *bolt.Tx, key []byte) int64 {
	v := tx.Bucket(bucketReports).Get(key)
	if v == nil {
		return 0
	}
	return int64(len(key) + len(v))
}

// measureReports sums them up; it reads all of them and is for Open and Rebase.
func measureReports(tx *bolt.Tx) (total int64) {
	c := tx.Bucket(bucketReports).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		total += int64(len(k) + len(v))
	}
	return total
}

// trim deletes the oldest reports when there are too many bytes of them. It runs in the writer's transaction, with mu held.
func (j *Journal) trim(tx *bolt.Tx) error {
	if j.bytes <= j.maxBytes {
		return nil
	}
	before := j.first
	clear(j.progress) // what would take the place of one that goes gets a number of its own
	c := tx.Bucket(bucketReports).Cursor()
	// Always the first: after a Delete, Next passes over a row of a page that this transaction has changed before.
	for k, v := c.First(); k != nil && j.bytes > j.maxBytes-j.maxBytes/8; k, v = c.First() {
		seq := int64(binary.BigEndian.Uint64(k))
		if seq >= j.next-1 {
			break // the newest stays
		}
		j.bytes -= int64(len(k) + len(v))
		j.first = seq + 1
		j.lost++
		if err := c.Delete(); err != nil {
			return err
		}
	}
	if j.first == before {
		return nil
	}
	// Said at each hello, so that the controller does not take the hole for a sign that its own store is an old one.
	j.dropped = j.first - 1
	return put(tx, bucketMeta, []byte("dropped_seq"), j.dropped)
}

// Dropped is the number of the newest report that went because there were too many, 0 when none did.
func (j *Journal) Dropped() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.dropped
}
