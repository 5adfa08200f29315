package tunnel

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/rpc"
)

// liar is a controller that has the right key and says what a test wants.
type liar struct {
	protocol.Home
	addr    string
	dials   atomic.Int64
	welcome atomic.Pointer[protocol.Welcome]
	hellos  chan protocol.Hello
	calls   chan *rpc.Session
}

func (l *liar) Hello(_ context.Context, req protocol.Hello) (protocol.Welcome, error) {
	select {
	case l.hellos <- req:
	default:
	}
	return *l.welcome.Load(), nil
}

func (l *liar) Report(_ context.Context, b protocol.ReportBatch) (protocol.Ack, error) {
	return protocol.Ack{Seq: b.Reports[len(b.Reports)-1].Seq}, nil
}

// newLiar listens with a certificate of ca.
func newLiar(t *testing.T, ca testCA, w protocol.Welcome) *liar {
	t.Helper()
	key, err := makeKey(t.TempDir())
	must(t, err)
	leaf := ca.leaf(t, "c", x509.ExtKeyUsageServerAuth, time.Now().Add(-time.Hour), time.Now().Add(time.Hour), key.(*ecdsa.PrivateKey))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	l := &liar{addr: ln.Addr().String(), hellos: make(chan protocol.Hello, 100), calls: make(chan *rpc.Session, 100)}
	l.welcome.Store(&w)
	mux := rpc.NewMux(func(context.Context, protocol.Row, []protocol.Object) error { return nil })
	rpc.ServeHome(mux, l)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			raw, err := ln.Accept()
			if err != nil {
				return
			}
			l.dials.Add(1)
			wg.Go(func() {
				conn := tls.Server(raw, rpc.TuneTLS(&tls.Config{NextProtos: []string{protocol.ALPNControl}, ClientAuth: tls.RequireAnyClientCert,
					Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw, ca.cert.Raw}, PrivateKey: key}}}))
				if conn.Handshake() != nil {
					_ = raw.Close()
					return
				}
				s, err := rpc.NewSession(conn, rpc.Options{Term: func() int64 { return 10 }})
				if err != nil {
					return
				}
				l.calls <- s
				_ = s.Serve(ctx, mux)
			})
		}
	})
	t.Cleanup(func() {
		cancel()
		_ = ln.Close()
		wg.Wait()
	})
	return l
}

// memory is a State and Reports without a disk.
type memory struct {
	term, generation atomic.Int64
	Reports
}

func (m *memory) Term() (int64, error) { return m.term.Load(), nil }
func (m *memory) Run() string          { return "run-1" }

func (m *memory) SeeTerm(_ context.Context, term int64) error {
	if term < m.term.Load() {
		return protocol.Faultf(protocol.Stale, "stop it", "term %d is old", term)
	}
	m.term.Store(term)
	return nil
}

func (m *memory) Generation(context.Context) (int64, error)                   { return m.generation.Add(1), nil }
func (m *memory) NextSeq() int64                                              { return 1 }
func (m *memory) Waiting() int64                                              { return 0 }
func (m *memory) Wake() <-chan struct{}                                       { return nil }
func (m *memory) Ack(context.Context, int64) error                            { return nil }
func (m *memory) Next(context.Context, int64, int) ([]protocol.Report, error) { return nil, nil }

type quiet struct {
	protocol.Runtime
	protocol.Console
}

func (quiet) Inventory(context.Context, protocol.InventoryRequest) (protocol.Inventory, error) {
	return protocol.Inventory{Hash: "h"}, nil
}

// against runs an enrolled agent against l.
func against(t *testing.T, l *liar, ca testCA) (*Agent, *memory) {
	t.Helper()
	i, dir := newIdentity(t, ca)
	i.Controllers = []string{l.addr}
	must(t, i.save(dir))
	m := &memory{}
	m.term.Store(10)
	a, err := New(Options{Data: dir, Facts: func() protocol.NodeFacts { return protocol.NodeFacts{} }, Runtime: quiet{}, Console: quiet{}, Health: stub{},
		Reports: m, State: m, BackoffTo: 20 * time.Millisecond})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		must(t, <-done)
	})
	return a, m
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	end := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

// TestF24WelcomeOfAnOldTerm: the agent itself refuses a controller that leads with a term older than one it has seen, also by call.
func TestF24WelcomeOfAnOldTerm(t *testing.T) {
	ca := newCA(t)
	l := newLiar(t, ca, protocol.Welcome{Cluster: "c", Node: "node_1", Term: 9})
	a, m := against(t, l, ca)
	eventually(t, "refusal", func() bool { return strings.Contains(a.Status().Problem, "term 9 is old") })
	if a.Status().Connected {
		t.Error("connected to an old controller")
	}
	l.welcome.Store(&protocol.Welcome{Cluster: "c", Node: "node_1", Term: 11})
	eventually(t, "the new one is followed", func() bool { return a.Status().Connected })
	if m.term.Load() != 11 {
		t.Errorf("term %d was kept, want 11", m.term.Load())
	}
}

// TestWelcomeForSomebodyElse: another cluster's or node's welcome is no welcome.
func TestWelcomeForSomebodyElse(t *testing.T) {
	ca := newCA(t)
	for _, w := range []protocol.Welcome{{Cluster: "other", Node: "node_1", Term: 10}, {Cluster: "c", Node: "node_2", Term: 10}} {
		l := newLiar(t, ca, w)
		a, _ := against(t, l, ca)
		eventually(t, "refusal", func() bool { return strings.Contains(a.Status().Problem, "takes this machine for") })
		if a.Status().Connected {
			t.Errorf("connected by %+v", w)
		}
	}
}

// TestF27GoodbyeForEver: after a goodbye without retry the agent never dials again; after one with retry it does.
func TestF27GoodbyeForEver(t *testing.T) {
	ca := newCA(t)
	l := newLiar(t, ca, protocol.Welcome{Cluster: "c", Node: "node_1", Term: 10})
	a, _ := against(t, l, ca)
	bye := func(retry bool) {
		t.Helper()
		s := <-l.calls
		<-l.hellos
		_, err := rpc.NewRemote(s, nil).Goodbye(context.Background(), protocol.GoodbyeRequest{Reason: "enough", Retry: retry})
		must(t, err)
		_ = s.Close(nil)
	}
	bye(true)
	bye(false)
	eventually(t, "the agent parks", func() bool { return a.Status().Parked })
	if n := l.dials.Load(); n != 2 {
		t.Errorf("%d dials, want 2", n)
	}
	if !strings.Contains(a.Status().Problem, "enough") {
		t.Errorf("it says %q", a.Status().Problem)
	}
	select {
	case <-l.calls:
		t.Error("it dialled again")
	case <-time.After(300 * time.Millisecond):
	}
}
