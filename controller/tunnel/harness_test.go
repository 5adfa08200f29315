package tunnel_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/payperplay/payperplay/agent/state"
	agent "github.com/payperplay/payperplay/agent/tunnel"
	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/bolt"
	"github.com/payperplay/payperplay/controller/tunnel"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/rpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const operator = "operator"

// logger shows logs with -v, and else nothing.
func logger(testing.TB) *slog.Logger {
	if !testing.Verbose() {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// cluster is a controller's tunnel with its store, on a real socket, that can be stopped and started again.
type cluster struct {
	t      testing.TB
	dir    string
	addr   string
	opts   func(*tunnel.Options)
	db     *bolt.DB
	events *event.Log
	ca     *tunnel.Authority
	tun    *tunnel.Tunnel
	stop   func()
}

func newCluster(t testing.TB, opts ...func(*tunnel.Options)) *cluster {
	c := &cluster{t: t, dir: t.TempDir(), addr: "127.0.0.1:0", opts: func(o *tunnel.Options) {
		for _, f := range opts {
			f(o)
		}
	}}
	c.start()
	t.Cleanup(func() { c.stop() })
	return c
}

// start runs a controller over the same data and address as before.
func (c *cluster) start() {
	t := c.t
	tables := slices.Concat(tunnel.Tables(), event.Tables(), fleet.Tables())
	db, err := bolt.Open(t.Context(), filepath.Join(c.dir, "store.db"), bolt.Options{Tables: tables, DoubleRun: true})
	must(t, err)
	c.db = db
	c.events, err = event.New(event.Options{DB: db})
	must(t, err)
	c.ca, err = tunnel.OpenAuthority(filepath.Join(c.dir, "ca"), db.ClusterID(), nil)
	must(t, err)
	o := tunnel.Options{
		DB: db, CA: c.ca, Events: c.events, Logger: logger(t),
		Inventory: func(tx store.Tx, node string, inv []protocol.Observed) error {
			return fleet.Inventory(tx, c.events, node, inv, time.Now())
		},
		Fact: func(tx store.Tx, node string, r protocol.Report) error {
			return fleet.Fact(tx, c.events, node, r, time.Now())
		},
	}
	c.opts(&o)
	c.tun, err = tunnel.New(o)
	must(t, err)
	ln, err := net.Listen("tcp", c.addr)
	must(t, err)
	c.addr = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	tun := c.tun
	go func() { done <- tun.Serve(ctx, ln) }()
	c.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		must(t, db.Close())
	})
}

func (c *cluster) token(name string, change ...func(*tunnel.TokenRequest)) tunnel.Token {
	req := tunnel.TokenRequest{Name: name}
	for _, f := range change {
		f(&req)
	}
	tok, err := c.tun.CreateToken(c.t.Context(), operator, req)
	must(c.t, err)
	return tok
}

func (c *cluster) node(nameOrID string) fleet.Node {
	var n fleet.Node
	must(c.t, c.db.View(context.Background(), func(tx store.Tx) (err error) {
		n, err = fleet.FindNode(tx, nameOrID)
		return err
	}))
	return n
}

func (c *cluster) put(s fleet.Server) {
	must(c.t, c.db.Update(context.Background(), func(tx store.Tx) error { return fleet.Servers.Put(tx, s) }))
}

func (c *cluster) server(id string) fleet.Server {
	var s fleet.Server
	must(c.t, c.db.View(context.Background(), func(tx store.Tx) (err error) {
		s, err = fleet.Servers.Get(tx, id)
		return err
	}))
	return s
}

// happened counts events of a type.
func (c *cluster) happened(kind string) int {
	page, _, err := c.events.Query(context.Background(), event.Filter{Types: []string{kind}, Limit: 1000})
	must(c.t, err)
	return len(page)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, err error, code protocol.Code) {
	t.Helper()
	if protocol.CodeOf(err) != code {
		t.Fatalf("got %v (%q), want a fault of kind %q", err, protocol.CodeOf(err), code)
	}
	var f *protocol.Fault
	if errors.As(err, &f) && (f.Message == "" || f.Next == "") {
		t.Fatalf("fault %+v does not say what happened and what to do next", *f)
	}
}

// eventually waits for ok without a fixed sleep.
func eventually(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(within)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s: not within %s", what, within)
		}
	}
}

// machine is a real agent's tunnel over a real journal, with a runtime that does nothing.
type machine struct {
	t       testing.TB
	dir     string
	boot    string
	journal *state.Journal
	agent   *agent.Agent
	games   *games
	result  chan error
	stop    func()
}

// games is the machine's Runtime, Console and Health.
type games struct {
	mu        sync.Mutex
	inventory []protocol.Observed
	epochs    []map[string]int64
	sick      []string
	export    int64
	protocol.Runtime
	protocol.Console
}

func (g *games) Inventory(context.Context, protocol.InventoryRequest) (protocol.Inventory, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return protocol.Inventory{Servers: slices.Clone(g.inventory), Hash: fmt.Sprintf("h%v", g.inventory)}, nil
}

func (g *games) Lines(context.Context, protocol.LinesRequest) (protocol.LinesReply, error) {
	return protocol.LinesReply{}, nil
}

func (g *games) Export(_ context.Context, _ protocol.ExportRequest, w io.Writer) error {
	_, err := io.CopyN(w, zeros{}, g.export)
	return err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func (g *games) Sample(context.Context, protocol.SampleRequest) (protocol.Sample, error) {
	return protocol.Sample{}, nil
}

func (g *games) Check(context.Context, protocol.CheckRequest) (protocol.CheckReply, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return protocol.CheckReply{OK: len(g.sick) == 0, Problems: g.sick, Docker: "28", Now: time.Now()}, nil
}

func (g *games) outdated(_ context.Context, epochs map[string]int64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.epochs = append(g.epochs, epochs)
	return nil
}

func facts() protocol.NodeFacts {
	return protocol.NodeFacts{
		Hostname: "box", MachineID: "m-1", Boot: "boot-1", Arch: "amd64", Protocol: protocol.Version, Roles: []string{"worker"},
		Addresses: []string{"127.0.0.1"}, MemoryBytes: 8 << 30, DiskBytes: 100 << 30, CPUs: 2, PortFrom: 25565, PortTo: 25600,
	}
}

// newMachine starts an agent over dir ("" = a new one).
func newMachine(t testing.TB, dir string, change func(*agent.Options)) *machine {
	if dir == "" {
		dir = t.TempDir()
	}
	m := &machine{t: t, dir: dir, boot: "boot-1", games: &games{}, result: make(chan error, 1)}
	j, err := state.Open(state.Options{Dir: dir, Boot: m.boot, BridgePool: netip.MustParsePrefix("10.213.0.0/16")})
	must(t, err)
	m.journal = j
	o := agent.Options{
		Data: dir, Facts: facts, Runtime: m.games, Console: m.games, Health: m.games, Reports: j, State: j, Outdated: m.games.outdated,
		BackoffTo: 300 * time.Millisecond, Logger: logger(t),
	}
	change(&o)
	m.agent, err = agent.New(o)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.result <- m.agent.Run(ctx)
	}()
	m.stop = sync.OnceFunc(func() {
		cancel()
		<-done
		must(t, j.Close())
	})
	t.Cleanup(func() { m.stop() })
	return m
}

// enrolled starts an agent with a new token and waits until it is connected.
func (c *cluster) enrolled(name string, change ...func(*agent.Options)) *machine {
	c.t.Helper()
	tok := c.token(name)
	m := newMachine(c.t, "", func(o *agent.Options) {
		o.Controllers, o.Pins, o.Token = []string{c.addr}, tok.Pins, tok.Secret
		for _, f := range change {
			f(o)
		}
	})
	m.connected()
	eventually(c.t, 10*time.Second, "session in the table", func() bool { return c.tun.Live(m.agent.Status().Node).Connected })
	return m
}

// again starts an agent over an old data directory.
func again(t testing.TB, dir string, change ...func(*agent.Options)) *machine {
	return newMachine(t, dir, func(o *agent.Options) {
		for _, f := range change {
			f(o)
		}
	})
}

func (m *machine) connected() {
	m.t.Helper()
	eventually(m.t, 15*time.Second, "agent connected", func() bool {
		select {
		case err := <-m.result:
			m.t.Fatalf("agent ended: %v", err)
		default:
		}
		return m.agent.Status().Connected
	})
}

// stranger is a hand-made agent: only TLS and rpc, so that it can lie.
type stranger struct {
	t       testing.TB
	c       *cluster
	key     *ecdsa.PrivateKey
	node    string
	cert    []byte
	tickets chan string // of OpenBulk, over any session
	// prove replaces the honest proof of a recovery.
	prove func(exporter []byte) []byte
	cache tls.ClientSessionCache // nil: no tickets
}

func (c *cluster) stranger() *stranger {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(c.t, err)
	return &stranger{t: c.t, c: c, key: key, tickets: make(chan string, 4)}
}

func (s *stranger) csr() []byte {
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, s.key)
	must(s.t, err)
	return csr
}

// dial makes a TLS connection with or without the certificate. The server is checked by its CA, as an agent would.
func (s *stranger) dial(alpn string) (*tls.Conn, error) {
	pool := x509.NewCertPool()
	for _, der := range s.c.ca.Roots() {
		ca, err := x509.ParseCertificate(der)
		must(s.t, err)
		pool.AddCert(ca)
	}
	cfg := rpc.TuneTLS(&tls.Config{RootCAs: pool, ServerName: s.c.ca.Cluster(), NextProtos: []string{alpn}, ClientSessionCache: s.cache})
	if s.cert != nil {
		cfg.Certificates = []tls.Certificate{{Certificate: [][]byte{s.cert}, PrivateKey: s.key}}
	}
	raw, err := net.Dial("tcp", s.c.addr)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(rpc.Wire(raw), cfg)
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return conn, nil
}

func (s *stranger) join(token string, change ...func(*protocol.JoinRequest)) (protocol.JoinReply, error) {
	req := protocol.JoinRequest{Token: token, CSR: s.csr(), Facts: facts()}
	for _, f := range change {
		f(&req)
	}
	conn, err := s.dial(protocol.ALPNJoin)
	if err != nil {
		return protocol.JoinReply{}, err
	}
	defer func() { _ = conn.Close() }()
	reply, err := rpc.ExchangeClient(context.Background(), conn, protocol.DoorJoin, req)
	if err == nil {
		s.node, s.cert = reply.Node, reply.Cert
	}
	return reply, err
}

// joined is a stranger that has become a node.
func (c *cluster) joined(name string) *stranger {
	c.t.Helper()
	s := c.stranger()
	_, err := s.join(c.token(name).Secret)
	must(c.t, err)
	return s
}

// call is a hand-made session.
type callee struct {
	*rpc.Session
	protocol.Home
	goodbye chan protocol.GoodbyeRequest
}

func (s *stranger) session() *callee {
	s.t.Helper()
	conn, err := s.dial(protocol.ALPNControl)
	must(s.t, err)
	return s.sessionOn(conn)
}

func (s *stranger) sessionOn(conn *tls.Conn) *callee {
	s.t.Helper()
	rs, err := rpc.NewSession(conn, rpc.Options{Client: true, Heartbeat: rpc.DefaultHeartbeat})
	must(s.t, err)
	c := &callee{Session: rs, Home: rpc.NewHome(rs), goodbye: make(chan protocol.GoodbyeRequest, 4)}
	mux := rpc.NewMux(nil)
	rpc.ServeHost(mux, strangeHost{&games{}, c, s})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = rs.Serve(context.Background(), mux)
	}()
	s.t.Cleanup(func() {
		_ = rs.Close(nil)
		<-done
	})
	return c
}

type strangeHost struct {
	*games
	c *callee
	s *stranger
}

func (h strangeHost) Goodbye(_ context.Context, req protocol.GoodbyeRequest) (protocol.GoodbyeReply, error) {
	h.c.goodbye <- req
	return protocol.GoodbyeReply{}, nil
}

func (h strangeHost) OpenBulk(_ context.Context, req protocol.OpenBulkRequest) (protocol.OpenBulkReply, error) {
	h.s.tickets <- req.Ticket
	return protocol.OpenBulkReply{}, nil
}

func greeting(run string, generation int64) protocol.Hello {
	return protocol.Hello{Facts: facts(), Run: run, Generation: generation, NextSeq: 1, Now: time.Now()}
}

func (c *callee) hello(run string, generation int64) (protocol.Welcome, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return c.Hello(ctx, greeting(run, generation))
}

func (c *callee) ended(t testing.TB, within time.Duration) {
	t.Helper()
	select {
	case <-c.Done():
	case <-time.After(within):
		t.Fatalf("session still up after %s", within)
	}
}
