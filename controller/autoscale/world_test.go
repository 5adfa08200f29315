package autoscale

import (
	"strings"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/provision"
	"github.com/payperplay/payperplay/protocol"
)

const gib = int64(1 << 30)

// now is a Tuesday.
var now = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

// world is a snapshot to build up.
type world struct{ Snapshot }

func newWorld() *world {
	offer := func(price fleet.MicroEuro) []cloud.Offer {
		return []cloud.Offer{{Location: "fsn1", Hourly: price, InStock: true}}
	}
	return &world{Snapshot{
		Fleet: fleet.Snapshot{At: now, Nodes: map[string]fleet.Node{}, Bookings: map[string]fleet.Booking{}, Servers: map[string]fleet.Server{}},
		Catalogue: cloud.Catalogue{Types: []cloud.Type{
			{Name: "small", Arch: "arm64", CPUs: 2, MemoryBytes: 4 * gib, DiskBytes: 40 * gib, Offers: offer(4_000)},
			{Name: "medium", Arch: "arm64", CPUs: 4, MemoryBytes: 8 * gib, DiskBytes: 80 * gib, Offers: offer(7_000)},
			{Name: "large", Arch: "amd64", CPUs: 8, MemoryBytes: 16 * gib, DiskBytes: 160 * gib, Offers: offer(13_000)},
		}},
	}}
}

func workerNode(id string, memory int64) fleet.Node {
	return fleet.Node{
		ID: id, Name: strings.TrimPrefix(id, "node_"), Class: fleet.Cloud, LastSeen: now, Session: &fleet.Session{ID: "s", Since: now},
		Facts: protocol.NodeFacts{Arch: "arm64", Roles: []string{fleet.RoleWorker}, CPUs: 8, MemoryBytes: memory, DiskBytes: 160 * gib, PortFrom: 25565, PortTo: 25665, Docker: "28"},
	}
}

// machine adds one of that age; one that has joined has a node as large as it is.
func (w *world) machine(name, kind string, phase provision.Phase, age time.Duration) provision.Machine {
	t, o, _ := w.Catalogue.Find(kind, "fsn1")
	m := provision.Machine{
		ID: "mach_" + name, Name: name, Role: cloud.RoleWorker, Type: kind, At: "fsn1", Phase: phase, Hourly: o.Hourly, OrderedAt: now.Add(-age),
		Size: fleet.Resources{MemoryBytes: t.MemoryBytes, CPUMillis: int64(t.CPUs) * 1000, DiskBytes: t.DiskBytes},
	}
	switch phase {
	case provision.Ordering:
	case provision.Booting:
		m.Created = m.OrderedAt
	default:
		m.Created, m.JoinedAt, m.Node = m.OrderedAt, m.OrderedAt, "node_"+name
		n := workerNode(m.Node, Visible(t.MemoryBytes))
		n.Machine, n.Facts.CPUs, n.Facts.DiskBytes = m.ID, t.CPUs, t.DiskBytes
		n.Proving, n.Cordoned = phase == provision.Proving, phase == provision.Draining || phase == provision.Deleting
		if phase != provision.Gone {
			w.Fleet.Nodes[n.ID] = n
		}
	}
	w.Machines = append(w.Machines, m)
	return m
}

func (w *world) book(server, node string, memory int64, age time.Duration, runs bool) {
	b := fleet.Booking{Server: server, Node: node, Port: 25565 + len(w.Fleet.Bookings), Runs: runs, Confirmed: runs, BookedAt: now.Add(-age)}
	if runs {
		b.MemoryBytes = memory
	}
	w.Fleet.Bookings[server] = b
}

func (w *world) wait(id string, memory int64) fleet.Server {
	s := fleet.Server{ID: id, Name: strings.TrimPrefix(id, "srv_"), MemoryBytes: memory, Desired: fleet.Running, Waiting: &fleet.Waiting{Since: now}}
	w.Fleet.Servers[id] = s
	return s
}

// settings are on, with everything off that a test does not ask for.
func settings(change ...func(*Settings)) Settings {
	s := Default()
	s.Enabled, s.Lookahead, s.Growth, s.Up, s.Down = true, 0, 0, 0, 0
	for _, f := range change {
		f(&s)
	}
	return s
}

// acts writes what a decision does in short: "order large" "release a".
func acts(d Decision) string {
	var out []string
	for _, a := range d.Acts() {
		what := a.Name
		if a.Do == Order {
			what = a.Candidates[0].Type
		}
		out = append(out, string(a.Do)+" "+what)
	}
	return strings.Join(out, ", ")
}

// check decides and compares, and wants a text among what the decision tells.
func check(t *testing.T, w *world, s Settings, want, told string) Decision {
	t.Helper()
	d := Decide(w.Snapshot, s, now)
	if got := acts(d); got != want {
		t.Errorf("did %q, want %q\n%s", got, want, d.Explain())
	}
	if text := d.Explain(); !strings.Contains(text, told) {
		t.Errorf("%q is not told in\n%s", told, text)
	}
	return d
}
