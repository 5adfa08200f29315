package autoscale

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/provision"
)

// up is the first half of the reactive policy: at Settings.Up one more machine is ordered, and then none for Cooldown.
func (c *scene) up() {
	load := c.load(fleet.Resources{})
	c.out.Inputs.Load = load
	if c.s.Up <= 0 || load < c.s.Up || c.capacity.MemoryBytes+c.coming.MemoryBytes == 0 || c.halt != "" {
		return
	}
	why := fmt.Sprintf("the load is %s (from %s on one more is ordered)", percent(load), percent(c.s.Up))
	if c.blocked {
		c.consider("a machine more for the load", "servers that wait come first, and they get none", 0)
		return
	}
	if until := c.lastUp.Add(time.Duration(c.s.Cooldown)); c.now.Before(until) {
		c.wake(until)
		c.consider("a machine more for the load", why+"; the last was ordered at "+c.lastUp.UTC().Format(time.TimeOnly)+", and what it does is waited for until "+until.UTC().Format(time.TimeOnly), 0)
		return
	}
	// So much that the load falls below the threshold, at least a twentieth of what there is.
	have := c.capacity.Add(c.coming).MemoryBytes
	lack := int64(float64(c.booked.MemoryBytes+c.promised.MemoryBytes)/c.s.Up) - have
	deals, err := c.choose(nil, max(lack, have/20)+c.growth())
	if err != nil {
		c.reason(why + ", but " + said(err))
		return
	}
	c.order(Reactive, why, deals, nil, deals[0].room)
}

// down is the other half: at Settings.Down the machine with the least on it is closed, so that it becomes empty; what is on it would
// find room elsewhere. It is only done where that helps: a stopped server's world stays on its machine until it is moved or archived.
func (c *scene) down() {
	load := c.load(fleet.Resources{})
	if c.s.Down <= 0 || load > c.s.Down || c.snap.Frozen != "" || c.promised.MemoryBytes > 0 {
		return
	}
	var can []*host
	for _, h := range c.hosts {
		switch {
		case h.m.Phase != provision.Serving || !h.open || h.empty() || h.wanted != "":
		case !c.s.DrainBusy:
			c.consider("close "+h.m.Name, "closing machines with running servers is off (drain_busy)", h.m.Hourly)
			return
		case h.resting > 0 || h.servers > 0:
			c.consider("close "+h.m.Name, many(h.resting+h.servers, "world")+" of stopped servers on it", h.m.Hourly)
		default:
			can = append(can, h)
		}
	}
	if len(can) == 0 {
		return
	}
	why := fmt.Sprintf("the load is %s (up to %s the emptiest machine is closed)", percent(load), percent(c.s.Down))
	for _, wait := range []struct {
		since time.Time
		pause Span
	}{{c.lastUp, c.s.DownAfterUp}, {c.snap.LastDown, c.s.Cooldown}} {
		if until := wait.since.Add(time.Duration(wait.pause)); c.now.Before(until) {
			c.wake(until)
			c.consider("close a machine", why+", but not before "+until.UTC().Format(time.TimeOnly), 0)
			return
		}
	}
	h := slices.MinFunc(can, func(a, b *host) int {
		return cmp.Or(cmp.Compare(a.used, b.used), cmp.Compare(b.m.Hourly, a.m.Hourly), cmp.Compare(a.m.ID, b.m.ID))
	})
	rest := c.capacity.Sub(h.room)
	if other := c.booked.MemoryBytes; other > rest.MemoryBytes || c.s.Up > 0 && c.load(h.room) >= c.s.Up {
		c.consider("close "+h.m.Name, "the others have not the room for what is on it", h.m.Hourly)
		return
	}
	c.act(Drain, Reactive, h, fmt.Sprintf("%s; it has the least on it, and the others have room", why))
}
