package lifecycle

import (
	"context"
	"time"

	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol/plant"
)

// Stop ends a server as its template says: players told, world saved. It wins over a start that is under way.
// reason is told to the players and may be empty. Kinds: not_found, conflict (it is being deleted).
func (l *Lifecycle) Stop(ctx context.Context, actor, name, reason string) (fleet.Server, error) {
	return l.halt(ctx, actor, name, reason, fleet.OpStop)
}

// halt is stop and kill.
func (l *Lifecycle) halt(ctx context.Context, actor, name, reason string, kind fleet.OpKind) (fleet.Server, error) {
	var out fleet.Server
	op, now := fleet.NewID("op_"), time.Now().UTC()
	err := l.update(ctx, func(tx store.Tx) error {
		s, err := fleet.FindServer(tx, name)
		if err != nil {
			return err
		}
		out = s
		if err := l.mayHalt(tx, s, actor, kind, now); err != nil {
			return err
		}
		v, err := admit(s, kind, now)
		if err != nil || v == join {
			return err
		}
		if s.AtRest() && s.Desired == fleet.Stopped && s.Op == nil {
			return nil
		}
		if s.Desired == fleet.Deleted { // a kill hastens it
			s.Kill, s.UpdatedAt, s.UpdatedBy = true, now, actor
		} else {
			var hold *fleet.Op
			if !s.AtRest() {
				hold = &fleet.Op{ID: op, Kind: kind}
			}
			want(&s, fleet.Stopped, hold, actor, reason, now)
			s.Kill = kind == fleet.OpKill
		}
		if s.AtRest() || plant.On(plant.ReleaseOnUnknown) {
			if _, err := fleet.Release(tx, s.ID); err != nil {
				return err
			}
		}
		if err := l.tell(tx, s, "server."+string(kind)+"_requested", actor, nil); err != nil {
			return err
		}
		out = s
		return fleet.Servers.Put(tx, s)
	})
	return out, err
}
