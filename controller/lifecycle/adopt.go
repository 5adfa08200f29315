package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// Adopt makes true what a node says of a server: of several, the one with the highest epoch. One that the store does not know is made
// again from what the node was ordered. Copies on other nodes are set aside. Kinds: not_found (nobody contradicts the store about it),
// conflict (no node has it; its port is booked), unavailable (the node that must tell what it was ordered is away).
func (l *Lifecycle) Adopt(ctx context.Context, actor, name string) (fleet.Server, error) {
	open, done, err := l.claims(ctx, name, fleet.Adopted)
	if err != nil || done {
		return l.settled(ctx, open, err)
	}
	f := open[0]
	if f.Detail == nil && (f.Sign == fleet.SignAhead || f.Sign == fleet.SignUnknown) {
		err := l.describe(ctx, f.Node, []string{f.Server})
		if f.Sign == fleet.SignUnknown && fault.KindOf(err) == fault.Unavailable {
			return fleet.Server{}, err
		}
	}
	var out fleet.Server
	var stale []string
	now := time.Now().UTC()
	err = l.update(ctx, func(tx store.Tx) error {
		out, stale, err = l.adopt(tx, f.Server, actor, now)
		return err
	})
	if err != nil {
		return out, err
	}
	l.setAside(ctx, out.ID, out.Floor, out.Order, stale)
	return out, nil
}

// adopt is the transaction; stale are the nodes whose copy does not count any more.
func (l *Lifecycle) adopt(tx store.Tx, id, actor string, now time.Time) (out fleet.Server, stale []string, err error) {
	open, err := fleet.Open(tx, id)
	if err != nil || len(open) == 0 {
		return out, nil, err
	}
	f := open[0]
	s, err := fleet.Servers.Get(tx, id)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return out, nil, err
	}
	was := s
	switch f.Sign {
	case fleet.SignMissing:
		return s, nil, fault.New(fault.Conflict, "no node has server "+s.Name, "keep its row (`controller recovery keep "+s.Name+"`), or forget it (`controller recovery forget "+s.Name+"`)")
	case fleet.SignUnknown:
		if s, err = l.remake(f, actor, now); err != nil {
			return s, nil, err
		}
	case fleet.SignAhead, fleet.SignDiffers, fleet.SignRestored, fleet.SignReports, fleet.SignTerm, fleet.SignNode:
	}
	if f.Sign != fleet.SignDiffers {
		if s.Name, err = freeName(tx, s); err != nil {
			return s, nil, err
		}
		s.Desired = fleet.Stopped // a row that was being deleted is back
		if s, err = fleet.Adopt(tx, s, f, now); err != nil {
			return s, nil, err
		}
	}
	desired := fleet.Stopped
	if fleet.Active(f.Agent) {
		desired = fleet.Running
	}
	want(&s, desired, nil, actor, "as its node says, after a backup was restored", now)
	s.Order++ // of setAside
	if err := fleet.Servers.Put(tx, s); err != nil {
		return s, nil, err
	}
	if _, err := fleet.Decide(tx, id, fleet.Adopted, actor, now); err != nil {
		return s, nil, err
	}
	for _, o := range open {
		if o.Node != s.Node && o.Sign != fleet.SignMissing {
			stale = append(stale, o.Node)
		}
	}
	if was.Node != "" && was.Node != s.Node && was.Ordered {
		stale = append(stale, was.Node)
	}
	return s, stale, l.tell(tx, s, "server.adopted", actor, map[string]any{
		"sign": f.Sign, "epoch": s.Epoch, "node": f.NodeName, "store_epoch": f.StoreEpoch, "store_desired": f.StoreDesired, "facts_lost": f.Facts,
	})
}

// remake makes the row of a server that the store does not know from what its node was ordered.
func (l *Lifecycle) remake(f fleet.Finding, actor string, now time.Time) (fleet.Server, error) {
	if f.Detail == nil {
		return fleet.Server{}, fault.New(fault.Conflict, fmt.Sprintf("node %s cannot tell what server %s is: its journal has no order for it", f.NodeName, f.Server),
			"keep the store's word (`controller recovery keep "+f.Server+"`): the node sets the volume aside for 7 days; make a new server and bring the world in")
	}
	spec := f.Detail.Spec
	s := fleet.Server{
		ID: f.Server, Name: spec.Name, Owner: spec.Owner, Template: spec.Template, Version: spec.Version, Revision: max(spec.Revision, 1), Spec: spec,
		MemoryBytes: spec.MemoryBytes, CPUMillis: spec.CPUMillis, DiskBytes: spec.DiskBytes, Env: map[string]string{},
		CreatedAt: now, CreatedBy: actor, UpdatedAt: now, UpdatedBy: actor,
	}
	// What its owner had set is not told apart from what the template filled in: keep what the template lets an owner set.
	for k, v := range spec.Env {
		if _, err := l.catalogue.Render(Ask{Template: s.Template, Version: s.Version, Env: map[string]string{k: v}}); err == nil {
			s.Env[k] = v
		}
	}
	return s, nil
}

// freeName gives the server's name, or one made of it where another server has that by now.
func freeName(tx store.Tx, s fleet.Server) (string, error) {
	other, err := fleet.Servers.Lookup(tx, "name", s.Name)
	if errors.Is(err, store.ErrNotFound) || err == nil && other.ID == s.ID {
		return s.Name, nil
	}
	if err != nil {
		return "", err
	}
	return s.Name[:min(len(s.Name), 27)] + "-" + s.ID[len(s.ID)-4:], nil
}

// AdoptAll adopts every server that can be: those that a node has at a newer epoch, that the store does not know, or of which a node
// has been told something else. What could not be is told, server by server.
func (l *Lifecycle) AdoptAll(ctx context.Context, actor string) (adopted []fleet.Server, failed []error, err error) {
	v, err := l.Recovery(ctx)
	if err != nil {
		return nil, nil, err
	}
	seen := map[string]bool{}
	for _, f := range v.Findings {
		if !f.Undecided() || f.Server == "" || f.Sign == fleet.SignMissing || seen[f.Server] {
			continue
		}
		seen[f.Server] = true
		s, err := l.Adopt(ctx, actor, f.Server)
		switch {
		case ctx.Err() != nil:
			return adopted, failed, ctx.Err()
		case err != nil:
			failed = append(failed, err)
		default:
			adopted = append(adopted, s)
		}
	}
	return adopted, failed, nil
}

// claims finds the undecided findings of a server, by its name or id. done: the same choice was made before.
// Kinds: not_found, conflict (another choice was made).
func (l *Lifecycle) claims(ctx context.Context, name string, c fleet.Choice) (open []fleet.Finding, done bool, err error) {
	err = l.db.View(ctx, func(tx store.Tx) error {
		open, done = nil, false
		id := name
		s, err := fleet.FindServer(tx, name)
		if err == nil {
			id = s.ID
		} else if fault.KindOf(err) != fault.NotFound {
			return err
		}
		about, err := named(tx, id, name, s.ID == "")
		if err != nil {
			return err
		}
		var decided *fleet.Finding
		for _, f := range about {
			if f.Undecided() {
				open, err = fleet.Open(tx, f.Server)
				return err
			}
			decided = &f
		}
		switch {
		case decided == nil:
			return fault.New(fault.NotFound, fmt.Sprintf("nothing about a server %q waits for a decision", name), "see `controller recovery show`")
		case decided.Choice != c:
			return fault.New(fault.Conflict, fmt.Sprintf("server %s was %s already, by %s", decided.Name, decided.Choice, decided.ChosenBy), "see `controller recovery show`")
		}
		open, done = []fleet.Finding{*decided}, true
		return nil
	})
	return open, done, err
}

// named gives the findings about a server by its id, or by the name that its nodes have it under where the store has no server of that name.
func named(tx store.Tx, id, name string, byName bool) (out []fleet.Finding, err error) {
	collect := func(index, value string) error {
		if value == "" || store.CheckKey(value) != nil {
			return nil
		}
		for f, err := range fleet.Findings.Match(tx, index, value, "", 0, false) {
			if err != nil {
				return err
			}
			if f.Server != "" {
				out = append(out, f)
			}
		}
		return nil
	}
	if err := collect("server", id); err != nil || !byName {
		return out, err
	}
	return out, collect("name", name)
}

// settled answers a choice that was made before with the server as it is, an empty one if there is none.
func (l *Lifecycle) settled(ctx context.Context, found []fleet.Finding, err error) (s fleet.Server, _ error) {
	if err != nil {
		return s, err
	}
	err = l.db.View(ctx, func(tx store.Tx) error {
		s, err = fleet.Servers.Get(tx, found[0].Server)
		if fault.KindOf(err) == fault.NotFound {
			s, err = fleet.Server{ID: found[0].Server, Name: found[0].Name}, nil
		}
		return err
	})
	return s, err
}

// setAside tells nodes at once that their copy does not count: it is stopped and its volume kept in quarantine. A node that is away
// learns it from the epochs when it comes back. order is 0 for a server of which there is no row.
func (l *Lifecycle) setAside(ctx context.Context, server string, floor, order int64, nodes []string) {
	for _, node := range nodes {
		rt, err := l.agents.Runtime(node)
		if err == nil {
			limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), orderTimeout)
			_, err = rt.Remove(limit, protocol.RemoveRequest{Server: server, Epoch: floor, Volume: protocol.VolumeQuarantine, Op: fleet.NewID("op_"), Order: order})
			cancel()
		}
		if err != nil {
			l.log.InfoContext(ctx, "a stale copy is set aside when its node comes back", "server", server, "node", node, "error", err)
		}
	}
}

// note appends an event about a server of which there is no row.
func (l *Lifecycle) note(tx store.Tx, f fleet.Finding, what, actor string) error {
	_, err := l.events.Append(tx, event.Event{Type: what, Server: f.Server, Node: f.Node, Actor: actor, Data: event.JSON(map[string]any{
		"name": f.Name, "sign": f.Sign, "epoch": f.Agent.Epoch, "node": f.NodeName, "facts_lost": f.Facts,
	})})
	return err
}
