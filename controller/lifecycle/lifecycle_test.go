package lifecycle_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/lifecycle"
)

// scene runs a test in a bubble of virtual time, with the loop running.
func scene(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		fn(t, w)
	})
}

// after lets virtual time pass and the rooms come to rest.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestServerLife(t *testing.T) {
	scene(t, func(t *testing.T, w *world) {
		a := w.node("n1", 8*gib)
		a.pull, a.warm = 3*time.Second, 10*time.Second
		w.create("alpha", 2*gib)
		w.state("alpha", "stopped")
		w.booked(a, 0)

		s, err := w.lc.Start(t.Context(), "alice", "alpha")
		w.must(err)
		if s.Node != a.id || s.Epoch != 1 || s.Address != "192.0.2.1:20000" || s.Op.Owner != "alice" {
			t.Errorf("after start: node %s, epoch %d, address %s, op %v", s.Node, s.Epoch, s.Address, s.Op)
		}
		w.booked(a, 2*gib)
		after(time.Second)
		w.state("alpha", "pulling")
		after(5 * time.Second)
		w.state("alpha", "starting")
		after(10 * time.Second)
		if e := w.state("alpha", "running"); e.Op != nil || e.NodeName != "n1" {
			t.Errorf("a server that runs has the operation %v, node %q", e.Op, e.NodeName)
		}
		after(time.Hour) // a confirmed booking does not expire
		w.state("alpha", "running")

		_, err = w.lc.Restart(t.Context(), "bob", "alpha")
		w.must(err)
		after(time.Second)
		w.state("alpha", "stopping")
		w.booked(a, 2*gib)
		after(30 * time.Second)
		if e := w.state("alpha", "running"); e.Epoch != 1 || e.Op != nil {
			t.Errorf("after a restart: epoch %d, op %v", e.Epoch, e.Op)
		}
		if a.starts != 2 || a.stops != 1 || !a.fresh[0] || a.fresh[1] {
			t.Errorf("%d starts (fresh %v), %d stops", a.starts, a.fresh, a.stops)
		}

		_, err = w.lc.Stop(t.Context(), "alice", "alpha", "good night")
		w.must(err)
		after(time.Second)
		w.state("alpha", "stopping")
		w.booked(a, 2*gib) // it still runs
		after(10 * time.Second)
		if e := w.state("alpha", "stopped"); !strings.Contains(e.Status.Text, "good night") || e.Op != nil {
			t.Errorf("after stop: %s, op %v", e.Status.Text, e.Op)
		}
		w.booked(a, 0)

		s, err = w.lc.Delete(t.Context(), "alice", "alpha")
		w.must(err)
		after(time.Second)
		if _, err := w.find(s.ID); fault.KindOf(err) != fault.NotFound {
			t.Errorf("after delete: %v", err)
		}
		for kind, want := range map[string]int{
			"server.created": 1, "server.started": 2, "server.stopped": 2, "server.starting": 2, "server.stopping": 2, "server.deleted": 1,
			"server.start_requested": 1, "server.restart_requested": 1, "server.stop_requested": 1, "server.assigned": 1,
		} {
			if got := w.events(kind); got != want {
				t.Errorf("%d events %s, want %d", got, kind, want)
			}
		}
	})
}

func TestStopWinsWhileStarting(t *testing.T) {
	for _, phase := range []time.Duration{0, time.Second, 15 * time.Second} { // ordered, pulling, starting
		scene(t, func(t *testing.T, w *world) {
			a := w.node("n1", 8*gib)
			a.pull, a.warm = 10*time.Second, time.Hour
			w.create("alpha", gib)
			_, err := w.lc.Start(t.Context(), "alice", "alpha")
			w.must(err)
			after(phase)
			_, err = w.lc.Stop(t.Context(), "bob", "alpha", "")
			w.must(err)
			_, err = w.lc.Start(t.Context(), "alice", "alpha")
			if w.get("alpha").Op != nil && fault.KindOf(err) != fault.Conflict {
				t.Errorf("a start while bob's stop is under way: %v", err)
			}
			after(time.Minute)
			w.state("alpha", "stopped")
			w.booked(a, 0)
			if a.up() != 0 {
				t.Errorf("phase %s: %d containers are up", phase, a.up())
			}
		})
	}
}

func TestKillWins(t *testing.T) {
	scene(t, func(t *testing.T, w *world) {
		a := w.node("n1", 8*gib)
		a.stubborn = true
		w.create("alpha", gib)
		_, err := w.lc.Start(t.Context(), "alice", "alpha")
		w.must(err)
		after(time.Second)
		w.state("alpha", "running")
		_, err = w.lc.Stop(t.Context(), "alice", "alpha", "")
		w.must(err)
		after(10 * time.Second)
		w.state("alpha", "stopping")
		_, err = w.lc.Kill(t.Context(), "bob", "alpha")
		w.must(err)
		after(time.Second)
		w.state("alpha", "stopped")
		if a.kills != 1 {
			t.Errorf("%d kills", a.kills)
		}
		w.booked(a, 0)
	})
}

func TestTwoOrdersNeverInterleave(t *testing.T) {
	scene(t, func(t *testing.T, w *world) {
		a := w.node("n1", 8*gib)
		a.warm = 10 * time.Second
		w.create("alpha", gib)
		_, err := w.lc.Start(t.Context(), "alice", "alpha")
		w.must(err)
		after(time.Second)
		_, err = w.lc.Restart(t.Context(), "bob", "alpha")
		if fault.KindOf(err) != fault.Conflict || !strings.Contains(fault.Message(err), "start by alice") {
			t.Errorf("a restart while alice starts it: %v", err)
		}
		_, err = w.lc.Start(t.Context(), "bob", "alpha")
		w.must(err) // joins
		if got := w.get("alpha").Op.Owner; got != "alice" {
			t.Errorf("the operation belongs to %s", got)
		}
		after(time.Minute)
		w.state("alpha", "running")
		_, err = w.lc.Restart(t.Context(), "bob", "alpha")
		w.must(err)
		after(time.Minute)
		w.state("alpha", "running")
		if a.starts != 2 || a.stops != 1 {
			t.Errorf("%d starts, %d stops", a.starts, a.stops)
		}
	})
}

func TestReservationExpiresOnce(t *testing.T) {
	scene(t, func(t *testing.T, w *world) {
		a := w.node("n1", 4*gib)
		a.pull = 2 * time.Hour
		w.create("alpha", 3*gib)
		w.create("beta", 3*gib)
		_, err := w.lc.Start(t.Context(), "alice", "alpha")
		w.must(err)
		s, err := w.lc.Start(t.Context(), "alice", "beta")
		w.must(err)
		if s.Waiting == nil || s.Waiting.Need.MemoryBytes != 3*gib || !strings.Contains(s.Waiting.Reason, "memory: needs 3GiB, 1GiB free") {
			t.Fatalf("beta does not wait: %+v", s.Waiting)
		}
		w.state("beta", "waiting")
		after(29 * time.Minute)
		w.state("alpha", "pulling")
		a.tune(func() { a.pull = 0 })
		after(2 * time.Minute)
		if e := w.state("alpha", "failed"); e.Desired != fleet.Stopped || !strings.Contains(e.Status.Text, "30m") {
			t.Errorf("alpha: desired %s, %s", e.Desired, e.Status.Text)
		}
		w.state("beta", "running") // the room went to who waited
		w.booked(a, 3*gib)
		after(3 * time.Hour)
		if n := w.events("server.reservation_expired"); n != 1 {
			t.Errorf("released %d times", n)
		}
		if a.up() != 1 {
			t.Errorf("%d containers", a.up())
		}
	})
}

func TestReservationOnSilentNodeExpires(t *testing.T) {
	scene(t, func(t *testing.T, w *world) {
		a := w.node("n1", 4*gib)
		a.lost = true
		w.create("alpha", gib)
		_, err := w.lc.Start(t.Context(), "alice", "alpha")
		w.must(err)
		after(time.Minute)
		if a.starts < 3 || a.starts > 20 {
			t.Errorf("a start of which no word came was ordered %d times in a minute", a.starts)
		}
		a.disconnect()
		after(30 * time.Minute)
		w.booked(a, 0)
		w.state("alpha", "unknown") // an order without an answer may have been heard
		a.connect()
		after(time.Minute)
		w.state("alpha", "failed")
		if n := w.events("server.reservation_expired"); n != 1 {
			t.Errorf("released %d times", n)
		}
	})
}

// TestOrdersUnderWay has a node that is slow to take orders: each is sent once, few starts at a time, and stops get past them.
func TestOrdersUnderWay(t *testing.T) {
	scene(t, func(t *testing.T, w *world) {
		a := w.node("n1", 16*gib)
		a.tune(func() { a.slow = 10 * time.Second })
		for i := range 10 {
			name := fmt.Sprintf("s%d", i)
			w.create(name, gib)
			_, err := w.lc.Start(t.Context(), "alice", name)
			w.must(err)
		}
		after(8 * time.Second)
		a.tune(func() {
			if a.starts != 4 || a.most != 4 {
				t.Errorf("%d starts, %d at once", a.starts, a.most)
			}
		})
		_, err := w.lc.Stop(t.Context(), "alice", "s0", "")
		w.must(err)
		after(0)
		a.tune(func() {
			if a.stops != 1 {
				t.Errorf("%d stops: a stop waits behind starts", a.stops)
			}
		})
		after(time.Minute)
		w.state("s0", "stopped")
		for i := 1; i < 10; i++ {
			w.state(fmt.Sprintf("s%d", i), "running")
		}
		a.tune(func() {
			if a.most != 4 || a.starts != 10 {
				t.Errorf("%d starts, %d at once", a.starts, a.most)
			}
		})
	})
}

// TestOrderDecidedTooEarly sends an order that a verb has overtaken: it is looked at again in the transaction of the grant.
func TestOrderDecidedTooEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t) // without the loop
		a := w.node("n1", 4*gib)
		s := w.create("alpha", gib)
		_, err := w.lc.Start(t.Context(), "alice", "alpha")
		w.must(err)
		_, err = w.lc.Stop(t.Context(), "bob", "alpha", "")
		w.must(err)
		if ok, err := w.lc.Give(t.Context(), lifecycle.Action{Do: lifecycle.Start, Server: s.ID, Node: a.id}); ok || err != nil || a.starts != 0 {
			t.Errorf("a start after the stop was sent: %v, %v, %d starts", ok, err, a.starts)
		}
		if e := w.get("alpha"); e.Ordered {
			t.Error("the row says that a start was ordered")
		}
	})
}

// TestServerWithoutVolumeMayGoElsewhere: what was only booked on a node, and never ordered to start there, has no world there.
func TestServerWithoutVolumeMayGoElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t) // without the loop: no order is sent
		a := w.node("n1", 4*gib)
		for i, name := range []string{"alpha", "beta"} {
			w.create(name, 3*gib)
			time.Sleep(time.Second) // a view of the room may be as old as the order
			s, err := w.lc.Start(t.Context(), "alice", name)
			w.must(err)
			if s.Node != a.id || s.Epoch != 1 {
				t.Errorf("%s: node %q, epoch %d", name, s.Node, s.Epoch)
			}
			if i == 0 {
				_, err = w.lc.Stop(t.Context(), "alice", name, "")
				w.must(err)
			}
		}
		b := w.node("n2", 4*gib)
		time.Sleep(time.Second)
		s, err := w.lc.Start(t.Context(), "alice", "alpha")
		w.must(err)
		if s.Node != b.id || s.Epoch <= 1 {
			t.Errorf("alpha is on %q at epoch %d; n1 is full and has nothing of it", s.Node, s.Epoch)
		}
		w.booked(a, 3*gib)
		w.booked(b, 3*gib)
	})
}

// TestStopBeforeTheOrder stops a server that is booked on a node which went away before it heard of it: nothing can run, all is free.
func TestStopBeforeTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t) // without the loop: the order is never sent
		a := w.node("n1", 4*gib)
		w.create("alpha", gib)
		_, err := w.lc.Start(t.Context(), "alice", "alpha")
		w.must(err)
		w.booked(a, gib)
		a.disconnect()
		s, err := w.lc.Stop(t.Context(), "alice", "alpha", "")
		w.must(err)
		if s.Op != nil {
			t.Errorf("nothing has to be waited for, but: %v", s.Op)
		}
		w.booked(a, 0)
		w.state("alpha", "stopped")
	})
}

func TestSet(t *testing.T) {
	scene(t, func(t *testing.T, w *world) {
		a := w.node("n1", 4*gib)
		s := w.create("alpha", gib)
		_, err := w.lc.Start(t.Context(), "alice", "alpha")
		w.must(err)
		after(time.Second)
		memory, hello := int64(3*gib), "Hello"
		c := lifecycle.Changes{MemoryBytes: &memory, Env: map[string]*string{"MOTD": &hello}}
		r, err := w.lc.Set(t.Context(), "alice", "alpha", s.Revision, c)
		w.must(err)
		if !r.RestartRequired || r.Server.Revision != 2 || r.Server.Spec.MemoryBytes != 3*gib || r.Server.Spec.HostPort != 20000 || r.Server.Env["MOTD"] != "Hello" {
			t.Errorf("%+v", r)
		}
		if _, err = w.lc.Set(t.Context(), "alice", "alpha", s.Revision, c); fault.KindOf(err) != fault.Precondition {
			t.Errorf("with an old revision: %v", err)
		}
		w.booked(a, gib) // what runs has the old limit
		if text := w.state("alpha", "running").Status.Next; text != "restart it for the new ones to count" {
			t.Error(text)
		}
		_, err = w.lc.Restart(t.Context(), "alice", "alpha")
		w.must(err)
		after(time.Minute)
		if e := w.state("alpha", "running"); e.Observed.Revision != 2 {
			t.Errorf("revision %d runs", e.Observed.Revision)
		}
		w.booked(a, 3*gib)

		_, err = w.lc.Stop(t.Context(), "alice", "alpha", "")
		w.must(err)
		after(time.Minute)
		memory = 5 * gib
		r, err = w.lc.Set(t.Context(), "alice", "alpha", 0, lifecycle.Changes{MemoryBytes: &memory, Env: map[string]*string{"MOTD": nil}})
		w.must(err)
		if _, has := r.Server.Env["MOTD"]; has || r.RestartRequired {
			t.Errorf("%+v", r)
		}
		s, err = w.lc.Start(t.Context(), "alice", "alpha") // its world is on a node that is too small now
		w.must(err)
		if s.Waiting == nil || s.Node != a.id || s.Epoch != 1 {
			t.Errorf("%+v", s)
		}
		after(time.Hour)
		if n := w.events("server.waiting"); n != 1 {
			t.Errorf("said %d times that it waits", n)
		}
		_, err = w.lc.Stop(t.Context(), "alice", "alpha", "")
		w.must(err)
		w.state("alpha", "stopped")
	})
}

// TestF01ControllerRestart ends the controller at every second of a server's start, restart, stop and deletion: rows are enough to go on.
func TestF01ControllerRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.node("n1", 8*gib)
		a.pull, a.warm = 2*time.Second, 3*time.Second
		w.run()
		id := w.create("alpha", gib).ID
		rough := func(d time.Duration) {
			for range int(d / (700 * time.Millisecond)) {
				a.mu.Lock()
				a.connected = false
				a.mu.Unlock()
				w.crash()
				w.boot()
				a.connect()
				w.run()
				after(700 * time.Millisecond)
			}
		}
		_, err := w.lc.Start(t.Context(), "alice", "alpha")
		w.must(err)
		rough(10 * time.Second)
		w.state("alpha", "running")
		_, err = w.lc.Restart(t.Context(), "alice", "alpha")
		w.must(err)
		rough(15 * time.Second)
		w.state("alpha", "running")
		if a.runs != 2 {
			t.Errorf("%d runs", a.runs)
		}
		w.booked(a, gib)
		_, err = w.lc.Stop(t.Context(), "alice", "alpha", "")
		w.must(err)
		rough(10 * time.Second)
		w.state("alpha", "stopped")
		w.booked(a, 0)
		_, err = w.lc.Delete(t.Context(), "alice", "alpha")
		w.must(err)
		rough(3 * time.Second)
		if _, err := w.find(id); fault.KindOf(err) != fault.NotFound {
			t.Errorf("after delete: %v", err)
		}
		if n := w.events("server.started"); n != 2 {
			t.Errorf("%d events server.started", n)
		}
	})
}

func TestPinAndNames(t *testing.T) {
	scene(t, func(t *testing.T, w *world) {
		w.node("n1", 8*gib)
		b := w.node("n2", gib)
		in := lifecycle.CreateInput{Name: "alpha", Template: "test", MemoryBytes: 2 * gib, Node: "n2", Start: true}
		s, err := w.lc.Create(t.Context(), "alice", in)
		w.must(err)
		if s.Waiting == nil || s.Waiting.Reason != "no node has room: n2 (memory: needs 2GiB, 1GiB free)" {
			t.Errorf("%+v", s.Waiting)
		}
		if _, err := w.lc.Create(t.Context(), "alice", in); fault.KindOf(err) != fault.Conflict {
			t.Errorf("the same name twice: %v", err)
		}
		for _, name := range []string{"", "Alpha", "-x", "x-", strings.Repeat("x", 33), "ä", "a b", "srv_x"} {
			in.Name = name
			if _, err := w.lc.Create(t.Context(), "alice", in); fault.KindOf(err) != fault.Invalid || fault.Next(err) == "" {
				t.Errorf("name %q: %v", name, err)
			}
		}
		in.Name, in.Node = "beta", "n9"
		if _, err := w.lc.Create(t.Context(), "alice", in); fault.KindOf(err) != fault.NotFound {
			t.Errorf("a pin to nowhere: %v", err)
		}
		if b.starts != 0 {
			t.Error("started without room")
		}
	})
}
