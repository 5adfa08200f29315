package lifecycle_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/lifecycle"
	"github.com/payperplay/payperplay/controller/store"
)

// TestS13ParallelStartsNeverOversubscribe starts 200 servers at once on nodes with room for fewer, on a real store and with real
// goroutines, and looks at every committed state on the way: no node ever has more booked than it has, no port is given twice.
func TestS13ParallelStartsNeverOversubscribe(t *testing.T) {
	w := newWorld(t)
	w.crash()
	w.once = true
	w.boot()
	agents := []*agent{w.node("n1", 20*gib), w.node("n2", 10*gib), w.node("n3", 7*gib)}
	const servers, fit = 200, 20 + 10 + 7
	for i := range servers {
		w.create(fmt.Sprintf("s%d", i), gib)
	}
	w.run()
	stop, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			w.audit()
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	var wg sync.WaitGroup
	for i := range servers {
		wg.Go(func() {
			if _, err := w.lc.Start(t.Context(), "alice", fmt.Sprintf("s%d", i)); err != nil {
				t.Errorf("start: %v", err)
			}
		})
	}
	wg.Wait()
	w.eventually("37 run and the rest wait", map[string]int{"running": fit, "waiting": servers - fit})
	for i, a := range agents {
		w.booked(a, []int64{20, 10, 7}[i]*gib)
	}
	page := slices.DeleteFunc(w.all(), func(e entry) bool { return e.Status.State != "running" })
	for _, e := range page[:10] { // what ten leave, ten others get
		wg.Go(func() {
			if _, err := w.lc.Kill(t.Context(), "alice", e.Name); err != nil {
				t.Errorf("kill: %v", err)
			}
		})
	}
	wg.Wait()
	w.eventually("ten others run", map[string]int{"running": fit, "waiting": servers - fit - 10, "stopped": 10})
	close(stop)
	<-watched
	up := 0
	for _, a := range agents {
		up += a.up()
	}
	if up != fit {
		t.Errorf("%d containers are up, want %d", up, fit)
	}
}

// TestS13ParallelCreates lets 50 callers create one name: one wins.
func TestS13ParallelCreates(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for range 50 {
		wg.Go(func() {
			_, err := w.lc.Create(t.Context(), "alice", lifecycle.CreateInput{Name: "alpha", Template: "test"})
			mu.Lock()
			defer mu.Unlock()
			switch fault.KindOf(err) {
			case "":
				won++
			case fault.Conflict:
			default:
				t.Errorf("create: %v", err)
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d callers created it", won)
	}
}

// audit checks one committed state: capacity and ports of every node.
func (w *world) audit() {
	err := w.db.View(w.t.Context(), func(tx store.Tx) error {
		snap, err := fleet.ReadRoom(tx, time.Now())
		if err != nil {
			return err
		}
		for id, used := range snap.UsedByNode() {
			if short := snap.Nodes[id].Capacity().Short(used); short != "" {
				w.t.Errorf("%s is oversubscribed: %s", id, short)
			}
		}
		ports := map[string]string{}
		for id, b := range snap.Bookings {
			port := fmt.Sprintf("%s:%d", b.Node, b.Port)
			if other, taken := ports[port]; taken {
				w.t.Errorf("%s and %s have the port %s", id, other, port)
			}
			ports[port] = id
		}
		return nil
	})
	if err != nil {
		w.t.Errorf("audit: %v", err)
	}
}

// tally counts the servers by what people see of them.
func (w *world) tally() map[string]int {
	w.t.Helper()
	n := map[string]int{}
	for _, e := range w.all() {
		n[e.Status.State]++
	}
	return n
}

// eventually waits for real time to pass; it is for tests outside a bubble.
func (w *world) eventually(what string, want map[string]int) {
	w.t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		got := w.tally()
		if maps.Equal(got, want) {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("not within two minutes: %s; %v, want %v", what, got, want)
		}
		<-tick.C
	}
}
