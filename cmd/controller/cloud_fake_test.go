package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// shared is output that is read while it is written.
type shared struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.Write(p)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.String()
}

func TestCloudFake(t *testing.T) {
	dir := t.TempDir()
	agent := filepath.Join(dir, "agent")
	if err := os.WriteFile(agent, []byte("#!/bin/sh\n[ \"$1\" = run ] || exit 0\necho here > started\nexec sleep 60\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := cloudFakeCommand()
	var out shared
	cmd.SetOut(&out)
	root := filepath.Join(dir, "machines")
	cmd.SetArgs([]string{"--listen", "127.0.0.1:0", "--agent", agent, "--root", root, "--action-time", "0s", "--stock", "cx23@fsn1=1", "--log-level", "error"})
	ended := make(chan error, 1)
	go func() { ended <- cmd.ExecuteContext(ctx) }()
	var url string
	poll(t, "it listens", func() bool {
		m := regexp.MustCompile(`--hetzner-endpoint (http://\S+)/v1`).FindStringSubmatch(out.String())
		if m != nil {
			url = m[1]
		}
		return m != nil
	})
	order := func() int {
		body := `{"name":"m","server_type":"cx23","image":"debian-12","location":"fsn1","user_data":"#cloud-config\nwrite_files: [{path: /etc/payperplay/agent.env, content: PAYPERPLAY_AGENT_ARGS=}]\n"}`
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/servers", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer fake-token")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}
	if got := order(); got != http.StatusCreated {
		t.Fatalf("an order is answered by %d", got)
	}
	poll(t, "the machine's agent runs", func() bool {
		found, _ := filepath.Glob(filepath.Join(root, "*", "started"))
		return len(found) == 1
	})
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it does not end")
	}
	if !strings.Contains(out.String(), "0.0068 € for 1 machines") {
		t.Errorf("it says\n%s", out.String())
	}
}

func TestCloudFakeRefuses(t *testing.T) {
	for _, args := range [][]string{
		{"--listen", "0.0.0.0:0"}, {"--listen", "nonsense"}, {"--lose-replies", "2"}, {"--stock", "cx23"}, {"--stock", "cx23@nowhere=1"},
		{"--agent", "/nonexistent"}, {"--agent", "/bin/true", "--download"}, {"--read-only-token", "fake-token"}, {"--log-level", "loud"},
	} {
		cmd := cloudFakeCommand()
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetArgs(args)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if err := cmd.ExecuteContext(ctx); err == nil || ctx.Err() != nil {
			t.Errorf("%q: %v", args, err)
		}
		cancel()
	}
}

func poll(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}
