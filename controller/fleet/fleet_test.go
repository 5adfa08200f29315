package fleet_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/bolt"
	"github.com/payperplay/payperplay/protocol"
)

const (
	mib = 1 << 20
	gib = 1 << 30
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// TestSchedulable holds the table of docs/resources.md.
func TestSchedulable(t *testing.T) {
	for total, reserve := range map[int64]int64{
		-1: 0, 0: 0, 256 * mib: 128 * mib, 512 * mib: 256 * mib, gib: 256 * mib, 2 * gib: 256 * mib, 4 * gib: 512 * mib, 5 * gib: 512 * mib,
		8 * gib: 8 * gib / 10, 16 * gib: 16 * gib / 10, 24 * gib: 16 * gib / 10, 32 * gib: 2 * gib, 64 * gib: 4 * gib, 128 * gib: 8 * gib,
	} {
		bytes, got := fleet.Schedulable(total)
		if got != reserve || bytes != max(total, 0)-reserve {
			t.Errorf("of %s: %s schedulable, %s reserve; want a reserve of %s", protocol.FormatSize(total), protocol.FormatSize(bytes), protocol.FormatSize(got), protocol.FormatSize(reserve))
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		small := rapid.Int64Range(0, 256*gib).Draw(t, "small")
		large := small + rapid.Int64Range(0, 64*gib).Draw(t, "more")
		a, ra := fleet.Schedulable(small)
		b, rb := fleet.Schedulable(large)
		if a > b || ra > rb || a < small/2 || a+ra != small || b+rb != large {
			t.Fatalf("%d: %d + %d; %d: %d + %d", small, a, ra, large, b, rb)
		}
	})
}

func TestShort(t *testing.T) {
	free := fleet.Resources{MemoryBytes: gib, CPUMillis: 500, DiskBytes: gib}
	for want, need := range map[string]fleet.Resources{
		"":                                {MemoryBytes: gib, CPUMillis: 500},
		"memory: needs 2GiB, 1GiB free":   {MemoryBytes: 2 * gib},
		"CPU: needs 1.25 cores, 0.5 free": {CPUMillis: 1250},
		"disk: needs 1.5GiB, 1GiB free":   {DiskBytes: 3 * gib / 2},
		"CPU: needs 2 cores, 0.5 free; ports: none free": {CPUMillis: 2000, Ports: 1},
	} {
		if got := free.Short(need); got != want || free.Fits(need) != (want == "") {
			t.Errorf("%+v: %q, fits %v", need, got, free.Fits(need))
		}
	}
	if over := (fleet.Resources{MemoryBytes: -gib}); !over.Fits(fleet.Resources{}) || over.Short(fleet.Resources{MemoryBytes: 1}) != "memory: needs 1B, 0B free" {
		t.Errorf("an overbooked node: %q", over.Short(fleet.Resources{MemoryBytes: 1}))
	}
}

// rig is a store with one server on one node.
type rig struct {
	t   *testing.T
	db  store.DB
	log *event.Log
}

func newRig(t *testing.T) rig {
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"), bolt.Options{Tables: append(fleet.Tables(), event.Tables()...), DoubleRun: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	log, err := event.New(event.Options{DB: db})
	if err != nil {
		t.Fatal(err)
	}
	r := rig{t, db, log}
	for i, name := range []string{"n1", "n2"} {
		r.do(func(tx store.Tx) error {
			return fleet.Nodes.Put(tx, fleet.Node{ID: "node_" + name, Name: name, LastSeen: now, Session: &fleet.Session{Since: now}, Facts: protocol.NodeFacts{
				Boot: "b1", CPUs: 4, MemoryBytes: 8 * gib, DiskBytes: 100 * gib, PortFrom: 25565, PortTo: 25566 + i, Addresses: []string{"2001:db8::1", "192.0.2.1"}, Roles: []string{"worker"},
			}})
		})
	}
	return r
}

// do runs fn in an Update.
func (r rig) do(fn func(tx store.Tx) error) {
	r.t.Helper()
	if err := r.db.Update(r.t.Context(), fn); err != nil {
		r.t.Fatal(err)
	}
}

// fails runs fn in an Update and expects an error of a kind.
func (r rig) fails(kind fault.Kind, text string, fn func(tx store.Tx) error) {
	r.t.Helper()
	if err := r.db.Update(r.t.Context(), fn); fault.KindOf(err) != kind || !strings.Contains(fault.Message(err), text) {
		r.t.Errorf("%v (%s), want %s with %q", err, fault.KindOf(err), kind, text)
	}
}

func (r rig) add(id string, change func(s *fleet.Server)) {
	r.t.Helper()
	r.do(func(tx store.Tx) error {
		s := fleet.Server{ID: id, Name: strings.TrimPrefix(id, "srv_"), Owner: "alice", Desired: fleet.Running, MemoryBytes: gib, CPUMillis: 500, DiskBytes: gib}
		if change != nil {
			change(&s)
		}
		return fleet.Servers.Put(tx, s)
	})
}

func (r rig) get(id string) (s fleet.Server, b fleet.Booking) {
	r.t.Helper()
	if err := r.db.View(r.t.Context(), func(tx store.Tx) (err error) {
		if s, err = fleet.Servers.Get(tx, id); err != nil {
			return err
		}
		if b, err = fleet.Bookings.Get(tx, id); fault.KindOf(err) == fault.NotFound {
			err = nil
		}
		return err
	}); err != nil {
		r.t.Fatal(err)
	}
	return s, b
}

func (r rig) assign(id, node string) fleet.Server {
	r.t.Helper()
	var s fleet.Server
	r.do(func(tx store.Tx) (err error) {
		s, err = fleet.Assign(tx, id, node, now)
		return err
	})
	return s
}

// kinds are the types of all events so far.
func (r rig) kinds() string {
	r.t.Helper()
	page, _, err := r.log.Query(r.t.Context(), event.Filter{})
	if err != nil {
		r.t.Fatal(err)
	}
	var out []string
	for _, e := range page {
		out = append(out, e.Type)
	}
	return strings.Join(out, " ")
}

func TestAssign(t *testing.T) {
	r := newRig(t)
	r.add("srv_a", nil)
	r.add("srv_b", nil)
	r.add("srv_c", nil)
	r.add("srv_big", func(s *fleet.Server) { s.MemoryBytes = 7 * gib })
	s := r.assign("srv_a", "node_n1")
	if s.Epoch != 1 || s.Node != "node_n1" || s.Spec.HostPort != 25565 || s.Address != "[2001:db8::1]:25565" {
		t.Errorf("%+v", s)
	}
	if s = r.assign("srv_b", "node_n1"); s.Spec.HostPort != 25566 {
		t.Errorf("port %d", s.Spec.HostPort)
	}
	r.fails(fault.Exhausted, "node n1 has no room for server c: ports: none free", func(tx store.Tx) error {
		_, err := fleet.Assign(tx, "srv_c", "node_n1", now)
		return err
	})
	r.fails(fault.Exhausted, "memory: needs 7GiB, 5.2GiB free", func(tx store.Tx) error {
		_, err := fleet.Assign(tx, "srv_big", "node_n1", now)
		return err
	})
	if c, b := r.get("srv_c"); c.Epoch != 0 || c.Node != "" || b.Server != "" {
		t.Errorf("a refused assignment left %+v, %+v", c, b)
	}
	s = r.assign("srv_a", "node_n2") // to another node: the old one's room is free, the epoch rises
	if s.Epoch != 2 || s.Spec.HostPort != 25565 {
		t.Errorf("%+v", s)
	}
	if s = r.assign("srv_c", "node_n1"); s.Spec.HostPort != 25565 {
		t.Errorf("the port that became free: %d", s.Spec.HostPort)
	}
	if s = r.assign("srv_a", ""); s.Epoch != 3 || s.Node != "" || s.Address != "" || s.Spec.HostPort != 0 {
		t.Errorf("%+v", s)
	}
	if _, b := r.get("srv_a"); b.Server != "" {
		t.Errorf("%+v", b)
	}
	r.fails(fault.NotFound, "", func(tx store.Tx) error { _, err := fleet.Assign(tx, "srv_a", "node_x", now); return err })
}

// TestBookingFollowsTheContainer: an order to start was on its way when the owner stopped the server, made it smaller and started it
// again; what runs is still the larger container, and that is what the node has less of.
func TestBookingFollowsTheContainer(t *testing.T) {
	r := newRig(t)
	r.add("srv_a", nil)
	r.assign("srv_a", "node_n1")
	seen := protocol.Observed{Server: "srv_a", Epoch: 1, State: protocol.StateRunning, Container: "c1", MemoryBytes: 3 * gib, CPUMillis: 1500}
	for range 2 {
		r.do(func(tx store.Tx) error { return fleet.Observe(tx, r.log, "node_n1", seen, now) })
		if _, b := r.get("srv_a"); b.MemoryBytes != 3*gib || b.CPUMillis != 1500 || b.Reserved() {
			t.Errorf("booked %+v, a container of 3 GiB runs", b)
		}
		seen.Restarts++
	}
}

func TestBookReleaseConfirm(t *testing.T) {
	r := newRig(t)
	r.add("srv_a", nil)
	r.assign("srv_a", "node_n1")
	release := func() (was bool) {
		r.do(func(tx store.Tx) (err error) { was, err = fleet.Release(tx, "srv_a"); return err })
		return was
	}
	if !release() || release() {
		t.Error("a booking is released once")
	}
	if _, b := r.get("srv_a"); b.MemoryBytes != 0 || b.CPUMillis != 0 || b.DiskBytes != gib || b.Port != 25565 || b.Reserved() {
		t.Errorf("disk and port stay with the volume: %+v", b)
	}
	r.do(func(tx store.Tx) error { return fleet.Book(tx, "srv_a", now) })
	r.do(func(tx store.Tx) error { return fleet.Book(tx, "srv_a", now.Add(time.Minute)) })
	if _, b := r.get("srv_a"); !b.ExpiresAt.Equal(now.Add(fleet.ReservationTTL)) || b.MemoryBytes != gib || b.Port != 25565 {
		t.Errorf("asking again does not prolong a reservation: %+v", b)
	}
	confirm := func() {
		r.do(func(tx store.Tx) error {
			s, err := fleet.Servers.Get(tx, "srv_a")
			if err != nil {
				return err
			}
			return fleet.Confirm(tx, s, protocol.Observed{})
		})
	}
	confirm()
	if _, b := r.get("srv_a"); b.Reserved() || !b.Runs || !b.ExpiresAt.IsZero() {
		t.Errorf("%+v", b)
	}
	r.do(func(tx store.Tx) error { return fleet.Book(tx, "srv_a", now.Add(time.Hour)) })
	if _, b := r.get("srv_a"); !b.Reserved() || !b.ExpiresAt.Equal(now.Add(time.Hour+fleet.ReservationTTL)) {
		t.Errorf("the next start is a reservation again: %+v", b)
	}
	release()
	confirm() // what runs uses memory, whatever was booked
	if _, b := r.get("srv_a"); b.MemoryBytes != gib || !b.Confirmed {
		t.Errorf("%+v", b)
	}
	r.do(func(tx store.Tx) error {
		s, err := fleet.Servers.Get(tx, "srv_a")
		if err != nil {
			return err
		}
		s.DiskBytes = 91 * gib
		return fleet.Servers.Put(tx, s)
	})
	r.fails(fault.Exhausted, "disk: needs 91GiB, 90GiB free", func(tx store.Tx) error { return fleet.BookDisk(tx, "srv_a") })
}

func TestObserve(t *testing.T) {
	r := newRig(t)
	r.add("srv_a", nil)
	r.assign("srv_a", "node_n2")
	r.assign("srv_a", "node_n1") // epoch 2
	see := func(node string, epoch int64, state protocol.State, at int) error {
		o := protocol.Observed{Server: "srv_a", Epoch: epoch, State: state, Since: now.Add(time.Duration(at) * time.Second)}
		if state == protocol.StateStarting || state == protocol.StateRunning {
			o.Container = "c1"
		}
		return r.db.Update(t.Context(), func(tx store.Tx) error { return fleet.Observe(tx, r.log, node, o, o.Since) })
	}
	for _, c := range []struct {
		node  string
		epoch int64
		kind  fault.Kind
	}{{"node_n2", 1, fault.Stale}, {"node_n2", 2, fault.Stale}, {"node_n1", 1, fault.Stale}, {"node_n1", 3, fault.Conflict}} {
		if err := see(c.node, c.epoch, protocol.StateRunning, 0); fault.KindOf(err) != c.kind || !fleet.Refused(err) {
			t.Errorf("I9: %s at epoch %d: %v", c.node, c.epoch, err)
		}
	}
	if s, b := r.get("srv_a"); s.Observed.State != "" || s.ObservedSeq != 0 || b.Confirmed || r.kinds() != "" {
		t.Errorf("refused reports changed something: %+v %+v %s", s.Observed, b, r.kinds())
	}
	for i, state := range []protocol.State{protocol.StatePulling, protocol.StateStarting, protocol.StateStarting, protocol.StateRunning, protocol.StateStopping, protocol.StateStopped} {
		if i == 2 {
			i = 1 // the same report again
		}
		if err := see("node_n1", 2, state, i); err != nil {
			t.Fatal(err)
		}
		if _, b := r.get("srv_a"); b.Confirmed != (state != protocol.StatePulling) {
			t.Errorf("%s: confirmed %v", state, b.Confirmed)
		}
	}
	if want := "server.starting server.started server.stopping server.stopped"; r.kinds() != want {
		t.Errorf("events %s, want %s", r.kinds(), want)
	}
	s, b := r.get("srv_a")
	if s.ObservedSeq != 5 || s.RanEpoch != 2 || s.Fresh() || !b.Runs {
		t.Errorf("%+v %+v", s, b)
	}
	r.do(func(tx store.Tx) error {
		s, err := fleet.Servers.Get(tx, "srv_a")
		if err != nil {
			return err
		}
		s.Desired = fleet.Stopped
		return fleet.Servers.Put(tx, s)
	})
	if err := see("node_n1", 2, protocol.StateAbsent, 9); err != nil {
		t.Fatal(err)
	}
	if _, b := r.get("srv_a"); b.Runs || b.MemoryBytes != 0 {
		t.Errorf("at rest and not wanted: %+v", b)
	}
}

func TestFactSwallowsRefusals(t *testing.T) {
	r := newRig(t)
	r.add("srv_a", nil)
	r.assign("srv_a", "node_n1")
	for i, f := range []protocol.Fact{
		{Observed: &protocol.Observed{Server: "srv_x", Epoch: 1, State: protocol.StateRunning}},
		{Observed: &protocol.Observed{Server: "srv_a", Epoch: 0, State: protocol.StateRunning}},
		{Observed: &protocol.Observed{Server: "", State: protocol.StateRunning}},
		{Player: &protocol.PlayerFact{Server: "srv_x", Name: "Ann"}}, {Removed: &protocol.RemovedFact{Server: "srv_a", Epoch: 0}},
		{Image: &protocol.ImageFact{Image: "x"}}, {},
	} {
		r.do(func(tx store.Tx) error {
			return fleet.Fact(tx, r.log, "node_n1", protocol.Report{Seq: int64(i), At: now, Fact: f}, now)
		})
	}
	if r.kinds() != "" {
		t.Errorf("events %s", r.kinds())
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.db.Update(cancelled, func(tx store.Tx) error {
		return fleet.Fact(tx, r.log, "node_n1", protocol.Report{At: now, Fact: protocol.Fact{Observed: &protocol.Observed{Server: "srv_a", Epoch: 1, State: protocol.StateRunning}}}, now)
	}); err == nil {
		t.Error("a transaction that failed was swallowed")
	}
}

// TestS12HostileReport gives a report with everything a store cannot hold or should not.
func TestS12HostileReport(t *testing.T) {
	r := newRig(t)
	r.add("srv_a", nil)
	r.assign("srv_a", "node_n1")
	evil := strings.Repeat("\x00\xff\xed\xa0\x80\x1b[31m<script>", 1<<14)
	o := protocol.Observed{
		Server: "srv_a", Epoch: 1, State: protocol.State(evil), Progress: evil, Container: evil, Address: evil, Runtime: evil,
		Problem: &protocol.Fault{Code: protocol.Code(evil), Message: evil, Next: evil},
		Exit:    &protocol.Exit{Advice: evil, LastLine: strings.Split(strings.Repeat(evil+"\n", 100), "\n")},
	}
	lines := len(o.Exit.LastLine)
	r.do(func(tx store.Tx) error { return fleet.Observe(tx, r.log, "node_n1", o, now) })
	r.do(func(tx store.Tx) error {
		return fleet.Fact(tx, r.log, "node_n1", protocol.Report{At: now, Fact: protocol.Fact{Player: &protocol.PlayerFact{Server: "srv_a", Epoch: 1, Name: evil, Joined: true}}}, now)
	})
	s, _ := r.get("srv_a")
	if len(s.Observed.Progress) > 1024 || len(s.Observed.Exit.LastLine) != 20 || len(s.Players) != 1 || len(s.Players[0]) > 256 {
		t.Errorf("not bounded: progress %d, lines %d, player %d", len(s.Observed.Progress), len(s.Observed.Exit.LastLine), len(s.Players[0]))
	}
	if len(o.Exit.LastLine) != lines || o.Progress != evil {
		t.Error("the caller's report was changed")
	}
	if s.AtRest() {
		t.Error("a state that nobody knows counts as active")
	}
}

func TestInventory(t *testing.T) {
	r := newRig(t)
	for _, id := range []string{"srv_a", "srv_b"} {
		r.add(id, nil)
		r.assign(id, "node_n2")
		r.do(func(tx store.Tx) error {
			return fleet.Observe(tx, r.log, "node_n2", protocol.Observed{Server: id, Epoch: 1, State: protocol.StateRunning, Since: now, Container: "c"}, now)
		})
	}
	r.add("srv_c", nil)
	r.assign("srv_c", "node_n2") // never ordered: the node cannot know it
	inv := []protocol.Observed{
		{Server: "srv_a", Epoch: 1, State: protocol.StateRunning, Since: now, Container: "c"},
		{Server: "srv_stranger", Epoch: 7, State: protocol.StateRunning},
		{Server: "srv_c", Epoch: 0, State: protocol.StateRunning},
	}
	r.do(func(tx store.Tx) error { return fleet.Inventory(tx, r.log, "node_n2", inv, now.Add(time.Minute)) })
	for id, want := range map[string]protocol.State{"srv_a": protocol.StateRunning, "srv_b": protocol.StateAbsent, "srv_c": ""} {
		if s, _ := r.get(id); s.Observed.State != want {
			t.Errorf("%s is %q, want %q", id, s.Observed.State, want)
		}
	}
}

func TestPlayersAndTotals(t *testing.T) {
	r := newRig(t)
	r.add("srv_a", nil)
	r.assign("srv_a", "node_n1")
	r.add("srv_gone", func(s *fleet.Server) { s.Desired = fleet.Deleted })
	r.add("srv_idle", func(s *fleet.Server) { s.Desired = fleet.Stopped })
	tell := func(f protocol.Fact) {
		r.do(func(tx store.Tx) error {
			return fleet.Fact(tx, r.log, "node_n1", protocol.Report{At: now, Fact: f}, now)
		})
	}
	tell(protocol.Fact{Observed: &protocol.Observed{Server: "srv_a", Epoch: 1, State: protocol.StateRunning, Since: now, Container: "c"}})
	for _, p := range []struct {
		name   string
		joined bool
	}{{"Bob", true}, {"Ann", true}, {"Ann", true}, {"Bob", false}, {"Eve", false}} {
		tell(protocol.Fact{Player: &protocol.PlayerFact{Server: "srv_a", Epoch: 1, Name: p.name, Joined: p.joined}})
	}
	if s, _ := r.get("srv_a"); strings.Join(s.Players, " ") != "Ann" {
		t.Errorf("players %v", s.Players)
	}
	var totals fleet.Totals
	if err := r.db.View(t.Context(), func(tx store.Tx) error {
		snap, err := fleet.Read(tx, now)
		totals = snap.Totals()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if totals.Servers != 2 || totals.Running != 1 || totals.Players != 1 || totals.Nodes != 2 || totals.Booked.MemoryBytes != gib || totals.MemoryInstalled != 16*gib || totals.ServersByState["stopped"] != 1 {
		t.Errorf("%+v", totals)
	}
}

func TestRemoved(t *testing.T) {
	r := newRig(t)
	for id, d := range map[string]fleet.Desired{"srv_a": fleet.Deleted, "srv_b": fleet.Running} {
		r.add(id, nil)
		r.assign(id, "node_n1")
		r.do(func(tx store.Tx) error {
			s, err := fleet.Servers.Get(tx, id)
			if err != nil {
				return err
			}
			s.Desired = d
			return fleet.Servers.Put(tx, s)
		})
		r.do(func(tx store.Tx) error {
			return fleet.Fact(tx, r.log, "node_n2", protocol.Report{At: now, Fact: protocol.Fact{Removed: &protocol.RemovedFact{Server: id, Epoch: 1}}}, now)
		})
		if s, _ := r.get(id); s.Observed.State != "" {
			t.Errorf("another node removed %s", id)
		}
		r.do(func(tx store.Tx) error {
			return fleet.Fact(tx, r.log, "node_n1", protocol.Report{At: now, Fact: protocol.Fact{Removed: &protocol.RemovedFact{Server: id, Epoch: 1}}}, now)
		})
	}
	if s, b := r.get("srv_b"); s.Observed.State != protocol.StateAbsent || b.Server == "" {
		t.Errorf("%+v %+v", s.Observed, b)
	}
	if err := r.db.View(t.Context(), func(tx store.Tx) error { _, err := fleet.Servers.Get(tx, "srv_a"); return err }); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a deleted server is still there: %v", err)
	}
	if !strings.Contains(r.kinds(), "server.deleted") || !strings.Contains(r.kinds(), "server.removed") {
		t.Errorf("events %s", r.kinds())
	}
}
