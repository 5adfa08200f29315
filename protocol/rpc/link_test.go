package rpc

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"
)

// link is a slow line for all connections that go through it: a rate and a delay for each direction. This machine's kernel has no netem.
type link struct {
	up, down *lane
	l        net.Listener
	target   string
	dialer   net.Dialer
	wg       sync.WaitGroup
	mu       sync.Mutex
	conns    []net.Conn
	closed   bool
}

// lane is one direction: bytes leave it one after the other, whichever connection they belong to.
type lane struct {
	perSecond float64
	delay     time.Duration
	queue     time.Duration // what a router would hold
	chunk     int

	mu   sync.Mutex
	free time.Time // when the last byte so far has left
}

// reserve books n bytes: sent tells when they have left the sender, and so when it may offer more.
func (l *lane) reserve(n int) (sent time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); l.free.Before(now) {
		l.free = now
	}
	l.free = l.free.Add(time.Duration(float64(n) / l.perSecond * float64(time.Second)))
	return l.free
}

// newLink starts a line to target.
func newLink(t testing.TB, target string, perSecond float64, oneWay time.Duration) *link {
	t.Helper()
	chunk := min(16<<10, max(1<<10, int(perSecond/100))) // at most 10 ms of the line
	// The proxy's sockets must not hide a queue that a line does not have: 1 ms of it.
	buffer := min(64<<10, max(8<<10, int(perSecond/1000)))
	small := func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, buffer) })
	}
	newLane := func() *lane {
		return &lane{perSecond: perSecond, delay: oneWay, queue: 5 * time.Millisecond, chunk: chunk}
	}
	lc := net.ListenConfig{Control: small}
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &link{up: newLane(), down: newLane(), l: l, target: target, dialer: net.Dialer{Control: small}}
	k.wg.Go(k.accept)
	t.Cleanup(k.close)
	return k
}

func (k *link) addr() string { return k.l.Addr().String() }

func (k *link) close() {
	k.mu.Lock()
	k.closed = true
	_ = k.l.Close()
	for _, c := range k.conns {
		_ = c.Close()
	}
	k.mu.Unlock()
	k.wg.Wait()
}

func (k *link) accept() {
	for {
		in, err := k.l.Accept()
		if err != nil {
			return
		}
		out, err := k.dialer.Dial("tcp", k.target)
		if err != nil {
			_ = in.Close()
			continue
		}
		k.mu.Lock()
		k.conns = append(k.conns, in, out)
		if k.closed {
			_, _ = in.Close(), out.Close()
		}
		k.mu.Unlock()
		k.wg.Go(func() { k.pump(k.up, in, out) })
		k.wg.Go(func() { k.pump(k.down, out, in) })
	}
}

// pump moves one direction of one connection.
func (k *link) pump(l *lane, from, to net.Conn) {
	type part struct {
		at time.Time
		b  []byte
	}
	flight := make(chan part, 64+int(l.perSecond*(l.delay+l.queue).Seconds())/l.chunk*2)
	free := make(chan []byte, cap(flight)+2)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer to.Close()
		for p := range flight {
			time.Sleep(time.Until(p.at))
			if _, err := to.Write(p.b); err != nil {
				_ = from.Close()
				for range flight {
				}
				return
			}
			select {
			case free <- p.b:
			default:
			}
		}
	}()
	for {
		var b []byte
		select {
		case b = <-free:
			b = b[:cap(b)]
		default:
			b = make([]byte, l.chunk)
		}
		n, err := from.Read(b)
		if n > 0 {
			sent := l.reserve(n)
			flight <- part{sent.Add(l.delay), b[:n]}
			time.Sleep(time.Until(sent) - l.queue)
		}
		if err != nil {
			close(flight)
			<-done
			if !errors.Is(err, io.EOF) {
				_ = to.Close()
			}
			return
		}
	}
}
