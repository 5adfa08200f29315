package provision

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
)

// drain is the wish that a node becomes empty.
type drain struct {
	Node  string    `json:"node"`
	Actor string    `json:"actor"`
	Since time.Time `json:"since"`
	By    time.Time `json:"by,omitzero"` // after it people are told who is left
	Told  bool      `json:"told,omitempty"`
	Empty bool      `json:"empty,omitempty"` // that it is was logged
}

var drains = store.Table[drain]{Name: "drains", Key: func(d drain) string { return d.Node }}

func (d drain) reason() string { return "drained by " + d.Actor }

// DrainStatus is how far a drain is.
type DrainStatus struct {
	Node, Name string
	Draining   bool      // it was asked for and not taken back
	Done       bool      // nothing of any server is there
	Left       []string  // names of the servers that are there, at most maxLeft
	More       int       // how many beside them
	By         time.Time // the deadline; zero: none
	Explain    string
}

// maxLeft bounds the names that are told.
const maxLeft = 50

// Drain asks that a node (by name or id) becomes empty: no new servers come, and a rented machine is deleted when the last one has left.
// No game is stopped by it. Asked again it tells how far that is; the deadline that was given first stays. Kinds: not_found, conflict.
func (p *Provision) Drain(ctx context.Context, actor, nameOrID string, deadline time.Duration) (DrainStatus, error) {
	if deadline < 0 {
		return DrainStatus{}, fault.New(fault.Invalid, "the deadline of a drain is negative", "give a time from now, like 2h")
	}
	var id string
	err := p.opts.DB.Update(ctx, func(tx store.Tx) error {
		n, err := fleet.FindNode(tx, nameOrID)
		if err != nil {
			return err
		}
		if id = n.ID; n.Revoked {
			return errRevoked(n)
		}
		return p.drain(tx, n, actor, deadline)
	})
	if err == nil {
		p.opts.OnChange(id)
		p.Kick()
	} else if !errors.Is(err, errAsItWas) {
		return DrainStatus{}, err
	}
	return p.DrainStatus(ctx, id)
}

func (p *Provision) drain(tx store.Tx, n fleet.Node, actor string, deadline time.Duration) error {
	now := time.Now().UTC()
	d, err := drains.Get(tx, n.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	known := err == nil
	if known && (deadline == 0 || !d.By.IsZero()) {
		return errAsItWas
	}
	if !known {
		d = drain{Node: n.ID, Actor: actor, Since: now}
	}
	if deadline > 0 {
		d.By = now.Add(deadline)
	}
	m, rented, err := machineOf(tx, n)
	if err != nil {
		return err
	}
	if rented && m.Phase == Deleting {
		return errAsItWas // it goes anyway
	}
	if err := closeNode(tx, n.ID, actor, d.reason(), now); err != nil {
		return err
	}
	if rented && lives(m.Phase) {
		if m.Phase != Draining {
			m.enter(Draining, now)
		}
		m.DrainBy, m.UpdatedAt = d.By, now
		if err := Machines.Put(tx, m); err != nil {
			return err
		}
	}
	if err := drains.Put(tx, d); err != nil {
		return err
	}
	data := map[string]any{}
	if !d.By.IsZero() {
		data["by"] = d.By
	}
	return p.sayNode(tx, n, "node.draining", actor, data)
}

// machineOf gives the machine under a node, if we rent it.
func machineOf(tx store.Tx, n fleet.Node) (Machine, bool, error) {
	if n.Machine == "" {
		return Machine{}, false, nil
	}
	m, err := Machines.Get(tx, n.Machine)
	if errors.Is(err, store.ErrNotFound) {
		return m, false, nil
	}
	return m, err == nil, err
}

// Undrain takes a drain back and lets servers in again. Kinds: not_found, conflict (its machine is being deleted).
func (p *Provision) Undrain(ctx context.Context, actor, nameOrID string) error {
	return p.Uncordon(ctx, actor, nameOrID)
}

// undrain is the part of a drain in letting servers in again.
func (p *Provision) undrain(tx store.Tx, n *fleet.Node, actor string, now time.Time) error {
	m, rented, err := machineOf(tx, *n)
	if err != nil {
		return err
	}
	if rented && (m.Phase == Deleting || m.Phase == Gone) {
		return fault.New(fault.Conflict, "the machine of node "+n.Name+" is being deleted", "use another node; scaling orders a new machine when there is need")
	}
	if rented && m.Phase == Draining {
		m.enter(home(*n), now)
		m.DrainBy, m.UpdatedAt = time.Time{}, now
		if err := Machines.Put(tx, m); err != nil {
			return err
		}
	}
	if _, err := drains.Get(tx, n.ID); err != nil {
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	}
	return errors.Join(drains.Delete(tx, n.ID), p.sayNode(tx, *n, "node.undrained", actor, nil))
}

// DrainStatus tells who is left on a node. Kinds: not_found.
func (p *Provision) DrainStatus(ctx context.Context, nameOrID string) (out DrainStatus, err error) {
	err = p.opts.DB.View(ctx, func(tx store.Tx) error {
		n, err := fleet.FindNode(tx, nameOrID)
		if err != nil {
			return err
		}
		out = DrainStatus{Node: n.ID, Name: n.Name}
		d, err := drains.Get(tx, n.ID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		out.Draining, out.By = err == nil, d.By
		m, rented, err := machineOf(tx, n)
		if err != nil {
			return err
		}
		if out.Left, out.More, err = left(tx, n.ID); err != nil {
			return err
		}
		out.Done = len(out.Left) == 0
		out.Explain = explain(out, rented, m.Phase)
		return nil
	})
	return out, err
}

// left names the servers that something of is on a node.
func left(tx store.Tx, node string) (names []string, more int, err error) {
	seen := map[string]bool{}
	add := func(id, name string) {
		if seen[id] {
			return
		}
		if seen[id] = true; len(names) < maxLeft {
			names = append(names, name)
		} else {
			more++
		}
	}
	for s, err := range fleet.Servers.Match(tx, "node", node, "", 0, false) {
		if err != nil {
			return nil, 0, err
		}
		add(s.ID, s.Name)
	}
	for b, err := range fleet.Bookings.Match(tx, "node", node, "", 0, false) {
		if err != nil {
			return nil, 0, err
		}
		add(b.Server, b.Server)
	}
	return names, more, nil
}

// explain says it in one sentence. Pure.
func explain(d DrainStatus, rented bool, phase Phase) string {
	switch {
	case rented && phase == Gone:
		return "its machine is deleted"
	case rented && phase == Deleting:
		return "it is empty, and its machine is being deleted"
	case !d.Draining && d.Done:
		return "nobody is on it, and nobody has asked to drain it"
	case !d.Draining:
		return "nobody has asked to drain it"
	case d.Done && rented:
		return "it is empty; its machine is deleted next"
	case d.Done:
		return "it is empty: it can be switched off"
	default:
		return fmt.Sprintf("it waits for %d servers to be stopped and deleted, or archived: %s", len(d.Left)+d.More, strings.Join(d.Left, ", "))
	}
}

// tendDrains logs what becomes of drains: that a node is empty, and who is left after the deadline.
func (p *Provision) tendDrains(ctx context.Context) error {
	now := time.Now().UTC()
	var due []string
	err := p.opts.DB.View(ctx, func(tx store.Tx) error {
		due = nil
		for d, err := range drains.Range(tx, "", nil, nil, 0, false) {
			if err != nil {
				return err
			}
			busy, err := occupied(tx, d.Node)
			if err != nil {
				return err
			}
			if d.step(busy, now) != d {
				due = append(due, d.Node)
			}
		}
		return nil
	})
	if err != nil || len(due) == 0 {
		return err
	}
	return p.opts.DB.Update(ctx, func(tx store.Tx) error {
		for _, node := range due {
			if err := p.tendDrain(tx, node, now); err != nil {
				return err
			}
		}
		return nil
	})
}

// step is what a drain becomes. Pure.
func (d drain) step(busy bool, now time.Time) drain {
	d.Empty = !busy
	d.Told = d.Told || busy && !d.By.IsZero() && !now.Before(d.By)
	return d
}

func (p *Provision) tendDrain(tx store.Tx, node string, now time.Time) error {
	was, err := drains.Get(tx, node)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	n, err := fleet.Nodes.Get(tx, node)
	if errors.Is(err, store.ErrNotFound) || err == nil && n.Revoked {
		return drains.Delete(tx, node)
	}
	if err != nil {
		return err
	}
	names, more, err := left(tx, node)
	if err != nil {
		return err
	}
	is := was.step(len(names) > 0, now)
	if is.Empty && !was.Empty {
		err = p.sayNode(tx, n, "node.drained", self, nil)
	}
	if is.Told && !was.Told {
		err = p.sayNode(tx, n, "node.drain_overdue", self, map[string]any{"left": names, "more": more, "by": is.By, "next": "move or stop them, or take the drain back: `controller node uncordon " + n.Name + "`"})
	}
	return errors.Join(err, drains.Put(tx, is))
}
