package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorcon/rcon"
	"github.com/payperplay/payperplay/protocol/minecraft"
)

// TestMain lets the test binary be the server: the tests run it as the process that it is.
func TestMain(m *testing.M) {
	if os.Getenv("TESTSERVER_RUN") != "" {
		os.Exit(run())
	}
	os.Exit(m.Run())
}

// server is one running process of ours.
type server struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	port  int
	rcon  int
	data  string
	mu    sync.Mutex
	lines []string
	more  chan struct{} // a token after each line
	done  chan struct{} // closed when stdout ended
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

func start(t *testing.T, data string, env ...string) *server {
	t.Helper()
	s := &server{t: t, port: freePort(t), rcon: freePort(t), data: data, more: make(chan struct{}, 1), done: make(chan struct{})}
	s.cmd = exec.Command(os.Args[0])
	s.cmd.Env = append([]string{"TESTSERVER_RUN=1", "EULA=TRUE", "DATA=" + data, fmt.Sprint("SERVER_PORT=", s.port), fmt.Sprint("RCON_PORT=", s.rcon)}, env...)
	s.cmd.Stderr = os.Stderr
	in, err := s.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.in = in
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go s.read(out)
	t.Cleanup(func() { _ = s.cmd.Process.Kill(); <-s.done; _ = s.cmd.Wait() })
	return s
}

func (s *server) read(out io.Reader) {
	defer close(s.done)
	for r := bufio.NewScanner(out); r.Scan(); {
		s.mu.Lock()
		s.lines = append(s.lines, r.Text())
		s.mu.Unlock()
		select {
		case s.more <- struct{}{}:
		default:
		}
	}
}

func (s *server) log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, "\n")
}

// expect waits for a line that holds text.
func (s *server) expect(text string) {
	s.t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		if strings.Contains(s.log(), text) {
			return
		}
		select {
		case <-s.more:
		case <-s.done:
			if !strings.Contains(s.log(), text) {
				s.t.Fatalf("ended without %q:\n%s", text, s.log())
			}
			return
		case <-deadline:
			s.t.Fatalf("no %q in 10 s:\n%s", text, s.log())
		}
	}
}

func (s *server) say(command string) {
	s.t.Helper()
	if _, err := io.WriteString(s.in, command+"\n"); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) ended() int {
	s.t.Helper()
	select {
	case <-s.done:
	case <-time.After(10 * time.Second):
		s.t.Fatalf("still running:\n%s", s.log())
	}
	var exit *exec.ExitError
	if err := s.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return s.cmd.ProcessState.ExitCode()
}

func (s *server) addr() string { return fmt.Sprint("127.0.0.1:", s.port) }

func TestLifeOfAServer(t *testing.T) {
	s := start(t, t.TempDir(), "ENABLE_RCON=true", "RCON_PASSWORD=pass", "MOTD=hello", "MAX_PLAYERS=7")
	s.expect(`For help, type "help"`)
	status, err := minecraft.Ping(t.Context(), s.addr(), minecraft.PingOptions{Protocol: 769})
	if err != nil || status.Protocol != 769 || status.Max != 7 || status.Online != 0 || status.Description != "hello" {
		t.Errorf("%+v, %v", status, err)
	}
	c, err := rcon.Dial(fmt.Sprint("127.0.0.1:", s.rcon), "pass")
	if err != nil {
		t.Fatal(err)
	}
	for command, want := range map[string]string{
		"list": "There are 0 of a max of 7 players online: ", "save-off": "Automatic saving is now disabled", "tps": "TPS from last 1m, 5m, 15m: 20.0, 20.0, 20.0",
		"what": "Unknown or incomplete command, see below for error\nwhat<--[HERE]",
	} {
		if got, err := c.Execute(command); err != nil || got != want {
			t.Errorf("rcon %s: %q, %v", command, got, err)
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := rcon.Dial(fmt.Sprint("127.0.0.1:", s.rcon), "wrong"); err == nil {
		t.Error("a wrong password was taken")
	}
	s.say("say hi")
	s.expect("]: [Server] hi")
	s.say("stop")
	s.expect("All chunks are saved")
	if code := s.ended(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestLegacyPing(t *testing.T) {
	s := start(t, t.TempDir())
	s.expect("Done (")
	conn, err := net.Dial("tcp", s.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte{0xFE, 0x01}); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	if status, err := minecraft.ParseLegacyPong(b); err != nil || status.Max != 20 {
		t.Errorf("%+v, %v", status, err)
	}
}

// TestRecordsSurvive: every record that was told is on the disk after kill -9, numbering goes on, a torn line is cut, and
// a hole is noticed.
func TestRecordsSurvive(t *testing.T) {
	data := t.TempDir()
	s := start(t, data, "RECORD_EVERY=5ms", "PPP_EPOCH=4")
	s.expect("record 20")
	_ = s.cmd.Process.Kill()
	<-s.done
	told := strings.Count(s.log(), "]: record ")
	file := filepath.Join(data, "world", "records.log")
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if on := strings.Count(string(written), "\n"); on < told {
		t.Errorf("%d records told, %d on the disk", told, on)
	}
	if err := os.WriteFile(file, append(written, "999 torn"+strings.Repeat(" long", 100)...), 0o600); err != nil {
		t.Fatal(err)
	}
	{
		on := strings.Count(string(written), "\n")
		again := start(t, data)
		again.expect(fmt.Sprintf("World has %d records", on))
		again.expect("Done (")
		again.say("record")
		again.expect(fmt.Sprintf("record %d", on+1))
		again.say("stop")
		again.ended()
		if after, err := os.ReadFile(file); err != nil || strings.Contains(string(after), "long") || strings.Count(string(after), "\n") != on+1 {
			t.Errorf("after a torn line: %v\n%s", err, after)
		}
	}
	if err := os.WriteFile(file, []byte("1 a\n3 b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := start(t, data)
	broken.expect("records.log is damaged")
	if code := broken.ended(); code != 4 {
		t.Errorf("exit code %d", code)
	}
}

// TestSaveOffKeepsTheWorldStill: nothing in the world changes between save-off and save-on but by a flush.
func TestSaveOffKeepsTheWorldStill(t *testing.T) {
	data := t.TempDir()
	s := start(t, data, "RECORD_EVERY=5ms", "WITNESS_EVERY=5ms")
	s.expect("record 3")
	s.say("save-off")
	s.expect("Automatic saving is now disabled")
	read := func() string {
		var all []byte
		for _, name := range []string{"records.log", "witness.log"} {
			b, err := os.ReadFile(filepath.Join(data, "world", name))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b...)
		}
		return string(all)
	}
	before := read()
	s.say("print 5") // an answer, while some 20 ticks pass
	for range 5 {
		s.say("list")
	}
	s.expect("print 5")
	time.Sleep(60 * time.Millisecond) //nolint:forbidigo // time in which nothing may happen
	if read() != before {
		t.Error("the world changed while saving was off")
	}
	s.say("save-all flush")
	s.expect("Saved the game")
	if read() == before {
		t.Error("the flush wrote nothing")
	}
	s.say("save-on")
	s.expect("Automatic saving is now enabled")
	s.say("stop")
	if code := s.ended(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestWitness(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	data := t.TempDir()
	s := start(t, data, "WITNESS_EVERY=10ms", "WITNESS_ADDR="+conn.LocalAddr().String(), "PPP_SERVER=srv_1", "PPP_EPOCH=3", "PPP_NODE=n", "PPP_BOOT=b")
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	buf := make([]byte, 1000)
	for range 3 {
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			t.Fatal(err)
		}
		if text := string(buf[:n]); !strings.HasPrefix(text, `{"world":"srv_1","epoch":"3","node":"n","boot":"b","seq":`) {
			t.Errorf("%s", text)
		}
	}
	s.say("stop")
	s.ended()
	if b, err := os.ReadFile(filepath.Join(data, "world", "witness.log")); err != nil || strings.Count(string(b), "\n") < 3 {
		t.Errorf("%s, %v", b, err)
	}
}

func TestMisbehaviour(t *testing.T) {
	t.Run("crash", func(t *testing.T) {
		s := start(t, t.TempDir(), "CRASH_AFTER=10ms", "CRASH_CODE=42")
		s.expect("Encountered an unexpected exception")
		if code := s.ended(); code != 42 {
			t.Errorf("exit code %d", code)
		}
	})
	t.Run("crash by command", func(t *testing.T) {
		s := start(t, t.TempDir())
		s.expect("Done (")
		s.say("crash 7")
		if code := s.ended(); code != 7 {
			t.Errorf("exit code %d", code)
		}
	})
	t.Run("refuses stop, obeys SIGTERM", func(t *testing.T) {
		s := start(t, t.TempDir(), "REFUSE_STOP=true")
		s.expect("Done (")
		s.say("stop")
		s.expect("still waiting")
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		s.expect("All chunks are saved")
		if code := s.ended(); code != 0 {
			t.Errorf("exit code %d", code)
		}
	})
	t.Run("ignores SIGTERM", func(t *testing.T) {
		s := start(t, t.TempDir(), "IGNORE_TERM=true")
		s.expect("Done (")
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		s.expect("Ignoring terminated")
		s.say("list")
		s.expect("There are 0")
	})
	t.Run("ready line only", func(t *testing.T) {
		s := start(t, t.TempDir(), "READY_LINE_ONLY=true")
		s.expect("Done (")
		if _, err := minecraft.Ping(t.Context(), s.addr(), minecraft.PingOptions{}); err == nil {
			t.Error("it answered a ping")
		}
	})
	t.Run("slow start", func(t *testing.T) {
		s := start(t, t.TempDir(), "START_DELAY=1h")
		s.expect("Starting minecraft server")
		if _, err := minecraft.Ping(t.Context(), s.addr(), minecraft.PingOptions{}); err == nil {
			t.Error("it answered a ping")
		}
		s.say("save-off")
		s.expect("not loaded yet")
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		if code := s.ended(); code != 0 {
			t.Errorf("exit code %d", code)
		}
	})
	t.Run("flood and print", func(t *testing.T) {
		s := start(t, t.TempDir(), "FLOOD=500:1")
		s.expect("flood 500")
		s.say("print 3000 100")
		s.expect("print 3000 xxx")
		if n := strings.Count(s.log(), "]: flood "); n != 500 {
			t.Errorf("%d lines of flood", n)
		}
	})
	t.Run("no EULA, bad knobs", func(t *testing.T) {
		s := start(t, t.TempDir(), "EULA=")
		s.expect("You need to agree to the EULA")
		if code := s.ended(); code != 1 {
			t.Errorf("exit code %d", code)
		}
		s = start(t, t.TempDir(), "CRASH_AFTER=soon")
		s.expect("CRASH_AFTER")
		if code := s.ended(); code != 2 {
			t.Errorf("exit code %d", code)
		}
	})
}

// TestProxyProtocol: the player's own address is on the console, and a connection without the header gets nothing.
func TestProxyProtocol(t *testing.T) {
	s := start(t, t.TempDir(), "PROXY_PROTOCOL=true")
	s.expect("Done (")
	if _, err := minecraft.Ping(t.Context(), s.addr(), minecraft.PingOptions{}); err == nil {
		t.Error("answered without a header")
	}
	if _, err := minecraft.Ping(t.Context(), s.addr(), minecraft.PingOptions{ProxyHeader: true}); err != nil {
		t.Error(err)
	}
	conn, err := net.Dial("tcp", s.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	hello := append([]byte(proxySignature), 0x21, 0x11, 0, 12, 203, 0, 113, 9, 127, 0, 0, 1, 0x30, 0x39, 0x63, 0xdd)
	hello = minecraft.Handshake{Protocol: protocol1122, Address: "x", Port: 1, Intent: minecraft.IntentLogin}.AppendPacket(hello)
	hello = minecraft.AppendPacket(hello, minecraft.IDLoginStart, minecraft.AppendString(nil, "Alice"))
	if _, err := conn.Write(hello); err != nil {
		t.Fatal(err)
	}
	s.expect("Alice[/203.0.113.9:12345] logged in")
	s.expect("Alice joined the game")
	s.say("list")
	s.expect("There are 1 of a max of 20 players online: Alice")
	s.say("transfer elsewhere 25570")
	s.expect("Transferring 1 players to elsewhere:25570")
	s.expect("Alice left the game")
}

func TestFullServerAndSecondLogin(t *testing.T) {
	s := start(t, t.TempDir(), "MAX_PLAYERS=1")
	s.expect("Done (")
	join := func(name string, protocol int32) net.Conn {
		conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", s.addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		hello := minecraft.Handshake{Protocol: protocol, Address: "x", Port: 1, Intent: minecraft.IntentLogin}.AppendPacket(nil)
		hello = minecraft.AppendPacket(hello, minecraft.IDLoginStart, minecraft.AppendString(nil, name))
		if _, err := conn.Write(hello); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	first := join("Alice", protocol1122)
	s.expect("Alice joined the game")
	join("Bob", protocol1122)
	s.expect("Bob lost connection: The server is full!")
	join("Alice", protocol1122)
	s.expect("Alice lost connection: You logged in from another location")
	_, _ = io.Copy(io.Discard, first) // the first one was closed
	join("Old", 47)
	s.expect("Old lost connection: speaks protocol 47")
	if status, err := minecraft.Ping(t.Context(), s.addr(), minecraft.PingOptions{}); err != nil || status.Online != 1 {
		t.Errorf("%+v, %v", status, err)
	}
}
