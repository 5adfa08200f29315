package lifecycle

import (
	"context"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
)

// Keep makes true what the store says of a server: the copies that nodes have at newer epochs are stale from now on, are stopped and
// their volumes set aside, never deleted. A server that the store does not know does not exist; one that only differs in what is
// wanted of it is brought to what the store says when the recovery ends. Kinds: not_found (nobody contradicts the store about it).
func (l *Lifecycle) Keep(ctx context.Context, actor, name string) (fleet.Server, error) {
	found, done, err := l.claims(ctx, name, fleet.Kept)
	if err != nil || done {
		return l.settled(ctx, found, err)
	}
	var out fleet.Server
	var floor int64
	var stale []string
	now := time.Now().UTC()
	err = l.update(ctx, func(tx store.Tx) error {
		stale = nil
		open, err := fleet.Decide(tx, found[0].Server, fleet.Kept, actor, now)
		if err != nil || len(open) == 0 {
			return err
		}
		f := open[0]
		for _, o := range open {
			if o.Sign == fleet.SignAhead || o.Sign == fleet.SignUnknown {
				stale = append(stale, o.Node)
			}
		}
		if f.Sign == fleet.SignUnknown {
			out, floor = fleet.Server{ID: f.Server, Name: f.Name}, f.Agent.Epoch+1
			if err := fleet.Disown(tx, f, now); err != nil {
				return err
			}
			return l.note(tx, f, "server.kept", actor)
		}
		if out, err = fleet.Servers.Get(tx, f.Server); err != nil {
			return err
		}
		for _, o := range open {
			if o.Sign != fleet.SignAhead {
				continue
			}
			if out, err = fleet.Overrule(tx, out, o); err != nil {
				return err
			}
		}
		floor = out.Floor
		out.Order++ // of setAside
		if err := fleet.Servers.Put(tx, out); err != nil {
			return err
		}
		return l.tell(tx, out, "server.kept", actor, map[string]any{"sign": f.Sign, "epoch": out.Epoch, "agent_epoch": f.Agent.Epoch, "node": f.NodeName, "facts_lost": f.Facts})
	})
	if err != nil {
		return out, err
	}
	l.setAside(ctx, out.ID, floor, out.Order, stale)
	return out, nil
}

// Forget deletes the row of a server that no node has: it was deleted after the backup was made. Kinds: not_found, conflict (a node has it).
func (l *Lifecycle) Forget(ctx context.Context, actor, name string) (fleet.Server, error) {
	found, done, err := l.claims(ctx, name, fleet.Forgotten)
	if err != nil || done {
		return l.settled(ctx, found, err)
	}
	var out fleet.Server
	now := time.Now().UTC()
	err = l.update(ctx, func(tx store.Tx) error {
		open, err := fleet.Decide(tx, found[0].Server, fleet.Forgotten, actor, now)
		if err != nil || len(open) == 0 {
			return err
		}
		for _, f := range open {
			if f.Sign != fleet.SignMissing {
				return fault.New(fault.Conflict, "node "+f.NodeName+" has server "+orID(f), "adopt it, or keep the store's word: then the node sets its copy aside")
			}
		}
		if out, err = fleet.Servers.Get(tx, found[0].Server); err != nil {
			return err
		}
		if err := l.note(tx, open[0], "server.forgotten", actor); err != nil {
			return err
		}
		out.DesiredBy = actor
		return fleet.Gone(tx, l.events, out, now)
	})
	return out, err
}

func orID(f fleet.Finding) string {
	if f.Name == "" {
		return f.Server
	}
	return f.Name
}
