package lifecycle

import (
	"context"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// overtaken looks at why an agent refused an order. nil: there is nothing to tell anybody. Either the controller itself has given a newer
// one since, which counts; or the agent knows higher numbers than the store, which is an old one then: the next order goes above them.
// Any other refusal is given back.
func (l *Lifecycle) overtaken(ctx context.Context, rt protocol.Runtime, server string, order int64, refusal error) error {
	if fault.KindOf(refusal) != fault.Stale {
		return refusal
	}
	newer := false
	err := l.db.View(ctx, func(tx store.Tx) error {
		s, err := fleet.Servers.Get(tx, server)
		newer = fault.KindOf(err) == fault.NotFound || err == nil && s.Order > order
		if newer {
			return nil
		}
		return err
	})
	switch {
	case err != nil:
		return refusal
	case newer:
		l.log.DebugContext(ctx, "an order was late: a newer one counts", "server", server, "order", order)
		return nil
	}
	inv, err := rt.Inventory(ctx, protocol.InventoryRequest{Details: []string{server}})
	known := inv.Orders[server]
	if err != nil || known <= order || known > order+fleet.MaxLeap {
		return refusal
	}
	l.log.InfoContext(ctx, "a node knows newer orders than the store, which was restored from a backup: the next order is above them", "server", server, "order", order, "known", known)
	return l.update(context.WithoutCancel(ctx), func(tx store.Tx) error {
		s, err := fleet.Servers.Get(tx, server)
		if err != nil || s.Order >= known {
			return err
		}
		s.Order = known
		return fleet.Servers.Put(tx, s)
	})
}
