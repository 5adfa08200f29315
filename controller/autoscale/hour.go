package autoscale

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/payperplay/payperplay/controller/provision"
)

// hours is the policy of the paid hour: an hour is paid in full when it starts, so an empty machine costs nothing more until its end. It
// is a spare until minute ReleaseAt, and goes then if no other policy wants it.
func (c *scene) hours() {
	var due []*host
	for _, h := range c.hosts {
		if h.m.Phase != provision.Serving || !h.empty() {
			continue
		}
		open, shut := c.window(h)
		switch {
		case h.paidUntil.IsZero():
		case c.now.Before(open):
			c.wake(open)
			h.want(Hour, fmt.Sprintf("empty, and paid until %s: a free spare until %s", clock(h.paidUntil), clock(open)))
		case !c.now.Before(shut):
			c.wake(h.paidUntil)
			h.want(Hour, fmt.Sprintf("its hour ends at %s: too late to be sure that the next is not billed, so it is a spare once more", clock(h.paidUntil)))
		default:
			due = append(due, h)
		}
	}
	// The dearest goes first, of equals the one that is paid for the shortest time.
	slices.SortFunc(due, func(a, b *host) int {
		return cmp.Or(cmp.Compare(b.m.Hourly, a.m.Hourly), a.paidUntil.Compare(b.paidUntil), cmp.Compare(a.m.ID, b.m.ID))
	})
	empties := c.empties()
	for _, h := range due {
		if why := c.stays(h, empties); why != "" {
			c.wake(c.now.Add(time.Minute))
			c.consider("release "+h.m.Name, why, h.m.Hourly)
			continue
		}
		if h.open {
			empties--
			c.capacity = c.capacity.Sub(h.room)
		}
		c.act(Release, Hour, h, fmt.Sprintf("it is empty, its paid hour ends at %s, and nobody wants it: %s an hour are saved", clock(h.paidUntil), h.m.Hourly))
	}
}

// window is when in the hour that is paid now the machine may be released.
func (c *scene) window(h *host) (open, shut time.Time) {
	return h.paidUntil.Add(time.Duration(c.s.ReleaseAt)*time.Minute - time.Hour), h.paidUntil.Add(-time.Duration(c.s.Skew))
}

// stays says why an empty machine is kept for one more hour, "" if it is not.
func (c *scene) stays(h *host, empties int) string {
	switch pool := c.pool(); {
	case h.wanted != "":
	case !h.open:
		// Nobody can use it: it is no spare, and its room does not count.
	case c.s.Up > 0 && c.load(h.room) >= c.s.Up && c.load(h.room) > 0:
		h.want(Reactive, fmt.Sprintf("without it the load would be %s, and at %s one is ordered", percent(c.load(h.room)), percent(c.s.Up)))
	case empties <= pool:
		h.want(Spare, fmt.Sprintf("%s wanted at this hour, and it is one of %d", many(pool, "spare"), empties))
	}
	return h.wanted
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05") }
