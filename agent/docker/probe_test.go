package docker_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/payperplay/payperplay/agent/docker"
	"github.com/payperplay/payperplay/agent/docker/dockertest"
	"github.com/payperplay/payperplay/agent/host"
	"github.com/payperplay/payperplay/protocol"
)

const metadata = "169.254.169.254:80"

// agentProgram builds the agent as it is shipped: static.
func agentProgram(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "agent")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", name, "github.com/payperplay/payperplay/cmd/agent")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return name
}

// prober is a client that probes with program; its name on the engine is nobody else's.
func prober(t *testing.T, program string) *docker.Client {
	t.Helper()
	dockertest.Client(t) // skips where there is no engine
	b := make([]byte, 5)
	_, _ = rand.Read(b)
	c, err := docker.New(docker.Options{Cluster: "test-" + hex.EncodeToString(b), Node: "node_probe", Program: program})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := c.Purge(ctx); err != nil {
			t.Error(err)
		}
		_ = c.Close()
	})
	return c
}

// metadataService answers at the metadata address from another network, as a cloud's does; packets to it are forwarded, not local.
func metadataService(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	ns := "ppp-test-metadata"
	ip := func(args string) error {
		out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
		if err != nil {
			t.Logf("ip %s: %v: %s", args, err, out)
		}
		return err
	}
	if out, _ := exec.Command("ip", "route", "get", "169.254.169.254").Output(); strings.Contains(string(out), "pppmeta") {
		t.Skip("another test plays the metadata service")
	}
	if ip("netns add "+ns) != nil {
		t.Skip("needs network namespaces")
	}
	t.Cleanup(func() { _ = ip("link del pppmeta0"); _ = ip("netns del " + ns) })
	for _, args := range []string{
		"link add pppmeta0 type veth peer name pppmeta1 netns " + ns, "addr add 169.254.169.253/30 dev pppmeta0", "link set pppmeta0 up",
		"-n " + ns + " addr add 169.254.169.254/30 dev pppmeta1", "-n " + ns + " link set pppmeta1 up", "-n " + ns + " link set lo up",
		"-n " + ns + " route add default via 169.254.169.253",
	} {
		if ip(args) != nil {
			t.Skip("cannot play the metadata service here")
		}
	}
	l := listenIn(t, "/run/netns/"+ns)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
}

// listenIn opens the socket on a thread that goes into the namespace and ends there.
func listenIn(t *testing.T, ns string) net.Listener {
	t.Helper()
	type result struct {
		l   net.Listener
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread()
		f, err := os.Open(ns)
		if err == nil {
			err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNET)
			_ = f.Close()
		}
		if err != nil {
			done <- result{err: err}
			return
		}
		l, err := net.Listen("tcp4", metadata)
		done <- result{l, err}
	}()
	r := <-done
	if r.err != nil {
		t.Skip("cannot listen in a network namespace: ", r.err)
	}
	return r.l
}

// TestProbe runs the agent in a container as a game is run: before the firewall it reaches metadata and machine and says so, behind it
// neither; nothing of it is left, and nothing of it looks like a server.
func TestProbe(t *testing.T) {
	c := prober(t, agentProgram(t))
	metadataService(t)
	subnet := netip.PrefixFrom(dockertest.Pool().Addr(), 29)
	gateway := subnet.Addr().Next().String() + ":22"

	open, err := c.Probe(t.Context(), subnet, []string{metadata})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(open, []string{metadata, gateway}) {
		t.Fatalf("without the firewall %v is reached: the test shows nothing", open)
	}
	f := host.NewFirewall(c.Tag(), docker.BridgePrefix(c.Tag()), slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		if err := f.Remove(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := f.Assert(t.Context()); err != nil {
		t.Fatal(err)
	}
	if open, err = c.Probe(t.Context(), subnet, []string{metadata}); err != nil || len(open) != 0 {
		t.Errorf("behind the firewall %v is reached, %v", open, err)
	}
	if list, err := c.List(t.Context(), ""); err != nil || len(list) != 0 {
		t.Error(list, err)
	}
	if out, _ := exec.Command("docker", "ps", "-aq", "--filter", "label="+docker.LabelNode+"="+c.Node()).Output(); len(out) > 0 {
		t.Errorf("containers are left: %s", out)
	}
	if out, _ := exec.Command("docker", "network", "ls", "-q", "--filter", "label="+docker.LabelCluster+"="+c.Cluster()).Output(); len(out) > 0 {
		t.Errorf("bridges are left: %s", out)
	}
}

// TestProbeThatCannotRun is told from one that found everything closed.
func TestProbeThatCannotRun(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil { // there is no shell in the container
		t.Fatal(err)
	}
	c := prober(t, script)
	subnet := netip.PrefixFrom(dockertest.Pool().Addr(), 29)
	if open, err := c.Probe(t.Context(), subnet, nil); err == nil || len(open) != 0 || !strings.Contains(err.Error(), "static") {
		t.Errorf("%v, %v", open, err)
	}
	if _, err := c.Probe(t.Context(), subnet, make([]string, docker.ProbeMost)); err == nil {
		t.Error("too many targets")
	}
	gone := prober(t, filepath.Join(dir, "none"))
	if _, err := gone.Probe(t.Context(), subnet, nil); err == nil {
		t.Error("a program that is not there")
	}
	down, err := docker.New(docker.Options{Host: "unix://" + filepath.Join(dir, "none.sock"), Cluster: "c", Node: "n", Program: script})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = down.Close() }()
	if _, err := down.Probe(t.Context(), subnet, nil); protocol.CodeOf(err) != protocol.Unavailable {
		t.Error(err)
	}
}
