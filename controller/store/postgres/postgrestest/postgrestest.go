// Package postgrestest runs a real PostgreSQL server for tests: private, temporary, of Debian's binaries, gone with the
// test's process however that ends.
//
//	func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }   // stops the shared server
//	url := postgrestest.Database(t)                                  // a new database on it
//
// Tests are skipped with a clear line where there are no binaries, and fail there when CI=true or PPP_REQUIRE_POSTGRES=1.
package postgrestest

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// User and Password log in over TCP; the user is a superuser.
const (
	User     = "payperplay"
	Password = "test-Secret"
)

// Server is one running server.
type Server struct {
	Port int
	Dir  string // data directory; the unix socket's too

	bin, tmp string
	cred     *syscall.Credential
	logFile  string

	mu      sync.Mutex
	process *os.Process
	exited  chan struct{}
	count   int
}

var shared struct {
	once   sync.Once
	server *Server
	err    error
}

// Main runs the tests and stops the shared server.
func Main(m *testing.M) int {
	code := m.Run()
	Stop()
	return code
}

// Stop ends the shared server, if there is one; for a TestMain that has more to do.
func Stop() {
	if shared.server != nil {
		shared.server.Close()
	}
}

// Database makes an empty database on the shared server and returns its URL.
func Database(t testing.TB) string {
	t.Helper()
	return Shared(t).Database(t)
}

// Shared is the server that all tests of this binary use; do not stop it.
func Shared(t testing.TB) *Server {
	t.Helper()
	bin := binaries(t)
	shared.once.Do(func() { shared.server, shared.err = start(bin, 0) })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}

// New starts a server that this test may stop and start.
func New(t testing.TB) *Server {
	t.Helper()
	s, err := start(binaries(t), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// binaries finds the newest installed server's programs.
func binaries(t testing.TB) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		const missing = "PostgreSQL's server is not installed. Next: sudo scripts/prepare postgres"
		if os.Getenv("CI") == "true" || os.Getenv("PPP_REQUIRE_POSTGRES") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		return n
	}
	slices.SortFunc(found, func(a, b string) int { return version(b) - version(a) })
	return filepath.Dir(found[0])
}

func start(bin string, port int) (s *Server, err error) {
	tmp, err := os.MkdirTemp("", "ppp-pg-")
	if err != nil {
		return nil, err
	}
	s = &Server{bin: bin, tmp: tmp, Dir: filepath.Join(tmp, "data"), logFile: filepath.Join(tmp, "log"), Port: port}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if os.Geteuid() == 0 { // the server refuses to run as root
		if s.cred, err = ordinaryUser(); err != nil {
			return nil, err
		}
		if err := os.Chown(tmp, int(s.cred.Uid), int(s.cred.Gid)); err != nil {
			return nil, err
		}
	}
	secret := filepath.Join(tmp, "password")
	if err := os.WriteFile(secret, []byte(Password), 0o644); err != nil {
		return nil, err
	}
	initdb := s.command(filepath.Join(bin, "initdb"), "-D", s.Dir, "-U", User, "--pwfile", secret, "--no-sync", "--no-instructions",
		"--encoding=UTF8", "--locale=C", "--auth-local=trust", "--auth-host=scram-sha-256")
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	if s.Port == 0 {
		if s.Port, err = freePort(); err != nil {
			return nil, err
		}
	}
	return s, s.Start()
}

func ordinaryUser() (*syscall.Credential, error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, _ := strconv.ParseUint(u.Uid, 10, 32)
		gid, _ := strconv.ParseUint(u.Gid, 10, 32)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("postgrestest: neither a user postgres nor nobody")
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...) //nolint:noctx // it is ended by Stop or with this process
	cmd.Dir = s.tmp
	cmd.Env = []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH"), "TZ=UTC"} // no PG* of the caller
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred, Setpgid: true}
	return cmd
}

// Start starts a server that is stopped and waits until it answers.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		return errors.New("postgrestest: it runs already")
	}
	cmd := s.command(filepath.Join(s.bin, "postgres"), "-D", s.Dir, "-p", strconv.Itoa(s.Port), "-k", s.tmp,
		"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=60",
		"-c", "shared_buffers=32MB", "-c", "autovacuum_naptime=5s", "-c", "dynamic_shared_memory_type=mmap")
	logTo, err := os.OpenFile(s.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = logTo.Close() }()
	cmd.Stdout, cmd.Stderr = logTo, logTo
	cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT
	started, exited := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // the death signal is sent when the thread that started it ends
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(exited)
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	s.process, s.exited = cmd.Process, exited
	return s.wait(30 * time.Second)
}

// wait polls until the server says in its pid file that it is ready.
func (s *Server) wait(most time.Duration) error {
	for deadline := time.Now().Add(most); ; {
		text, _ := os.ReadFile(filepath.Join(s.Dir, "postmaster.pid"))
		lines := strings.Split(string(text), "\n")
		if len(lines) > 7 && lines[0] == strconv.Itoa(s.process.Pid) && strings.TrimSpace(lines[7]) == "ready" {
			return nil
		}
		select {
		case <-s.exited:
			s.process = nil
			return fmt.Errorf("postgrestest: the server ended:\n%s", s.Log())
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("postgrestest: the server does not answer:\n%s", s.Log())
		}
	}
}

// Stop ends the server: "fast" cuts connections and shuts down, "immediate" is a crash.
func (s *Server) Stop(mode string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return
	}
	signal := syscall.SIGINT
	if mode == "immediate" {
		signal = syscall.SIGQUIT
	}
	_ = s.process.Signal(signal)
	select {
	case <-s.exited:
	case <-time.After(20 * time.Second):
		_ = s.process.Kill()
		<-s.exited
	}
	s.process = nil
}

// Restart is Stop and Start.
func (s *Server) Restart(mode string) error {
	s.Stop(mode)
	return s.Start()
}

// Close stops the server and removes its files.
func (s *Server) Close() {
	s.Stop("immediate")
	_ = os.RemoveAll(s.tmp)
}

// Log is what the server has written.
func (s *Server) Log() string {
	b, _ := os.ReadFile(s.logFile)
	return string(b)
}

// URL is the address of a database over TCP.
func (s *Server) URL(database string) string {
	return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/%s?sslmode=disable", User, Password, s.Port, database)
}

// SocketURL is the same over the unix socket, which asks for no password.
func (s *Server) SocketURL(database string) string {
	return fmt.Sprintf("postgres:///%s?host=%s&port=%d&user=%s", database, url.QueryEscape(s.tmp), s.Port, User)
}

// Database makes an empty database and returns its URL.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	s.mu.Lock()
	s.count++
	name := fmt.Sprintf("db%d", s.count)
	s.mu.Unlock()
	s.SQL(t, "postgres", "CREATE DATABASE "+name)
	return s.URL(name)
}

// SQL runs statements as superuser with psql and returns its output, unaligned and without headers.
func (s *Server) SQL(t testing.TB, database, sql string) string {
	t.Helper()
	cmd := s.command(filepath.Join(s.bin, "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", s.tmp, "-p", strconv.Itoa(s.Port), "-U", User, "-d", database)
	cmd.Stdin = strings.NewReader(sql)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("psql: %v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}
