package host

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

// probed is a host whose probe finds what find says, and counts.
func probed(t *testing.T, f *Firewall, find func() ([]string, error)) (h *Host, tries *atomic.Int32) {
	t.Helper()
	tries = new(atomic.Int32)
	h, err := New(Options{Data: t.TempDir(), Engine: fakeEngine{}, Firewall: f, Version: func(context.Context) (string, []string, error) { return "1", nil, nil },
		Servers: func() []Live { return nil }, DiskUsage: func(context.Context, string) (int64, error) { return 0, nil },
		Probe: func(_ context.Context, targets []string) ([]string, error) {
			tries.Add(1)
			if !slices.Equal(targets, []string{"169.254.169.254:80"}) {
				t.Errorf("the probe is sent to %v", targets)
			}
			return find()
		}})
	if err != nil {
		t.Fatal(err)
	}
	return h, tries
}

func (h *Host) says(t *testing.T) (problems, doubts string) {
	t.Helper()
	r, err := h.Check(t.Context(), protocol.CheckRequest{})
	if err != nil || r.OK != (len(r.Problems) == 0) {
		t.Fatalf("%+v, %v", r, err)
	}
	if d := h.Facts().Degraded; !slices.Equal(d, r.Degraded) {
		t.Errorf("the hello says %q, the check %q", d, r.Degraded)
	}
	return strings.Join(r.Problems, "\n"), strings.Join(r.Degraded, "\n")
}

// TestProbeIsTold: what was found stands in the check's answer: the metadata as a problem, what was not proved as a doubt, both with the word
// by which the controller keeps servers away from a new machine.
func TestProbeIsTold(t *testing.T) {
	var open []string
	var fail error
	h, _ := probed(t, nil, func() ([]string, error) { return open, fail })
	if problems, doubts := h.says(t); problems != "" || !strings.Contains(doubts, "not proved yet") || !strings.Contains(doubts, "metadata") {
		t.Errorf("before: %q, %q", problems, doubts)
	}
	open = []string{"169.254.169.254:80", "10.213.0.1:22"}
	if err := h.Probe(t.Context()); !errors.Is(err, ErrOpen) || !strings.Contains(err.Error(), "10.213.0.1:22") {
		t.Error(err)
	}
	if problems, doubts := h.says(t); !strings.Contains(problems, "metadata") || !strings.Contains(doubts, "10.213.0.1:22") {
		t.Errorf("open: %q, %q", problems, doubts)
	}
	open = open[1:]
	if err := h.Probe(t.Context()); !errors.Is(err, ErrOpen) {
		t.Error(err)
	}
	if problems, doubts := h.says(t); problems != "" || strings.Contains(doubts, "metadata") || !strings.Contains(doubts, "10.213.0.1:22") {
		t.Errorf("the machine alone: %q, %q", problems, doubts)
	}
	open, fail = nil, errors.New("no engine")
	if err := h.Probe(t.Context()); !errors.Is(err, fail) {
		t.Error(err)
	}
	if problems, doubts := h.says(t); problems != "" || !strings.Contains(doubts, "metadata") || !strings.Contains(doubts, "no engine") {
		t.Errorf("not tried: %q, %q", problems, doubts)
	}
	fail = nil
	if err := h.Probe(t.Context()); err != nil {
		t.Error(err)
	}
	if problems, doubts := h.says(t); problems != "" || doubts != "" {
		t.Errorf("proved: %q, %q", problems, doubts)
	}
}

// TestProbeAgain: after each change of the firewall, soon when it failed, seldom when all is well.
func TestProbeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now atomic.Pointer[proof]
		now.Store(&proof{err: errors.New("docker is being installed")})
		f := NewFirewall("t", "pbt", slog.New(slog.DiscardHandler))
		h, tries := probed(t, f, func() ([]string, error) { return now.Load().open, now.Load().err })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { h.keepProbing(ctx); close(done) }()
		after := func(d time.Duration, want int32, when string) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if got := tries.Load(); got != want {
				t.Errorf("%s: %d tries, want %d", when, got, want)
			}
		}
		after(probeFirst-1, 0, "before the firewall is there")
		after(1, 1, "first")
		after(probeRetry, 2, "could not be tried")
		now.Store(&proof{open: []string{metadataAddress}})
		after(probeRetry, 3, "can be tried now")
		after(probeOpen-1, 3, "open")
		now.Store(&proof{})
		after(1, 4, "closed now")
		after(probeAgain/2, 4, "well")
		f.changed <- struct{}{}
		after(0, 5, "the firewall changed")
		after(probeAgain, 6, "an hour later")
		cancel()
		<-done
	})
}

func TestProbeSubnet(t *testing.T) {
	for pool, want := range map[string]string{"10.213.0.0/16": "10.213.255.248/29", "10.9.8.0/24": "10.9.8.248/29", "10.9.8.8/29": "10.9.8.8/29", "10.0.0.0/8": "10.255.255.248/29"} {
		got, err := ProbeSubnet(netip.MustParsePrefix(pool))
		if err != nil || got.String() != want {
			t.Errorf("%s: %s, %v", pool, got, err)
		}
	}
	for _, pool := range []string{"10.0.0.0/30", "fd00::/64"} {
		if _, err := ProbeSubnet(netip.MustParsePrefix(pool)); protocol.CodeOf(err) != protocol.Invalid {
			t.Errorf("%s: %v", pool, err)
		}
	}
}

// TestReach: who listens is there, who refuses is there too, and only silence is none.
func TestReach(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	if got := Reach(t.Context(), []string{l.Addr().String(), gone.Addr().String(), "no.such.host.invalid:1"}); !slices.Equal(got, []bool{true, true, false}) {
		t.Error(got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := Reach(ctx, []string{l.Addr().String()}); got[0] {
		t.Error("reached without trying")
	}
}

// TestFirewallTellsChanges: once when the rules come, not when they are asserted again, and once more when somebody took a jump away.
func TestFirewallTellsChanges(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	if _, err := exec.LookPath("iptables"); err != nil {
		t.Skip("needs iptables")
	}
	f := NewFirewall("zztst", "pbzztst", slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		if err := f.Remove(context.Background()); err != nil {
			t.Error(err)
		}
	})
	changed := func() bool {
		t.Helper()
		if err := f.Assert(t.Context()); err != nil {
			t.Skip("iptables does not work here: ", err)
		}
		select {
		case <-f.Changed():
			return true
		default:
			return false
		}
	}
	if !changed() || changed() {
		t.Error("the rules have come once")
	}
	if err := f.run(t.Context(), "iptables", nil, append([]string{"-w", "5", "-D"}, f.jumps(t.Context())[1]...)...); err != nil {
		t.Fatal(err)
	}
	if !changed() || changed() {
		t.Error("a jump was put back once")
	}
}
