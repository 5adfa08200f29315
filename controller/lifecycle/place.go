package lifecycle

import (
	"context"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/placement"
	"github.com/payperplay/payperplay/controller/store"
)

// races is how often a choice that was overtaken is made anew before the loop is left to do it.
const races = 5

// placeNow places a server at once, for the verbs: whoever starts a server learns where it runs or what it waits for.
func (l *Lifecycle) placeNow(ctx context.Context, s fleet.Server) (fleet.Server, error) {
	for range races {
		view, err := l.room(ctx)
		if err != nil {
			return s, err
		}
		out, err := l.place(ctx, view, s)
		if fault.KindOf(err) != fault.Exhausted {
			return out, err
		}
	}
	return s, nil
}

// room reads what nodes have and what is booked. It is read outside the transaction that books: at 1,000 nodes it takes longer
// than other writers should wait.
func (l *Lifecycle) room(ctx context.Context) (*placement.View, error) {
	var snap fleet.Snapshot
	err := l.db.View(ctx, func(tx store.Tx) (err error) {
		snap, err = fleet.ReadRoom(tx, time.Now())
		return err
	})
	return placement.New(snap), err
}

// place chooses a node for s and books it, or notes that none has room. fleet.Assign checks again: kind exhausted means that the
// choice was overtaken.
func (l *Lifecycle) place(ctx context.Context, view *placement.View, s fleet.Server) (fleet.Server, error) {
	node, why := view.Choose(placement.Need{Resources: s.Need(), Pin: s.Pin, RequireSafe: l.safe}, l.strategy)
	out, now := s, time.Now().UTC()
	if node == "" && noted(s, why.Explain(), now) {
		return s, nil
	}
	err := l.update(ctx, func(tx store.Tx) error {
		cur, err := fleet.Servers.Get(tx, s.ID)
		if err != nil {
			return err
		}
		out = cur
		if Decide(cur, nil, nil, now) != Place {
			return nil
		}
		if node == "" {
			out, err = l.wait(tx, cur, why.Explain(), now)
			return err
		}
		if out, err = fleet.Assign(tx, cur.ID, node, now); err != nil {
			return err
		}
		return l.tell(tx, out, "server.assigned", self, map[string]any{"epoch": out.Epoch, "why": why.Explain()})
	})
	if err == nil && out.Node == node && node != "" {
		view.Book(node, s.Need())
	}
	return out, err
}
