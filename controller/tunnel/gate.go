package tunnel

import (
	"net"
	"sync/atomic"
)

// gate bounds how many handshakes compute at the same time. A slot is held only while this side computes, not while it
// waits for the peer: reads give it up and take it again, so strangers that open connections and stall hold nothing.
type gate chan struct{}

func newGate(n int) gate { return make(gate, n) }

// gated is a connection whose handshake goes through a gate; done opens it for good.
type gated struct {
	net.Conn
	gate gate
	held bool        // by the handshake's goroutine
	off  atomic.Bool // the handshake is over
}

func (g *gated) Read(p []byte) (int, error) {
	if g.off.Load() {
		return g.Conn.Read(p)
	}
	g.release()
	n, err := g.Conn.Read(p)
	g.gate <- struct{}{}
	g.held = true
	return n, err
}

func (g *gated) release() {
	if g.held {
		g.held = false
		<-g.gate
	}
}

func (g *gated) done() {
	g.off.Store(true)
	g.release()
}
