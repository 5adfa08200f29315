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

// Uncordon lets servers in again.
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
			return fault.New(fault.Conflict, "node "+n.Name+" was revoked", "choose another node")
		}
		if id = n.ID; n.Cordoned == cordoned {
			return errAsItWas
		}
		n.Cordoned, n.UpdatedAt, n.UpdatedBy = cordoned, time.Now().UTC(), actor
		if !n.Locked {
			n.Reason = reason
		}
		if err := fleet.Nodes.Put(tx, n); err != nil {
			return err
		}
		_, err = p.opts.Events.Append(tx, event.Event{Type: kind, Node: n.ID, Actor: actor, Data: event.JSON(map[string]any{"name": n.Name})})
		return err
	})
	if errors.Is(err, errAsItWas) {
		return nil
	}
	if err == nil {
		p.opts.OnChange(id)
	}
	return err
}
