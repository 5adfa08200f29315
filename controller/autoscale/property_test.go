package autoscale

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/placement"
	"github.com/payperplay/payperplay/controller/provision"
)

// anySnapshot draws a fleet with machines in every phase, own nodes, bookings of servers that run or rest, and servers that wait.
func anySnapshot(t *rapid.T) Snapshot {
	w := newWorld()
	for i := range rapid.IntRange(0, 3).Draw(t, "own") {
		n := workerNode(fmt.Sprintf("node_own%d", i), rapid.Int64Range(1, 20).Draw(t, "own memory")*gib)
		n.Class = fleet.Local
		n.Cordoned = rapid.IntRange(0, 4).Draw(t, "cordoned") == 0
		w.Fleet.Nodes[n.ID] = n
	}
	for i := range rapid.IntRange(0, 8).Draw(t, "machines") {
		m := w.machine(fmt.Sprintf("m%d", i), rapid.SampledFrom([]string{"small", "medium", "large"}).Draw(t, "type"),
			rapid.SampledFrom([]provision.Phase{provision.Ordering, provision.Booting, provision.Proving, provision.Serving, provision.Serving, provision.Serving,
				provision.Draining, provision.Deleting, provision.Gone}).Draw(t, "phase"),
			time.Duration(rapid.IntRange(0, 300).Draw(t, "age"))*time.Minute)
		if m.Phase == provision.Gone {
			m.DeletedAt = m.Created.Add(now.Sub(m.Created) / 2)
		}
		m.NeverJoined = rapid.IntRange(0, 15).Draw(t, "lost") == 0
		if rapid.IntRange(0, 9).Draw(t, "silent") == 0 {
			if n, ok := w.Fleet.Nodes[m.Node]; ok {
				n.Session = nil
				w.Fleet.Nodes[m.Node] = n
			}
		}
		w.Machines[len(w.Machines)-1] = m
	}
	var ids []string
	for id := range w.Fleet.Nodes {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for i := range rapid.IntRange(0, 14).Draw(t, "bookings") {
		if len(ids) > 0 {
			id := rapid.SampledFrom(ids).Draw(t, "node")
			w.book(fmt.Sprintf("srv_b%d", i), id, rapid.Int64Range(0, 4).Draw(t, "booked")*gib, time.Duration(rapid.IntRange(0, 60).Draw(t, "since"))*time.Minute,
				rapid.IntRange(0, 3).Draw(t, "rests") > 0)
		}
	}
	for i := range rapid.IntRange(0, 6).Draw(t, "waiting") {
		srv := w.wait(fmt.Sprintf("srv_w%d", i), rapid.Int64Range(1, 30).Draw(t, "need")*gib/2)
		if len(ids) > 0 && rapid.IntRange(0, 9).Draw(t, "bound") == 0 {
			srv.Node = rapid.SampledFrom(ids).Draw(t, "bound to")
			w.Fleet.Servers[srv.ID] = srv
		}
	}
	if rapid.IntRange(0, 9).Draw(t, "no catalogue") == 0 {
		w.Catalogue, w.CatalogueErr = cloud.Catalogue{}, "the provider does not answer"
	}
	if rapid.IntRange(0, 9).Draw(t, "frozen") == 0 {
		w.Frozen = "recovery mode"
	}
	for i := range w.Catalogue.Types {
		w.Catalogue.Types[i].Offers[0].InStock = rapid.IntRange(0, 4).Draw(t, "stock") > 0
	}
	w.LastDown = now.Add(-time.Duration(rapid.IntRange(0, 60).Draw(t, "last down")) * time.Minute)
	return w.Snapshot
}

func anySettings(t *rapid.T) Settings {
	s := Default()
	s.Enabled = rapid.IntRange(0, 9).Draw(t, "enabled") > 0
	s.MaxNodes = rapid.IntRange(0, 12).Draw(t, "max nodes")
	s.MaxPerDay = fleet.MicroEuro(rapid.IntRange(0, 4_000_000).Draw(t, "max per day"))
	s.DrainBusy = rapid.Bool().Draw(t, "drain busy")
	s.Strategy = rapid.SampledFrom(placement.Strategies()).Draw(t, "strategy")
	s.Growth = rapid.SampledFrom([]float64{0, 0.5, 2}).Draw(t, "growth")
	s.Up = rapid.SampledFrom([]float64{0, 0.7, 0.85, 1}).Draw(t, "up")
	s.Lookahead = rapid.SampledFrom([]Span{0, Span(90 * time.Second), Span(10 * time.Minute)}).Draw(t, "lookahead")
	if rapid.Bool().Draw(t, "image") {
		s.SpareImages = map[string]string{"": "42"}
		s.Spares.Base = rapid.IntRange(0, 3).Draw(t, "pool")
	}
	return s
}

// apply does what a decision says, as provision would, and the clock stands still.
func apply(snap Snapshot, d Decision) Snapshot {
	snap.Machines = slices.Clone(snap.Machines)
	for i, a := range d.Acts() {
		switch a.Do {
		case Order:
			c := a.Candidates[0]
			snap.Machines = append(snap.Machines, provision.Machine{
				ID: fmt.Sprintf("mach_new%d_%d", len(snap.Machines), i), Name: "new", Role: cloud.RoleWorker, Type: c.Type, At: c.Location, Size: c.Size, Hourly: c.Hourly,
				Phase: provision.Ordering, OrderedAt: now.Add(time.Duration(i)),
			})
		case Release, Drain:
			j := slices.IndexFunc(snap.Machines, func(m provision.Machine) bool { return m.ID == a.Machine })
			snap.Machines[j].Phase = provision.Deleting
			if a.Do == Drain {
				snap.Machines[j].Phase, snap.LastDown = provision.Draining, now
			}
			nodes := map[string]fleet.Node{}
			for id, n := range snap.Fleet.Nodes {
				n.Cordoned = n.Cordoned || id == snap.Machines[j].Node
				nodes[id] = n
			}
			snap.Fleet.Nodes = nodes
		case Keep:
		}
	}
	return snap
}

func TestDecisionsAreSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		snap, s := anySnapshot(t), anySettings(t)
		d := Decide(snap, s, now)
		taken := map[string]bool{}
		for _, a := range d.Acts() {
			if !s.Enabled || snap.Frozen != "" {
				t.Fatalf("%s although nothing may be done", a.Do)
			}
			if a.Do == Order {
				for _, id := range a.Servers {
					if taken[id] {
						t.Fatalf("server %s gets two machines", id)
					}
					taken[id] = true
				}
				continue
			}
			i := slices.IndexFunc(snap.Machines, func(m provision.Machine) bool { return m.ID == a.Machine })
			m := snap.Machines[i]
			if m.Phase != provision.Serving || taken[m.ID] {
				t.Fatalf("%s of a machine that is %s (twice: %v)", a.Do, m.Phase, taken[m.ID])
			}
			taken[m.ID] = true
			left := m.PaidUntil(now).Sub(now)
			if a.Do == Release && (left > 5*time.Minute || left <= time.Minute) {
				t.Fatalf("released %s before its hour ends", left)
			}
			for _, b := range snap.Fleet.Bookings {
				if b.Node == m.Node && (a.Do == Release || !b.Runs) {
					t.Fatalf("%s of a machine with server %s (runs %v)", a.Do, b.Server, b.Runs)
				}
			}
			for _, srv := range snap.Fleet.Servers {
				if srv.Node == m.Node && m.Node != "" && a.Do == Release {
					t.Fatalf("released a machine that server %s names", srv.ID)
				}
			}
		}
		var prices []fleet.MicroEuro
		for _, a := range d.Acts() {
			for _, c := range a.Candidates { // the provider may have only a later one
				if err := Allowed(snap.Machines, s, now, append(slices.Clone(prices), c.Hourly)...); err != nil {
					t.Fatalf("over the caps: %v", err)
				}
			}
			if a.Do == Order {
				prices = append(prices, a.Candidates[0].Hourly)
			}
		}
	})
}

func TestDecideIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		snap, s := anySnapshot(t), anySettings(t)
		first := Decide(snap, s, now)
		again := Decide(apply(snap, first), s, now)
		if acts := again.Acts(); len(acts) > 0 {
			t.Fatalf("after\n%+v\nthere is more to do:\n%+v", first.Acts(), acts)
		}
	})
}

func TestDecideDoesNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		snap, s := anySnapshot(t), anySettings(t)
		first := Decide(snap, s, now)
		mixed := snap
		mixed.Machines = slices.Clone(snap.Machines)
		mixed.Catalogue.Types = slices.Clone(snap.Catalogue.Types)
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		rnd.Shuffle(len(mixed.Machines), func(i, j int) { mixed.Machines[i], mixed.Machines[j] = mixed.Machines[j], mixed.Machines[i] })
		rnd.Shuffle(len(mixed.Catalogue.Types), func(i, j int) {
			mixed.Catalogue.Types[i], mixed.Catalogue.Types[j] = mixed.Catalogue.Types[j], mixed.Catalogue.Types[i]
		})
		if second := Decide(mixed, s, now); !reflect.DeepEqual(first, second) {
			t.Fatalf("first\n%+v\nthen\n%+v", first, second)
		}
	})
}
