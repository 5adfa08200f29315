package lifecycle_test

import (
	"testing"
	"time"
)

// TestOrdersAreNumbered: each order to an agent has a number above all before it, also of another kind, of a repetition, and of a
// controller that was killed and started again; and it is in the row before it arrives.
func TestOrdersAreNumbered(t *testing.T) {
	scene(t, func(t *testing.T, w *world) {
		a := w.node("n1", 4*gib)
		a.lost = true // orders to start are repeated
		w.create("alpha", gib)
		verbs := []func() error{
			func() error { _, err := w.lc.Start(t.Context(), "alice", "alpha"); return err },
			func() error { a.tune(func() { a.lost = false }); return nil },
			func() error { _, err := w.lc.Restart(t.Context(), "alice", "alpha"); return err },
			func() error { _, err := w.lc.Stop(t.Context(), "alice", "alpha", ""); return err },
			func() error { _, err := w.lc.Start(t.Context(), "alice", "alpha"); return err },
			func() error { _, err := w.lc.Kill(t.Context(), "alice", "alpha"); return err },
			func() error { _, err := w.lc.Delete(t.Context(), "alice", "alpha"); return err },
		}
		for i, verb := range verbs {
			w.must(verb())
			after(30 * time.Second)
			if i == len(verbs)-1 {
				break
			}
			last := a.numbers[len(a.numbers)-1]
			if e := w.get("alpha"); e.Order != last {
				t.Errorf("after verb %d order %d came, the row has %d", i, last, e.Order)
			}
			w.crash()
			w.boot()
			w.run()
		}
		if a.up() != 0 || len(a.removed) == 0 || len(a.numbers) < len(verbs) {
			t.Fatalf("%d containers, removed %v, orders %v", a.up(), a.removed, a.numbers)
		}
		for i, n := range a.numbers {
			if n < 1 || i > 0 && n <= a.numbers[i-1] {
				t.Fatalf("numbers of orders: %v", a.numbers)
			}
		}
	})
}

// TestLateStartIsNoFailure: a start that a stop has overtaken is refused by the agent. Nothing runs, nothing is booked, and nobody is
// shown an error; the next start is not in its way.
func TestLateStartIsNoFailure(t *testing.T) {
	scene(t, func(t *testing.T, w *world) {
		a := w.node("n1", 4*gib)
		a.tune(func() { a.slow = 5 * time.Second })
		w.create("alpha", gib)
		_, err := w.lc.Start(t.Context(), "alice", "alpha")
		w.must(err)
		after(time.Second)
		_, err = w.lc.Stop(t.Context(), "alice", "alpha", "")
		w.must(err)
		after(time.Minute)
		e := w.state("alpha", "stopped")
		if a.runs != 0 || e.Problem != nil || a.starts != 1 || len(a.numbers) != 2 || a.numbers[0] < a.numbers[1] {
			t.Errorf("%d containers, %d orders to start, numbers %v, problem %v", a.runs, a.starts, a.numbers, e.Problem)
		}
		w.booked(a, 0)
		_, err = w.lc.Start(t.Context(), "alice", "alpha")
		w.must(err)
		after(time.Minute)
		w.state("alpha", "running")
	})
}

// TestOldStoreGoesAboveItsAgents: a store that was restored has given lower numbers than agents have taken. Each kind of order gets
// through all the same; a number that nobody can have given is not believed.
func TestOldStoreGoesAboveItsAgents(t *testing.T) {
	scene(t, func(t *testing.T, w *world) {
		a := w.node("n1", 8*gib)
		id := w.create("alpha", gib).ID
		ahead := func(by int64) {
			known := w.get("alpha").Order + by
			a.tune(func() { a.newest[id] = known })
		}
		for _, verb := range []struct {
			do   func() error
			want string
		}{
			{func() error { _, err := w.lc.Start(t.Context(), "alice", "alpha"); return err }, "running"},
			{func() error { _, err := w.lc.Stop(t.Context(), "alice", "alpha", ""); return err }, "stopped"},
			{func() error { _, err := w.lc.Start(t.Context(), "alice", "alpha"); return err }, "running"},
			{func() error { _, err := w.lc.Kill(t.Context(), "alice", "alpha"); return err }, "stopped"},
		} {
			ahead(40)
			w.must(verb.do())
			after(time.Minute)
			if e := w.state("alpha", verb.want); e.Problem != nil || e.Order <= 40 {
				t.Errorf("order %d, problem %v", e.Order, e.Problem)
			}
		}
		if n := w.events("server.started"); n != 2 {
			t.Errorf("it started %d times", n)
		}
		ahead(1 << 40)
		_, err := w.lc.Start(t.Context(), "alice", "alpha")
		w.must(err)
		after(time.Minute)
		if e := w.get("alpha"); e.Problem == nil || e.Order > 1<<20 || e.Observed.State == "running" {
			t.Errorf("a lie was believed: order %d, problem %v", e.Order, e.Problem)
		}
		a.tune(func() { a.newest[id] = 0 })
		_, err = w.lc.Delete(t.Context(), "alice", "alpha")
		w.must(err)
		after(2 * time.Minute)
		if _, err := w.find(id); err == nil {
			t.Error("it is still there")
		}
	})
}
