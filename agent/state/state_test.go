package state

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/payperplay/payperplay/protocol"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("PPP_STATE_CHILD"); dir != "" {
		child(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

func open(t testing.TB, dir string) *Journal {
	t.Helper()
	j, err := Open(Options{Dir: dir, Boot: "boot-1", BridgePool: netip.MustParsePrefix("10.213.0.0/28"), MaxReports: 50})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func observed(server string, state protocol.State, progress string) protocol.Fact {
	return protocol.Fact{Observed: &protocol.Observed{Server: server, State: state, Progress: progress}}
}

func TestReportsAreGapFreeAcrossRestarts(t *testing.T) {
	dir := t.TempDir()
	want := int64(1)
	for round := range 3 {
		j := open(t, dir)
		if got := j.NextSeq(); got != want && round > 0 {
			t.Fatalf("round %d: first unacknowledged is %d, want %d", round, got, want)
		}
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				if err := j.Append(t.Context(), observed(fmt.Sprint("srv_", i), protocol.StateRunning, "")); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		reports, err := j.Next(t.Context(), want-1, 100)
		if err != nil || len(reports) != 20 {
			t.Fatalf("%d reports, %v", len(reports), err)
		}
		for i, r := range reports {
			if r.Seq != want+int64(i) || r.Boot != "boot-1" || r.Run != j.Run() {
				t.Fatalf("report %d is %+v", i, r)
			}
		}
		want += 20
		if err := j.Ack(t.Context(), want-1); err != nil {
			t.Fatal(err)
		}
		if n := j.Waiting(); n != 0 {
			t.Fatalf("%d wait after the last was acknowledged", n)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestProgressNeverGrowsTheQueue(t *testing.T) {
	j := open(t, t.TempDir())
	must := func(f protocol.Fact) {
		t.Helper()
		if err := j.Append(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 30 {
		must(observed("srv_a", protocol.StatePulling, fmt.Sprint(i, " %")))
		must(observed("srv_b", protocol.StatePulling, fmt.Sprint(i, " %")))
	}
	reports, _ := j.Next(t.Context(), 0, 100)
	if len(reports) != 2 || reports[0].Fact.Observed.Progress != "29 %" {
		t.Fatalf("progress was not merged: %d reports", len(reports))
	}
	// What was handed out may have arrived: it must never change under its number.
	must(observed("srv_a", protocol.StatePulling, "later"))
	again, _ := j.Next(t.Context(), 0, 100)
	if len(again) != 3 || again[0].Fact.Observed.Progress != "29 %" || again[2].Fact.Observed.Progress != "later" {
		t.Fatalf("a handed out report changed: %+v", again)
	}
	// Beyond the bound progress is dropped, facts are not.
	for range 60 {
		must(observed("srv_c", protocol.StateCrashed, ""))
	}
	must(observed("srv_d", protocol.StatePulling, "dropped"))
	must(observed("srv_d", protocol.StateRunning, ""))
	if n := j.Waiting(); n != 64 {
		t.Fatalf("%d reports wait, want 64", n)
	}
}

func TestF24OldTermIsRefused(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	for _, term := range []int64{3, 3, 7} {
		if err := j.SeeTerm(t.Context(), term); err != nil {
			t.Fatal(err)
		}
	}
	_ = j.Close()
	j = open(t, dir)
	if err := j.SeeTerm(t.Context(), 6); protocol.CodeOf(err) != protocol.Stale {
		t.Fatalf("term 6 after 7: %v", err)
	}
	a, _ := j.Generation(t.Context())
	_ = j.Close()
	j = open(t, dir)
	if b, _ := j.Generation(t.Context()); b != a+1 {
		t.Fatalf("generation %d after %d", b, a)
	}
}

func TestBridges(t *testing.T) {
	j := open(t, t.TempDir())
	a, err := j.Bridge(t.Context(), "srv_a", nil)
	if err != nil || a.String() != "10.213.0.0/29" {
		t.Fatal(a, err)
	}
	if again, _ := j.Bridge(t.Context(), "srv_a", nil); again != a {
		t.Fatalf("the bridge moved from %s to %s", a, again)
	}
	if _, err := j.Bridge(t.Context(), "srv_x", []netip.Prefix{netip.MustParsePrefix("10.213.0.12/32")}); protocol.CodeOf(err) != protocol.Exhausted {
		t.Fatalf("a bridge over a host route was given: %v", err)
	}
	b, _ := j.Bridge(t.Context(), "srv_b", nil)
	if b.String() != "10.213.0.8/29" {
		t.Fatal(b)
	}
	if _, err := j.Bridge(t.Context(), "srv_c", nil); protocol.CodeOf(err) != protocol.Exhausted {
		t.Fatalf("third bridge of two: %v", err)
	}
	if err := j.Drop(t.Context(), "srv_a"); err != nil {
		t.Fatal(err)
	}
	if c, _ := j.Bridge(t.Context(), "srv_c", nil); c != a {
		t.Fatalf("a freed bridge was not given again: %s", c)
	}
}

func TestServersSurvive(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	row := Server{Spec: protocol.Spec{Server: "srv_a", Image: "x"}, Grant: protocol.Grant{Server: "srv_a", Epoch: 4}, Want: WantRun}
	if err := j.Save(t.Context(), row, observed("srv_a", protocol.StateStarting, "")); err != nil {
		t.Fatal(err)
	}
	_ = j.Close()
	j = open(t, dir)
	rows, err := j.Servers(t.Context())
	if err != nil || len(rows) != 1 || rows[0].Grant.Epoch != 4 || rows[0].Want != WantRun {
		t.Fatalf("%+v, %v", rows, err)
	}
}

func TestSecondAgentIsRefused(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	_, err := Open(Options{Dir: dir, Boot: "b", BridgePool: netip.MustParsePrefix("10.0.0.0/24")})
	if protocol.CodeOf(err) != protocol.Conflict {
		t.Fatal(err)
	}
}

// TestF14DamagedJournal: a flipped byte is an error that says what to do, never a silent wrong value.
func TestF14DamagedJournal(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	row := Server{Spec: protocol.Spec{Server: "srv_a", Image: "the-image-of-a-server"}, Grant: protocol.Grant{Server: "srv_a", Epoch: 4}}
	if err := j.Save(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	_ = j.Close()
	path := filepath.Join(dir, FileName)
	whole, _ := os.ReadFile(path)
	for name, breakIt := range map[string]func([]byte) []byte{
		"value":     func(b []byte) []byte { return []byte(strings.ReplaceAll(string(b), "the-image", "thE-image")) },
		"truncated": func(b []byte) []byte { return b[:5000] },
		"garbage":   func([]byte) []byte { return []byte(strings.Repeat("not a journal", 1000)) },
	} {
		if err := os.WriteFile(path, breakIt([]byte(string(whole))), 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := Open(Options{Dir: dir, Boot: "b", BridgePool: netip.MustParsePrefix("10.0.0.0/24")})
		var f *protocol.Fault
		if err == nil {
			_ = j.Close()
		}
		if !errors.As(err, &f) || !strings.Contains(f.Message, "damaged") || f.Next == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBurstSharesSyncs(t *testing.T) {
	r := prometheus.NewRegistry()
	j, err := Open(Options{Dir: t.TempDir(), Boot: "b", BridgePool: netip.MustParsePrefix("10.0.0.0/24"), Metrics: r})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	j.mu.Lock() // holds the writer
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if err := j.Append(t.Context(), observed("srv", protocol.StateRunning, "")); err != nil {
				t.Error(err)
			}
		})
	}
	for len(j.writes) < 150 {
		runtime.Gosched() // the writer is held; only arrival is awaited
	}
	j.mu.Unlock()
	wg.Wait()
	if n := testutil.ToFloat64(j.syncs); n > 60 {
		t.Fatalf("200 reports took %v syncs", n)
	}
}

// TestF02AcknowledgedWritesSurviveKill: what a process was told is on disk is there after SIGKILL, and numbers have no holes.
func TestF02AcknowledgedWritesSurviveKill(t *testing.T) {
	dir := t.TempDir()
	told := map[int64]bool{}
	for round := range 15 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "PPP_STATE_CHILD="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range 20 + round*7 {
			if !lines.Scan() {
				t.Fatal("the child ended early")
			}
			n, err := strconv.ParseInt(lines.Text(), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			told[n] = true
		}
		_ = cmd.Process.Signal(syscall.SIGKILL)
		for lines.Scan() {
			if n, err := strconv.ParseInt(lines.Text(), 10, 64); err == nil {
				told[n] = true
			}
		}
		_ = cmd.Wait()
		j := open(t, dir)
		reports, err := j.Next(t.Context(), 0, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for i, r := range reports {
			if r.Seq != int64(i+1) {
				t.Fatalf("report %d has Seq %d", i, r.Seq)
			}
			seen[r.Fact.Observed.Server] = true
		}
		for n := range told {
			if !seen[fmt.Sprint("srv_", n)] {
				t.Fatalf("acknowledged report %d is lost", n)
			}
		}
		_ = j.Close()
	}
}

func child(dir string) {
	j, err := Open(Options{Dir: dir, Boot: "boot-1", BridgePool: netip.MustParsePrefix("10.213.0.0/24")})
	if err != nil {
		fmt.Println(err)
		return
	}
	base := j.next - 1
	var mu sync.Mutex
	n := base
	for range 4 {
		go func() {
			for {
				mu.Lock()
				n++
				mine := n
				mu.Unlock()
				if err := j.Append(context.Background(), observed(fmt.Sprint("srv_", mine), protocol.StateRunning, "")); err != nil {
					return
				}
				fmt.Println(mine)
			}
		}()
	}
	select {}
}

// BenchmarkReport: one report on disk, and 64 at once.
func BenchmarkReport(b *testing.B) {
	for _, parallel := range []int{1, 64} {
		b.Run(fmt.Sprint(parallel), func(b *testing.B) {
			j, err := Open(Options{Dir: b.TempDir(), Boot: "b", BridgePool: netip.MustParsePrefix("10.0.0.0/24")})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = j.Close() }()
			b.SetParallelism(parallel)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := j.Append(b.Context(), observed("srv", protocol.StateRunning, "")); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
