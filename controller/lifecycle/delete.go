package lifecycle

import (
	"context"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
)

// Delete removes a server and its world for good. One that no node holds is gone when it returns; otherwise its node stops it and
// removes it, now or when it comes back: until then the row stays, found by id only, and the name is free. Kinds: not_found.
func (l *Lifecycle) Delete(ctx context.Context, actor, name string) (fleet.Server, error) {
	var out fleet.Server
	op, now := fleet.NewID("op_"), time.Now().UTC()
	err := l.update(ctx, func(tx store.Tx) error {
		s, err := fleet.FindServer(tx, name)
		if err != nil {
			return err
		}
		out = s
		if err := refuse(tx, s, "deleted"); err != nil {
			return err
		}
		v, err := admit(s, fleet.OpDelete, now)
		if err != nil || v == join {
			return err
		}
		want(&s, fleet.Deleted, &fleet.Op{ID: op, Kind: fleet.OpDelete}, actor, "", now)
		out = s
		if err := l.tell(tx, s, "server.delete_requested", actor, nil); err != nil {
			return err
		}
		if s.AtRest() {
			if _, err := fleet.Release(tx, s.ID); err != nil {
				return err
			}
		}
		if err := fleet.Servers.Put(tx, s); err != nil {
			return err
		}
		n, err := nodeOf(tx, s)
		if err != nil || held(s, n) {
			return err
		}
		return fleet.Gone(tx, l.events, s, now)
	})
	return out, err
}

// held tells whether some node may have files of s that it can still remove.
func held(s fleet.Server, n *fleet.Node) bool { return s.Ordered && n != nil && !n.Revoked }

// nodeOf reads the server's node, nil if it has none.
func nodeOf(tx store.Tx, s fleet.Server) (*fleet.Node, error) {
	if s.Node == "" {
		return nil, nil
	}
	n, err := fleet.Nodes.Get(tx, s.Node)
	if fault.KindOf(err) == fault.NotFound {
		return nil, nil
	}
	return &n, err
}
