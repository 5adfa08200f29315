package lifecycle

import (
	"context"
	"sync"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/placement"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol/plant"
)

// races is how often a choice that was overtaken is made anew before the loop is left to do it.
const races = 5

// room is the fleet as the last choices saw it. At 1,000 nodes reading it takes longer than deciding by far, so it is kept for ten
// times as long as it took; fleet.Assign refuses what does not fit any more.
type room struct {
	mu   sync.Mutex
	view *placement.View // nil: read it
	read time.Time
	till time.Time
}

// choose picks a node and takes its room in the view, so that many choices at once do not all fall on one node. That there is no
// room anywhere is only said on a view that was read after since.
func (l *Lifecycle) choose(ctx context.Context, need placement.Need, since time.Time) (node string, why placement.Decision, err error) {
	r := &l.room
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		now := time.Now()
		if r.view == nil || now.After(r.till) {
			var snap fleet.Snapshot
			if err := l.db.View(ctx, func(tx store.Tx) (err error) {
				snap, err = fleet.ReadRoom(tx, now)
				return err
			}); err != nil {
				return "", why, err
			}
			r.view, r.read, r.till = placement.New(snap), now, now.Add(10*time.Since(now))
		}
		if node, why = r.view.Choose(need, l.strategy); node != "" {
			r.view.Book(node, need.Resources)
			return node, why, nil
		}
		if !r.read.Before(since) {
			return "", why, nil
		}
		r.view = nil
	}
}

// forget has the next choice read the fleet anew.
func (l *Lifecycle) forget() {
	l.room.mu.Lock()
	defer l.room.mu.Unlock()
	l.room.view = nil
}

// placeNow places a server at once, for the verbs: whoever starts a server learns where it runs or what it waits for.
func (l *Lifecycle) placeNow(ctx context.Context, s fleet.Server) (fleet.Server, error) {
	for range races {
		out, err := l.place(ctx, s, time.Now())
		if fault.KindOf(err) != fault.Exhausted {
			return out, err
		}
	}
	return s, nil
}

// place chooses a node for s and books it, or notes that none has room. fleet.Assign checks again: kind exhausted means that the
// choice was overtaken.
func (l *Lifecycle) place(ctx context.Context, s fleet.Server, since time.Time) (fleet.Server, error) {
	node, why, err := l.choose(ctx, placement.Need{Resources: s.Need(), Pin: s.Pin, RequireSafe: l.safe}, since)
	now := time.Now().UTC()
	if err != nil || node == "" && noted(s, why.Explain(), now) {
		return s, err
	}
	out := s
	err = l.update(ctx, func(tx store.Tx) error {
		cur, err := fleet.Servers.Get(tx, s.ID)
		if fault.KindOf(err) == fault.NotFound {
			return fault.Wrap(err, fault.NotFound, "server "+s.Name+" was deleted meanwhile", "create it again; the name is free")
		}
		if err != nil {
			return err
		}
		out = cur
		if d, err := next(tx, cur, nil, nil, now); err != nil || d != Place && !plant.On(plant.MissingRecheck) {
			return err
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
	if node != "" && (err != nil || out.Node != node) {
		l.forget()
	}
	return out, err
}
