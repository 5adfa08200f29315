package rpc

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

// kind is the first byte of a frame. The numbers travel the wire: never reuse one.
type kind byte

const (
	kindCall  kind = 1 // opens a call: full header, body = request
	kindReply kind = 2 // ends a unary call: body = response
	kindFault kind = 3 // ends any call: body = protocol.Fault
	kindItem  kind = 4 // one value of a stream
	kindPiece kind = 5 // raw bytes
	kindEnd   kind = 6 // ends a stream or raw call well
	kindBreak kind = 7 // as kindFault, and the stream ends with it: the request was not read
)

// header is what stands before a body: kind, length of what follows before the body (one byte), fields as varints.
// Bytes that are left in the header after the known fields are ignored, so fields can be added at its end.
type header struct {
	kind     kind
	method   uint16
	call     uint64
	term     int64
	deadline time.Duration // whole milliseconds, relative; 0 = none
	trace    [16]byte
	body     int // bytes
}

// headRoom is the most bytes that append writes, rounded up.
const headRoom = 64

var errFrame = errors.New("not a frame of this protocol")

// append writes the header to b.
func (h *header) append(b []byte) []byte {
	start := len(b)
	b = append(b, byte(h.kind), 0)
	if h.kind == kindCall {
		b = binary.AppendUvarint(b, uint64(h.method))
		b = binary.AppendUvarint(b, h.call)
		b = binary.AppendUvarint(b, uint64(h.term))
		b = binary.AppendUvarint(b, uint64(h.deadline.Milliseconds()))
		b = append(b, h.trace[:]...)
	}
	b = binary.AppendUvarint(b, uint64(h.body))
	b[start+1] = byte(len(b) - start - 2)
	return b
}

// readHeader reads one header and nothing of its body. An error of the reader is returned as it is, also in the middle of a header.
func readHeader(r *bufio.Reader) (header, error) {
	lead, err := r.Peek(2)
	if err != nil {
		return header{}, err
	}
	n := 2 + int(lead[1])
	raw, err := r.Peek(n)
	if err != nil {
		return header{}, err
	}
	h, err := parseHeader(raw)
	if err != nil {
		return header{}, err
	}
	_, _ = r.Discard(n)
	return h, nil
}

// parseHeader reads the header that fills raw, whose second byte has been obeyed already.
func parseHeader(raw []byte) (header, error) {
	h := header{kind: kind(raw[0])}
	if h.kind < kindCall || h.kind > kindBreak {
		return h, fmt.Errorf("%w: kind %d", errFrame, raw[0])
	}
	p := fields{rest: raw[2:]}
	if h.kind == kindCall {
		h.method = uint16(p.uvarint(1<<16 - 1))
		h.call = p.uvarint(1<<64 - 1)
		h.term = int64(p.uvarint(1<<63 - 1))
		h.deadline = time.Duration(p.uvarint(uint64(1<<62/time.Millisecond))) * time.Millisecond
		p.bytes(h.trace[:])
	}
	h.body = int(p.uvarint(1<<31 - 1))
	if p.bad {
		return h, fmt.Errorf("%w: header of kind %d", errFrame, h.kind)
	}
	return h, nil
}

type fields struct {
	rest []byte
	bad  bool
}

func (f *fields) uvarint(most uint64) uint64 {
	v, n := binary.Uvarint(f.rest)
	if n <= 0 || v > most {
		f.bad, f.rest = true, nil
		return 0
	}
	f.rest = f.rest[n:]
	return v
}

func (f *fields) bytes(into []byte) {
	if len(f.rest) < len(into) {
		f.bad, f.rest = true, nil
		return
	}
	copy(into, f.rest)
	f.rest = f.rest[len(into):]
}

// limit is how large the body of a call of this method may be.
func limit(method uint16, most int) int {
	if method == protocol.HomeHello.ID {
		return max(most, MaxHello)
	}
	return most
}
