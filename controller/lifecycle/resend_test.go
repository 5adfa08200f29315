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
		c, err := lifecycle.ParseChanges([]string{"memory=3GiB"})
		w.must(err)
		_, err = w.lc.Set(t.Context(), "alice", "alpha", 0, c)
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
