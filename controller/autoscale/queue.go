package autoscale

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/protocol"
)

// queue is the policy of those who wait: a server without room gets it at once. What fits on nodes that are open is left to placement;
// the rest goes, First-Fit-Decreasing, to machines that are coming, and for what is left then machines are ordered.
func (c *scene) queue() {
	var left []fleet.Server
	waiting := c.waiting()
	c.out.Inputs.Waiting = len(waiting)
	for _, srv := range waiting {
		c.out.Inputs.WaitingNeed = c.out.Inputs.WaitingNeed.Add(srv.Need())
		c.promised = c.promised.Add(srv.Need())
		if node, _ := c.view.Choose(need(srv), c.s.Strategy); node != "" {
			c.view.Book(node, srv.Need())
			if h := c.byNode[node]; h != nil {
				h.want(Queue, "server "+srv.Name+" is about to be placed on it")
			}
			continue
		}
		left = append(left, srv)
	}
	slices.SortStableFunc(left, func(a, b fleet.Server) int {
		return cmp.Or(cmp.Compare(b.MemoryBytes, a.MemoryBytes), cmp.Compare(b.CPUMillis, a.CPUMillis), cmp.Compare(b.DiskBytes, a.DiskBytes))
	})
	needs := make([]fleet.Resources, len(left))
	for i, srv := range left {
		needs[i] = srv.Need()
	}
	var lack []fleet.Server
	for i, h := range c.pack(needs) {
		if h == nil {
			lack = append(lack, left[i])
			continue
		}
		h.want(Queue, "server "+left[i].Name+" waits for it")
		c.consider("a machine for server "+left[i].Name, fmt.Sprintf("%s is on its way and has room for it", h.m.Name), 0)
	}
	if c.halt == "" {
		c.buy(lack)
	}
	c.blocked = c.blocked || c.halt != "" && len(lack) > 0
}

// waiting are the servers that a new machine can help, those that have waited longest first.
func (c *scene) waiting() []fleet.Server {
	var all, out []fleet.Server
	for _, srv := range c.snap.Fleet.Servers {
		if srv.Waiting != nil && srv.Wanted() == fleet.Running && !c.snap.Fleet.Gate(srv).Frozen() {
			all = append(all, srv)
		}
	}
	slices.SortFunc(all, func(a, b fleet.Server) int {
		return cmp.Or(a.Waiting.Since.Compare(b.Waiting.Since), cmp.Compare(a.ID, b.ID))
	})
	for _, srv := range all {
		switch {
		case srv.Pin != "":
			c.consider("a machine for server "+srv.Name, "it is pinned to a node: another one cannot help it", 0)
		case srv.Node != "":
			c.consider("a machine for server "+srv.Name, "its world is on a node that has no room: another one cannot help until servers can be moved", 0)
		default:
			out = append(out, srv)
		}
	}
	return out
}

// buy orders machines for servers, largest first, until all have room or nothing more may be had.
func (c *scene) buy(left []fleet.Server) {
	for len(left) > 0 {
		needs := make([]fleet.Resources, len(left))
		for i, srv := range left {
			needs[i] = srv.Need()
		}
		deals, err := c.choose(needs, c.growth())
		if err != nil {
			c.blocked = true
			c.reason(fmt.Sprintf("server %s waits for %s and gets no machine: %s", left[0].Name, protocol.FormatSize(left[0].MemoryBytes), said(err)))
			left = left[1:] // a smaller one may still be helped
			continue
		}
		var names, ids []string
		var taken []fleet.Resources
		free := deals[0].room
		left = slices.DeleteFunc(left, func(srv fleet.Server) bool {
			if !free.Fits(srv.Need()) {
				return false
			}
			free = free.Sub(srv.Need())
			names, ids, taken = append(names, srv.Name), append(ids, srv.ID), append(taken, srv.Need())
			return true
		})
		who := "server " + names[0] + " waits"
		if len(names) > 1 {
			who = fmt.Sprintf("%d servers wait (%s)", len(names), strings.Join(names[:min(len(names), 5)], ", "))
		}
		c.order(Queue, who+" for "+sizes(taken)+", and no node has room", deals, ids, free)
	}
}

// said is an error in plain words, without its cause.
func said(err error) string {
	if f := protocol.AsFault(err); f != nil && f.Code != protocol.Internal {
		return f.Message
	}
	return err.Error()
}
