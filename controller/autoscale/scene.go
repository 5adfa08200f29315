package autoscale

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/placement"
	"github.com/payperplay/payperplay/controller/provision"
)

// scene is a snapshot laid out for the policies, and what they have decided so far.
type scene struct {
	snap Snapshot
	s    Settings
	now  time.Time
	out  Decision

	hosts   []*host // machines that cost and run servers or will, by id
	byNode  map[string]*host
	ordered []*host         // by this decision
	view    *placement.View // what open nodes have free; the policies book what they promise
	budget  provision.Budget
	deals   []deal                     // every offer that may be ordered
	none    []Alternative              // offers that cannot be had now
	learnt  map[string]fleet.Resources // what nodes of a type really have for servers

	booked, capacity fleet.Resources // of open nodes, ours and rented
	coming           fleet.Resources // of machines on their way
	promised         fleet.Resources // to waiting servers
	lastUp           time.Time
	halt             string // why nothing may be ordered; "" = it may
	blocked          bool   // at least one waiting server found no machine that it could have
}

// host is a rented machine as the policies see it.
type host struct {
	m         provision.Machine
	node      *fleet.Node
	open      bool            // servers can be placed on it now
	coming    bool            // it is on its way
	room      fleet.Resources // for servers in all
	free      fleet.Resources // of one that is coming: what is not promised
	used      int64           // booked memory
	bookings  int
	resting   int    // bookings of servers that do not run: their volumes are there
	servers   int    // servers whose row names it without a booking
	wanted    string // why it must stay although it is empty; "" = nobody wants it
	wantedBy  Policy
	paidUntil time.Time
}

// empty tells whether nothing at all of any server is on it.
func (h *host) empty() bool { return h.bookings == 0 && h.servers == 0 }

// spare tells whether it is ready for a server, or will be, and has none and none that waits for it.
func (h *host) spare() bool { return h.empty() && (h.open || h.coming) && h.wantedBy != Queue }

func (h *host) want(by Policy, why string) {
	if h.wanted == "" {
		h.wantedBy, h.wanted = by, why
	}
}

func lay(snap Snapshot, s Settings, now time.Time) *scene {
	snap.Fleet.At = now
	c := &scene{
		snap: snap, s: s, now: now, byNode: map[string]*host{}, learnt: map[string]fleet.Resources{},
		view: placement.New(snap.Fleet), budget: s.Caps().Budget(snap.Machines, now), lastUp: snap.LastUp,
	}
	closed := c.closed()
	for _, m := range snap.Machines {
		if m.OrderedAt.After(c.lastUp) && m.Role == cloud.RoleWorker {
			c.lastUp = m.OrderedAt // also of a controller that has forgotten what it did
		}
		if m.Costs() && m.Role == cloud.RoleWorker {
			c.hosts = append(c.hosts, &host{m: m, paidUntil: m.PaidUntil(now)})
		}
	}
	slices.SortFunc(c.hosts, func(a, b *host) int { return cmp.Compare(a.m.ID, b.m.ID) })
	for _, h := range c.hosts {
		c.meet(h, closed)
	}
	for _, h := range c.hosts { // when all nodes are known, and with them what machines of each type really have
		c.expect(h)
	}
	for _, n := range snap.Fleet.Nodes {
		if n.Revoked || closed[n.Name] {
			continue
		}
		c.capacity = c.capacity.Add(n.Capacity())
	}
	for _, b := range snap.Fleet.Bookings {
		c.count(b, closed)
	}
	for _, srv := range snap.Fleet.Servers {
		if h := c.byNode[srv.Node]; h != nil && srv.Node != "" {
			if _, ok := snap.Fleet.Bookings[srv.ID]; !ok {
				h.servers++
			}
		}
	}
	c.halt = c.halted()
	c.deals = c.offers()
	return c
}

// closed names the nodes that no server at all can be placed on, as placement sees it.
func (c *scene) closed() map[string]bool {
	_, why := c.view.Choose(placement.Need{}, placement.BestFit)
	out := make(map[string]bool, len(why.Rejected))
	for _, r := range why.Rejected {
		out[r.Name()] = true
	}
	return out
}

func (c *scene) meet(h *host, closed map[string]bool) {
	n, ok := c.snap.Fleet.Nodes[h.m.Node]
	if !ok || n.Revoked {
		return
	}
	h.node, c.byNode[n.ID] = &n, h
	h.open = h.m.Phase == provision.Serving && !closed[n.Name]
	h.room = n.Capacity()
	if have, ok := c.learnt[h.m.Type]; !ok || h.room.MemoryBytes < have.MemoryBytes {
		c.learnt[h.m.Type] = h.room
	}
}

func (c *scene) expect(h *host) {
	if h.node == nil {
		h.room = c.roomOf(h.m.Type, h.m.Size)
	}
	switch h.m.Phase {
	case provision.Ordering, provision.Booting, provision.Proving:
		h.coming, h.free = true, h.room
		c.coming = c.coming.Add(h.room)
	case provision.Serving, provision.Draining, provision.Deleting, provision.Gone:
	}
}

// roomOf is what servers can book on a machine that is not there yet: as much as on the smallest of its type, if there is one.
func (c *scene) roomOf(name string, size fleet.Resources) fleet.Resources {
	if room, ok := c.learnt[name]; ok {
		return room
	}
	return Room(size)
}

func (c *scene) count(b fleet.Booking, closed map[string]bool) {
	if n, ok := c.snap.Fleet.Nodes[b.Node]; ok && !n.Revoked && !closed[n.Name] {
		c.booked = c.booked.Add(b.Resources())
	}
	if h := c.byNode[b.Node]; h != nil {
		h.bookings++
		h.used += b.MemoryBytes
		if !b.Runs {
			h.resting++
		}
	}
}

// load is the part of the room, with what is coming, that is booked or promised: of memory or of cores, whichever is scarcer.
func (c *scene) load(less fleet.Resources) float64 {
	have, want := c.capacity.Add(c.coming).Sub(less), c.booked.Add(c.promised)
	if have.MemoryBytes <= 0 {
		return 0
	}
	load := float64(want.MemoryBytes) / float64(have.MemoryBytes)
	if have.CPUMillis > 0 {
		load = max(load, float64(want.CPUMillis)/float64(have.CPUMillis))
	}
	return load
}

// empties counts the machines without servers that are ready or on their way.
func (c *scene) empties() (n int) {
	for _, h := range c.hosts {
		if h.spare() {
			n++
		}
	}
	return n
}

// pool is how many of them the hour wants: none where there is no image that boots quickly.
func (c *scene) pool() int {
	if len(c.s.SpareImages) == 0 {
		return 0
	}
	return c.s.Spares.at(c.now)
}

// wake notes that time alone may change the decision then.
func (c *scene) wake(at time.Time) {
	if at.After(c.now) && (c.out.Next.IsZero() || at.Before(c.out.Next)) {
		c.out.Next = at
	}
}

func (c *scene) consider(what, why string, hourly fleet.MicroEuro) {
	if len(c.out.Considered) < maxConsidered {
		c.out.Considered = append(c.out.Considered, Alternative{What: what, Why: why, Hourly: hourly})
	}
}

func (c *scene) reason(text string) { c.out.Reasons = append(c.out.Reasons, text) }

// maxConsidered bounds what is told of what was not done.
const maxConsidered = 40

// many counts things in words: "1 server", "2 servers".
func many(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

func percent(part float64) string { return strconv.Itoa(int(part*100+0.5)) + " %" }
