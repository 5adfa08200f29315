package state

import (
	"context"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/payperplay/payperplay/protocol"
)

// Save writes the server's row and appends the facts, in one transaction. It returns when both are on disk.
func (j *Journal) Save(ctx context.Context, s Server, facts ...protocol.Fact) error {
	return j.do(ctx, func(tx *bolt.Tx) error {
		if err := put(tx, bucketServers, []byte(s.ID()), s); err != nil {
			return err
		}
		return j.append(tx, facts)
	})
}

// Drop forgets a server and its bridge and appends the facts. The newest order that was taken for it is known for a while yet.
func (j *Journal) Drop(ctx context.Context, server string, facts ...protocol.Fact) error {
	return j.do(ctx, func(tx *bolt.Tx) error {
		var row Server
		if _, err := get(tx, bucketServers, []byte(server), &row); err != nil {
			return damaged(j.path, err)
		}
		if err := noteOrder(tx, server, row.Order, time.Now()); err != nil {
			return err
		}
		if err := tx.Bucket(bucketServers).Delete([]byte(server)); err != nil {
			return err
		}
		if err := tx.Bucket(bucketBridges).Delete([]byte(server)); err != nil {
			return err
		}
		return j.append(tx, facts)
	})
}

// Servers reads all rows in the order of their ids.
func (j *Journal) Servers(context.Context) ([]Server, error) {
	var out []Server
	err := j.recoverRead(func(tx *bolt.Tx) error {
		if err := eachServer(tx, func(s Server) { out = append(out, s) }); err != nil {
			return damaged(j.path, err)
		}
		return nil
	})
	return out, err
}

func eachServer(tx *bolt.Tx, fn func(Server)) error {
	return tx.Bucket(bucketServers).ForEach(func(k, v []byte) error {
		var s Server
		if err := decode(bucketServers, k, v, &s); err != nil {
			return err
		}
		fn(s)
		return nil
	})
}
