package state

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"

	bolt "go.etcd.io/bbolt"
)

// Buckets of the file.
var (
	bucketMeta    = []byte("meta")
	bucketServers = []byte("servers")
	bucketReports = []byte("reports")
	bucketBridges = []byte("bridges")
	bucketOrders  = []byte("orders")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(bucket, key, value []byte) uint32 {
	c := crc32.Update(0, castagnoli, bucket)
	c = crc32.Update(c, castagnoli, key)
	return crc32.Update(c, castagnoli, value)
}

// put writes value as JSON behind its checksum.
func put(tx *bolt.Tx, bucket, key []byte, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	out := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(text)), checksum(bucket, key, text))
	return tx.Bucket(bucket).Put(key, append(out, text...))
}

// get reads what put wrote; found is false when there is nothing.
func get(tx *bolt.Tx, bucket, key []byte, value any) (found bool, err error) {
	raw := tx.Bucket(bucket).Get(key)
	if raw == nil {
		return false, nil
	}
	return true, decode(bucket, key, raw, value)
}

// sound tells whether a row is what was written.
func sound(bucket, key, raw []byte) error {
	if len(raw) < 4 || binary.BigEndian.Uint32(raw) != checksum(bucket, key, raw[4:]) {
		return fmt.Errorf("row %x of %s does not match its checksum", key, bucket)
	}
	return nil
}

func decode(bucket, key, raw []byte, value any) error {
	if err := sound(bucket, key, raw); err != nil {
		return err
	}
	if err := json.Unmarshal(raw[4:], value); err != nil {
		return fmt.Errorf("row %x of %s: %w", key, bucket, err)
	}
	return nil
}

func seqKey(seq int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(seq)) }
