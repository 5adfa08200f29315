package state

import (
	"context"
	"encoding/binary"
	"net/netip"

	bolt "go.etcd.io/bbolt"

	"github.com/payperplay/payperplay/protocol"
)

const bridgeBits = 29

// Bridge gives the server's /29, the same one at every call until Drop. avoid holds networks that something else on the machine uses.
func (j *Journal) Bridge(ctx context.Context, server string, avoid []netip.Prefix) (netip.Prefix, error) {
	read := func(tx *bolt.Tx) (mine netip.Prefix, err error) {
		_, err = get(tx, bucketBridges, []byte(server), &mine)
		return mine, err
	}
	var known netip.Prefix
	err := j.recoverRead(func(tx *bolt.Tx) (err error) {
		known, err = read(tx)
		return err
	})
	if err != nil || known.IsValid() {
		return known, err
	}
	return ask(ctx, j, func(tx *bolt.Tx) (netip.Prefix, error) {
		if mine, err := read(tx); err != nil || mine.IsValid() {
			return mine, err
		}
		free, err := j.unused(tx, avoid)
		if err != nil {
			return free, err
		}
		return free, put(tx, bucketBridges, []byte(server), free)
	})
}

// unused finds a /29 of the pool that no server has.
func (j *Journal) unused(tx *bolt.Tx, avoid []netip.Prefix) (free netip.Prefix, err error) {
	taken := map[netip.Prefix]bool{}
	err = tx.Bucket(bucketBridges).ForEach(func(k, v []byte) error {
		var p netip.Prefix
		if err := decode(bucketBridges, k, v, &p); err != nil {
			return err
		}
		taken[p] = true
		return nil
	})
	if err != nil {
		return free, err
	}
	free, ok := freeBridge(j.pool, taken, avoid)
	if !ok {
		return free, protocol.Faultf(protocol.Exhausted, "give the agent a wider --bridge-pool", "all bridges of %s are in use", j.pool)
	}
	return free, nil
}

// FreeBridge forgets the server's bridge, so that the next call of Bridge finds another.
func (j *Journal) FreeBridge(ctx context.Context, server string) error {
	return j.do(ctx, func(tx *bolt.Tx) error { return tx.Bucket(bucketBridges).Delete([]byte(server)) })
}

// freeBridge finds the lowest free /29 of pool.
func freeBridge(pool netip.Prefix, taken map[netip.Prefix]bool, avoid []netip.Prefix) (netip.Prefix, bool) {
	base := pool.Addr().As4()
	first := binary.BigEndian.Uint32(base[:])
	count := uint32(1) << (bridgeBits - pool.Bits())
next:
	for i := range count {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], first+i<<(32-bridgeBits))
		p := netip.PrefixFrom(netip.AddrFrom4(b), bridgeBits)
		if taken[p] {
			continue
		}
		for _, a := range avoid {
			if a.Overlaps(p) {
				continue next
			}
		}
		return p, true
	}
	return netip.Prefix{}, false
}
