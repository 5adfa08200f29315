package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/payperplay/payperplay/controller/store"
)

// A row is: CRC-32C (4 bytes, little endian) over table NUL key NUL and the rest; the number of indexes (uvarint); for each,
// 1 + the length of its encoded value (uvarint; 0: not in the index) and the value; the document to the end.
// The index values are in the row so that a check can compare rows and indexes without knowing the rows' types.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	errCRC   = errors.New("its checksum does not match")
	errShort = errors.New("it is cut off")
)

// crcTable starts the checksum of a table's rows.
func crcTable(name string) uint32 {
	return crc32.Update(crc32.Update(0, castagnoli, []byte(name)), castagnoli, []byte{0})
}

func crcRow(seed uint32, key, rest []byte) uint32 {
	c := crc32.Update(seed, castagnoli, key)
	c = crc32.Update(c, castagnoli, []byte{0})
	return crc32.Update(c, castagnoli, rest)
}

// encodeRow appends the index values (nil: not set) and the document, and seals them.
func encodeRow(seed uint32, key []byte, values [][]byte, doc []byte) []byte {
	size := 4 + binary.MaxVarintLen32 + len(doc)
	for _, v := range values {
		size += binary.MaxVarintLen32 + len(v)
	}
	out := make([]byte, 4, size)
	out = binary.AppendUvarint(out, uint64(len(values)))
	for _, v := range values {
		if v == nil {
			out = append(out, 0)
			continue
		}
		out = binary.AppendUvarint(out, uint64(len(v))+1)
		out = append(out, v...)
	}
	out = append(out, doc...)
	binary.LittleEndian.PutUint32(out, crcRow(seed, key, out[4:]))
	return out
}

// rowCRC reads the checksum of a sealed row.
func rowCRC(row []byte) uint32 { return binary.LittleEndian.Uint32(row) }

// openRow verifies a row and returns its parts, which alias it. values has room for the caller's slice to be reused.
func openRow(seed uint32, key, row []byte, values [][]byte) ([][]byte, []byte, error) {
	if len(row) < 5 {
		return nil, nil, errShort
	}
	if crcRow(seed, key, row[4:]) != rowCRC(row) {
		return nil, nil, errCRC
	}
	rest := row[4:]
	n, w := binary.Uvarint(rest)
	if w <= 0 || n > uint64(len(rest)) {
		return nil, nil, errShort
	}
	rest = rest[w:]
	values = values[:0]
	for range n {
		size, w := binary.Uvarint(rest)
		if w <= 0 || size > uint64(len(rest)-w)+1 {
			return nil, nil, errShort
		}
		rest = rest[w:]
		if size == 0 {
			values = append(values, nil)
			continue
		}
		values = append(values, rest[:size-1:size-1])
		rest = rest[size-1:]
	}
	return values, rest, nil
}

// encodeValue makes bytes that sort as the values do. A text ends in NUL, which no text contains, so that "a" sorts before
// "ab" whatever key follows.
func encodeValue(v store.Value) []byte {
	switch {
	case !v.Set:
		return nil
	case v.Kind == store.KindString:
		return append([]byte(v.Str), 0)
	case v.Kind == store.KindBool:
		return []byte{byte(v.Int)}
	}
	return binary.BigEndian.AppendUint64(nil, uint64(v.Int)^(1<<63))
}

// splitEntry takes an index entry apart: the encoded value and the row's key.
func splitEntry(x store.IndexDef, k, v []byte) (value, key []byte, err error) {
	if x.Unique {
		return k, v, nil
	}
	n := 8
	switch x.Kind {
	case store.KindString:
		n = bytes.IndexByte(k, 0) + 1
	case store.KindBool:
		n = 1
	}
	if n == 0 || len(k) <= n {
		return nil, nil, fmt.Errorf("entry %q of index %s is malformed", k, x.Name)
	}
	return k[:n], k[n:], nil
}

// entry is the key and value of an index entry.
func entry(x store.IndexDef, value, key []byte) (k, v []byte) {
	if x.Unique {
		return value, key
	}
	return append(append(make([]byte, 0, len(value)+len(key)), value...), key...), nil
}

// stats of a table: how many rows, and the sum of their mixed checksums, whatever their order.
type stats struct {
	count  int64
	digest uint64
}

func (s *stats) add(row []byte)    { s.count++; s.digest += mix(rowCRC(row)) }
func (s *stats) remove(row []byte) { s.count--; s.digest -= mix(rowCRC(row)) }

// mix spreads a checksum over 64 bits (the finaliser of splitmix64), so that sums do not cancel out.
func mix(crc uint32) uint64 {
	z := uint64(crc) + 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (s stats) encode() []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(s.count)), s.digest)
}

func decodeStats(b []byte) (stats, error) {
	if len(b) != 16 {
		return stats{}, errShort
	}
	return stats{count: int64(binary.BigEndian.Uint64(b)), digest: binary.BigEndian.Uint64(b[8:])}, nil
}

// seal and unseal frame the engine's own values in _meta and _schema.
func seal(bucket, key string, payload []byte) []byte {
	return encodeRow(crcTable(bucket), []byte(key), nil, payload)
}

func unseal(bucket, key string, framed []byte) ([]byte, error) {
	_, payload, err := openRow(crcTable(bucket), []byte(key), framed, nil)
	if err != nil {
		return nil, &store.DamagedError{Table: bucket, Key: key, Why: err.Error()}
	}
	return payload, nil
}
