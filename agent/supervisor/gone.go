package supervisor

import (
	"context"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

// clear takes container, bridge, history and volume off the node, each step idempotent, and forgets the server last.
func (r *runner) clear(ctx context.Context, v view) error {
	containers, err := r.s.o.Engine.List(ctx, r.id)
	if err != nil {
		return err
	}
	for _, c := range containers {
		if err := r.s.o.Engine.Remove(ctx, c.ID); err != nil {
			return err
		}
	}
	if err := r.s.o.Engine.RemoveNetwork(ctx, r.id); err != nil {
		return err
	}
	r.leave(ctx)
	r.s.o.Commands.SetRCON(r.id, "", "")
	fact := protocol.RemovedFact{Server: r.id, Epoch: v.Row.Grant.Epoch}
	if v.Row.Volume == protocol.VolumeQuarantine {
		name, err := r.s.o.Volumes.Quarantine(r.id, v.Row.Grant.Epoch, time.Now())
		if err != nil {
			return err
		}
		r.log.Warn("volume set aside", "to", name)
		fact.Quarantined = true
	} else if err := r.s.o.Volumes.Remove(r.id); err != nil {
		return err
	}
	if err := r.s.o.Console.Remove(r.id); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.s.o.Journal.Drop(ctx, r.id, protocol.Fact{Removed: &fact}); err != nil {
		return err
	}
	r.done = true
	r.log.Info("server left the node", "quarantined", fact.Quarantined)
	return nil
}
