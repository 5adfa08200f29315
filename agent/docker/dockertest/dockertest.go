// Package dockertest gives tests a Docker engine of their own: objects under labels nobody else uses, removed at the end.
package dockertest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/payperplay/payperplay/agent/docker"
	"github.com/payperplay/payperplay/protocol"
)

// Image is the game that tests run; scripts/images builds it.
const Image = "payperplay/testserver:1"

// Client gives a client for a cluster of the test's own. The test is skipped where no engine answers or the image is missing,
// and fails there when CI or PPP_REQUIRE_DOCKER is set.
func Client(t testing.TB) *docker.Client {
	t.Helper()
	c, err := docker.New(docker.Options{Cluster: "test-" + random(), Node: "node_" + random()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := c.Ping(ctx); err != nil {
		give(t, "no Docker engine: "+err.Error()+"; run scripts/prepare docker")
	}
	if has, err := c.HasImage(ctx, Image); err != nil || !has {
		give(t, "image "+Image+" is not there; run scripts/images/build")
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := c.Purge(ctx); err != nil {
			t.Errorf("clean up Docker: %v", err)
		}
		_ = c.Close()
	})
	return c
}

func give(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" || os.Getenv("PPP_REQUIRE_DOCKER") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func random() string {
	b := make([]byte, 5)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

// Pool gives a bridge pool that is most likely nobody else's.
func Pool() netip.Prefix {
	b := make([]byte, 2)
	_, _ = rand.Read(b)
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 214 + b[0]%32, b[1], 0}), 24)
}

// Port gives a free TCP port of this machine.
func Port(t testing.TB) int {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// Spec describes a testserver; env are its knobs.
func Spec(t testing.TB, server string, env map[string]string) protocol.Spec {
	t.Helper()
	all := map[string]string{"EULA": "TRUE"}
	for k, v := range env {
		all[k] = v
	}
	return protocol.Spec{
		Server: server, Name: server, Owner: "own_test", Revision: 1, Template: "testserver", Image: Image, Env: all, DataDir: "/data",
		GamePort: 25565, HostPort: Port(t), MemoryBytes: 64 << 20, CPUMillis: 1000,
		Ready:   protocol.ReadyRule{TimeoutSeconds: 30},
		Stop:    protocol.StopRule{Announce: "say The server stops in %d seconds", Flush: []string{"save-all flush"}, Command: "stop", GraceSeconds: 6},
		Console: protocol.ConsoleRule{RCON: true, SaveOff: "save-off", SaveOn: "save-on", Flush: "save-all flush", List: "list", TPS: "tps"},
	}
}
