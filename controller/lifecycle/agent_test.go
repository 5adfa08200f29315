package lifecycle_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// agent is a node's runtime: containers are entries of a map. It reports as the real one does, in order and durably.
type agent struct {
	w    *world
	id   string
	boot string

	mu        sync.Mutex
	servers   map[string]*protocol.Observed
	runs      int
	starts    int
	taking    int // orders to start being taken, and the most at once
	most      int
	stops     int
	kills     int
	fresh     []bool
	spec      protocol.Spec // of the last order to start
	details   map[string]protocol.Detail
	removed   []protocol.RemoveRequest
	numbers   []int64          // of the orders that came, in order
	newest    map[string]int64 // number of the newest order that was taken, by server
	queue     []protocol.Report
	seq       int64
	connected bool

	// Knobs, turned by tune.
	refuse    error         // what Start answers
	lost      bool          // orders to start are taken and forgotten
	slow      time.Duration // how long it takes to take an order to start
	stubborn  bool          // a stop never ends
	pull      time.Duration // how long the image takes
	warm      time.Duration // how long the game takes to answer
	pullFault *protocol.Fault
}

func (a *agent) connect() {
	a.w.session(a.id, a.boot, true)
	a.mu.Lock()
	a.connected = true
	var inv []protocol.Observed
	for _, o := range a.servers {
		inv = append(inv, *o)
	}
	a.mu.Unlock()
	a.flush()
	a.w.must(a.w.db.Update(a.w.t.Context(), func(tx store.Tx) error { return fleet.Inventory(tx, a.w.log, a.id, inv, time.Now()) }))
	a.w.lc.Kick()
}

func (a *agent) disconnect() {
	a.mu.Lock()
	a.connected = false
	a.mu.Unlock()
	a.w.session(a.id, a.boot, false)
}

func (w *world) session(node, boot string, open bool) {
	w.must(w.db.Update(w.t.Context(), func(tx store.Tx) error {
		n, err := fleet.Nodes.Get(tx, node)
		if err != nil {
			return err
		}
		n.LastSeen, n.Session, n.Facts.Boot = time.Now(), nil, boot
		if open {
			n.Session = &fleet.Session{ID: "s", Since: time.Now()}
			n.LastSeen = time.Now().Add(1000 * time.Hour) // the tunnel refreshes it; these tests do not
		}
		return fleet.Nodes.Put(tx, n)
	}))
}

// reboot ends all containers; the agent comes back with a new boot id and starts nothing by itself.
func (a *agent) reboot() {
	a.disconnect()
	a.mu.Lock()
	a.boot += "+"
	for _, o := range a.servers {
		if fleet.Active(*o) {
			o.State, o.Since, o.Container, o.Retry = protocol.StateAbsent, time.Now(), "", time.Time{}
			o.Problem = protocol.Faultf(protocol.Unavailable, "", "the node was restarted; the server waits for a new grant")
		}
	}
	a.mu.Unlock()
	a.connect()
}

// set changes what is seen of a server and reports it.
func (a *agent) set(id string, change func(o *protocol.Observed)) {
	a.mu.Lock()
	o := a.servers[id]
	if o == nil {
		a.mu.Unlock()
		return
	}
	change(o)
	o.Since = time.Now()
	a.report(protocol.Fact{Observed: new(*o)})
	a.mu.Unlock()
	a.flush()
}

func (a *agent) report(f protocol.Fact) {
	a.seq++
	a.queue = append(a.queue, protocol.Report{Boot: a.boot, Run: "r", Seq: a.seq, At: time.Now(), Fact: f})
}

// flush hands over what is queued while connected, one transaction for the batch.
func (a *agent) flush() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.connected || len(a.queue) == 0 || a.w.db == nil {
		return
	}
	batch := a.queue
	err := a.w.db.Update(context.Background(), func(tx store.Tx) error {
		for _, r := range batch {
			if err := fleet.Fact(tx, a.w.log, a.id, r, time.Now()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		a.w.t.Errorf("intake: %v", err)
		return
	}
	a.queue = nil
	a.w.lc.Kick()
}

func (a *agent) Start(_ context.Context, req protocol.StartRequest) (protocol.StartReply, error) {
	a.mu.Lock()
	a.starts++
	if a.taking++; a.taking > a.most {
		a.most = a.taking
	}
	slow := a.slow
	a.mu.Unlock()
	a.pass(slow)
	a.mu.Lock()
	a.taking--
	a.fresh, a.spec = append(a.fresh, req.Fresh), req.Spec
	if err := a.number(req.Spec.Server, req.Order); err != nil {
		defer a.mu.Unlock()
		return protocol.StartReply{}, err
	}
	if a.refuse != nil || a.lost {
		defer a.mu.Unlock()
		return protocol.StartReply{}, a.refuse
	}
	if req.Grant.Boot != a.boot {
		defer a.mu.Unlock()
		return protocol.StartReply{}, protocol.Faultf(protocol.Stale, "", "the grant is for another boot")
	}
	o := a.servers[req.Spec.Server]
	if o != nil && o.Epoch > req.Grant.Epoch {
		defer a.mu.Unlock()
		return protocol.StartReply{}, protocol.Faultf(protocol.Stale, "", "old epoch")
	}
	if o != nil && fleet.Active(*o) {
		defer a.mu.Unlock()
		if o.State == protocol.StateStopping {
			return protocol.StartReply{}, protocol.Faultf(protocol.Conflict, "", "a stop is under way")
		}
		o.Order = req.Order
		return protocol.StartReply{Observed: *o}, nil
	}
	a.runs++
	run := fmt.Sprintf("c%d", a.runs)
	o = &protocol.Observed{Server: req.Spec.Server, Epoch: req.Grant.Epoch, Revision: req.Spec.Revision, Order: req.Order, State: protocol.StateStarting, Since: time.Now()}
	a.servers[o.Server] = o
	a.details[o.Server] = protocol.Detail{Spec: req.Spec, Grant: req.Grant}
	a.report(protocol.Fact{Observed: new(*o)}) // no container yet
	reply := *o
	a.mu.Unlock()
	a.flush()
	go a.bringUp(o, run)
	return protocol.StartReply{Observed: reply}, nil
}

// tune turns knobs while the agent runs.
func (a *agent) tune(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
}

// pass lets time pass; it tells whether the test still runs.
func (a *agent) pass(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-a.w.t.Context().Done():
		return false
	}
}

func (a *agent) bringUp(o *protocol.Observed, run string) {
	a.mu.Lock()
	pull, warm, wrong := a.pull, a.warm, a.pullFault
	a.mu.Unlock()
	a.move(o, protocol.StateStarting, func(o *protocol.Observed) { o.State = protocol.StatePulling })
	if !a.pass(pull) {
		return
	}
	if wrong != nil {
		a.move(o, protocol.StatePulling, func(o *protocol.Observed) { o.State, o.Problem = protocol.StateFailed, wrong })
		return
	}
	a.move(o, protocol.StatePulling, func(o *protocol.Observed) { o.State, o.Container, o.Started = protocol.StateStarting, run, time.Now() })
	if !a.pass(warm) {
		return
	}
	a.move(o, protocol.StateStarting, func(o *protocol.Observed) { o.State, o.Ready = protocol.StateRunning, time.Now() })
}

// move changes o if it is still the same run and in the state from.
func (a *agent) move(o *protocol.Observed, from protocol.State, change func(o *protocol.Observed)) {
	a.mu.Lock()
	same := a.servers[o.Server] == o && o.State == from
	a.mu.Unlock()
	if same {
		a.set(o.Server, change)
	}
}

func (a *agent) Stop(_ context.Context, req protocol.StopRequest) (protocol.StopReply, error) {
	a.mu.Lock()
	a.stops++
	if err := a.number(req.Server, req.Order); err != nil {
		defer a.mu.Unlock()
		return protocol.StopReply{}, err
	}
	o := a.servers[req.Server]
	if o == nil {
		defer a.mu.Unlock()
		return protocol.StopReply{Observed: protocol.Observed{Server: req.Server, Epoch: req.Epoch, Order: req.Order, State: protocol.StateAbsent, Since: time.Now()}}, nil
	}
	o.Order = req.Order
	if !fleet.Active(*o) || o.State == protocol.StateStopping {
		defer a.mu.Unlock()
		return protocol.StopReply{Observed: *o}, nil
	}
	o.State, o.Since, o.Retry = protocol.StateStopping, time.Now(), time.Time{}
	a.report(protocol.Fact{Observed: new(*o)})
	reply, stubborn := *o, a.stubborn
	a.mu.Unlock()
	a.flush()
	if !stubborn {
		go func() {
			if a.pass(5 * time.Second) {
				a.move(o, protocol.StateStopping, a.ended)
			}
		}()
	}
	return protocol.StopReply{Observed: reply}, nil
}

func (a *agent) ended(o *protocol.Observed) {
	o.State, o.Container, o.Exit, o.Retry = protocol.StateStopped, "", &protocol.Exit{Asked: true, At: time.Now()}, time.Time{}
}

func (a *agent) Kill(_ context.Context, req protocol.KillRequest) (protocol.KillReply, error) {
	a.mu.Lock()
	a.kills++
	if err := a.number(req.Server, req.Order); err != nil {
		defer a.mu.Unlock()
		return protocol.KillReply{}, err
	}
	o, here := a.servers[req.Server]
	if here {
		o.Order = req.Order
	}
	a.mu.Unlock()
	if here {
		a.set(req.Server, a.ended)
	}
	return protocol.KillReply{}, nil
}

func (a *agent) Remove(_ context.Context, req protocol.RemoveRequest) (protocol.RemoveReply, error) {
	a.mu.Lock()
	a.removed = append(a.removed, req)
	if err := a.number(req.Server, req.Order); err != nil {
		defer a.mu.Unlock()
		return protocol.RemoveReply{}, err
	}
	delete(a.servers, req.Server)
	a.report(protocol.Fact{Removed: &protocol.RemovedFact{Server: req.Server, Epoch: req.Epoch}})
	a.mu.Unlock()
	a.flush()
	return protocol.RemoveReply{}, nil
}

func (a *agent) Inventory(_ context.Context, req protocol.InventoryRequest) (inv protocol.Inventory, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range req.Details {
		if d, ok := a.details[id]; ok {
			inv.Details = append(inv.Details, d)
		}
		if n := a.newest[id]; n > 0 {
			inv.Orders = map[string]int64{id: n}
		}
	}
	return inv, nil
}

// number takes the number of an order, and refuses one that is late. It needs mu.
func (a *agent) number(server string, n int64) error {
	if a.numbers = append(a.numbers, n); n < a.newest[server] {
		return protocol.Faultf(protocol.Stale, "", "order %d is late, %d was taken", n, a.newest[server])
	}
	a.newest[server] = n
	return nil
}

// up counts the containers that are up.
func (a *agent) up() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, o := range a.servers {
		if fleet.Container(*o) {
			n++
		}
	}
	return n
}
