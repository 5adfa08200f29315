package supervisor

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/payperplay/payperplay/agent/docker"
	"github.com/payperplay/payperplay/agent/docker/dockertest"
	"github.com/payperplay/payperplay/protocol"
)

// BenchmarkStart measures "server start → container running ≤ Docker's own create+start + 50 ms" (performance.md section 2): the order to
// the supervisor until the report of the running container, and the same container by create and start alone, turn by turn.
func BenchmarkStart(b *testing.B) {
	r := newRig(b)
	spec := dockertest.Spec(b, "srv_bench", nil)
	r.start(spec, 1) // makes volume and bridge, as the assignment does
	r.awaitState("srv_bench", protocol.StateRunning)
	halt := func() {
		if _, err := r.sup.Kill(b.Context(), protocol.KillRequest{Server: "srv_bench"}); err != nil {
			b.Fatal(err)
		}
		r.awaitState("srv_bench", protocol.StateStopped)
	}
	halt()
	alone := spec
	alone.Server = "srv_alone" // not the supervisor's
	bridge, err := r.journal.Bridge(b.Context(), alone.Server, nil)
	if err == nil {
		err = r.engine.EnsureNetwork(b.Context(), alone.Server, bridge)
	}
	if err != nil {
		b.Fatal(err)
	}
	var ours, first, ready, direct []time.Duration
	for b.Loop() {
		fresh := dockertest.Spec(b, fmt.Sprintf("srv_fresh%d", len(first)), nil)
		began := time.Now()
		r.start(fresh, 1) // with its bridge to be made
		r.await(fresh.Server, time.Minute, "running", func(o protocol.Observed) bool { return o.Container != "" })
		first = append(first, time.Since(began))
		if _, err := r.sup.Kill(b.Context(), protocol.KillRequest{Server: fresh.Server}); err != nil {
			b.Fatal(err)
		}
		r.awaitState(fresh.Server, protocol.StateStopped)
		began = time.Now()
		r.start(spec, 1)
		r.await("srv_bench", time.Minute, "running", func(o protocol.Observed) bool { return o.Container != "" })
		ours = append(ours, time.Since(began))
		o := r.await("srv_bench", time.Minute, "ready", func(o protocol.Observed) bool { return o.State == protocol.StateRunning })
		ready = append(ready, o.Ready.Sub(o.Started))
		halt()
		direct = append(direct, startDirectly(b, r, alone))
	}
	median := func(d []time.Duration) float64 {
		slices.Sort(d)
		return float64(d[len(d)/2].Microseconds()) / 1000
	}
	b.ReportMetric(median(ours), "ms_ours")
	b.ReportMetric(median(direct), "ms_docker")
	b.ReportMetric(median(ours)-median(direct), "ms_more")
	b.ReportMetric(median(first)-median(direct), "ms_more_first")
	b.ReportMetric(median(ours)/median(direct), "ratio")
	b.ReportMetric(median(ready), "ms_ready")
}

// startDirectly makes and starts the same container with nothing around it.
func startDirectly(b *testing.B, r *rig, spec protocol.Spec) time.Duration {
	b.Helper()
	volume := filepath.Join(b.TempDir(), "volumes", spec.Server, "data")
	if err := os.MkdirAll(volume, 0o777); err != nil {
		b.Fatal(err)
	}
	if err := os.Chmod(volume, 0o777); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	id, err := r.engine.Create(b.Context(), docker.Run{Spec: spec, Grant: r.grant(spec.Server, 1), Attempt: time.Now().UnixNano(), Volume: volume,
		Bind: netip.MustParseAddr("127.0.0.1"), Password: "x"})
	if err == nil {
		err = r.engine.Start(b.Context(), id)
	}
	took := time.Since(began)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.engine.Remove(ctx, id); err != nil {
		b.Fatal(err)
	}
	return took
}

// BenchmarkPlayerLine is what the supervisor adds to every console line of a flood.
func BenchmarkPlayerLine(b *testing.B) {
	lines := []string{"[21:25:00] [Server thread/INFO]: Saved the game", "[21:25:00] [Server thread/INFO]: bob joined the game", fmt.Sprintf("%0200d", 7)}
	for i := 0; b.Loop(); i++ {
		playerEvent(lines[i%len(lines)])
	}
}
