package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// Begin is called once, before agents are let in: it sees whether a backup was put in the place of the store.
func (l *Lifecycle) Begin(ctx context.Context) error {
	return l.update(ctx, func(tx store.Tx) error { return fleet.Restored(tx, l.events, time.Now().UTC()) })
}

// next is Decide as far as the recovery mode lets it, asked inside the transaction that acts.
func next(tx store.Tx, s fleet.Server, n *fleet.Node, b *fleet.Booking, now time.Time) (Do, error) {
	g, err := fleet.ReadGate(tx, s)
	return permit(g, s, Decide(s, n, b, now)), err
}

// permit lets through what may be done while the store is older than the agents: nothing but what somebody has ordered since, and of
// that only what ends a game.
func permit(g fleet.Gate, s fleet.Server, d Do) Do {
	if d == Nothing || !g.Frozen() {
		return d
	}
	if g.Sign != "" && g.Sign != fleet.SignDiffers || !s.DesiredAt.After(g.Since) {
		return Nothing
	}
	switch d {
	case Stop, Kill, Settle, Lapse:
		return d
	case Nothing, Place, Book, Expire, GiveUp, Turn, Vanish, Start, Remove:
	}
	return Nothing
}

// refuse is the answer to an order that waits until the recovery is over. Kind conflict.
func refuse(tx store.Tx, s fleet.Server, what string) error {
	g, err := fleet.ReadGate(tx, s)
	if err != nil {
		return err
	}
	return g.Refuse(s, what)
}

// mayHalt lets stop and kill through unless it is not known which copy they are for. An order about a server that only differs in what
// is wanted of it is the choice itself.
func (l *Lifecycle) mayHalt(tx store.Tx, s fleet.Server, actor string, kind fleet.OpKind, now time.Time) error {
	g, err := fleet.ReadGate(tx, s)
	if err != nil {
		return err
	}
	what := "stopped"
	if kind == fleet.OpKill {
		what = "killed"
	}
	if err := g.RefuseHalt(s, what); err != nil || g.Sign == "" {
		return err
	}
	_, err = fleet.Decide(tx, s.ID, fleet.Kept, actor, now)
	return err
}

// RecoveryView is what an operator decides on.
type RecoveryView struct {
	fleet.Recovery
	Findings []fleet.Finding // undecided ones first, then by node and server
	Silent   []string        // names of nodes that have not said what they have since it began
	Nodes    map[string]fleet.Node
	Term     int64
}

// Recovery reads it.
func (l *Lifecycle) Recovery(ctx context.Context) (RecoveryView, error) {
	v := RecoveryView{Term: l.db.Term()}
	err := l.db.View(ctx, func(tx store.Tx) (err error) {
		v.Findings = nil
		if v.Recovery, err = fleet.ReadRecovery(tx); err != nil {
			return err
		}
		for f, err := range fleet.Findings.Range(tx, "", nil, nil, 0, false) {
			if err != nil {
				return err
			}
			v.Findings = append(v.Findings, f)
		}
		room, err := fleet.ReadRoom(tx, time.Now())
		v.Nodes = room.Nodes
		return err
	})
	slices.SortStableFunc(v.Findings, func(a, b fleet.Finding) int {
		switch {
		case a.Undecided() != b.Undecided() && a.Undecided():
			return -1
		case a.Undecided() != b.Undecided():
			return 1
		}
		return strings.Compare(a.NodeName+"/"+a.Name+"/"+a.ID, b.NodeName+"/"+b.Name+"/"+b.ID)
	})
	if v.Open {
		v.Silent = v.Heard(v.Nodes)
		slices.Sort(v.Silent)
	}
	return v, err
}

// tend looks after an open recovery: nodes are asked for what the store has forgotten, and a restore that nobody contradicts ends by itself.
func (l *Lifecycle) tend(ctx context.Context, r fleet.Recovery, now time.Time) error {
	if r.Open && r.Auto && r.Undecided == 0 {
		if all, err := l.allHeard(ctx, r); err != nil || all {
			return errors.Join(err, l.endByItself(ctx, now))
		}
	}
	const askEvery = 5 * time.Second
	l.mu.Lock()
	due := now.Sub(l.asked) >= askEvery
	if due {
		l.asked = now
	}
	l.mu.Unlock()
	if !due {
		return nil
	}
	v, err := l.Recovery(ctx) // all findings: not at each sweep
	if err != nil {
		return err
	}
	l.hear(ctx, v)
	byNode := map[string][]string{}
	for _, f := range v.Findings {
		if f.Undecided() && f.Detail == nil && (f.Sign == fleet.SignAhead || f.Sign == fleet.SignUnknown) && len(byNode[f.Node]) < 64 {
			byNode[f.Node] = append(byNode[f.Node], f.Server)
		}
	}
	for node, servers := range byNode {
		l.wg.Go(func() {
			if err := l.describe(ctx, node, servers); err != nil && ctx.Err() == nil {
				l.log.DebugContext(ctx, "a node did not tell what it was ordered", "node", node, "error", err)
			}
		})
	}
	return nil
}

func (l *Lifecycle) allHeard(ctx context.Context, r fleet.Recovery) (all bool, err error) {
	err = l.db.View(ctx, func(tx store.Tx) error {
		silent, err := silentNodes(tx, r)
		all = err == nil && len(silent) == 0
		return err
	})
	return all, err
}

// endByItself ends a restore that nobody contradicts, and tells every node what it was not told meanwhile.
func (l *Lifecycle) endByItself(ctx context.Context, now time.Time) error {
	ended := false
	err := l.update(ctx, func(tx store.Tx) error {
		ended = false
		r, err := fleet.ReadRecovery(tx)
		if err != nil || !r.Open || !r.Auto || r.Undecided != 0 {
			return err
		}
		if silent, err := silentNodes(tx, r); err != nil || len(silent) > 0 {
			return err // one that joined since it was looked at
		}
		ended = true
		return fleet.EndRecovery(tx, l.events, fleet.ByItself, now)
	})
	if err == nil && ended {
		l.wg.Go(func() { l.recall(ctx, "", "the recovery mode has ended") })
	}
	return err
}

// hear has nodes that were connected before the mode began say what they have now: their last word was not looked at for all signs.
func (l *Lifecycle) hear(ctx context.Context, v RecoveryView) {
	const most = 256 // at a time: games notice nothing, the controller does
	n := 0
	for id, node := range v.Nodes {
		if !v.Open || node.Revoked || node.Session == nil || !node.InventoryAt.Before(v.Since) || !node.Session.Since.Before(v.Since) {
			continue
		}
		if n++; n > most {
			return
		}
		l.wg.Go(func() { l.recall(ctx, id, "the recovery mode has begun") })
	}
}

// maxDetail bounds what one node may have stored about one server.
const maxDetail = 64 << 10

// describe asks a node what it was ordered about servers and writes it into their findings.
func (l *Lifecycle) describe(ctx context.Context, node string, servers []string) error {
	rt, err := l.agents.Runtime(node)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	inv, err := rt.Inventory(ctx, protocol.InventoryRequest{Details: servers})
	if err != nil {
		return err
	}
	return l.update(ctx, func(tx store.Tx) error {
		for _, d := range inv.Details {
			f, err := fleet.Findings.Get(tx, node+"/"+d.Spec.Server)
			if fault.KindOf(err) == fault.NotFound || err == nil && !usable(d, f) {
				continue
			}
			if err != nil {
				return err
			}
			if f.Detail = &d; f.Name == "" {
				f.Name = d.Spec.Name
			}
			if err := fleet.Findings.Put(tx, f); err != nil {
				return err
			}
		}
		return nil
	})
}

// usable tells whether what a node says it was ordered can be believed so far as to be kept: about that server, at that epoch, and fit for a row.
func usable(d protocol.Detail, f fleet.Finding) bool {
	text, err := json.Marshal(d)
	return err == nil && len(text) <= maxDetail && store.CheckDoc(text) == nil && f.Undecided() &&
		d.Spec.Server == f.Server && d.Grant.Epoch == f.Agent.Epoch && d.Spec.Image != "" && fleet.CheckName("server", d.Spec.Name) == nil
}
