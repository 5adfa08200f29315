package lifecycle_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/lifecycle"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// backup keeps a copy of the store as it is now.
func (w *world) backup() []byte {
	w.t.Helper()
	w.crash()
	whole, err := os.ReadFile(w.path)
	w.must(err)
	w.boot()
	w.must(w.lc.Begin(w.t.Context()))
	w.run()
	return whole
}

// restore puts the copy back, as `store restore` does, and starts anew; agents come back when they connect.
func (w *world) restore(whole []byte) {
	w.t.Helper()
	for _, a := range w.agents {
		a.tune(func() { a.connected = false })
	}
	w.crash()
	w.must(os.WriteFile(w.path, whole, 0o600))
	w.boot()
	w.must(w.db.Update(w.t.Context(), func(tx store.Tx) error { _, err := tx.Next(store.RestoreSequence); return err }))
	w.must(w.lc.Begin(w.t.Context()))
	w.run()
}

// back is a node's hello: its inventory is heard.
func (w *world) back(a *agent) {
	w.t.Helper()
	a.connect()
	w.must(w.db.Update(w.t.Context(), func(tx store.Tx) error {
		n, err := fleet.Nodes.Get(tx, a.id)
		if err != nil {
			return err
		}
		n.InventoryAt = time.Now()
		return fleet.Nodes.Put(tx, n)
	}))
	after(10 * time.Second)
}

func (w *world) recovery() lifecycle.RecoveryView {
	w.t.Helper()
	v, err := w.lc.Recovery(w.t.Context())
	w.must(err)
	return v
}

// sign is the undecided finding about a server, by its name or id.
func (w *world) sign(name string) fleet.Sign {
	w.t.Helper()
	for _, f := range w.recovery().Findings {
		if f.Undecided() && (f.Name == name || f.Server == name) {
			return f.Sign
		}
	}
	return ""
}

func (w *world) refused(err error, words string) {
	w.t.Helper()
	if fault.KindOf(err) != fault.Conflict || !strings.Contains(err.Error()+fault.Next(err), words) || fault.Next(err) == "" {
		w.t.Errorf("%v; %s: want a conflict with %q and a next step", err, fault.Next(err), words)
	}
}

func (w *world) start(name string) {
	w.t.Helper()
	_, err := w.lc.Start(w.t.Context(), "alice", name)
	w.must(err)
	after(time.Minute)
	w.state(name, "running")
}

// TestF25RestoreUncontradicted: a backup under which nothing has changed is noticed, nothing is done until every node was heard, and
// it ends by itself.
func TestF25RestoreUncontradicted(t *testing.T) {
	scene(t, func(t *testing.T, w *world) {
		a, b := w.node("n1", 8*gib), w.node("n2", 8*gib)
		w.create("alpha", gib)
		w.start("alpha")
		w.create("beta", 100*gib) // waits for room
		_, err := w.lc.Start(t.Context(), "alice", "beta")
		w.must(err)
		after(time.Minute)
		starts := a.starts + b.starts
		saved := w.backup()
		w.restore(saved)
		w.back(a)
		if v := w.recovery(); !v.Open || !v.Auto || len(v.Silent) != 1 {
			t.Fatalf("before all were heard: %+v", v.Recovery)
		}
		_, err = w.lc.Create(t.Context(), "alice", lifecycle.CreateInput{Name: "gamma", Template: "test"})
		w.refused(err, "recovery")
		w.back(b)
		if v := w.recovery(); v.Open || w.events("node.recovery_opened") != 1 || w.events("node.recovery_ended") != 1 {
			t.Errorf("after all were heard: %+v", v.Recovery)
		}
		if n := w.recalls(""); n != 1 {
			t.Errorf("nodes were told %d times of the epochs that they were not told of meanwhile", n)
		}
		if a.starts+b.starts != starts {
			t.Error("something was started")
		}
		w.create("gamma", gib)
		w.start("gamma")
		w.crash() // and the next start is an ordinary one
		w.boot()
		w.must(w.lc.Begin(t.Context()))
		if w.recovery().Open {
			t.Error("a start without a restore opens it again")
		}
	})
}

// TestF25SilentNode: a server that the backup has nowhere runs on a node that nobody has heard. The mode does not end over it
// unless somebody says so, else the world would run twice (I1).
func TestF25SilentNode(t *testing.T) {
	scene(t, func(t *testing.T, w *world) {
		a, b := w.node("n1", 8*gib), w.node("n2", 8*gib)
		w.create("alpha", gib)
		a.disconnect()
		b.disconnect()
		_, err := w.lc.Start(t.Context(), "alice", "alpha") // nowhere: it waits
		w.must(err)
		saved := w.backup()
		a.connect()
		after(time.Minute)
		w.state("alpha", "running")
		w.restore(saved)
		w.back(b)
		w.refused(w.lc.EndRecovery(t.Context(), "olga", false), "n1")
		w.refused(w.lc.EndRecovery(t.Context(), "olga", false), "--yes")
		after(10 * time.Minute)
		if !w.recovery().Open || b.starts != 0 {
			t.Fatalf("%d starts beside the one that runs; %+v", b.starts, w.recovery().Recovery)
		}
		w.back(a)
		w.must(second(w.lc.Adopt(t.Context(), "olga", "alpha")))
		w.must(w.lc.EndRecovery(t.Context(), "olga", false))
		after(time.Minute)
		w.state("alpha", "running")
		if a.up() != 1 || b.starts != 0 {
			t.Errorf("%d run on n1, %d starts on n2", a.up(), b.starts)
		}
	})
}

// TestF25ConnectedIsAskedAgain: a node that was connected before a contradiction opened the mode is not silent for ever: it is asked.
func TestF25ConnectedIsAskedAgain(t *testing.T) {
	scene(t, func(t *testing.T, w *world) {
		a := w.node("n1", 8*gib)
		w.back(a)
		w.must(w.db.Update(t.Context(), func(tx store.Tx) error {
			return fleet.NoticeTerm(tx, w.log, fleet.Node{ID: "node_x"}, w.db.Term()+1, w.db.Term(), time.Now(), time.Now())
		}))
		after(10 * time.Second)
		if n := w.recalls(a.id); n == 0 || n > 3 {
			t.Errorf("asked %d times", n)
		}
		w.back(a)
		n := w.recalls(a.id)
		after(time.Minute)
		if now := w.recalls(a.id); now != n || len(w.recovery().Silent) != 0 {
			t.Errorf("asked %d times more after it was heard; silent: %v", now-n, w.recovery().Silent)
		}
	})
}

// TestF25NothingIsDoneByItself: what the old store wants is not done while a node contradicts it, stop and kill are.
func TestF25NothingIsDoneByItself(t *testing.T) {
	scene(t, func(t *testing.T, w *world) {
		a, b := w.node("n1", 8*gib), w.node("n2", 8*gib)
		for _, name := range []string{"calm", "waits", "stops", "deleted"} {
			w.create(name, gib)
		}
		w.start("calm")
		a.disconnect()
		b.disconnect()
		_, err := w.lc.Start(t.Context(), "alice", "waits") // nowhere: it waits
		w.must(err)
		saved := w.backup()
		a.connect()
		b.connect()
		after(time.Minute)
		w.state("waits", "running")
		w.start("stops")
		w.start("deleted")
		runs, starts := a.up()+b.up(), a.starts+b.starts
		w.restore(saved)
		w.back(a)
		w.back(b)
		after(10 * time.Minute)
		if v := w.recovery(); !v.Open || v.Auto {
			t.Fatalf("not noticed: %+v", v.Recovery)
		}
		for name, want := range map[string]fleet.Sign{"calm": "", "waits": fleet.SignAhead, "stops": fleet.SignAhead, "deleted": fleet.SignAhead} {
			if got := w.sign(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if a.up()+b.up() != runs || a.starts+b.starts != starts || a.stops+b.stops+len(a.removed)+len(b.removed) != 0 {
			t.Errorf("%d of %d run; starts %d → %d, stops %d %d", a.up()+b.up(), runs, starts, a.starts+b.starts, a.stops, b.stops)
		}
		for _, verb := range []func() error{
			func() error { _, err := w.lc.Start(t.Context(), "alice", "calm"); return err },
			func() error { _, err := w.lc.Restart(t.Context(), "alice", "calm"); return err },
			func() error { _, err := w.lc.Delete(t.Context(), "alice", "calm"); return err },
			func() error { _, err := w.lc.Stop(t.Context(), "alice", "waits", ""); return err },
			func() error { return w.lc.EndRecovery(t.Context(), "alice", false) },
		} {
			w.refused(verb(), "recovery")
		}
		_, err = w.lc.Stop(t.Context(), "alice", "calm", "")
		w.must(err)
		after(time.Minute)
		w.state("calm", "stopped")

		// It ends all the same: what is undecided stays frozen, the rest goes on.
		w.must(w.lc.EndRecovery(t.Context(), "alice", true))
		w.must(w.lc.EndRecovery(t.Context(), "alice", true))
		w.start("calm")
		w.back(a)
		w.back(b)
		after(10 * time.Minute)
		if v := w.recovery(); v.Open || v.Undecided != 3 {
			t.Errorf("what was left undecided: %+v", v.Recovery)
		}
		if a.up()+b.up() != runs || a.starts+b.starts != starts+1 {
			t.Errorf("%d of %d run, %d starts", a.up()+b.up(), runs, a.starts+b.starts)
		}
		if _, err := w.lc.Adopt(t.Context(), "alice", "waits"); err != nil { // and can be decided later
			t.Error(err)
		}
		after(time.Minute)
		w.state("waits", "running")
	})
}

// TestF25Adopt: the node is right. Row, booking, port and epoch become its own; nothing is started for it.
func TestF25Adopt(t *testing.T) {
	scene(t, func(t *testing.T, w *world) {
		a := w.node("n1", 8*gib)
		w.create("ahead", gib)
		saved := w.backup()
		a.connect()
		w.start("ahead")
		w.create("after", 2*gib)
		w.start("after")
		ahead, other := w.get("ahead"), w.get("after")
		starts := a.starts
		var head int64
		w.must(w.db.View(t.Context(), func(tx store.Tx) (err error) { head, err = w.log.Head(tx); return err }))
		w.restore(saved)
		w.back(a)
		done, failed, err := w.lc.AdoptAll(t.Context(), "olga")
		w.must(err)
		if len(done) != 2 || len(failed) != 0 {
			t.Fatalf("adopted %d, failed %v", len(done), failed)
		}
		for _, was := range []entry{ahead, other} {
			is := w.state(was.Name, "running")
			if is.ID != was.ID || is.Epoch != was.Epoch || is.Node != was.Node || is.Address != was.Address || is.Desired != fleet.Running || is.DesiredBy != "olga" || is.Fresh() {
				t.Errorf("%s is %+v\nwas %+v", was.Name, is.Server, was.Server)
			}
		}
		w.booked(a, 3*gib)
		if _, err := w.lc.Adopt(t.Context(), "olga", "after"); err != nil {
			t.Errorf("again: %v", err)
		}
		if _, err := w.lc.Keep(t.Context(), "olga", "after"); fault.KindOf(err) != fault.Conflict {
			t.Errorf("the other way round: %v", err)
		}
		w.must(w.lc.EndRecovery(t.Context(), "olga", false))
		after(time.Hour)
		if a.starts != starts || w.events("server.adopted") != 2 {
			t.Errorf("%d starts, %d adopted", a.starts-starts, w.events("server.adopted"))
		}
		_, err = w.lc.Stop(t.Context(), "alice", "after", "")
		w.must(err)
		after(time.Minute)
		w.start("after")
		// A cursor that was read in the lost time does not meet other events under its number.
		for _, err := range w.log.Follow(t.Context(), head, event.Filter{}) {
			if fault.KindOf(err) != fault.Precondition {
				t.Errorf("a cursor of the lost time: %v", err)
			}
			break
		}
	})
}

// TestF25Keep: the store is right. What the node has is set aside, its epoch never comes again.
func TestF25Keep(t *testing.T) {
	scene(t, func(t *testing.T, w *world) {
		a := w.node("n1", 8*gib)
		w.create("keeps", gib)
		w.create("gone", gib)
		w.start("gone")
		saved := w.backup()
		a.connect()
		w.start("keeps")
		w.create("after", gib)
		w.start("after")
		_, err := w.lc.Delete(t.Context(), "alice", "gone")
		w.must(err)
		after(time.Minute)
		epoch, after1 := w.get("keeps").Epoch, w.get("after").ID
		w.restore(saved)
		a.removed = nil
		w.back(a)
		if w.sign("gone") != fleet.SignMissing || w.sign("after") != fleet.SignUnknown {
			t.Fatalf("%+v", w.recovery().Findings)
		}
		_, err = w.lc.Adopt(t.Context(), "olga", "gone")
		w.refused(err, "forget")
		_, err = w.lc.Forget(t.Context(), "olga", "after")
		w.refused(err, "adopt")
		for _, do := range []error{second(w.lc.Keep(t.Context(), "olga", "keeps")), second(w.lc.Keep(t.Context(), "olga", after1)), second(w.lc.Forget(t.Context(), "olga", "gone"))} {
			w.must(do)
		}
		w.must(second(w.lc.Keep(t.Context(), "olga", "keeps"))) // again
		if len(a.removed) != 2 {
			t.Fatalf("orders to set aside: %+v", a.removed)
		}
		for _, r := range a.removed {
			if r.Volume != protocol.VolumeQuarantine {
				t.Errorf("a world was deleted: %+v", r)
			}
		}
		after(time.Minute)
		w.must(w.lc.EndRecovery(t.Context(), "olga", false))
		if s := w.state("keeps", "stopped"); s.Epoch > epoch || s.Floor <= epoch {
			t.Errorf("epoch %d, floor %d", s.Epoch, s.Floor)
		}
		w.start("keeps")
		if s := w.get("keeps"); s.Epoch <= epoch {
			t.Errorf("epoch %d was given before", s.Epoch)
		}
		if _, err := w.find("gone"); fault.KindOf(err) != fault.NotFound {
			t.Errorf("gone: %v", err)
		}
	})
}

func second(_ fleet.Server, err error) error { return err }

// TestF25Differs: the same epoch on both sides, but the owner had ordered something else since the backup. The game is not touched
// until somebody says who is right.
func TestF25Differs(t *testing.T) {
	scene(t, func(t *testing.T, w *world) {
		a := w.node("n1", 8*gib)
		for _, name := range []string{"on", "off", "stopped", "sign"} {
			w.create(name, gib)
		}
		for _, name := range []string{"on", "off", "stopped"} {
			w.start(name)
		}
		for _, name := range []string{"on", "stopped"} {
			_, err := w.lc.Stop(t.Context(), "alice", name, "")
			w.must(err)
		}
		after(time.Minute)
		saved := w.backup()
		a.connect()
		w.start("on")
		w.start("stopped")
		w.start("sign") // what shows that the store is old
		_, err := w.lc.Stop(t.Context(), "alice", "off", "")
		w.must(err)
		after(time.Minute)
		up, starts, stops := a.up(), a.starts, a.stops
		w.restore(saved)
		w.back(a)
		after(10 * time.Minute)
		if a.up() != up || a.starts != starts || a.stops != stops {
			t.Errorf("%d of %d run; %d starts, %d stops", a.up(), up, a.starts-starts, a.stops-stops)
		}
		for _, name := range []string{"on", "off", "stopped"} {
			if w.sign(name) != fleet.SignDiffers {
				t.Errorf("%s: %q", name, w.sign(name))
			}
		}
		_, err = w.lc.Stop(t.Context(), "alice", "stopped", "") // an order is a choice
		w.must(err)
		w.must(second(w.lc.Adopt(t.Context(), "olga", "on")))
		w.must(second(w.lc.Keep(t.Context(), "olga", "off")))
		w.must(second(w.lc.Adopt(t.Context(), "olga", "sign")))
		after(time.Minute)
		w.state("stopped", "stopped")
		w.must(w.lc.EndRecovery(t.Context(), "olga", false))
		after(time.Minute)
		w.state("on", "running")
		w.state("off", "running") // the store wanted it to run, and its word was kept
	})
}

// TestF25Lead: the term rises above the highest seen, and the finding is settled.
func TestF25Lead(t *testing.T) {
	w := newWorld(t)
	n := fleet.Node{ID: "node_x", Name: "x"}
	ours := w.db.Term()
	w.must(w.db.Update(t.Context(), func(tx store.Tx) error {
		if err := fleet.Nodes.Put(tx, n); err != nil {
			return err
		}
		return fleet.NoticeTerm(tx, w.log, n, ours+41, ours, time.Time{}, time.Now())
	}))
	for range 2 {
		term, err := w.lc.Lead(t.Context(), "olga")
		w.must(err)
		if term != ours+42 || w.db.Term() != term {
			t.Errorf("term %d, want %d", term, ours+42)
		}
	}
	if v := w.recovery(); !v.Open || v.Undecided != 0 || v.Findings[0].Choice != fleet.Led || w.events("node.recovery_led") != 1 {
		t.Errorf("%+v", v)
	}
}
