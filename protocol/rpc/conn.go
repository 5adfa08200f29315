package rpc

import (
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// yamux's frame, of which this package reads what it needs: version, type, flags (2), stream (4), length (4).
const (
	yamuxHeader = 12
	yamuxData   = 0
	yamuxWindow = 1
	yamuxPing   = 2
	yamuxSYN    = 1
	yamuxACK    = 2
	tlsRecord   = 16 << 10 // bytes of payload in a full TLS record
	// aheadMost bounds the frames that wait for company. A peer may have acceptBacklog streams that we have not confirmed: most of them must stay free.
	aheadMost = 4
)

var recordPool = sync.Pool{New: func() any { return new([tlsRecord]byte) }}

// muxConn is the connection as yamux sees it. It stamps what is heard, checks what comes in, and makes header and body of a frame one write,
// so one TLS record where two would be sent (measured: worth 10–25 %). The frames that open and confirm a stream go with the next frame: whoever
// opens a stream sends a call, and whoever confirms one answers, or a heartbeat, soon.
type muxConn struct {
	net.Conn
	session *Session

	heard   atomic.Int64 // watch clock, ns
	writing atomic.Int64 // when the write under way began; 0 = none
	wrote   atomic.Int64 // when the last write ended
	guard   guard

	held   bool // a data frame's header waits for its body
	hdr    [yamuxHeader]byte
	ahead  [aheadMost * yamuxHeader]byte // whole frames that go before the next one
	nahead int                           // bytes
	cork   corker
}

// corker is what Wire's connection offers under TLS: several records in one system call.
type corker interface {
	cork()
	uncork() error
}

func newMuxConn(conn net.Conn, s *Session) *muxConn {
	c := &muxConn{Conn: conn, session: s}
	if w, ok := rawConn(conn).(*wire); ok && s.opts.Window > 1<<20 {
		w.widen()
		c.cork = w
	}
	return c
}

func (c *muxConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		now := c.session.opts.Watch.now()
		c.heard.Store(now)
		if bad := c.guard.check(p[:n], now); bad != nil {
			c.session.opts.Metrics.hostile()
			c.session.finish(bad)
			return 0, bad
		}
	}
	if err != nil {
		c.session.broke(err)
	}
	return n, err
}

// Write is called by yamux's one sending goroutine: a header of 12 bytes, then its body if it is a data frame.
func (c *muxConn) Write(p []byte) (int, error) {
	if !c.held && len(p) == yamuxHeader && p[1] == yamuxData && binary.BigEndian.Uint32(p[8:]) > 0 {
		copy(c.hdr[:], p)
		c.held = true
		return len(p), nil
	}
	if !c.held && c.nahead < len(c.ahead) && opens(p) {
		c.nahead += copy(c.ahead[c.nahead:], p)
		return len(p), nil
	}
	c.writing.Store(c.session.opts.Watch.now())
	defer func() {
		c.wrote.Store(c.session.opts.Watch.now())
		c.writing.Store(0)
	}()
	if err := c.writeFrame(p); err != nil {
		c.session.broke(err)
		return 0, err
	}
	return len(p), nil
}

// opens tells whether p is a frame that only opens or confirms a stream.
func opens(p []byte) bool {
	return len(p) == yamuxHeader && p[1] == yamuxWindow && (p[3] == yamuxSYN || p[3] == yamuxACK) && p[2] == 0
}

// writeFrame sends what waits, the held header if there is one, and body: the first record is put together in a buffer, the rest goes out of body itself.
func (c *muxConn) writeFrame(body []byte) error {
	if !c.held && c.nahead == 0 {
		_, err := c.Conn.Write(body)
		return err
	}
	buf := recordPool.Get().(*[tlsRecord]byte)
	defer recordPool.Put(buf)
	n := copy(buf[:], c.ahead[:c.nahead])
	if c.held {
		n += copy(buf[n:], c.hdr[:])
	}
	c.held, c.nahead = false, 0
	head := copy(buf[n:], body)
	if head == len(body) {
		_, err := c.Conn.Write(buf[:n+head])
		return err
	}
	if c.cork != nil {
		c.cork.cork()
	}
	_, err := c.Conn.Write(buf[:n+head])
	if err == nil {
		_, err = c.Conn.Write(body[head:])
	}
	if c.cork != nil {
		if e := c.cork.uncork(); err == nil {
			err = e
		}
	}
	return err
}

// Close is called by yamux at its end, by itself (a protocol error) or by Session.Close.
func (c *muxConn) Close() error {
	c.session.finish(ErrHostile)
	// TLS's close notice may wait 5 s for a full socket.
	cut := time.AfterFunc(closeGrace, func() { _ = rawConn(c.Conn).Close() })
	defer cut.Stop()
	return c.Conn.Close()
}
