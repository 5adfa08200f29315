package state

import (
	"context"
	"encoding/binary"

	bolt "go.etcd.io/bbolt"

	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/plant"
)

// load makes the buckets and reads the counters.
func (j *Journal) load() error {
	err := j.db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{bucketMeta, bucketServers, bucketReports, bucketBridges, bucketOrders} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	j.next = 1
	return j.recoverRead(func(tx *bolt.Tx) error {
		if _, err := get(tx, bucketMeta, []byte("next_seq"), &j.next); err != nil {
			return err
		}
		if _, err := get(tx, bucketMeta, []byte("dropped_seq"), &j.dropped); err != nil {
			return err
		}
		j.first = j.next
		if k, _ := tx.Bucket(bucketReports).Cursor().First(); k != nil {
			j.first = int64(binary.BigEndian.Uint64(k))
		}
		j.bytes = measureReports(tx)
		j.handed = j.next - 1 // an earlier process may have sent them all
		return eachServer(tx, func(Server) {})
	})
}

// Term gives the highest controller term this node has seen.
func (j *Journal) Term() (int64, error) {
	var term int64
	err := j.recoverRead(func(tx *bolt.Tx) error {
		_, err := get(tx, bucketMeta, []byte("term"), &term)
		return err
	})
	return term, err
}

// SeeTerm remembers a term. A lower one than the highest seen is a Stale fault: its controller has been replaced.
func (j *Journal) SeeTerm(ctx context.Context, term int64) error {
	known, err := j.Term()
	if err != nil || term == known {
		return err
	}
	return j.do(ctx, func(tx *bolt.Tx) error {
		var known int64
		if _, err := get(tx, bucketMeta, []byte("term"), &known); err != nil {
			return err
		}
		if term < known && !plant.On(plant.StaleTermWrite) {
			return protocol.Faultf(protocol.Stale, "an old copy of the controller is running, or an old backup was restored: stop it",
				"the controller's term %d is older than %d, which this node has seen", term, known)
		}
		return put(tx, bucketMeta, []byte("term"), term)
	})
}

// Generation gives the number of the next session of this data directory; it rises with every call, across restarts.
func (j *Journal) Generation(ctx context.Context) (int64, error) {
	return ask(ctx, j, func(tx *bolt.Tx) (generation int64, err error) {
		if _, err := get(tx, bucketMeta, []byte("generation"), &generation); err != nil {
			return 0, err
		}
		generation++
		return generation, put(tx, bucketMeta, []byte("generation"), generation)
	})
}
