package bot

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func needNode(t *testing.T) {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skipf("%v; scripts/prepare node installs it", err)
		}
	}
}

// TestNobodyThere: a bot that cannot join says why, soon, and leaves no process. The tests of scripts/images let bots join.
func TestNobodyThere(t *testing.T) {
	needNode(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	_, err = Run(t.Context(), Options{Port: port, Name: "Alice"})
	if !errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), "ECONNREFUSED") {
		t.Errorf("%v", err)
	}
}

// TestHardDeadline: a server that says nothing does not hold the bot for longer than Timeout.
func TestHardDeadline(t *testing.T) {
	needNode(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	began := time.Now()
	_, err = Run(t.Context(), Options{Port: l.Addr().(*net.TCPAddr).Port, Name: "Alice", Timeout: time.Second})
	if !errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), "deadline") {
		t.Errorf("%v", err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}
