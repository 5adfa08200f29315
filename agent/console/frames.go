package console

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// message is one entry of Docker's log: a line, or a piece of one that was too long for Docker (16 KiB).
type message struct {
	stream int       // 0 = stdout, 1 = stderr
	at     time.Time // when Docker read it, ns
	text   []byte    // valid until the next call of next
	whole  bool      // the line ends here
}

const (
	frameHeader = 8
	maxFrame    = 1 << 20
)

var errNotMultiplexed = errors.New("the container's log is not multiplexed: it was made with a terminal")

// frames reads Docker's multiplexed log stream: a header {stream, 0, 0, 0, size}, then a timestamp, a space and the text.
type frames struct {
	r   *bufio.Reader
	buf []byte
}

func newFrames(r io.Reader) *frames { return &frames{r: bufio.NewReaderSize(r, 32<<10)} }

// ready tells whether a whole frame is here, so that next will not wait.
func (f *frames) ready() bool {
	if f.r.Buffered() < frameHeader {
		return false
	}
	h, err := f.r.Peek(frameHeader)
	return err == nil && f.r.Buffered() >= frameHeader+int(binary.BigEndian.Uint32(h[4:]))
}

func (f *frames) next() (message, error) {
	var h [frameHeader]byte
	if _, err := io.ReadFull(f.r, h[:]); err != nil {
		return message{}, err
	}
	size := int(binary.BigEndian.Uint32(h[4:]))
	if h[0] > 3 || h[1]|h[2]|h[3] != 0 || size > maxFrame {
		return message{}, errNotMultiplexed
	}
	if cap(f.buf) < size {
		f.buf = make([]byte, max(size, 4<<10))
	}
	body := f.buf[:size]
	if _, err := io.ReadFull(f.r, body); err != nil {
		return message{}, err
	}
	if h[0] == 3 {
		return message{}, fmt.Errorf("docker: %.300s", bytes.TrimSpace(body))
	}
	stamp, text, ok := bytes.Cut(body, []byte{' '})
	if !ok { // an empty line: stamp and line break only
		stamp = bytes.TrimSuffix(body, []byte{'\n'})
		text = body[len(stamp):]
	}
	at, err := parseStamp(stamp)
	if err != nil {
		return message{}, err
	}
	m := message{at: at}
	if h[0] == 2 {
		m.stream = 1
	}
	if text, m.whole = bytes.CutSuffix(text, []byte{'\n'}); m.whole {
		text = bytes.TrimSuffix(text, []byte{'\r'})
	}
	m.text = text
	return m, nil
}

// parseStamp reads "2006-01-02T15:04:05.000000000Z" without allocating; any other form of RFC 3339 the slow way.
func parseStamp(s []byte) (time.Time, error) {
	const form = "2006-01-02T15:04:05.000000000Z"
	if len(s) == len(form) && s[4] == '-' && s[10] == 'T' && s[19] == '.' && s[29] == 'Z' {
		var v [7]int
		for i, at := range [7][2]int{{0, 4}, {5, 7}, {8, 10}, {11, 13}, {14, 16}, {17, 19}, {20, 29}} {
			for _, c := range s[at[0]:at[1]] {
				if c < '0' || c > '9' {
					return time.Time{}, fmt.Errorf("docker: %.40q is not a timestamp", s)
				}
				v[i] = v[i]*10 + int(c-'0')
			}
		}
		return time.Date(v[0], time.Month(v[1]), v[2], v[3], v[4], v[5], v[6], time.UTC), nil
	}
	at, err := time.Parse(time.RFC3339Nano, string(s))
	if err != nil {
		return time.Time{}, fmt.Errorf("docker: %.40q is not a timestamp", s)
	}
	return at.UTC(), nil
}
