package autoscale

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/placement"
	"github.com/payperplay/payperplay/controller/provision"
)

const (
	rateOver = 15 * time.Minute // the time over which starts are counted
	few      = 3                // starts in it that room is kept for
	// sure is how many standard deviations of the number of starts are covered. It was chosen by replay (controller simulate): with one,
	// 95 of 100 servers find room at once, and more of it is dear.
	sure = 1.0
	// maxLead bounds what one machine that took very long does to the figure.
	maxLead = 10 * time.Minute
)

// ahead is the policy of those who will wait: while a machine boots, more servers start. As many as the last quarter of an hour lets
// expect, and one, find room; they are taken to be as large as servers are on average. With few starts lately
// nothing is kept: a machine is paid for an hour, and nobody might come.
func (c *scene) ahead() {
	n := c.expected()
	c.out.Inputs.Ahead = n
	if n == 0 {
		return
	}
	size := fleet.Resources{MemoryBytes: c.mean(), Ports: 1}
	why := many(n, "server") + " may start while a machine boots"
	var lack []fleet.Resources
	for range n {
		node, _ := c.view.Choose(placement.Need{Resources: size}, placement.BestFit)
		if node == "" {
			lack = append(lack, size)
			continue
		}
		c.view.Book(node, size)
		if h := c.byNode[node]; h != nil {
			h.want(Ahead, why)
		}
	}
	still := lack[:0]
	for i, h := range c.pack(lack) {
		if h == nil {
			still = append(still, lack[i])
		} else {
			h.want(Ahead, why)
		}
	}
	lack = still
	for len(lack) > 0 && c.halt == "" && !c.blocked { // those who wait already come first
		deals, err := c.choose(lack, c.growth())
		if err != nil {
			c.consider("room ahead for "+sizes(lack), said(err), 0)
			return
		}
		room, still := n-len(lack), lack[:0]
		free := deals[0].room
		for _, size := range lack {
			if free.Fits(size) {
				free = free.Sub(size)
			} else {
				still = append(still, size)
			}
		}
		lack = still
		c.order(Ahead, fmt.Sprintf("%s, and there is room for %d of them", why, room), deals, nil, free)
	}
}

// expected is for how many servers room is kept.
func (c *scene) expected() int {
	if c.s.Lookahead <= 0 {
		return 0
	}
	var started int
	var next time.Time
	for _, b := range c.snap.Fleet.Bookings {
		if age := c.now.Sub(b.BookedAt); b.Runs && age < rateOver {
			started++
			if at := b.BookedAt.Add(rateOver); next.IsZero() || at.Before(next) {
				next = at
			}
		}
	}
	if started < few {
		return 0
	}
	c.wake(next)
	mean := float64(started) * float64(c.lead()) / float64(rateOver)
	return 1 + int(math.Ceil(mean+sure*math.Sqrt(mean)-0.5))
}

// lead is how long a machine takes from its order until servers come: the longest of the last five, and what is set while there is none.
func (c *scene) lead() time.Duration {
	var newest []*provision.Machine // up to five, newest first
	for i := range c.snap.Machines {
		m := &c.snap.Machines[i]
		if m.ServingAt.IsZero() || m.Role != cloud.RoleWorker {
			continue
		}
		at, _ := slices.BinarySearchFunc(newest, m, func(a, b *provision.Machine) int {
			return cmp.Or(b.OrderedAt.Compare(a.OrderedAt), cmp.Compare(a.ID, b.ID))
		})
		if at < 5 {
			newest = slices.Insert(newest, at, m)[:min(len(newest)+1, 5)]
		}
	}
	if len(newest) == 0 {
		return time.Duration(c.s.Lookahead)
	}
	var lead time.Duration
	for _, m := range newest {
		lead = max(lead, m.ServingAt.Sub(m.OrderedAt))
	}
	return min(lead, maxLead)
}

// mean is the memory of a server that runs, on average.
func (c *scene) mean() int64 {
	var n, sum int64
	for _, b := range c.snap.Fleet.Bookings {
		if b.Runs && b.MemoryBytes > 0 {
			n++
			sum += b.MemoryBytes
		}
	}
	return sum / max(n, 1)
}
