package lifecycle

import (
	"context"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
)

// Start makes a server run. It returns when that is written and, where there is room, booked: Server.Waiting says otherwise.
// Kinds: not_found, conflict (a stop or another operation is under way, or the recovery mode), forbidden (it is held).
func (l *Lifecycle) Start(ctx context.Context, actor, name string) (fleet.Server, error) {
	return l.run(ctx, actor, name, fleet.OpStart)
}

// run is start, and restart of a server of which nothing runs.
func (l *Lifecycle) run(ctx context.Context, actor, name string, kind fleet.OpKind) (fleet.Server, error) {
	var out fleet.Server
	op, now := fleet.NewID("op_"), time.Now().UTC()
	err := l.update(ctx, func(tx store.Tx) error {
		s, err := fleet.FindServer(tx, name)
		if err != nil {
			return err
		}
		if out, err = l.wantRunning(tx, s, actor, op, kind, now); err != nil {
			return err
		}
		return nil
	})
	if err != nil || out.Node != "" || out.Desired != fleet.Running {
		return out, err
	}
	return l.placeNow(ctx, out)
}

// wantRunning is the transaction of start and restart. Room on the server's own node is booked at once; a server without one is placed after it.
func (l *Lifecycle) wantRunning(tx store.Tx, s fleet.Server, actor, op string, kind fleet.OpKind, now time.Time) (fleet.Server, error) {
	if err := refuse(tx, s, "started"); err != nil {
		return s, err
	}
	v, err := admit(s, kind, now)
	if err != nil || v == join {
		return s, err
	}
	if s.Hold != nil {
		return s, fault.New(fault.Forbidden, "server "+s.Name+" is held: "+s.Hold.Reason, "settle that first")
	}
	if kind == fleet.OpRestart && s.AtRest() {
		kind = fleet.OpStart
	}
	if kind == fleet.OpStart && s.Desired == fleet.Running && !s.AtRest() {
		return s, nil // it runs, or its node is about to make it so
	}
	want(&s, fleet.Running, &fleet.Op{ID: op, Kind: kind}, actor, "", now)
	if err := l.tell(tx, s, "server."+string(kind)+"_requested", actor, nil); err != nil {
		return s, err
	}
	if err := fleet.Servers.Put(tx, s); err != nil {
		return s, err
	}
	if s.Node == "" || !s.AtRest() {
		return s, nil
	}
	return l.bookOwn(tx, s, now)
}

// bookOwn books on the node the server is on. Where that is full, a server without a volume leaves it, and one with a volume waits:
// moving a world is not for this room to decide.
func (l *Lifecycle) bookOwn(tx store.Tx, s fleet.Server, now time.Time) (fleet.Server, error) {
	err := fleet.Book(tx, s.ID, now)
	switch {
	case err == nil:
		if s.Waiting == nil {
			return s, nil
		}
		s.Waiting = nil
		return s, fleet.Servers.Put(tx, s)
	case fault.KindOf(err) != fault.Exhausted && fault.KindOf(err) != fault.Forbidden:
		return s, err
	case !s.Ordered:
		return fleet.Assign(tx, s.ID, "", now)
	}
	return l.wait(tx, s, fault.Message(err), now)
}

// wait notes that a server has no room; that is told once.
func (l *Lifecycle) wait(tx store.Tx, s fleet.Server, reason string, now time.Time) (fleet.Server, error) {
	w := &fleet.Waiting{Need: s.Need(), Reason: reason, Since: now, Noted: now}
	if s.Waiting != nil {
		if noted(s, reason, now) {
			return s, nil
		}
		w.Since = s.Waiting.Since
	} else if err := l.tell(tx, s, "server.waiting", self, map[string]any{"need": w.Need, "reason": reason}); err != nil {
		return s, err
	}
	s.Waiting, s.Op = w, nil
	return s, fleet.Servers.Put(tx, s)
}

// renoted is how often the reason why a server waits is written anew: with hundreds that wait, everything that happens changes all reasons.
const renoted = 30 * time.Second

// noted tells whether the row of a server that waits says why well enough.
func noted(s fleet.Server, reason string, now time.Time) bool {
	return s.Waiting != nil && s.Waiting.Need == s.Need() && (s.Waiting.Reason == reason || now.Sub(s.Waiting.Noted) < renoted)
}
