package autoscale

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/provision"
)

// Decide says what to do now. It changes nothing of what it is given.
func Decide(snap Snapshot, s Settings, now time.Time) Decision {
	c := lay(snap, s, now)
	c.inputs()
	if !s.Enabled {
		c.reason("scaling is off: nothing is ordered and nothing is released (`controller scaling enable`)")
		c.out.Next = time.Time{}
		return c.out
	}
	if c.halt != "" {
		c.reason("nothing is ordered: " + c.halt)
	}
	c.queue()
	c.ahead()
	c.up()
	c.spares()
	if snap.Frozen == "" {
		c.hours()
		c.down()
	}
	c.out.Unmet = c.blocked || c.halt != "" && c.out.Inputs.Waiting > 0
	c.keep()
	slices.SortStableFunc(c.out.Actions, func(a, b Action) int {
		return cmp.Or(cmp.Compare(turn(a.Do), turn(b.Do)), cmp.Compare(a.Name, b.Name))
	})
	if len(c.out.Acts()) == 0 {
		c.reason("nothing to do")
	}
	return c.out
}

// turn is the order in which things are done.
func turn(d Do) int { return slices.Index([]Do{Release, Drain, Order, Keep}, d) }

func (c *scene) inputs() {
	in := &c.out.Inputs
	in.At, in.LastUp, in.LastDown = c.now, c.lastUp, c.snap.LastDown
	in.Booked, in.Capacity, in.Coming = c.booked.MemoryBytes, c.capacity.MemoryBytes, c.coming.MemoryBytes
	in.Load = c.load(fleet.Resources{})
	in.Machines, in.Hourly, in.Today = c.budget.Alive, c.budget.Hourly, c.budget.Today()
	in.Spent, in.MaxPerDay, in.MaxNodes = provision.Spent(c.snap.Machines, c.now), c.s.MaxPerDay, c.s.MaxNodes
	in.Empty = c.empties()
}

// act decides something about a machine that is there.
func (c *scene) act(do Do, by Policy, h *host, why string) {
	c.out.Actions = append(c.out.Actions, Action{Do: do, Policy: by, Why: why, Hourly: h.m.Hourly, Machine: h.m.ID, Name: h.m.Name, PaidUntil: h.paidUntil})
	h.wanted = "-" // spoken for: keep has nothing to say
}

// keep tells of every other machine why it stays.
func (c *scene) keep() {
	acted := map[string]bool{}
	for _, a := range c.out.Actions {
		acted[a.Machine] = true
	}
	for _, h := range c.hosts {
		if !acted[h.m.ID] {
			by, why := c.standing(h)
			c.act(Keep, by, h, why)
		}
	}
}

func (c *scene) standing(h *host) (Policy, string) {
	switch {
	case h.m.Phase == provision.Deleting:
		return Hour, "its deletion is under way"
	case h.m.Phase == provision.Draining:
		return Reactive, fmt.Sprintf("closed: it goes when the last server has left (%s on it)", many(h.bookings+h.servers, "server"))
	case h.coming && h.wanted != "":
		return h.wantedBy, "on its way: " + h.wanted
	case h.coming:
		return Spare, "on its way: " + cmp.Or(h.m.For, "nobody waits for it any more, and it is a spare when it comes")
	case !h.empty():
		why := many(h.bookings-h.resting, "server") + " on it"
		if n := h.resting + h.servers; n > 0 {
			why += ", and " + many(n, "world") + " at rest"
		}
		return Queue, why
	case h.wanted != "":
		return h.wantedBy, h.wanted
	default:
		return Hour, "it is empty, and when its hour ends is not known yet"
	}
}
