package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestF13ControllerDiskFull: what cannot be written is refused with one clear line, reads work, and it goes on by itself.
func TestF13ControllerDiskFull(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create("game")
	r.controller.end(syscall.SIGTERM)
	// The same state on a small file system of its own.
	data := filepath.Join(r.dir, "controller")
	kept := data + ".kept"
	if err := os.Rename(data, kept); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", data, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("no tmpfs can be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(data, syscall.MNT_DETACH) })
	if err := os.CopyFS(data, os.DirFS(kept)); err != nil {
		t.Fatal(err)
	}
	r.controller.start()
	r.waitReady()
	ballast := filepath.Join(data, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	for chunk := make([]byte, 64<<10); err == nil; {
		_, err = f.Write(chunk)
	}
	_ = f.Close()
	// The file grows by pages: fill what is free inside it.
	refused := result{}
	for i := range 400 {
		if refused = r.cli("server", "create", fmt.Sprint("filler-", i), "--template", "testserver", "--env", "MOTD="+strings.Repeat("x", 110)); refused.code != 0 {
			break
		}
	}
	oneClearLine(t, refused, 1, "disk")
	if s := r.server("game"); s.Name != "game" {
		t.Error("reads do not work")
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	r.eventually(20*time.Second, "it goes on by itself", func() (bool, string) {
		res := r.cli("server", "create", "after", "--template", "testserver")
		return res.code == 0 || strings.Contains(res.err, "already"), res.err
	})
	r.waitState("game", 20*time.Second, "running")
	r.must("store", "check", "--data", data)
}

// TestF10NoDocker: a machine whose engine does not answer joins, says so, and gets no servers.
func TestF10NoDocker(t *testing.T) {
	t.Parallel()
	r := newRigWith(t, []string{"--docker-host", "unix:///nowhere/docker.sock"})
	r.must("server", "create", "game", "--template", "testserver", "--start")
	s := r.waitState("game", 20*time.Second, "waiting")
	if !strings.Contains(s.Explain, "Docker") {
		t.Errorf("it waits, but does not say for Docker: %s", s.Explain)
	}
	r.eventually(90*time.Second, "the node says that Docker does not answer", func() (bool, string) {
		out := r.must("node", "show", "node-1")
		return strings.Contains(out, "unhealthy") && strings.Contains(out, "Docker"), out
	})
}

// TestTwoAgentsOneEngine: agents that share an engine do not see each other's servers.
func TestTwoAgentsOneEngine(t *testing.T) {
	t.Parallel()
	a, b := newRig(t), newRig(t)
	a.create("game")
	b.create("game")
	if len(a.containers()) != 1 || len(b.containers()) != 1 {
		t.Errorf("containers: %d and %d", len(a.containers()), len(b.containers()))
	}
	a.must("server", "delete", "game", "--yes", "--wait")
	if s := b.server("game"); s.State != "running" {
		t.Errorf("the other agent's server is %s", s.State)
	}
	if len(b.containers()) != 1 {
		t.Error("one agent touched the other's container")
	}
}
