package rpc

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/payperplay/payperplay/protocol"
)

// pieceSize is the most bytes that one write gives to yamux: with yamux's header exactly two full TLS records, so that no frame of a copy
// keeps the line busy for long and none ends in a tiny record.
const pieceSize = 2*tlsRecord - yamuxHeader

// keepBuffer is the largest buffer that goes back to the pool.
const keepBuffer = 64 << 10

// message is a frame being built: headRoom bytes, then the body; the header is set before the body when its length is known.
type message struct {
	b   []byte
	enc *json.Encoder
}

var messages = sync.Pool{New: func() any {
	m := &message{b: make([]byte, headRoom, 1024)}
	m.enc = json.NewEncoder(m)
	m.enc.SetEscapeHTML(false)
	return m
}}

func getMessage() *message {
	m := messages.Get().(*message)
	m.b = m.b[:headRoom]
	return m
}

func putMessage(m *message) {
	if cap(m.b) <= keepBuffer {
		messages.Put(m)
	}
}

func (m *message) Write(p []byte) (int, error) {
	m.b = append(m.b, p...)
	return len(p), nil
}

// frame gives the whole frame with body = everything that was written so far.
func (m *message) frame(h *header) []byte {
	h.body = len(m.b) - headRoom
	var scratch [headRoom]byte
	head := h.append(scratch[:0])
	start := headRoom - len(head)
	copy(m.b[start:headRoom], head)
	return m.b[start:]
}

// encode writes v as the body.
func (m *message) encode(v any) error {
	m.b = m.b[:headRoom]
	if err := m.enc.Encode(v); err != nil {
		return err
	}
	m.b = m.b[:len(m.b)-1] // the encoder's line break
	return nil
}

// readBody reads n bytes into m and gives them; they are valid until m goes back. A claimed size is not believed before the bytes come.
func (m *message) readBody(r io.Reader, n int) ([]byte, error) {
	m.b = m.b[:headRoom]
	for want := headRoom + n; len(m.b) < want; {
		step := min(want-len(m.b), max(keepBuffer, len(m.b)))
		at := len(m.b)
		if cap(m.b) < at+step {
			grown := make([]byte, at, at+step)
			copy(grown, m.b)
			m.b = grown
		}
		m.b = m.b[:at+step]
		if _, err := io.ReadFull(r, m.b[at:]); err != nil {
			return nil, eofInside(err)
		}
	}
	return m.b[headRoom:], nil
}

// eofInside: an end in the middle of a frame is a cut, not an end.
func eofInside(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// decode reads a body; unknown fields are ignored, for the sake of other versions.
func decode(body []byte, into any) error {
	if len(body) == 0 {
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("body of %d bytes: %w", len(body), err)
	}
	return nil
}

// writeAll writes b in pieces, so that a large message lets others pass.
func writeAll(w io.Writer, b []byte) error {
	for len(b) > 0 {
		n := min(len(b), pieceSize)
		if _, err := w.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// remoteFault reads the fault that the other side sent.
func remoteFault(body []byte) error {
	f := &protocol.Fault{}
	if err := decode(body, f); err != nil || f.Code == "" {
		return protocol.Faultf(protocol.Internal, "see the log of the other side", "the other side failed without a reason")
	}
	return f
}

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4096) }}

func getReader(r io.Reader) *bufio.Reader {
	br := readers.Get().(*bufio.Reader)
	br.Reset(r)
	return br
}

func putReader(br *bufio.Reader) {
	br.Reset(nil)
	readers.Put(br)
}
