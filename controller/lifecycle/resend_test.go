package lifecycle_test

import (
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/lifecycle"
)

// TestLostOrderKeepsItsBooking: settings that were changed after an order to start of which no word came do not make a container
// larger than what was booked for it.
func TestLostOrderKeepsItsBooking(t *testing.T) {
	scene(t, func(t *testing.T, w *world) {
		a := w.node("n1", 4*gib)
		a.lost = true
		w.create("alpha", gib)
		_, err := w.lc.Start(t.Context(), "alice", "alpha")
		w.must(err)
		after(time.Second)
		memory := int64(3 * gib)
		_, err = w.lc.Set(t.Context(), "alice", "alpha", 0, lifecycle.Changes{MemoryBytes: &memory})
		w.must(err)
		a.tune(func() { a.lost = false })
		after(time.Minute)
		e := w.state("alpha", "running")
		w.booked(a, a.spec.MemoryBytes)
		if a.spec.MemoryBytes != gib || e.Observed.Revision == e.Revision {
			t.Errorf("a container of %d bytes runs, as if it were of revision %d", a.spec.MemoryBytes, e.Revision)
		}
		_, err = w.lc.Restart(t.Context(), "alice", "alpha")
		w.must(err)
		after(time.Minute)
		w.state("alpha", "running")
		w.booked(a, 3*gib)
		if a.spec.MemoryBytes != 3*gib {
			t.Errorf("after a restart it has %d bytes", a.spec.MemoryBytes)
		}
	})
}

// TestSettingsChangedWhileAStartIsInFlight: the agent took an order and is out of reach before it could report; what it runs is what
// is booked, whatever is asked for meanwhile.
func TestSettingsChangedWhileAStartIsInFlight(t *testing.T) {
	scene(t, func(t *testing.T, w *world) {
		a := w.node("n1", 8*gib)
		a.tune(func() { a.pull = 2 * time.Second })
		w.create("alpha", 2*gib)
		for _, verb := range []func() error{
			func() error { _, err := w.lc.Start(t.Context(), "alice", "alpha"); return err },
			func() error { _, err := w.lc.Stop(t.Context(), "alice", "alpha", ""); return err },
		} {
			w.must(verb())
			after(time.Minute)
		}
		a.tune(func() { a.slow = time.Second }) // the order is on its way when the link breaks
		_, err := w.lc.Start(t.Context(), "alice", "alpha")
		w.must(err)
		after(100 * time.Millisecond)
		a.disconnect()
		memory := int64(gib)
		_, err = w.lc.Set(t.Context(), "alice", "alpha", 0, lifecycle.Changes{MemoryBytes: &memory})
		w.must(err)
		after(20 * time.Second)
		a.connect()
		after(time.Minute)
		w.state("alpha", "running")
		w.booked(a, 2*gib)
		if a.spec.MemoryBytes != 2*gib {
			t.Errorf("it was started with %d bytes", a.spec.MemoryBytes)
		}
	})
}
