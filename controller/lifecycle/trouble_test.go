package lifecycle_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/lifecycle"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

func TestF11CrashCap(t *testing.T) {
	scene(t, func(t *testing.T, w *world) {
		a := w.node("n1", 4*gib)
		s := w.create("alpha", gib)
		_, err := w.lc.Start(t.Context(), "alice", "alpha")
		w.must(err)
		after(time.Minute)
		crash := func(retry time.Time) {
			a.set(s.ID, func(o *protocol.Observed) {
				o.State, o.Container, o.Retry, o.Exit = protocol.StateCrashed, "", retry, &protocol.Exit{Code: 137, OOM: true}
			})
		}
		crash(time.Now().Add(time.Minute))
		after(time.Second)
		w.state("alpha", "crashed")
		w.booked(a, gib) // the agent tries again
		crash(time.Time{})
		after(time.Second)
		e := w.state("alpha", "crashed")
		if e.Desired != fleet.Stopped || e.Status.Text != "crashed: it ran out of memory" || e.Status.Next == "" {
			t.Errorf("desired %s: %s; %s", e.Desired, e.Status.Text, e.Status.Next)
		}
		w.booked(a, 0)
		after(time.Hour)
		if n := w.events("server.gave_up"); n != 1 || a.starts != 1 {
			t.Errorf("gave up %d times, %d starts", n, a.starts)
		}
		_, err = w.lc.Start(t.Context(), "alice", "alpha") // the old crash is an old story
		w.must(err)
		after(time.Minute)
		w.state("alpha", "running")
	})
}

func TestFailedStart(t *testing.T) {
	scene(t, func(t *testing.T, w *world) {
		a := w.node("n1", 4*gib)
		a.pullFault = protocol.Faultf(protocol.NotFound, "run `make images`", "the image test is missing and no registry answers")
		w.create("alpha", gib)
		_, err := w.lc.Start(t.Context(), "alice", "alpha")
		w.must(err)
		after(time.Minute)
		e := w.state("alpha", "failed")
		if e.Status.Text != a.pullFault.Message || e.Status.Next != a.pullFault.Next || a.starts != 1 || e.Op != nil {
			t.Errorf("%+v, %d starts, op %v", e.Status, a.starts, e.Op)
		}
		w.booked(a, 0)

		a.tune(func() { a.pullFault = protocol.Faultf(protocol.Unavailable, "", "Docker does not answer") }) // passes by itself: tried again
		_, err = w.lc.Start(t.Context(), "alice", "alpha")
		w.must(err)
		after(time.Minute)
		if n := a.starts - 1; n < 3 || n > 12 {
			t.Errorf("tried %d times in a minute", n)
		}
		a.tune(func() { a.pullFault = nil })
		after(2 * time.Minute)
		w.state("alpha", "running")

		a.tune(func() {
			a.refuse = protocol.Faultf(protocol.Invalid, "ask for more", "the memory limit is below what Docker takes")
		})
		w.create("beta", gib)
		_, err = w.lc.Start(t.Context(), "alice", "beta")
		w.must(err)
		after(time.Minute)
		if e := w.state("beta", "failed"); e.Status.Next != "ask for more" {
			t.Errorf("%+v", e.Status)
		}
	})
}

func TestF23RebootStartsUnderFreshGrant(t *testing.T) {
	scene(t, func(t *testing.T, w *world) {
		a := w.node("n1", 8*gib)
		a.warm = 5 * time.Second
		for i := range 6 {
			name := fmt.Sprintf("s%d", i)
			w.create(name, gib)
			_, err := w.lc.Start(t.Context(), "alice", name)
			w.must(err)
		}
		w.create("idle", gib)
		after(time.Minute)
		a.reboot()
		after(30 * time.Second)
		for i := range 6 {
			if e := w.state(fmt.Sprintf("s%d", i), "running"); e.Epoch != 1 || e.Boot != "boot-1+" {
				t.Errorf("epoch %d, boot %s", e.Epoch, e.Boot)
			}
		}
		w.state("idle", "stopped")
		w.booked(a, 6*gib)
		if n := w.events("server.gave_up"); n != 0 {
			t.Errorf("gave up %d times", n)
		}
	})
}

func TestI1NeverElsewhereWhileUnreachable(t *testing.T) {
	scene(t, func(t *testing.T, w *world) {
		a, b := w.node("n1", 8*gib), w.node("n2", 2*gib)
		w.create("alpha", 4*gib)
		_, err := w.lc.Start(t.Context(), "alice", "alpha")
		w.must(err)
		after(time.Second)
		w.state("alpha", "running")
		a.disconnect()
		after(6 * time.Hour)
		e := w.state("alpha", "unknown")
		if e.Node != a.id || e.Epoch != 1 || !strings.Contains(e.Status.Text, "n1 does not answer") {
			t.Errorf("node %s, epoch %d: %s", e.Node, e.Epoch, e.Status.Text)
		}
		_, err = w.lc.Restart(t.Context(), "alice", "alpha") // stays as desired state until its lease runs out
		w.must(err)
		after(time.Minute)
		_, err = w.lc.Stop(t.Context(), "alice", "alpha", "")
		w.must(err)
		after(2 * time.Hour)
		if e := w.state("alpha", "unknown"); e.Op != nil || e.Desired != fleet.Stopped {
			t.Errorf("op %v, desired %s", e.Op, e.Desired)
		}
		w.booked(a, 4*gib) // it may still run
		a.connect()
		after(time.Minute)
		w.state("alpha", "stopped")
		if b.starts != 0 || a.up() != 0 {
			t.Errorf("%d starts on the other node, %d containers up", b.starts, a.up())
		}
	})
}

func TestDeleteUnreachableAndRevoked(t *testing.T) {
	scene(t, func(t *testing.T, w *world) {
		a := w.node("n1", 8*gib)
		for _, name := range []string{"alpha", "beta", "gamma"} {
			w.create(name, gib)
			_, err := w.lc.Start(t.Context(), "alice", name)
			w.must(err)
		}
		after(time.Second)
		a.disconnect()
		s, err := w.lc.Delete(t.Context(), "alice", "alpha")
		w.must(err)
		after(time.Hour)
		if e := w.state(s.ID, "deleting"); !strings.Contains(e.Status.Text, "removes the files when it returns") {
			t.Errorf("%+v", e.Status)
		}
		if list := w.all(); len(list) != 2 {
			t.Errorf("the list shows %d servers", len(list))
		}
		w.create("alpha", gib) // the name is free
		if _, err := w.lc.Start(t.Context(), "alice", s.ID); fault.KindOf(err) != fault.Conflict {
			t.Errorf("start of a server that is being deleted: %v", err)
		}
		a.connect()
		after(time.Minute)
		if _, err := w.find(s.ID); fault.KindOf(err) != fault.NotFound {
			t.Errorf("after the node came back: %v", err)
		}
		w.booked(a, 2*gib)

		a.disconnect()
		late, err := w.lc.Delete(t.Context(), "alice", "beta")
		w.must(err)
		w.must(w.db.Update(t.Context(), func(tx store.Tx) error {
			n, err := fleet.Nodes.Get(tx, a.id)
			n.Revoked = true
			if err != nil {
				return err
			}
			return fleet.Nodes.Put(tx, n)
		}))
		now, err := w.lc.Delete(t.Context(), "alice", "gamma")
		w.must(err)
		after(10 * time.Second)
		for _, id := range []string{late.ID, now.ID} {
			if _, err := w.find(id); fault.KindOf(err) != fault.NotFound {
				t.Errorf("its node was revoked, and yet: %v", err)
			}
		}
		fresh, err := w.lc.Delete(t.Context(), "alice", "alpha") // never started: gone at once
		w.must(err)
		if _, err := w.find(fresh.ID); fault.KindOf(err) != fault.NotFound {
			t.Errorf("a server without a node: %v", err)
		}
	})
}

// TestI12SetOfAServerThatHasJustGone: between reading it and changing it, it was deleted; or deleted, and another one has its name.
func TestI12SetOfAServerThatHasJustGone(t *testing.T) {
	for _, again := range []bool{false, true} {
		scene(t, func(t *testing.T, w *world) {
			w.create("alpha", gib)
			w.meanwhile = func() {
				_, err := w.lc.Delete(t.Context(), "bob", "alpha")
				w.must(err)
				if again {
					w.create("alpha", 2*gib)
				}
			}
			memory := int64(3 * gib)
			r, err := w.lc.Set(t.Context(), "alice", "alpha", 0, lifecycle.Changes{MemoryBytes: &memory})
			if !again && (fault.KindOf(err) != fault.NotFound || fault.Next(err) == "" || !strings.Contains(fault.Message(err), `"alpha"`)) {
				t.Errorf("%v", err)
			}
			if again && (err != nil || r.Server.MemoryBytes != memory) {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}
