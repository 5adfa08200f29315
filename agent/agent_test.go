package agent

import (
	"bytes"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/payperplay/payperplay/agent/state"
	"github.com/payperplay/payperplay/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConfig(t *testing.T) {
	for name, c := range map[string]Config{
		"no data":   {},
		"role":      {Data: "x", Roles: []string{"king"}},
		"ports":     {Data: "x", PortFrom: 9, PortTo: 3},
		"half port": {Data: "x", PortFrom: 0, PortTo: 3},
		"memory":    {Data: "x", Memory: -1},
	} {
		if _, err := New(c); protocol.CodeOf(err) != protocol.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	a, err := New(Config{Data: "x"})
	if err != nil || a.cfg.PortFrom != DefaultPortFrom || a.cfg.Roles[0] != "worker" || !a.cfg.Bind.IsUnspecified() || a.cfg.BridgePool.Bits() != 16 {
		t.Fatalf("%+v %v", a, err)
	}
}

// TestHalfSetupIsTakenDown: whatever fails on the way, all that was opened is closed again.
func TestHalfSetupIsTakenDown(t *testing.T) {
	data := t.TempDir()
	for range 2 { // a second time: nothing holds the journal
		a, err := New(Config{Data: data, BridgePool: netip.MustParsePrefix("10.251.0.0/16")})
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Run(t.Context()); protocol.CodeOf(err) != protocol.Invalid { // no token
			t.Fatal(err)
		}
	}
}

func TestCleanupRefusesWhileTheAgentRuns(t *testing.T) {
	data := t.TempDir()
	if n, err := Cleanup(t.Context(), data, "", slog.New(slog.DiscardHandler)); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	if err := os.WriteFile(filepath.Join(data, "identity.json"), []byte(`{"node":"node_1","cluster":"c"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	j, err := state.Open(state.Options{Dir: data, Boot: "b", BridgePool: netip.MustParsePrefix(DefaultBridgePool)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	if _, err := Cleanup(t.Context(), data, "", slog.New(slog.DiscardHandler)); protocol.CodeOf(err) != protocol.Conflict {
		t.Fatal(err)
	}
}

// TestHungAgentIsNotAlive: when its servers answer no more, nobody is told that the agent is alive, and it says why. As long as they have never
// answered they are being read, and it is.
func TestHungAgentIsNotAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		told := 0
		a, err := New(Config{Data: "x", Alive: func() { told++ }, AliveEvery: 20 * time.Second, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		<-a.heartbeat()
		a.tellAlive(t.Context()) // its rooms never come
		if told != 1 {
			t.Errorf("an agent that begins was told to be alive %d times", told)
		}
		began := time.Now()
		told, a.lived = 0, true
		<-a.heartbeat()
		a.tellAlive(t.Context())
		if told != 0 || time.Since(began) != 40*time.Second || !strings.Contains(log.String(), "does not answer") {
			t.Errorf("told %d times after %s: %s", told, time.Since(began), &log)
		}
	})
	a, err := New(Config{Data: "x"})
	if err != nil || a.heartbeat() != nil {
		t.Error("a heartbeat that nobody asked for", err)
	}
}
