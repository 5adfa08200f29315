package state

import (
	"context"
	"time"

	bolt "go.etcd.io/bbolt"
)

// keepOrder is how long the newest order of a server that is not on this node is known: far longer than a call can be late.
const keepOrder = 24 * time.Hour

// absentOrder is the newest order of a server that has no row.
type absentOrder struct {
	Order
	At time.Time `json:"at"`
}

// NoteOrder remembers the newest order of a server that has no row, so that one from before it that arrives late is known as such.
func (j *Journal) NoteOrder(ctx context.Context, server string, o Order) error {
	return j.do(ctx, func(tx *bolt.Tx) error { return noteOrder(tx, server, o, time.Now()) })
}

// LastOrder gives the newest order that was taken for a server, of its row or else what is remembered; zero when there is none.
func (j *Journal) LastOrder(_ context.Context, server string) (o Order, err error) {
	err = j.recoverRead(func(tx *bolt.Tx) error {
		var row Server
		if found, err := get(tx, bucketServers, []byte(server), &row); found || err != nil {
			o = row.Order
			return err
		}
		var kept absentOrder
		_, err := get(tx, bucketOrders, []byte(server), &kept)
		o = kept.Order
		return err
	})
	if err != nil {
		return Order{}, damaged(j.path, err)
	}
	return o, nil
}

// noteOrder writes one and clears away those that have had their time, by a clock that may have been turned either way.
func noteOrder(tx *bolt.Tx, server string, o Order, now time.Time) error {
	if o.Number == 0 {
		return nil
	}
	var old [][]byte
	err := tx.Bucket(bucketOrders).ForEach(func(k, v []byte) error {
		var kept absentOrder
		if err := decode(bucketOrders, k, v, &kept); err != nil {
			return err
		}
		if now.Sub(kept.At).Abs() > keepOrder {
			old = append(old, k)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, k := range old {
		if err := tx.Bucket(bucketOrders).Delete(k); err != nil {
			return err
		}
	}
	return put(tx, bucketOrders, []byte(server), absentOrder{o, now.UTC()})
}
