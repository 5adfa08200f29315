package minecraft

import (
	"errors"
	"fmt"
	"io"
)

const maxVarIntLen = 5

// AppendVarInt appends v in the protocol's little-endian base-128 form (negative numbers take five bytes).
func AppendVarInt(dst []byte, v int32) []byte {
	u := uint32(v)
	for u >= 0x80 {
		dst = append(dst, byte(u)|0x80)
		u >>= 7
	}
	return append(dst, byte(u))
}

// ReadVarInt reads one VarInt. It returns io.EOF if there was no byte at all, io.ErrUnexpectedEOF if it was cut, and
// ErrMalformed if it is longer than five bytes.
func ReadVarInt(r io.ByteReader) (int32, error) {
	var u uint32
	for i := range maxVarIntLen {
		b, err := r.ReadByte()
		if err != nil {
			if i > 0 && errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
		u |= uint32(b&0x7f) << (7 * i)
		if b&0x80 == 0 {
			return int32(u), nil
		}
	}
	return 0, fmt.Errorf("%w: VarInt over %d bytes", ErrMalformed, maxVarIntLen)
}
