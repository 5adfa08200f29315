package tunnel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

// skewShown is the difference between an agent's clock and ours that becomes an event.
const skewShown = 30 * time.Second

// maxInventory bounds the servers of one node.
const maxInventory = 4096

// home answers agents' calls; the session they come over is in the context.
type home struct{ t *Tunnel }

var _ protocol.Home = home{}

// greeting is what a Hello's transaction decided.
type greeting struct {
	denied  error  // the transaction is committed, the agent is not let in
	reason  string // of denied, for the metric
	welcome protocol.Welcome
	name    string
	cut     bool // the session that is there must go too
}

// Hello opens a session. A second one on the same session brings the inventory that the first was asked for.
func (h home) Hello(ctx context.Context, req protocol.Hello) (protocol.Welcome, error) {
	if err := failpoint.Hit("tunnel.hello.before"); err != nil {
		return protocol.Welcome{}, err
	}
	p, err := peerFrom(ctx)
	if err != nil {
		return protocol.Welcome{}, err
	}
	if err := p.refused; err != nil && p.key == nil {
		return protocol.Welcome{}, h.t.turnAway(p, "barred", err)
	}
	if reason, err := checkHello(&req); err != nil {
		return protocol.Welcome{}, h.t.turnAway(p, reason, err)
	}
	if p.refused != nil {
		return protocol.Welcome{}, h.t.unknown(ctx, p, req)
	}
	var g greeting
	now := time.Now().UTC()
	id := fleet.NewID("ses_")
	err = h.t.batch.do(ctx, func(tx store.Tx) error {
		var err error
		g, err = h.t.greet(tx, p, id, req, now)
		return err
	})
	if err != nil {
		return protocol.Welcome{}, err
	}
	if g.denied != nil {
		if g.cut {
			h.t.cut(ctx, p.node, protocol.GoodbyeRequest{Reason: fault.Message(g.denied), Retry: true})
		}
		return protocol.Welcome{}, h.t.turnAway(p, g.reason, g.denied)
	}
	if err := h.t.letIn(ctx, p, g, req); err != nil {
		return protocol.Welcome{}, err
	}
	return g.welcome, failpoint.Hit("tunnel.hello.after")
}

// turnAway counts and logs a refusal and ends the session once the agent has heard it.
func (t *Tunnel) turnAway(p *peer, reason string, err error) error {
	t.m.refused.WithLabelValues(reason).Inc()
	t.log.Warn("agent turned away", "node", p.node, "remote", p.remote, "reason", reason, "why", fault.Message(err))
	p.closeSoon(err)
	return err
}

// checkHello refuses what can never be served and trims what is only for people to read.
func checkHello(req *protocol.Hello) (reason string, err error) {
	f := &req.Facts
	switch {
	case !protocol.Serves(f.Protocol) && f.Protocol > protocol.Version:
		return "version", fault.New(fault.Invalid, fmt.Sprintf("the agent speaks protocol version %d, this controller %d", f.Protocol, protocol.Version), "update the controller first, then the agents")
	case !protocol.Serves(f.Protocol):
		return "version", fault.New(fault.Invalid, fmt.Sprintf("the agent speaks protocol version %d, this controller serves %d and %d", f.Protocol, protocol.Version-1, protocol.Version), "update the agent on this machine")
	case req.Run == "" || len(req.Run) > 128 || req.Generation < 1 || req.NextSeq < 0:
		return "hello", fault.New(fault.Invalid, "the hello is incomplete: it needs a run, a generation and the next report", "update the agent on this machine")
	case len(req.Inventory) > maxInventory:
		return "hello", fault.New(fault.Invalid, fmt.Sprintf("the inventory has %d servers, at most %d are served per node", len(req.Inventory), maxInventory), "move servers to another node")
	}
	if err := cleanFacts(f); err != nil {
		return "facts", err
	}
	return "", nil
}

// greet decides about a Hello and writes what it changes. It may run twice.
func (t *Tunnel) greet(tx store.Tx, p *peer, id string, req protocol.Hello, now time.Time) (greeting, error) {
	var g greeting
	n, err := fleet.Nodes.Get(tx, p.node)
	if err != nil {
		return g, err
	}
	e, err := enrolments.Get(tx, p.node)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return g, err
	}
	e.Node = p.node
	if err := barred(n); err != nil {
		return greeting{denied: err, reason: "barred"}, nil
	}
	if req.Term > t.db.Term() {
		return t.aheadOfUs(tx, n, e, req, now)
	}
	if p.id == "" {
		if g, err = t.arrive(tx, p, &n, &e, req, now); err != nil || g.denied != nil {
			return g, err
		}
		n.Session = &fleet.Session{ID: id, Term: t.db.Term(), Remote: p.remote.String(), Since: now}
	} else {
		id = p.id
	}
	g.name = n.Name
	need, err := t.takeInventory(tx, &n, &e, req, p.id != "", now)
	if err != nil {
		return g, err
	}
	g.welcome = protocol.Welcome{
		Cluster: t.ca.Cluster(), Node: n.ID, Version: protocol.Version, Term: t.db.Term(), Session: id, AckSeq: n.AckSeq, NeedInventory: need,
		HeartbeatMS: t.opts.Heartbeat.Milliseconds(), DeadMS: t.opts.DeadAfter.Milliseconds(), Now: now,
	}
	g.welcome.Mark = t.ca.stamp(n.ID, mark{t.db.Term(), n.AckSeq, now})
	g.welcome.Epochs, err = epochs(tx, n.ID, e.Servers)
	return g, err
}

// aheadOfUs: the agent has obeyed a controller with a higher term, so this one runs on an old copy of the state, or is an
// old copy itself. It must not lead that node, and says so once in a while.
func (t *Tunnel) aheadOfUs(tx store.Tx, n fleet.Node, e Enrolment, req protocol.Hello, now time.Time) (greeting, error) {
	g := greeting{reason: "term", denied: fault.New(fault.Stale,
		fmt.Sprintf("node %s has followed a controller of term %d, this one has term %d: its state is an old copy", n.Name, req.Term, t.db.Term()),
		"stop this controller if another one runs; if the store was restored from a backup: `controller recovery show`")}
	var vouched time.Time
	if m, ok := t.ca.readMark(n.ID, req.Mark); ok && m.term > t.db.Term() {
		vouched = m.at
	}
	if err := fleet.NoticeTerm(tx, t.opts.Events, n, req.Term, t.db.Term(), vouched, now); fault.KindOf(err) == fault.Invalid {
		return greeting{reason: "term", denied: err}, nil
	} else if err != nil {
		return g, err
	}
	if now.Sub(e.Warned) < warnEvery {
		return g, nil
	}
	e.Warned = now
	if err := enrolments.Put(tx, e); err != nil {
		return g, err
	}
	return g, t.emit(tx, "node.term_ahead", n.ID, agentActor(n.ID), map[string]any{"node_term": req.Term, "term": t.db.Term()})
}

// arrive judges a new session and, if it is let in, writes what the agent says of its machine.
func (t *Tunnel) arrive(tx store.Tx, p *peer, n *fleet.Node, e *Enrolment, req protocol.Hello, now time.Time) (greeting, error) {
	v, uses := judge(e.Uses, now, req.Generation, req.Run, t.liveOf(p))
	why := "two running copies of its data directory use its key in turns"
	if moved(n.Facts.MachineID, req.Facts.MachineID) {
		if v = locked; t.liveOf(p) != nil {
			v = stale // the machine that is there runs its games
		}
		why = "its identity comes from another machine than before, at " + p.remote.String() + ": a disk was copied, or moved"
	} else {
		e.Uses = uses // what another machine tries is no use: it must not lock the one that is there
	}
	data := map[string]any{"remote": p.remote.String(), "generation": req.Generation}
	switch v {
	case locked:
		n.Locked = true
		n.Reason = why
		n.UpdatedAt, n.UpdatedBy = now, "controller"
		if err := fleet.Nodes.Put(tx, *n); err != nil {
			return greeting{}, err
		}
		data["locked"] = true
		if err := enrolments.Put(tx, *e); err != nil {
			return greeting{}, err
		}
		return greeting{denied: barred(*n), reason: "locked", cut: true}, t.emit(tx, "node.duplicate", n.ID, agentActor(n.ID), data)
	case stale:
		g := greeting{reason: "stale", denied: fault.New(fault.Stale, "a newer session of node "+n.Name+" is connected", "if two copies of this agent's data directory are running, stop one")}
		warn := now.Sub(e.Warned) >= warnEvery
		if warn {
			e.Warned = now
		}
		if err := enrolments.Put(tx, *e); err != nil || !warn {
			return g, err
		}
		return g, t.emit(tx, "node.duplicate", n.ID, agentActor(n.ID), data)
	case admitted:
	}
	return greeting{}, t.noteFacts(tx, n, e, req, now, data)
}

func (t *Tunnel) noteFacts(tx store.Tx, n *fleet.Node, e *Enrolment, req protocol.Hello, now time.Time, data map[string]any) error {
	facts := req.Facts
	facts.Name = n.Name
	if len(e.Roles) > 0 {
		facts.Roles = slices.DeleteFunc(slices.Clone(facts.Roles), func(r string) bool { return !slices.Contains(e.Roles, r) })
	}
	skew := time.Duration(0)
	if !req.Now.IsZero() {
		skew = req.Now.Sub(now)
	}
	was := time.Duration(n.ClockSkewMS) * time.Millisecond
	n.Facts, n.Generation, n.LastSeen, n.ClockSkewMS = facts, req.Generation, now, skew.Milliseconds()
	if skew.Abs() > skewShown && was.Abs() <= skewShown {
		if err := t.emit(tx, "node.clock_skew", n.ID, agentActor(n.ID), map[string]any{"skew_ms": n.ClockSkewMS}); err != nil {
			return err
		}
	}
	if lost := req.NextSeq - 1 - n.AckSeq; lost > 0 {
		// Acknowledged once, unknown now: our state is older than that. The agent cannot send them again; its inventory tells the outcome.
		// Or the node itself dropped them, because nobody took them for long: that says nothing about our state.
		// And of a row that never took a report nothing was forgotten: the machine was enrolled anew and kept its journal.
		if req.NextSeq-1 > req.DroppedSeq && (n.AckSeq > 0 || n.AckRun != "") {
			var vouched time.Time
			if m, ok := t.ca.readMark(n.ID, req.Mark); ok && m.seq > n.AckSeq {
				vouched = m.at
			}
			if err := fleet.NoticeLost(tx, t.opts.Events, *n, n.AckSeq+1, req.NextSeq-1, vouched, now); err != nil {
				return err
			}
		}
		if err := t.emit(tx, "node.reports_lost", n.ID, agentActor(n.ID), map[string]any{"from": n.AckSeq + 1, "to": req.NextSeq - 1}); err != nil {
			return err
		}
		n.AckSeq, n.InventoryHash = req.NextSeq-1, ""
	}
	if t.isExpected(n.ID) {
		return nil // nobody was told that it went
	}
	return t.emit(tx, "node.connected", n.ID, agentActor(n.ID), data)
}

func (t *Tunnel) isExpected(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[id]
	return n != nil && n.expected
}

// takeInventory hands a full inventory on and remembers which servers are in it; without one it says whether one is needed.
// It writes both rows.
func (t *Tunnel) takeInventory(tx store.Tx, n *fleet.Node, e *Enrolment, req protocol.Hello, again bool, now time.Time) (need bool, err error) {
	full := req.Inventory != nil || again // an empty inventory does not travel
	need = !full && (req.InventoryHash == "" || req.InventoryHash != n.InventoryHash)
	if full {
		n.InventoryHash = req.InventoryHash
		e.Servers = e.Servers[:0:0]
		for _, o := range req.Inventory {
			e.Servers = append(e.Servers, o.Server)
		}
	}
	n.UpdatedAt = now
	if !need {
		n.InventoryAt = now
	}
	if err := fleet.Nodes.Put(tx, *n); err != nil {
		return need, err
	}
	if err := enrolments.Put(tx, *e); err != nil || !full {
		return need, err
	}
	return need, t.opts.Inventory(tx, n.ID, req.Inventory)
}

// epochs gives what the node is to be told of every server it has or should have.
func epochs(tx store.Tx, node string, has []string) (map[string]int64, error) {
	recovery, err := fleet.RecoveryOf(tx, node)
	if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	tell := func(id string) error {
		epoch, err := fleet.Told(tx, node, id, recovery)
		if err == nil && epoch > 0 {
			out[id] = epoch
		}
		return err
	}
	for _, id := range has {
		if err := tell(id); err != nil {
			return nil, err
		}
	}
	var own []string
	for s, err := range fleet.Servers.Match(tx, "node", node, "", 0, false) {
		if err != nil {
			return nil, err
		}
		own = append(own, s.ID)
	}
	for _, id := range own {
		if err := tell(id); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// liveOf gives judge what it must know of the node's present session.
func (t *Tunnel) liveOf(p *peer) *live {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[p.node]
	if n == nil || n.current == nil || n.current == p {
		return nil
	}
	return &live{generation: n.current.generation, run: n.current.run}
}

// letIn puts the session in the table and tells the one it replaces.
func (t *Tunnel) letIn(ctx context.Context, p *peer, g greeting, req protocol.Hello) error {
	defer t.opts.OnChange(p.node)
	if p.id != "" {
		return nil
	}
	p.id, p.generation, p.run = g.welcome.Session, req.Generation, req.Run
	old, ok := t.present(p, g.name)
	if !ok {
		return t.turnAway(p, "stale", fault.New(fault.Unavailable, "this session came too late: the controller is going down, or the node has a newer session or was locked", "the agent tries again by itself"))
	}
	p.deadline.Stop()
	t.log.InfoContext(ctx, "node connected", "node", p.node, "name", g.name, "session", p.id, "remote", p.remote)
	if old != nil {
		t.work.Add(1)
		go func() {
			defer t.work.Done()
			old.dismiss(context.WithoutCancel(ctx), protocol.GoodbyeRequest{Reason: "a newer session of this node connected from " + p.remote.String(), Retry: true})
		}()
	}
	return nil
}
