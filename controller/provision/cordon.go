package provision

import (
	"context"
	"errors"
	"time"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
)

// Cordon keeps new servers away from a node; those that are there stay. Doing it twice is no error.
func (p *Provision) Cordon(ctx context.Context, actor, nameOrID string) error {
	return p.set(ctx, actor, nameOrID, "node.cordoned", true, "cordoned by "+actor)
}

// Uncordon lets servers in again, and takes a drain back. Kinds: not_found, conflict (revoked, or its machine is being deleted).
func (p *Provision) Uncordon(ctx context.Context, actor, nameOrID string) error {
	return p.set(ctx, actor, nameOrID, "node.uncordoned", false, "")
}

var errAsItWas = errors.New("as it was")

func (p *Provision) set(ctx context.Context, actor, nameOrID, kind string, cordoned bool, reason string) error {
	var id string
	err := p.opts.DB.Update(ctx, func(tx store.Tx) error {
		n, err := fleet.FindNode(tx, nameOrID)
		if err != nil {
			return err
		}
		if n.Revoked {
			return errRevoked(n)
		}
		if id = n.ID; n.Cordoned == cordoned {
			return errAsItWas
		}
		now := time.Now().UTC()
		if !cordoned {
			if err := p.undrain(tx, &n, actor, now); err != nil {
				return err
			}
		}
		n.Cordoned, n.UpdatedAt, n.UpdatedBy = cordoned, now, actor
		if !n.Locked {
			n.Reason = reason
		}
		if err := fleet.Nodes.Put(tx, n); err != nil {
			return err
		}
		return p.sayNode(tx, n, kind, actor, nil)
	})
	if errors.Is(err, errAsItWas) {
		return nil
	}
	if err == nil {
		p.opts.OnChange(id)
		p.Kick()
	}
	return err
}

func errRevoked(n fleet.Node) error {
	return fault.New(fault.Conflict, "node "+n.Name+" was revoked", "choose another node")
}

// sayNode appends an event about a node.
func (p *Provision) sayNode(tx store.Tx, n fleet.Node, kind, actor string, data map[string]any) error {
	all := map[string]any{"name": n.Name}
	for k, v := range data {
		all[k] = v
	}
	_, err := p.opts.Events.Append(tx, event.Event{Type: kind, Node: n.ID, Actor: actor, Data: event.JSON(all)})
	return err
}
