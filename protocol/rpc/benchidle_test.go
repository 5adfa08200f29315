package rpc

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// childEnv makes the test binary the controller's side of idle sessions, alone in a process, so that its memory can be read: "ours" or "tls".
const childEnv = "PPP_RPC_CHILD"

// childReport is what the child tells when asked.
type childReport struct {
	RSS        int64   // bytes, after a collection
	RSSBefore  int64   // bytes, as it was found
	Goroutines int     //
	CPUBefore  float64 // seconds used, before the collection
	CPUAfter   float64 // and after it
	Heap       int64   // bytes in use
	Stacks     int64   // bytes in use
}

// runChild listens, prints its address and certificate, and answers each line on stdin with a report.
func runChild(mode string) {
	sc, cc := testTLS(&mustTB{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	var held atomic.Int64
	watch := NewWatch(0)
	mux := NewMux(allow)
	ServeHome(mux, nobody{})
	go func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				if mode == "tls" {
					c := tls.Server(raw, sc)
					if c.Handshake() != nil {
						return
					}
					held.Add(1)
					go echoTLS(c)
					return
				}
				c := tls.Server(Wire(raw), sc)
				if c.Handshake() != nil {
					return
				}
				s, err := NewSession(c, Options{Watch: watch})
				if err != nil {
					return
				}
				held.Add(1)
				go func() { _ = s.Serve(context.Background(), mux) }()
			}()
		}
	}()
	cert, _ := json.Marshal(cc.Certificates[0].Certificate)
	key, _ := x509.MarshalPKCS8PrivateKey(cc.Certificates[0].PrivateKey)
	keyText, _ := json.Marshal(key)
	fmt.Printf("%s\n%s\n%s\n", l.Addr(), cert, keyText)
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		want, _ := strconv.ParseInt(in.Text(), 10, 64)
		for held.Load() < want {
			time.Sleep(10 * time.Millisecond)
		}
		r := childReport{RSSBefore: rss(), Goroutines: runtime.NumGoroutine(), CPUBefore: cpu().Seconds()}
		runtime.GC()
		debug.FreeOSMemory()
		r.RSS = rss()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		r.Heap, r.Stacks = int64(m.HeapInuse), int64(m.StackInuse)
		r.CPUAfter = cpu().Seconds()
		out, _ := json.Marshal(r)
		fmt.Printf("%s\n", out)
	}
	os.Exit(0)
}

// mustTB lets the child use the tests' helpers.
type mustTB struct{ testing.TB }

func (*mustTB) Helper()           {}
func (*mustTB) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// rss of this process, in bytes.
func rss() int64 {
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}

type child struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	addr string
	cc   *tls.Config
}

func startChild(b testing.TB, mode string) *child {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childEnv+"="+mode)
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	c := &child{cmd: cmd, in: in, out: bufio.NewReader(out)}
	b.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	line := func() string {
		s, err := c.out.ReadString('\n')
		if err != nil {
			b.Fatal(err)
		}
		return strings.TrimSpace(s)
	}
	c.addr = line()
	var chain [][]byte
	var key []byte
	_ = json.Unmarshal([]byte(line()), &chain)
	_ = json.Unmarshal([]byte(line()), &key)
	priv, err := x509.ParsePKCS8PrivateKey(key)
	if err != nil {
		b.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		b.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	c.cc = TuneTLS(&tls.Config{Certificates: []tls.Certificate{{Certificate: chain, PrivateKey: priv, Leaf: leaf}}, RootCAs: pool, ServerName: "cluster"})
	return c
}

// report asks the child, which waits until it holds n connections.
func (c *child) report(b testing.TB, n int) (r childReport) {
	b.Helper()
	if _, err := fmt.Fprintln(c.in, n); err != nil {
		b.Fatal(err)
	}
	line, err := c.out.ReadBytes('\n')
	if err != nil {
		b.Fatal(err)
	}
	if err := json.Unmarshal(line, &r); err != nil {
		b.Fatal(err)
	}
	return r
}

// dial makes n connections, a few at a time, and hands each to use.
func (c *child) dial(b testing.TB, n int, use func(*tls.Conn)) {
	b.Helper()
	var g errgroup.Group
	g.SetLimit(16)
	var mu sync.Mutex
	for range n {
		g.Go(func() error {
			raw, err := net.Dial("tcp", c.addr)
			if err != nil {
				return err
			}
			t := tls.Client(Wire(raw), c.cc)
			if err := t.Handshake(); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			b.Cleanup(func() { _ = raw.Close() })
			use(t)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkIdleAgents: a connected agent that says nothing but its heartbeat costs the controller ≤ 40 KiB RSS, ≤ 3 goroutines and ≤ 50 µs of CPU
// a beat; beside a raw TLS connection with one reading goroutine. PPP_BENCH_AGENTS sets the number (2,000; the figure is for 10,000).
func BenchmarkIdleAgents(b *testing.B) {
	n := 2000
	if text := os.Getenv("PPP_BENCH_AGENTS"); text != "" {
		n, _ = strconv.Atoi(text)
	}
	for range b.N {
		c := startChild(b, "tls")
		before := c.report(b, 0)
		start := time.Now()
		var held []net.Conn
		c.dial(b, n, func(t *tls.Conn) { held = append(held, t.NetConn()) })
		rawAccept := float64(n) / time.Since(start).Seconds()
		raw := c.report(b, n)
		_ = c.in.Close()
		for _, h := range held {
			_ = h.Close() // two sets of connections would not fit the limit of open files
		}
		rawEach := float64(raw.RSS-before.RSS) / float64(n) / 1024

		c = startChild(b, "ours")
		before = c.report(b, 0)
		watch := NewWatch(0)
		start = time.Now()
		c.dial(b, n, func(t *tls.Conn) {
			s, err := NewSession(t, Options{Client: true, Heartbeat: DefaultHeartbeat, Watch: watch})
			if err != nil {
				b.Error(err)
				return
			}
			b.Cleanup(func() { go s.Close(nil) })
		})
		accept := float64(n) / time.Since(start).Seconds()
		found := c.report(b, n)
		const beats = 4
		first := c.report(b, n)
		time.Sleep(beats * DefaultHeartbeat)
		after := c.report(b, n)
		b.ReportMetric(float64(after.RSS-before.RSS)/float64(n)/1024, "KiB/agent")
		b.ReportMetric(float64(found.RSSBefore-before.RSS)/float64(n)/1024, "KiB/agent-before-gc")
		b.ReportMetric(float64(after.Heap)/float64(n)/1024, "heap-KiB/agent")
		b.ReportMetric(float64(after.Stacks)/float64(n)/1024, "stack-KiB/agent")
		b.ReportMetric(rawEach, "raw-KiB/conn")
		b.ReportMetric(float64(after.Goroutines-before.Goroutines)/float64(n), "goroutines/agent")
		b.ReportMetric((after.CPUBefore-first.CPUAfter)*1e6/float64(n*beats), "µs/beat")
		b.ReportMetric(accept/rawAccept, "accept-ratio")
	}
}
