package tunnel_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/open"
	"github.com/payperplay/payperplay/controller/store/postgres/postgrestest"
	"github.com/payperplay/payperplay/controller/tunnel"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/rpc"
)

// The benchmarks run the controller's side in a child process, so that its memory and CPU are measured alone.
// PPP_BENCH_AGENTS says how many agents there are (10,000 by default: as many open files in each of the two processes).
const (
	childEnv  = "PPP_TUNNEL_BENCH_CHILD"
	storeEnv  = "PPP_TUNNEL_BENCH_STORE" // address of the child's store
	agentsEnv = "PPP_BENCH_AGENTS"
	roundsEnv = "PPP_BENCH_ROUNDS" // storms of which the median counts
	// profileEnv names a directory for the CPU profiles of the children, the newest of each kind; of idle agents also what is in memory.
	profileEnv = "PPP_BENCH_PROFILE"
)

func agents(most int) int { return fromEnv(agentsEnv, most) }

func fromEnv(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// usage is what the child says of itself.
type usage struct {
	RSS        int64 // bytes
	CPU        time.Duration
	Goroutines int
	Connected  int
}

// TestBenchChild is the child: it serves what is in the directory, as the product or as a bare TLS server, and answers "usage" lines.
func TestBenchChild(t *testing.T) {
	spec := os.Getenv(childEnv)
	if spec == "" {
		t.Skip("runs only as a child of the benchmarks")
	}
	mode, dir, _ := strings.Cut(spec, ":")
	db, ca, events := openBench(t, dir, os.Getenv(storeEnv))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	connected := func() int { return 0 }
	if mode == "raw" {
		go func() { defer close(done); rawServe(ctx, ln, ca) }()
	} else {
		tun, err := tunnel.New(tunnel.Options{
			DB: db, CA: ca, Events: events, PendingPerIP: 1024,
			Inventory: func(tx store.Tx, node string, inv []protocol.Observed) error {
				return fleet.Inventory(tx, events, node, inv, time.Now())
			},
			Fact: func(tx store.Tx, node string, r protocol.Report) error {
				return fleet.Fact(tx, events, node, r, time.Now())
			},
		})
		must(t, err)
		connected = func() int { return len(tun.Connected()) }
		go func() { defer close(done); _ = tun.Serve(ctx, ln) }()
	}
	fmt.Printf("addr %s\n", ln.Addr())
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if in.Text() == "settle" {
			runtime.GC()
			debug.FreeOSMemory()
			writeHeap(t, mode)
		}
		out, err := json.Marshal(usage{RSS: rss(), CPU: cpu(), Goroutines: runtime.NumGoroutine(), Connected: connected()})
		must(t, err)
		fmt.Printf("usage %s\n", out)
	}
	cancel()
	<-done
	_ = db.Close()
}

// writeHeap leaves a profile of what is in use, where one is asked for.
func writeHeap(t *testing.T, mode string) {
	where := os.Getenv(profileEnv)
	if where == "" {
		return
	}
	f, err := os.Create(filepath.Join(where, mode+".heap"))
	must(t, err)
	defer f.Close()
	must(t, pprof.WriteHeapProfile(f))
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Fprintf(os.Stderr, "%s: heap %d in use %d, stacks %d, spans %d, collector %d, other %d, released %d of %d KiB\n", mode, m.HeapAlloc>>10, m.HeapInuse>>10, m.StackInuse>>10,
		m.MSpanInuse>>10, m.GCSys>>10, m.OtherSys>>10, m.HeapReleased>>10, m.Sys>>10)
}

func rss() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	pages, _ := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// rawServe is the yardstick: a mutual TLS 1.3 accept loop that answers one byte and then reads.
func rawServe(ctx context.Context, ln net.Listener, ca *tunnel.Authority) {
	context.AfterFunc(ctx, func() { _ = ln.Close() })
	cfg := rpc.TuneTLS(&tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool(ca), Certificates: []tls.Certificate{ca.ServerCert()}})
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			tc := tls.Server(conn, cfg)
			if tc.Handshake() != nil {
				_ = conn.Close()
				return
			}
			_, _ = tc.Write([]byte{1})
			go func() { // a fresh stack, as the product does
				_, _ = tc.Read(make([]byte, 1))
				_ = tc.Close()
			}()
		}()
	}
}

func pool(ca *tunnel.Authority) *x509.CertPool {
	p := x509.NewCertPool()
	for _, der := range ca.Roots() {
		if c, err := x509.ParseCertificate(der); err == nil {
			p.AddCert(c)
		}
	}
	return p
}

func openBench(t testing.TB, dir, address string) (open.DB, *tunnel.Authority, *event.Log) {
	db, err := open.Open(context.Background(), address, open.Options{Tables: slices.Concat(tunnel.Tables(), event.Tables(), fleet.Tables())})
	must(t, err)
	ca, err := tunnel.OpenAuthority(filepath.Join(dir, "ca"), db.ClusterID(), nil)
	must(t, err)
	events, err := event.New(event.Options{DB: db})
	must(t, err)
	return db, ca, events
}

// herd is N enrolled agents: one key for all of them (their keys cost nothing to the controller), a certificate each.
type herd struct {
	key   *ecdsa.PrivateKey
	certs [][]byte
	cache []tls.ClientSessionCache // an agent keeps the ticket of its last session
	roots *x509.CertPool
	name  string
	dir   string
	store string // address
	heap  bool   // children keep an exact account of their memory: it costs an eighth of their CPU
}

func newHerd(b testing.TB, n int, address string) *herd {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(b, err)
	h := &herd{key: key, dir: b.TempDir(), store: address}
	if address == "" {
		h.store = filepath.Join(h.dir, "store.db")
	}
	db, ca, _ := openBench(b, h.dir, h.store)
	h.roots, h.name = pool(ca), ca.Cluster()
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	must(b, err)
	must(b, db.Update(context.Background(), func(tx store.Tx) error {
		for i := range n {
			id := fmt.Sprintf("node_%d", i)
			if err := fleet.Nodes.Put(tx, fleet.Node{ID: id, Name: fmt.Sprintf("n-%d", i), BoundKey: spki, Facts: facts(), JoinedAt: time.Now()}); err != nil {
				return err
			}
		}
		return nil
	}))
	for i := range n {
		cert, err := ca.IssueNode(fmt.Sprintf("node_%d", i), key.Public(), time.Now(), 24*time.Hour)
		must(b, err)
		h.certs = append(h.certs, cert)
		h.cache = append(h.cache, tls.NewLRUClientSessionCache(1))
	}
	must(b, db.Close())
	return h
}

// child is the controller's side in a process of its own.
type child struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Scanner
	addr string
}

func (h *herd) child(b testing.TB, mode string) *child {
	exe, err := os.Executable()
	must(b, err)
	c := &child{cmd: exec.Command(exe, "-test.run", "^TestBenchChild$")}
	if where := os.Getenv(profileEnv); where != "" {
		c.cmd.Args = append(c.cmd.Args, "-test.cpuprofile", filepath.Join(where, mode+".prof"))
		if h.heap {
			c.cmd.Args = append(c.cmd.Args, "-test.memprofilerate", "4096")
		}
	}
	c.cmd.Env = append(os.Environ(), childEnv+"="+mode+":"+h.dir, storeEnv+"="+h.store)
	c.cmd.Stderr = os.Stderr
	c.in, err = c.cmd.StdinPipe()
	must(b, err)
	out, err := c.cmd.StdoutPipe()
	must(b, err)
	c.out = bufio.NewScanner(out)
	must(b, c.cmd.Start())
	c.addr = c.line(b, "addr ")
	return c
}

func (c *child) line(b testing.TB, prefix string) string {
	for c.out.Scan() {
		if rest, ok := strings.CutPrefix(c.out.Text(), prefix); ok {
			return rest
		}
	}
	b.Fatalf("the child said no %q: %v", prefix, c.out.Err())
	return ""
}

func (c *child) usage(b testing.TB, ask string) usage {
	_, err := fmt.Fprintln(c.in, ask)
	must(b, err)
	var u usage
	must(b, json.Unmarshal([]byte(c.line(b, "usage ")), &u))
	return u
}

func (c *child) stop() {
	_ = c.in.Close()
	_ = c.cmd.Wait()
}

func (h *herd) dial(addr, alpn string, i int) (*tls.Conn, error) {
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	cfg := &tls.Config{RootCAs: h.roots, ServerName: h.name, Certificates: []tls.Certificate{{Certificate: [][]byte{h.certs[i]}, PrivateKey: h.key}}}
	if alpn != "" {
		cfg.NextProtos, cfg.ClientSessionCache = []string{alpn}, h.cache[i]
	}
	rpc.TuneTLS(cfg)
	conn := tls.Client(rpc.Wire(raw), cfg)
	return conn, conn.Handshake()
}

// storm connects all agents at once, parallel dials under way at a time, and gives the time until the last one is served.
func (h *herd) storm(b testing.TB, parallel int, one func(i int) (io.Closer, error)) (time.Duration, []io.Closer) {
	closers := make([]io.Closer, len(h.certs))
	places := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	start := time.Now()
	for i := range h.certs {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			c, err := one(i)
			if err != nil {
				b.Errorf("agent %d: %v", i, err)
				return
			}
			closers[i] = c
		})
	}
	wg.Wait()
	return time.Since(start), closers
}

type closer func()

func (c closer) Close() error { c(); return nil }

// ours connects agent i as the product does: TLS, session, Hello; with an inventory a second Hello.
func (h *herd) ours(addr string, watch *rpc.Watch, generation int64, inventory []protocol.Observed) func(i int) (io.Closer, error) {
	return func(i int) (io.Closer, error) {
		conn, err := h.dial(addr, protocol.ALPNControl, i)
		if err != nil {
			return nil, err
		}
		s, err := rpc.NewSession(conn, rpc.Options{Client: true, Heartbeat: rpc.DefaultHeartbeat, Watch: watch})
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		req := greeting("run", generation)
		req.InventoryHash = "h"
		w, err := rpc.NewHome(s).Hello(ctx, req)
		if err == nil && w.NeedInventory {
			req.Inventory = inventory
			_, err = rpc.NewHome(s).Hello(ctx, req)
		}
		return closer(func() { _ = s.Close(nil) }), err
	}
}

func (h *herd) raw(addr string) func(i int) (io.Closer, error) {
	return func(i int) (io.Closer, error) {
		conn, err := h.dial(addr, "", i)
		if err != nil {
			return nil, err
		}
		_, err = conn.Read(make([]byte, 1))
		return conn, err
	}
}

func closeAll(list []io.Closer) {
	var wg sync.WaitGroup
	for _, c := range list {
		if c != nil {
			wg.Go(func() { _ = c.Close() })
		}
	}
	wg.Wait()
}

// BenchmarkReconnectStorm: performance.md §1, "10,000 agents reconnect after a controller restart: ≥ 0.8 × the raw TLS accept rate, all reconciled
// ≤ 15 s". All agents dial at once without jitter, first a bare mutual-TLS server, then a controller that has just been started, each alone in a
// process and all agents in another, on the same cores. Reconciled is an agent whose Hello was answered and whose inventory the controller has.
// ratio is ours over raw in agents per second, cpu-ratio raw over ours in CPU of the controller's side alone; agents-cpu is what the simulated
// agents' process used meanwhile, and both-cpu-s all of it: half of it is the least time that two cores need.
func BenchmarkReconnectStorm(b *testing.B) {
	b.Cleanup(postgrestest.Stop)
	b.Run("bolt", func(b *testing.B) { benchStorm(b, "") })
	b.Run("postgres", func(b *testing.B) { benchStorm(b, postgrestest.Database(b)) })
}

func benchStorm(b *testing.B, address string) {
	h := newHerd(b, agents(10_000), address)
	first := h.child(b, "ours")
	_, list := h.storm(b, 128, h.ours(first.addr, rpc.NewWatch(0), 1, nil)) // the life before the restart: inventories are known
	first.stop()                                                            // it goes first, as in a restart: the nodes did not leave
	closeAll(list)
	generation := int64(2)
	n := float64(len(h.certs))
	for b.Loop() {
		all := map[string][]float64{}
		for range fromEnv(roundsEnv, 3) {
			for name, v := range h.round(b, generation) {
				all[name] = append(all[name], v)
			}
			generation++
		}
		for name, list := range all {
			slices.Sort(list)
			b.ReportMetric(list[len(list)/2], name)
		}
		b.ReportMetric(n, "agents")
	}
}

// round is one storm on the yardstick and one on ours.
func (h *herd) round(b *testing.B, generation int64) map[string]float64 {
	n := float64(len(h.certs))
	yard := h.child(b, "raw")
	idle := yard.usage(b, "usage").CPU
	rawOwn := cpu()
	raw, list := h.storm(b, 128, h.raw(yard.addr))
	rawOwn = cpu() - rawOwn
	yardCPU := yard.usage(b, "usage").CPU - idle
	closeAll(list)
	yard.stop()
	c := h.child(b, "ours")
	own := cpu()
	took, list := h.storm(b, 128, h.ours(c.addr, rpc.NewWatch(0), generation, nil))
	own = cpu() - own
	u := c.usage(b, "usage") // all of the process's life: it has just been started
	if u.Connected != len(h.certs) {
		b.Errorf("%d of %d are connected", u.Connected, len(h.certs))
	}
	c.stop()
	closeAll(list)
	return map[string]float64{
		"agents/s": n / took.Seconds(), "raw/s": n / raw.Seconds(), "ratio": raw.Seconds() / took.Seconds(), "storm-s": took.Seconds(),
		"cpu-µs/agent": float64(u.CPU.Microseconds()) / n, "raw-cpu-µs/agent": float64(yardCPU.Microseconds()) / n, "cpu-ratio": float64(yardCPU) / float64(u.CPU),
		"agents-cpu-µs/agent": float64(own.Microseconds()) / n, "raw-agents-cpu-µs/agent": float64(rawOwn.Microseconds()) / n, "both-cpu-s": (own + u.CPU).Seconds(),
	}
}

// BenchmarkIdleAgent: performance.md §1, "idle agent on the controller ≤ 40 KiB RSS, ≤ 3 goroutines, ≤ 64 KiB with an inventory of
// 10 servers, heartbeat CPU ≤ 50 µs", beside a connection of the bare TLS server.
func BenchmarkIdleAgent(b *testing.B) {
	var ten []protocol.Observed
	for i := range 10 {
		ten = append(ten, protocol.Observed{Server: fmt.Sprintf("srv_%d", i), Epoch: 1, State: protocol.StateRunning, Container: strings.Repeat("c", 64), Address: "127.0.0.1:25565"})
	}
	for _, kind := range []string{"raw", "idle", "inventory10"} {
		b.Run(kind, func(b *testing.B) {
			many := 10_000
			if kind == "inventory10" {
				many = 2000
			}
			h := newHerd(b, agents(many), "")
			h.heap = true
			n := float64(len(h.certs))
			for b.Loop() {
				mode := "ours"
				if kind == "raw" {
					mode = "raw"
				}
				c := h.child(b, mode)
				one := h.raw(c.addr)
				if kind != "raw" {
					inventory := []protocol.Observed(nil)
					if kind == "inventory10" {
						inventory = ten
					}
					one = h.ours(c.addr, rpc.NewWatch(0), 1, inventory)
				}
				before := c.usage(b, "settle")
				_, list := h.storm(b, 64, one)
				wait(b, 4*time.Second) // kept streams close after 3 s
				c.usage(b, "settle")
				up := c.usage(b, "settle")
				const watched = 10 * time.Second
				wait(b, watched)
				later := c.usage(b, "usage")
				beats := n * watched.Seconds() / rpc.DefaultHeartbeat.Seconds()
				closeAll(list)
				c.stop()
				b.ReportMetric(float64(up.RSS-before.RSS)/1024/n, "KiB/agent")
				b.ReportMetric(float64(up.Goroutines-before.Goroutines)/n, "goroutines/agent")
				if kind != "raw" {
					b.ReportMetric(float64((later.CPU-up.CPU).Microseconds())/beats, "cpu-µs/heartbeat")
					b.ReportMetric(100*float64(later.CPU-up.CPU)/float64(watched), "steady-%core")
				}
			}
		})
	}
}

// wait lets time pass for real: what is measured is what happens in it.
func wait(b testing.TB, d time.Duration) {
	select {
	case <-time.After(d):
	case <-b.Context().Done():
	}
}
