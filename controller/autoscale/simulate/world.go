package simulate

import (
	"container/heap"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/payperplay/payperplay/controller/autoscale"
	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/placement"
	"github.com/payperplay/payperplay/controller/provision"
	"github.com/payperplay/payperplay/protocol"
)

// world is the fleet on virtual time.
type world struct {
	opts Options
	now  time.Time
	end  time.Time

	snap     autoscale.Snapshot
	waiting  []string // ids, those that have waited longest first
	memory   map[string]int64
	since    map[string]time.Time // of servers that are started
	boots    boots
	nodes    map[string]string // machine by node
	machines int
	byType   map[string]int
	orders   map[string]int
	gone     []provision.Machine // that the decisions need not see any more

	waits     []time.Duration
	waited    int
	never     int
	decisions int
	points    []point
}

// Run replays a trace. Kinds: invalid; else ctx's error.
func Run(ctx context.Context, opts Options) (*Report, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	w := &world{
		opts: opts, end: opts.Trace[len(opts.Trace)-1].At,
		memory: map[string]int64{}, since: map[string]time.Time{}, nodes: map[string]string{}, byType: map[string]int{}, orders: map[string]int{},
		snap: autoscale.Snapshot{Catalogue: opts.Prices.Catalogue, Fleet: fleet.Snapshot{
			Servers: map[string]fleet.Server{}, Nodes: map[string]fleet.Node{}, Bookings: map[string]fleet.Booking{},
		}},
	}
	if err := w.run(ctx); err != nil {
		return nil, err
	}
	return w.report(), nil
}

// run goes from one moment at which something happens to the next.
func (w *world) run(ctx context.Context) error {
	i, next := 0, w.opts.Trace[0].At
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		w.now = next
		for ; i < len(w.opts.Trace) && !w.opts.Trace[i].At.After(w.now); i++ {
			w.happen(w.opts.Trace[i])
		}
		for len(w.boots) > 0 && !w.boots[0].at.After(w.now) {
			w.ready(heap.Pop(&w.boots).(boot).machine)
		}
		w.place()
		wake := w.decide()
		w.note()
		if !w.now.Before(w.end) {
			return nil
		}
		next = w.end
		if i < len(w.opts.Trace) {
			next = w.opts.Trace[i].At
		}
		if len(w.boots) > 0 && w.boots[0].at.Before(next) {
			next = w.boots[0].at
		}
		if !wake.IsZero() && wake.Before(next) {
			next = wake
		}
	}
}

func (w *world) happen(e Event) {
	f := w.snap.Fleet
	if e.Start {
		w.memory[e.Server], w.since[e.Server] = e.Memory, e.At
		srv := fleet.Server{ID: e.Server, Name: e.Server, MemoryBytes: e.Memory, Desired: fleet.Running}
		srv.Waiting = &fleet.Waiting{Need: srv.Need(), Since: e.At}
		f.Servers[e.Server] = srv
		w.waiting = append(w.waiting, e.Server)
		return
	}
	if b, ok := f.Bookings[e.Server]; ok {
		delete(f.Bookings, e.Server)
		w.closeIfDrained(b.Node)
	} else {
		delete(f.Servers, e.Server)
		w.waiting = slices.DeleteFunc(w.waiting, func(id string) bool { return id == e.Server })
		w.never++
		w.waits = append(w.waits, e.At.Sub(w.since[e.Server]))
	}
	delete(w.since, e.Server)
}

// place does what lifecycle does: everybody who waits is placed if there is room.
func (w *world) place() {
	if len(w.waiting) == 0 {
		return
	}
	w.snap.Fleet.At = w.now
	view := placement.New(w.snap.Fleet)
	w.waiting = slices.DeleteFunc(w.waiting, func(id string) bool {
		srv := w.snap.Fleet.Servers[id]
		node, _ := view.Choose(placement.Need{Resources: srv.Need()}, w.opts.Settings.Strategy)
		if node == "" {
			return false
		}
		view.Book(node, srv.Need())
		w.snap.Fleet.Bookings[id] = fleet.Booking{Server: id, Node: node, MemoryBytes: srv.MemoryBytes, Port: 25565, Runs: true, Confirmed: true, BookedAt: w.now}
		delete(w.snap.Fleet.Servers, id)
		wait := w.now.Sub(w.since[id])
		if wait > 0 {
			w.waited++
		}
		w.waits = append(w.waits, wait+w.opts.Start)
		return true
	})
}

// decide asks autoscale until it has nothing more to do, and says when to ask again.
func (w *world) decide() time.Time {
	for {
		w.snap.Fleet.At = w.now
		d := autoscale.Decide(w.snap, w.opts.Settings, w.now)
		w.decisions++
		acts := d.Acts()
		for _, a := range acts {
			w.act(a)
		}
		if len(acts) == 0 {
			return d.Next
		}
	}
}

func (w *world) act(a autoscale.Action) {
	switch a.Do {
	case autoscale.Order:
		w.orders[string(a.Policy)]++
		w.order(a.Candidates[0], a)
		w.snap.LastUp = w.now
	case autoscale.Release:
		w.remove(a.Machine)
		w.snap.LastDown = w.now
	case autoscale.Drain:
		m := w.machine(a.Machine)
		m.Phase = provision.Draining
		n := w.snap.Fleet.Nodes[m.Node]
		n.Cordoned = true
		w.snap.Fleet.Nodes[m.Node] = n
		w.snap.LastDown = w.now
		w.closeIfDrained(m.Node)
	case autoscale.Keep:
	}
}

func (w *world) order(c autoscale.Candidate, a autoscale.Action) {
	w.machines++
	w.byType[c.Type]++
	id := fmt.Sprintf("mach_%06d", w.machines)
	w.snap.Machines = append(w.snap.Machines, provision.Machine{
		ID: id, Name: "ppp-" + id[5:], Role: cloud.RoleWorker, Type: c.Type, At: c.Location, Arch: c.Arch, Size: c.Size, Hourly: c.Hourly,
		Phase: provision.Booting, Image: c.Image, Spare: a.Spare, CloudID: id, For: a.Why, OrderedAt: w.now, Created: w.now,
	})
	takes := w.opts.ColdBoot
	if c.Image != w.opts.Settings.Image {
		takes = w.opts.SpareBoot
	}
	heap.Push(&w.boots, boot{at: w.now.Add(takes), machine: id})
}

func (w *world) ready(id string) {
	m := w.machine(id)
	m.Phase, m.Node, m.JoinedAt, m.ServingAt = provision.Serving, "node_"+id[5:], w.now, w.now
	w.nodes[m.Node] = id
	w.snap.Fleet.Nodes[m.Node] = fleet.Node{
		ID: m.Node, Name: m.Name, Class: fleet.Cloud, Machine: id,
		Session: &fleet.Session{ID: id}, LastSeen: w.end, // nothing fails: it is never silent
		Facts: protocol.NodeFacts{Arch: m.Arch, Roles: []string{fleet.RoleWorker}, CPUs: int(m.Size.CPUMillis / 1000), MemoryBytes: autoscale.Visible(m.Size.MemoryBytes),
			DiskBytes: m.Size.DiskBytes, PortFrom: 25565, PortTo: 25665, Docker: "simulated"},
	}
}

func (w *world) machine(id string) *provision.Machine {
	i := slices.IndexFunc(w.snap.Machines, func(m provision.Machine) bool { return m.ID == id })
	return &w.snap.Machines[i]
}

func (w *world) remove(id string) {
	m := w.machine(id)
	for _, b := range w.snap.Fleet.Bookings {
		if b.Node == m.Node {
			panic("simulate: autoscale released machine " + id + " with server " + b.Server + " on it")
		}
	}
	m.Phase, m.DeletedAt = provision.Gone, w.now
	delete(w.snap.Fleet.Nodes, m.Node)
	delete(w.nodes, m.Node)
	// Only rows of yesterday and today count for the caps.
	old := w.now.Add(-48 * time.Hour)
	w.snap.Machines = slices.DeleteFunc(w.snap.Machines, func(m provision.Machine) bool {
		drop := m.Phase == provision.Gone && m.DeletedAt.Before(old)
		if drop {
			w.gone = append(w.gone, m)
		}
		return drop
	})
}

// closeIfDrained does what provision does with a closed machine when the last server has left.
func (w *world) closeIfDrained(node string) {
	id, ok := w.nodes[node]
	if !ok || w.machine(id).Phase != provision.Draining {
		return
	}
	for _, b := range w.snap.Fleet.Bookings {
		if b.Node == node {
			return
		}
	}
	w.remove(id)
}

// note writes down how things are from now on.
func (w *world) note() {
	p := point{at: w.now}
	busy := map[string]bool{}
	for _, b := range w.snap.Fleet.Bookings {
		p.placed += b.MemoryBytes
		busy[b.Node] = true
	}
	for _, m := range w.snap.Machines {
		if !m.Costs() {
			continue
		}
		room := autoscale.Room(m.Size).MemoryBytes
		p.machines++
		p.room += room
		if m.Phase != provision.Booting {
			p.ready += room
			if !busy[m.Node] {
				p.empty += room
			}
		}
	}
	p.demand = p.placed
	for _, s := range w.snap.Fleet.Servers {
		p.demand += s.MemoryBytes
	}
	w.points = append(w.points, p)
}

// boot is a machine that will be ready.
type boot struct {
	at      time.Time
	machine string
}

type boots []boot

func (b boots) Len() int { return len(b) }
func (b boots) Less(i, j int) bool {
	return b[i].at.Before(b[j].at) || b[i].at.Equal(b[j].at) && b[i].machine < b[j].machine
}
func (b boots) Swap(i, j int) { b[i], b[j] = b[j], b[i] }

// Push and Pop are container/heap's.
func (b *boots) Push(x any) { *b = append(*b, x.(boot)) }

// Pop takes the last.
func (b *boots) Pop() any {
	last := (*b)[len(*b)-1]
	*b = (*b)[:len(*b)-1]
	return last
}
