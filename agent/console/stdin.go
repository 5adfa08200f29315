package console

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

const stdinWithin = 5 * time.Second

// stdinLine is the kept-open standard input of the container.
type stdinLine struct {
	mu   sync.Mutex
	src  Source
	open io.WriteCloser
}

// reset closes the input; src is the container that the next write goes to.
func (l *stdinLine) reset(src Source) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop()
	l.src = src
}

// drop needs l.mu.
func (l *stdinLine) drop() {
	if l.open != nil {
		_ = l.open.Close()
		l.open = nil
	}
}

// write sends text whole. A game that does not read its input blocks the write: it is given up at the deadline, and the stream with it.
func (l *stdinLine) write(ctx context.Context, text string) error {
	ctx, cancel := context.WithTimeout(ctx, stdinWithin)
	defer cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.src == nil {
		return notRunning()
	}
	for try := 0; ; try++ {
		fresh := l.open == nil
		if fresh {
			w, err := l.src.Stdin(context.WithoutCancel(ctx))
			if err != nil {
				return protocol.Faultf(protocol.Unavailable, "see whether the server is running", "the server's input cannot be opened: %v", err)
			}
			l.open = w
		}
		stop := context.AfterFunc(ctx, func(w io.WriteCloser) func() { return func() { _ = w.Close() } }(l.open))
		n, err := io.WriteString(l.open, text)
		stop()
		if err == nil {
			return nil
		}
		l.drop()
		if ctx.Err() != nil {
			return protocol.Faultf(protocol.Timeout, "see whether the game hangs", "the game did not read its input in time")
		}
		if fresh || n > 0 || try > 0 { // a kept stream may be dead since the last write: one fresh try
			return protocol.Faultf(protocol.Unavailable, "try again", "the server's input broke: %v", err)
		}
	}
}
