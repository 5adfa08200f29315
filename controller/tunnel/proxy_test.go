package tunnel_test

import (
	"net"
	"sync"
	"testing"
)

// proxy is a TCP relay that can stall or cut.
type proxy struct {
	addr  string
	mu    sync.Mutex
	ice   chan struct{} // closed: flows
	conns []net.Conn
}

func newProxy(t testing.TB, to string) *proxy {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p := &proxy{addr: ln.Addr().String(), ice: make(chan struct{})}
	close(p.ice)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, in, out)
			p.mu.Unlock()
			wg.Go(func() { p.relay(in, out) })
			wg.Go(func() { p.relay(out, in) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		p.freeze(false)
		p.cut()
		wg.Wait()
	})
	return p
}

func (p *proxy) relay(from, to net.Conn) {
	defer func() { _, _ = from.Close(), to.Close() }()
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		ice := p.ice
		p.mu.Unlock()
		<-ice
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *proxy) freeze(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.ice:
		if on {
			p.ice = make(chan struct{})
		}
	default:
		if !on {
			close(p.ice)
		}
	}
}

// count is how many connections came so far since the last cut.
func (p *proxy) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns) / 2
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}
