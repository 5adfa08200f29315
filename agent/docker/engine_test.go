package docker_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/payperplay/payperplay/agent/docker"
	"github.com/payperplay/payperplay/agent/docker/dockertest"
	"github.com/payperplay/payperplay/protocol"
)

// recorder stands between a client and the engine and notes every request.
type recorder struct {
	mu    sync.Mutex
	calls []string
}

func (r *recorder) serve(t *testing.T) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "d.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "docker"})
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", "/var/run/docker.sock")
	}}
	proxy.Transport, proxy.FlushInterval = transport, -1
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		r.calls = append(r.calls, q.Method+" "+q.URL.String())
		r.mu.Unlock()
		proxy.ServeHTTP(w, q)
	})}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close(); transport.CloseIdleConnections() })
	return "unix://" + socket
}

func volumeDir(t *testing.T, server string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "volumes", server, "data")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, 1000, 1000); err != nil {
		t.Skip("needs root: ", err)
	}
	return dir
}

func run(t *testing.T, c *docker.Client, env map[string]string) string {
	t.Helper()
	spec := dockertest.Spec(t, "srv_a", env)
	pool := dockertest.Pool()
	if err := c.EnsureNetwork(t.Context(), "srv_a", netip.PrefixFrom(pool.Addr(), 29)); err != nil {
		t.Fatal(err)
	}
	id, err := c.Create(t.Context(), docker.Run{Spec: spec, Grant: protocol.Grant{Server: "srv_a", Epoch: 2, Boot: "b"}, Attempt: 1,
		Volume: volumeDir(t, "srv_a"), Bind: netip.MustParseAddr("127.0.0.1"), Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	return id
}

// TestS11NeverCallsArchive runs a server's whole life through a recorder: no archive, no exec, no lists without our labels.
func TestS11NeverCallsArchive(t *testing.T) {
	direct := dockertest.Client(t)
	r := &recorder{}
	c, err := docker.New(docker.Options{Host: r.serve(t), Cluster: direct.Cluster(), Node: direct.Node()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if pulled, err := c.EnsureImage(t.Context(), dockertest.Image, "", func(string) {}); pulled || err != nil {
		t.Fatal(pulled, err)
	}
	if _, err := c.Engine(t.Context()); err != nil {
		t.Fatal(err)
	}
	id := run(t, c, nil)
	in, err := c.Inspect(t.Context(), id)
	if err != nil || !in.Running || in.Server != "srv_a" || in.Epoch != 2 || in.PID == 0 || !in.IP.IsValid() || in.Password != "secret" || in.Spec.Image != dockertest.Image {
		t.Fatalf("%+v %v", in, err)
	}
	term := c.Terminal(id)
	var text []byte
	for began := time.Now(); !strings.Contains(string(text), "Starting minecraft server") && time.Since(began) < 5*time.Second; {
		logs, err := term.Logs(t.Context(), time.Time{}, false)
		if err != nil {
			t.Fatal(err)
		}
		text, _ = io.ReadAll(logs)
		_ = logs.Close()
	}
	if !strings.Contains(string(text), "Starting minecraft server") {
		t.Fatalf("logs: %q", text)
	}
	stdin, err := term.Stdin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stdin.Write([]byte("stop\n")); err != nil {
		t.Fatal(err)
	}
	follow, err := term.Logs(t.Context(), time.Time{}, true)
	if err != nil {
		t.Fatal(err)
	}
	text, _ = io.ReadAll(follow) // ends with the container
	_ = follow.Close()
	_ = stdin.Close()
	if !strings.Contains(string(text), "Saving worlds") {
		t.Fatalf("stdin did not reach the game: %q", text)
	}
	if list, err := c.List(t.Context(), ""); err != nil || len(list) != 1 || list[0].Running || list[0].ExitCode != 0 {
		t.Fatalf("%+v %v", list, err)
	}
	if err := c.Signal(t.Context(), id, "SIGKILL"); err != nil {
		t.Fatalf("signal to an ended container: %v", err)
	}
	if n, err := c.Purge(t.Context()); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, call := range r.calls {
		path, query, _ := strings.Cut(call, "?")
		if strings.Contains(path, "/archive") || strings.Contains(path, "/exec") || strings.Contains(path, "/copy") || strings.Contains(path, "/stats") {
			t.Errorf("forbidden call: %s", call)
		}
		if strings.HasSuffix(path, "/containers/json") || strings.HasSuffix(path, "/networks") && strings.HasPrefix(path, "GET") {
			if q, _ := url.QueryUnescape(query); !strings.Contains(q, "payperplay.cluster="+c.Cluster()) || !strings.Contains(q, "payperplay.node="+c.Node()) {
				t.Errorf("a list without our labels: %s", q)
			}
		}
	}
	if len(r.calls) < 10 {
		t.Fatalf("the recorder saw only %v", r.calls)
	}
}

// TestF10HungEngine: an engine that accepts calls and never answers; everything ends by its deadline and health says so within 15 s.
func TestF10HungEngine(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "d.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			if _, err := l.Accept(); err != nil { // held open, never answered
				return
			}
		}
	}()
	c, err := docker.New(docker.Options{Host: "unix://" + socket, Cluster: "c", Node: "n"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	began := time.Now()
	go c.KeepPinging(ctx)
	var wg sync.WaitGroup
	for name, call := range map[string]func() error{
		"inspect": func() error { _, err := c.Inspect(ctx, "x"); return err },
		"list":    func() error { _, err := c.List(ctx, ""); return err },
		"signal":  func() error { return c.Signal(ctx, "x", "SIGTERM") },
		"logs":    func() error { _, err := c.Terminal("x").Logs(ctx, time.Time{}, true); return err },
		"stdin":   func() error { _, err := c.Terminal("x").Stdin(ctx); return err },
		"image":   func() error { _, err := c.EnsureImage(ctx, "x", "", func(string) {}); return err },
		"engine":  func() error { _, err := c.Engine(ctx); return err },
	} {
		wg.Go(func() {
			err := call()
			if protocol.CodeOf(err) != protocol.Timeout || !strings.Contains(err.Error(), "unresponsive") {
				t.Errorf("%s: %v", name, err)
			}
			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("%s took %s", name, took)
			}
		})
	}
	wg.Wait()
	if c.Healthy() == nil {
		t.Error("the engine counts as healthy")
	}
}

func TestNoEngine(t *testing.T) {
	c, err := docker.New(docker.Options{Host: "unix:///nowhere/docker.sock", Cluster: "c", Node: "n"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.List(t.Context(), "")
	if protocol.CodeOf(err) != protocol.Unavailable || !strings.Contains(err.Error(), "start Docker") {
		t.Fatal(err)
	}
}

// TestS11PreflightSeesOldRunc: this machine's runc is known to be old; whatever it is, the list is in plain words.
func TestS11PreflightSeesOldRunc(t *testing.T) {
	c := dockertest.Client(t)
	e, err := c.Engine(t.Context())
	if err != nil || e.Version == "" {
		t.Fatal(e, err)
	}
	if strings.HasPrefix(e.Version, "20.") && !slices.ContainsFunc(e.Degraded, func(s string) bool { return strings.HasPrefix(s, "unsafe runtime: runc 1.1.5") }) {
		t.Fatalf("%q", e.Degraded)
	}
}

// TestF10EventsComeBack: the stream breaks and is resumed; nothing that happened meanwhile is missed.
func TestF10EventsComeBack(t *testing.T) {
	direct := dockertest.Client(t)
	r := &breaker{}
	c, err := docker.New(docker.Options{Host: r.serve(t), Cluster: direct.Cluster(), Node: direct.Node()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := make(chan string, 100)
	go c.Watch(ctx, func(server string) { seen <- server })
	wait := func(want string) {
		t.Helper()
		late := time.After(10 * time.Second)
		for {
			select {
			case got := <-seen:
				if got == want {
					return
				}
			case <-late:
				t.Fatalf("no event %q", want)
			}
		}
	}
	wait("")
	id := run(t, direct, nil)
	wait("srv_a")
	r.cut()
	if err := direct.Signal(t.Context(), id, "SIGKILL"); err != nil {
		t.Fatal(err)
	}
	wait("")      // everything may have changed
	wait("srv_a") // and the death itself is told, although it happened while the stream was down
}

// breaker is a plain proxy whose connections can be cut.
type breaker struct {
	mu    sync.Mutex
	conns []net.Conn
}

func (b *breaker) serve(t *testing.T) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "d.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close(); b.cut() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("unix", "/var/run/docker.sock")
			if err != nil {
				_ = in.Close()
				continue
			}
			b.mu.Lock()
			b.conns = append(b.conns, in, out)
			b.mu.Unlock()
			go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
			go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
		}
	}()
	return "unix://" + socket
}

func (b *breaker) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		_ = c.Close()
	}
	b.conns = nil
}
