package minecraft

import (
	"encoding/binary"
	"fmt"
	"io"
	"unicode/utf8"
)

// Source is what packets are read from; *bufio.Reader is one.
type Source interface {
	io.Reader
	io.ByteReader
}

// Packet is one uncompressed, unencrypted packet.
type Packet struct {
	ID   int32
	Data []byte
}

// ReadPacket reads one packet of at most limit bytes (id and data). Memory grows with what arrives, not with what the
// length field promises.
func ReadPacket(r Source, limit int) (Packet, error) {
	n, err := ReadVarInt(r)
	if err != nil {
		return Packet{}, err
	}
	if n < 1 {
		return Packet{}, fmt.Errorf("%w: length %d", ErrMalformed, n)
	}
	if int(n) > limit {
		return Packet{}, fmt.Errorf("%w: %d bytes, limit %d", ErrTooLarge, n, limit)
	}
	body, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err != nil {
		return Packet{}, err
	}
	if len(body) < int(n) {
		return Packet{}, io.ErrUnexpectedEOF
	}
	d := Decoder{rest: body}
	id := d.VarInt()
	if d.err != nil {
		return Packet{}, d.err
	}
	return Packet{ID: id, Data: d.rest}, nil
}

// AppendPacket appends the packet with its length in front.
func AppendPacket(dst []byte, id int32, data []byte) []byte {
	var head [maxVarIntLen]byte
	idBytes := AppendVarInt(head[:0], id)
	dst = AppendVarInt(dst, int32(len(idBytes)+len(data)))
	dst = append(dst, idBytes...)
	return append(dst, data...)
}

// AppendString appends s with its length in bytes.
func AppendString(dst []byte, s string) []byte {
	dst = AppendVarInt(dst, int32(len(s)))
	return append(dst, s...)
}

// Decoder takes fields off the front of a packet's data. The first fault sticks: later reads give zero values, and Err
// tells it, so that a parser can read all fields and ask once.
type Decoder struct {
	rest []byte
	err  error
}

// NewDecoder reads data; it does not copy it.
func NewDecoder(data []byte) *Decoder { return &Decoder{rest: data} }

// Err is the first fault, nil if there was none.
func (d *Decoder) Err() error { return d.err }

// Len is the number of bytes not yet read.
func (d *Decoder) Len() int { return len(d.rest) }

func (d *Decoder) fail(what string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", ErrMalformed, what)
	}
	d.rest = nil
}

func (d *Decoder) take(n int, what string) []byte {
	if d.err != nil || n > len(d.rest) {
		d.fail(what)
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

// ReadByte implements io.ByteReader.
func (d *Decoder) ReadByte() (byte, error) {
	if len(d.rest) == 0 {
		return 0, io.EOF
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return b, nil
}

// VarInt reads a VarInt.
func (d *Decoder) VarInt() int32 {
	if d.err != nil {
		return 0
	}
	v, err := ReadVarInt(d)
	if err != nil {
		d.fail("VarInt cut or too long")
	}
	return v
}

// String reads a string of at most limit bytes, which must be UTF-8.
func (d *Decoder) String(limit int) string {
	n := d.VarInt()
	if d.err != nil {
		return ""
	}
	if n < 0 || int(n) > limit {
		d.fail(fmt.Sprintf("string of %d bytes, limit %d", n, limit))
		return ""
	}
	b := d.take(int(n), "string cut")
	if !utf8.Valid(b) {
		d.fail("string is not UTF-8")
		return ""
	}
	return string(b)
}

// Uint16 reads a big-endian number.
func (d *Decoder) Uint16() uint16 {
	if b := d.take(2, "number cut"); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// Int64 reads a big-endian number.
func (d *Decoder) Int64() int64 {
	if b := d.take(8, "number cut"); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

// Bool reads one byte that must be 0 or 1.
func (d *Decoder) Bool() bool {
	b := d.take(1, "bool cut")
	if b == nil {
		return false
	}
	if b[0] > 1 {
		d.fail("bool is neither 0 nor 1")
	}
	return b[0] == 1
}

// UUID reads sixteen bytes.
func (d *Decoder) UUID() (id UUID) {
	copy(id[:], d.take(len(id), "uuid cut"))
	return id
}
