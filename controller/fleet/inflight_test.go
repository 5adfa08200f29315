package fleet_test

import (
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// TestInventoryThatCrossedAStart: the node made its list before the order to start came to it. That the server is not in the list says
// nothing, and what is booked for it must stay.
func TestInventoryThatCrossedAStart(t *testing.T) {
	r := newRig(t)
	r.add("srv_a", nil)
	r.assign("srv_a", "node_n2")
	r.do(func(tx store.Tx) error {
		s, err := fleet.Servers.Get(tx, "srv_a")
		s.Ordered, s.Order, s.Granted, s.Desired = true, 1, 1, fleet.Stopped // granted, and stopped since
		if err != nil {
			return err
		}
		return fleet.Servers.Put(tx, s)
	})
	r.do(func(tx store.Tx) error { return fleet.Inventory(tx, r.log, "node_n2", nil, now) })
	s, b := r.get("srv_a")
	if s.Observed.State != "" || !s.InFlight() || !b.Runs {
		t.Errorf("observed %q, in flight %t, booked %+v", s.Observed.State, s.InFlight(), b)
	}
}

// TestLateWordOfAnOlderRun: while a start is on its way, what the node tells of the run before neither frees the memory of that start
// nor lowers it to what the older container has; the number of the order in what is seen tells the two apart.
func TestLateWordOfAnOlderRun(t *testing.T) {
	see := func(state protocol.State, order int64) protocol.Observed {
		return protocol.Observed{Server: "srv_a", Epoch: 1, State: state, Order: order, Since: now.Add(time.Duration(order) * time.Second), Container: "c1", MemoryBytes: gib / 2}
	}
	for _, c := range []struct {
		name           string
		o              protocol.Observed
		flight, booked bool
		memory         int64
	}{
		{"an older run was up", see(protocol.StateRunning, 1), true, true, gib},
		{"an older run had crashed", see(protocol.StateCrashed, 1), true, true, gib},
		{"an older run had stopped", see(protocol.StateStopped, 2), true, true, gib},
		{"the start was taken, and the game crashed for good", see(protocol.StateCrashed, 3), false, false, 0},
		{"a stop overtook the start", see(protocol.StateStopped, 4), false, false, 0},
		{"the start was taken, and its container is up", see(protocol.StateRunning, 3), false, true, gib / 2},
		{"an agent that numbers nothing has seen something new", see(protocol.StateStopped, 0), false, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.add("srv_a", nil)
			r.assign("srv_a", "node_n2")
			r.do(func(tx store.Tx) error {
				b, err := fleet.Bookings.Get(tx, "srv_a")
				if err != nil {
					return err
				}
				b.Ordered = true
				return fleet.Bookings.Put(tx, b)
			})
			r.do(func(tx store.Tx) error {
				s, err := fleet.Servers.Get(tx, "srv_a")
				if err != nil {
					return err
				}
				s.Ordered, s.Order, s.Granted, s.Desired = true, 3, 3, fleet.Stopped
				return fleet.Servers.Put(tx, s)
			})
			r.do(func(tx store.Tx) error { return fleet.Observe(tx, r.log, "node_n2", c.o, now) })
			s, b := r.get("srv_a")
			if s.InFlight() != c.flight || b.Runs != c.booked || b.MemoryBytes != c.memory {
				t.Errorf("in flight %t, booked %t with %d bytes; want %t, %t, %d", s.InFlight(), b.Runs, b.MemoryBytes, c.flight, c.booked, c.memory)
			}
		})
	}
}
