package console

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if childMain() {
		return
	}
	goleak.VerifyTestMain(m)
}

// logEntry is one entry of a container's log.
type logEntry struct {
	stream byte
	at     time.Time
	text   string // with its line break, unless it is a part
}

func (e logEntry) frame() []byte {
	body := e.at.UTC().Format("2006-01-02T15:04:05.000000000Z07:00") + " " + e.text
	h := make([]byte, frameHeader, frameHeader+len(body))
	h[0] = e.stream
	binary.BigEndian.PutUint32(h[4:], uint32(len(body)))
	return append(h, body...)
}

// memLog is a container engine's log with the engine's bad habits: streams break anywhere, old entries are dropped, and a follower is shown entries again after a rotation.
type memLog struct {
	id string

	mu      sync.Mutex
	entries []logEntry
	dropped int
	ended   bool
	changed chan struct{}
	cuts    []int // bytes after which the next streams break
	hidden  int   // entry that the streams open now pass over when they come to it; 0 = none
	repeat  int   // the next follower is shown this many entries again, once, at its first wait
	typed   bytes.Buffer
	opened  int
}

func newMemLog(id string) *memLog { return &memLog{id: id, changed: make(chan struct{})} }

func (l *memLog) add(e ...logEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, e...)
	l.bump()
}

func (l *memLog) bump() {
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *memLog) end(v bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = v
	l.bump()
}

// times is how often the log was opened.
func (l *memLog) times() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.opened
}

func (l *memLog) ID() string { return l.id }

func (l *memLog) Ended(context.Context) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended, nil
}

type memStdin struct{ l *memLog }

func (w memStdin) Write(p []byte) (int, error) {
	w.l.mu.Lock()
	defer w.l.mu.Unlock()
	return w.l.typed.Write(p)
}
func (memStdin) Close() error { return nil }

func (l *memLog) Stdin(context.Context) (io.WriteCloser, error) { return memStdin{l}, nil }

func (l *memLog) Logs(ctx context.Context, since time.Time, follow bool) (io.ReadCloser, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opened++
	s := &memStream{l: l, ctx: ctx, since: since, follow: follow, at: l.dropped, cut: -1, hidden: &l.hidden, closed: make(chan struct{})}
	if follow { // files that are only read do not rotate below the reader
		s.repeat, l.repeat = l.repeat, 0
	}
	l.hidden = 0
	if len(l.cuts) > 0 {
		s.cut, l.cuts = l.cuts[0], l.cuts[1:]
	}
	return s, nil
}

type memStream struct {
	l      *memLog
	ctx    context.Context
	since  time.Time
	follow bool
	at     int
	cut    int
	repeat int
	hidden *int
	buf    []byte
	once   sync.Once
	closed chan struct{}
}

func (s *memStream) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func (s *memStream) Read(p []byte) (int, error) {
	for len(s.buf) == 0 {
		s.l.mu.Lock()
		s.at = max(s.at, s.l.dropped)
		for s.at < len(s.l.entries) && len(s.buf) < 64<<10 {
			if e := s.l.entries[s.at]; !e.at.Before(s.since) && (*s.hidden == 0 || s.at != *s.hidden) {
				s.buf = append(s.buf, e.frame()...)
			}
			s.at++
		}
		changed, ended := s.l.changed, s.l.ended
		if len(s.buf) == 0 && s.repeat > 0 && s.at > 0 {
			s.at, s.repeat = max(s.l.dropped, s.at-s.repeat), 0
			s.l.mu.Unlock()
			continue
		}
		s.l.mu.Unlock()
		if len(s.buf) > 0 {
			break
		}
		if !s.follow || ended {
			return 0, io.EOF
		}
		select {
		case <-changed:
		case <-s.closed:
			return 0, errors.New("closed")
		case <-s.ctx.Done():
			return 0, s.ctx.Err()
		}
	}
	n := copy(p, s.buf)
	if s.cut >= 0 {
		if s.cut == 0 {
			return 0, io.ErrUnexpectedEOF
		}
		n = min(n, s.cut)
		s.cut -= n
	}
	s.buf = s.buf[n:]
	return n, nil
}

func timeAt(i int) time.Time { return time.Unix(1_800_000_000, int64(i)*1000) }
