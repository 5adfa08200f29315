package controller

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/tunnel"
)

type countedTokens struct{ made int }

func (c *countedTokens) CreateToken(context.Context, string, tunnel.TokenRequest) (tunnel.Token, error) {
	c.made++
	return tunnel.Token{Secret: "ppj_secret", Name: localName}, nil
}

// fakeAgent stands for the agent: it notes its arguments and stays, or ends at once when DATA/die is there.
const fakeAgent = `#!/bin/sh
echo "$@" >>"$3/calls"
[ -e "$3/die" ] && exit 3
while :; do sleep 0.05; done
`

func localFixture(t *testing.T) (*localAgent, *countedTokens) {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "agent")
	if err := os.WriteFile(binary, []byte(fakeAgent), 0o700); err != nil { //nolint:gosec // it is to be executed
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	tok := &countedTokens{}
	l := &localAgent{binary: binary, data: data, pins: []string{"sha256:00"}, tokens: tok, controller: "127.0.0.1:1", every: 20 * time.Millisecond, log: slog.New(slog.DiscardHandler)}
	t.Cleanup(func() {
		if pid := l.running(); pid != 0 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return l, tok
}

func (l *localAgent) calls(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(l.data, "calls"))
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

// runLocal runs the keeper until the returned function is called.
func runLocal(t *testing.T, l *localAgent) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { _ = l.run(ctx); close(done) }()
	return func() { cancel(); <-done }
}

// TestLocalAgentOutlivesTheController: a controller that comes back finds the agent that runs, starts no second one and needs no new token.
func TestLocalAgentOutlivesTheController(t *testing.T) {
	l, tok := localFixture(t)
	stop := runLocal(t, l)
	eventually(t, "the agent runs", func() bool { return len(l.calls(t)) == 1 })
	pid := l.running()
	if call := l.calls(t)[0]; !strings.Contains(call, "--token ppj_secret --name local") || !strings.Contains(call, "--ca-pin sha256:00") {
		t.Errorf("started with %q", call)
	}
	stop()
	if l.running() != pid || pid == 0 {
		t.Fatalf("the agent ended with the controller: %d, then %d", pid, l.running())
	}
	// Killed between the start and the pid file: it is found all the same, and the file is there again for 'make down'.
	if err := os.Remove(l.pidFile()); err != nil {
		t.Fatal(err)
	}
	defer runLocal(t, l)()
	eventually(t, "the pid file is back", func() bool {
		b, err := os.ReadFile(l.pidFile())
		return err == nil && strings.TrimSpace(string(b)) == strconv.Itoa(pid)
	})
	if n := len(l.calls(t)); n != 1 || tok.made != 1 {
		t.Errorf("%d starts, %d tokens", n, tok.made)
	}
}

// TestLocalAgentIsStartedAgain after it was killed; once it is enrolled, without a token.
func TestLocalAgentIsStartedAgain(t *testing.T) {
	l, tok := localFixture(t)
	defer runLocal(t, l)()
	eventually(t, "the agent runs", func() bool { return len(l.calls(t)) == 1 && l.running() != 0 })
	if err := os.WriteFile(filepath.Join(l.data, "identity.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(l.running(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it runs again", func() bool { return len(l.calls(t)) == 2 && l.running() != 0 })
	if call := l.calls(t)[1]; strings.Contains(call, "--token") || tok.made != 1 {
		t.Errorf("enrolled, but started with %q (%d tokens)", call, tok.made)
	}
}

// TestF05ReusedPID: a pid file that names a process of somebody else is not believed.
func TestF05ReusedPID(t *testing.T) {
	l, _ := localFixture(t)
	other := exec.Command("sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	for _, content := range []string{strconv.Itoa(other.Process.Pid), strconv.Itoa(os.Getpid()), "1", "0", "-1", "999999999", "x", ""} {
		if err := os.WriteFile(l.pidFile(), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if pid := l.running(); pid != 0 {
			t.Errorf("pid file %q: process %d is taken for the agent", content, pid)
		}
	}
}

// TestLocalAgentThatEndsAtOnce is started ever more slowly.
func TestLocalAgentThatEndsAtOnce(t *testing.T) {
	l, _ := localFixture(t)
	if err := os.WriteFile(filepath.Join(l.data, "die"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	stop := runLocal(t, l)
	eventually(t, "five starts", func() bool { return len(l.calls(t)) >= 5 })
	stop()
	if took, least := time.Since(began), 15*l.every; took < least { // 1+2+4+8 pauses
		t.Errorf("five starts in %s, want at least %s apart", took, least)
	}
}

// TestAgentGetsNoSecrets: what opens the store and the CA stays out of the agent's environment.
func TestAgentGetsNoSecrets(t *testing.T) {
	got := withoutSecrets([]string{"PATH=/bin", "PGPASSWORD=x", "PGPASSFILE=/x", "PAYPERPLAY_STORE=x", "PAYPERPLAY_STORE_FILE=x", "PAYPERPLAY_CA_PASSPHRASE=x", "PPP_FAILPOINTS=y"})
	if strings.Join(got, " ") != "PATH=/bin PPP_FAILPOINTS=y" {
		t.Errorf("the agent gets %v", got)
	}
}
