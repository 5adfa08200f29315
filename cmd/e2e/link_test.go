package e2e

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
)

// link is the network between agent and controller: a relay that can be cut or frozen.
type link struct {
	t      *testing.T
	ln     net.Listener
	target atomic.Pointer[string]
	state  atomic.Pointer[linkState]
}

type linkState struct {
	ctx    context.Context // ends when the state changes
	cancel context.CancelFunc
	mode   string // open, cut (connections end, new ones are refused), frozen (nothing passes, nothing ends)
}

func newLink(t *testing.T, target string) *link {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{t: t, ln: ln}
	l.target.Store(&target)
	l.set("open")
	go l.accept()
	return l
}

func (l *link) addr() string { return l.ln.Addr().String() }
func (l *link) close()       { l.set("cut"); _ = l.ln.Close() }

// retarget opens the way to another address; connections to the old one end.
func (l *link) retarget(to string) {
	l.target.Store(&to)
	l.set("cut")
	l.set("open")
}

func (l *link) set(mode string) {
	ctx, cancel := context.WithCancel(context.Background())
	old := l.state.Swap(&linkState{ctx: ctx, cancel: cancel, mode: mode})
	if old != nil {
		old.cancel()
	}
}

func (l *link) accept() {
	for {
		c, err := l.ln.Accept()
		if err != nil {
			return
		}
		go l.relay(c)
	}
}

func (l *link) relay(c net.Conn) {
	defer c.Close()
	if l.state.Load().mode == "cut" {
		return
	}
	up, err := net.Dial("tcp", *l.target.Load())
	if err != nil {
		return
	}
	defer up.Close()
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{c, up}, {up, c}} {
		go func() { l.pump(way[0], way[1]); done <- struct{}{} }()
	}
	for {
		st := l.state.Load()
		if st.mode == "cut" {
			return
		}
		select {
		case <-done:
			return
		case <-st.ctx.Done():
		}
	}
}

// pump copies one way; while the link is frozen it holds what it has read.
func (l *link) pump(from, to net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		for st := l.state.Load(); st.mode == "frozen"; st = l.state.Load() {
			<-st.ctx.Done()
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
