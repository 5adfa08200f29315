package placement_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/placement"
	"github.com/payperplay/payperplay/protocol"
)

const gib = 1 << 30

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func node(id string, memory int64, change ...func(*fleet.Node)) fleet.Node {
	n := fleet.Node{
		ID: id, Name: strings.TrimPrefix(id, "node_"), Class: fleet.Local, LastSeen: now, Session: &fleet.Session{ID: "s", Since: now},
		Facts: protocol.NodeFacts{Arch: "amd64", Roles: []string{"worker"}, CPUs: 8, MemoryBytes: memory, DiskBytes: 1000 * gib, PortFrom: 25565, PortTo: 25665, Docker: "28"},
	}
	for _, f := range change {
		f(&n)
	}
	return n
}

func fleetOf(nodes ...fleet.Node) fleet.Snapshot {
	s := fleet.Snapshot{At: now, Nodes: map[string]fleet.Node{}, Bookings: map[string]fleet.Booking{}}
	for _, n := range nodes {
		s.Nodes[n.ID] = n
	}
	return s
}

func book(s fleet.Snapshot, node string, memory int64, at time.Time) {
	id := fmt.Sprintf("srv_%d", len(s.Bookings))
	s.Bookings[id] = fleet.Booking{Server: id, Node: node, MemoryBytes: memory, Port: 25565 + len(s.Bookings), Runs: true, BookedAt: at}
}

func mem(n int64) placement.Need {
	return placement.Need{Resources: fleet.Resources{MemoryBytes: n, Ports: 1}}
}

func cloud(n *fleet.Node) { n.Class = fleet.Cloud }

func TestStrategies(t *testing.T) {
	s := fleetOf(node("node_a", 8*gib), node("node_b", 16*gib), node("node_c", 8*gib, cloud), node("node_d", 32*gib, cloud),
		node("node_e", 4*gib, func(n *fleet.Node) { n.Facts.Degraded = []string{"no AppArmor"} }))
	book(s, "node_a", gib, now.Add(-4*time.Hour))
	book(s, "node_b", gib, now.Add(-5*time.Hour))
	book(s, "node_c", 5*gib, now.Add(-2*time.Hour))
	book(s, "node_d", gib, now.Add(-3*time.Hour))
	book(s, "node_e", gib, now.Add(-1*time.Hour))
	for strategy, want := range map[placement.Strategy]string{
		placement.BestFit: "node_c", placement.WorstFit: "node_d", placement.LocalFirst: "node_e",
		placement.CloudFirst: "node_c", placement.RoundRobin: "node_b", placement.Auto: "node_a",
	} {
		if got, why := placement.New(s).Choose(mem(gib), strategy); got != want {
			t.Errorf("%s chose %s (%s), want %s", strategy, got, why.Explain(), want)
		}
	}
}

func TestRoundRobinGoesRound(t *testing.T) {
	v := placement.New(fleetOf(node("node_a", 8*gib), node("node_b", 8*gib), node("node_c", 8*gib)))
	var got []string
	for range 6 {
		n, _ := v.Choose(mem(gib), placement.RoundRobin)
		v.Book(n, mem(gib).Resources)
		got = append(got, n)
	}
	if want := "node_a node_b node_c node_a node_b node_c"; strings.Join(got, " ") != want {
		t.Errorf("round-robin gave %v, want %s", got, want)
	}
}

func TestRejections(t *testing.T) {
	s := fleetOf(
		node("node_a", 2*gib), node("node_b", 8*gib, func(n *fleet.Node) { n.Session = nil }),
		node("node_c", 8*gib, func(n *fleet.Node) { n.Cordoned, n.Reason = true, "disk swap" }),
		node("node_d", 8*gib, func(n *fleet.Node) { n.Facts.Degraded = []string{"no seccomp"} }),
		node("node_e", 8*gib, func(n *fleet.Node) { n.Facts.Arch = "arm64" }),
		node("node_f", 8*gib, func(n *fleet.Node) { n.Facts.Roles = []string{"edge"} }),
		node("node_g", 8*gib, func(n *fleet.Node) { n.Facts.CPUs = 1 }),
		node("node_h", 8*gib, func(n *fleet.Node) { n.Facts.DiskBytes = gib }),
		node("node_i", 8*gib, func(n *fleet.Node) { n.Facts.PortTo = 0 }),
		node("node_j", 8*gib, func(n *fleet.Node) { n.Health = fleet.Health{At: now, Problems: []string{"disk full"}} }),
		node("node_k", 8*gib, func(n *fleet.Node) { n.LastSeen, n.Session.Since = now.Add(-time.Hour), now.Add(-time.Hour) }),
		node("node_l", 8*gib, func(n *fleet.Node) { n.Revoked = true }),
		node("node_m", 8*gib, func(n *fleet.Node) { n.Locked = true }),
		node("node_n", 8*gib, func(n *fleet.Node) { n.Facts.Docker = "" }),
	)
	need := placement.Need{Resources: fleet.Resources{MemoryBytes: 4 * gib, CPUMillis: 2000, DiskBytes: 10 * gib, Ports: 1}, Arch: []string{"amd64"}, RequireSafe: true}
	got, why := placement.New(s).Choose(need, placement.Auto)
	if got != "" {
		t.Fatalf("chose %s", got)
	}
	reasons := map[string]string{}
	for _, r := range why.Rejected {
		reasons["node_"+r.Name()] = why.Reason(r)
	}
	for id, want := range map[string]string{
		"node_a": "memory: needs 4GiB, 1.8GiB free", "node_b": "not connected", "node_c": "cordoned: disk swap", "node_d": "degraded: no seccomp",
		"node_e": "it is arm64, the image needs amd64", "node_f": "it has not the role worker", "node_g": "CPU: needs 2 cores, 1 free",
		"node_h": "disk: needs 10GiB, 921.6MiB free", "node_i": "ports: none free", "node_j": "unhealthy: disk full", "node_k": "not connected",
		"node_m": "locked", "node_n": "unhealthy: Docker does not answer",
	} {
		if reasons[id] != want {
			t.Errorf("%s was rejected because %q, want %q", id, reasons[id], want)
		}
	}
	if len(why.Rejected) != 13 {
		t.Errorf("%d rejected, want all but the revoked one", len(why.Rejected))
	}
	if text := why.Explain(); !strings.HasPrefix(text, "no node has room: a (memory: needs 4GiB, 1.8GiB free), g (CPU") || !strings.HasSuffix(text, "and 9 more") {
		t.Errorf("Explain: %s", text)
	}
	need.RequireSafe, need.Pin = false, "node_b"
	if _, why = placement.New(s).Choose(need, placement.Auto); why.Explain() != "no node has room: b (not connected)" {
		t.Errorf("pinned to a node that is offline: %s", why.Explain())
	}
	need.Pin = "node_d"
	if got, why = placement.New(s).Choose(need, placement.Auto); got != "node_d" {
		t.Errorf("a degraded node is schedulable: got %q, %s", got, why.Explain())
	}
}

// TestNeverOverCapacity places random servers on random nodes by every strategy, and checks what was booked against what nodes have.
func TestNeverOverCapacity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := fleetOf()
		for i := range rapid.IntRange(0, 8).Draw(t, "nodes") {
			n := node(fmt.Sprintf("node_%d", i), rapid.Int64Range(1, 64*gib).Draw(t, "memory"))
			n.Facts.CPUs, n.Facts.PortTo = rapid.IntRange(1, 8).Draw(t, "cpus"), 25565+rapid.IntRange(0, 5).Draw(t, "ports")
			n.Facts.DiskBytes = rapid.Int64Range(1, 100*gib).Draw(t, "disk")
			if rapid.Bool().Draw(t, "cloud") {
				n.Class = fleet.Cloud
			}
			s.Nodes[n.ID] = n
		}
		strategy := rapid.SampledFrom(placement.Strategies()).Draw(t, "strategy")
		v, w := placement.New(s), placement.New(s)
		used := map[string]fleet.Resources{}
		for range rapid.IntRange(0, 40).Draw(t, "servers") {
			need := placement.Need{Resources: fleet.Resources{
				MemoryBytes: rapid.Int64Range(0, 16*gib).Draw(t, "need"), CPUMillis: rapid.Int64Range(0, 4000).Draw(t, "cpu"),
				DiskBytes: rapid.Int64Range(0, 20*gib).Draw(t, "disk"), Ports: 1,
			}}
			got, why := v.Choose(need, strategy)
			if again, _ := w.Choose(need, strategy); again != got {
				t.Fatalf("not deterministic: %s, then %s", got, again)
			}
			if why.Fitting+len(why.Rejected) != len(s.Nodes) {
				t.Fatalf("%d fit, %d do not, of %d", why.Fitting, len(why.Rejected), len(s.Nodes))
			}
			if got == "" {
				for id, n := range s.Nodes {
					if n.Capacity().Sub(used[id]).Fits(need.Resources) {
						t.Fatalf("%s has room, but nothing was chosen", id)
					}
				}
				continue
			}
			used[got] = used[got].Add(need.Resources)
			v.Book(got, need.Resources)
			w.Book(got, need.Resources)
		}
		for id, u := range used {
			if short := s.Nodes[id].Capacity().Short(u); short != "" {
				t.Fatalf("%s is over capacity: %s", id, short)
			}
		}
	})
}

func TestParseStrategy(t *testing.T) {
	if s, err := placement.ParseStrategy(""); err != nil || s != placement.Auto {
		t.Errorf("the default is %q, %v", s, err)
	}
	if _, err := placement.ParseStrategy("firstfit"); protocol.CodeOf(err) != protocol.Invalid {
		t.Errorf("an unknown strategy: %v", err)
	}
}

// BenchmarkPlacementChoose is the row "placement: choose among 1,000 nodes with 10,000 servers" of performance.md §4: at most 50 µs.
func BenchmarkPlacementChoose(b *testing.B) {
	s := fleetOf()
	for i := range 1000 {
		n := node(fmt.Sprintf("node_%04d", i), 64*gib)
		if i%2 == 0 {
			n.Class = fleet.Cloud
		}
		s.Nodes[n.ID] = n
	}
	for i := range 10_000 {
		id := fmt.Sprintf("srv_%d", i)
		s.Bookings[id] = fleet.Booking{Server: id, Node: fmt.Sprintf("node_%04d", i%1000), MemoryBytes: int64(i%7) * gib, CPUMillis: 100, DiskBytes: gib, Port: 25565 + i/1000, Runs: true, BookedAt: now}
	}
	v := placement.New(s)
	for name, need := range map[string]placement.Need{"fits": mem(4 * gib), "half-fits": mem(40 * gib), "none-fits": mem(64 * gib)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v.Choose(need, placement.Auto)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "µs/choice")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/50_000, "ratio")
		})
	}
	b.Run("prepare", func(b *testing.B) {
		for b.Loop() {
			placement.New(s)
		}
	})
}
