package lifecycle

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol/plant"
)

// Orders under way at one node at a time. Starts have their own share, so that they never keep a stop waiting.
const (
	startsPerNode = 4
	haltsPerNode  = 16
)

// sweep is one run of the loop: read, decide, act. What fails for one server is logged and tried again later.
func (l *Lifecycle) sweep(ctx context.Context) error {
	var snap fleet.Snapshot
	now := time.Now()
	err := l.db.View(ctx, func(tx store.Tx) (err error) {
		snap, err = fleet.ReadUnsettled(tx, now)
		if plant.On(plant.BlindController) {
			snap, err = fleet.Read(tx, now)
		}
		return err
	})
	if err != nil {
		return err
	}
	actions := Plan(snap, l.remembered(snap), now)
	l.m.seen(snap)
	defer l.pace(ctx, now)
	if snap.Recovery.Open || snap.Recovery.Undecided > 0 {
		if err := l.tend(ctx, snap.Recovery, now); err != nil && ctx.Err() == nil {
			l.log.ErrorContext(ctx, "the recovery mode was not looked after", "error", err)
		}
	}
	for _, a := range actions {
		if ctx.Err() != nil {
			return nil
		}
		switch {
		case a.Do.order():
			l.dispatch(ctx, a, snap)
			continue
		case a.Do == Place:
			_, err = l.place(ctx, snap.Servers[a.Server], now)
			if fault.KindOf(err) == fault.Exhausted {
				err = nil // overtaken by a verb: look again
				l.Kick()
			}
		case a.Do == Book && l.stillFull(ctx, snap.Servers[a.Server]):
			continue
		default:
			err = l.carry(ctx, a)
		}
		l.m.acted(a.Do, err)
		if err != nil && ctx.Err() == nil {
			l.log.ErrorContext(ctx, "action failed", "do", a.Do, "server", a.Server, "error", err)
		}
	}
	return nil
}

// pace holds the loop back while it is kicked all the time, so that it works at most half of the time. It never waits longer than a quarter of a second.
func (l *Lifecycle) pace(ctx context.Context, began time.Time) {
	timer := time.NewTimer(min(time.Since(began), time.Second/4))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// stillFull tells whether a server that waits for room on its own node still has none, without writing anything.
func (l *Lifecycle) stillFull(ctx context.Context, s fleet.Server) bool {
	if s.Waiting == nil {
		return false
	}
	var short error
	err := l.db.View(ctx, func(tx store.Tx) error {
		short = fleet.CanBook(tx, s, time.Now())
		return nil
	})
	return err == nil && short != nil && noted(s, fault.Message(short), time.Now())
}

// remembered gives the orders sent for the servers of a snapshot, and forgets those for all others: they are settled.
func (l *Lifecycle) remembered(snap fleet.Snapshot) map[string]Sent {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[string]Sent, len(l.sent))
	for id, s := range l.sent {
		if _, ok := snap.Servers[id]; ok {
			out[id] = s
		} else {
			delete(l.sent, id)
		}
	}
	return out
}

// dispatch sends an order in the background, unless the same is under way or the node has enough to do; then a later run does it.
func (l *Lifecycle) dispatch(ctx context.Context, a Action, snap fleet.Snapshot) {
	s, n := snap.Servers[a.Server], snap.Node(snap.Servers[a.Server])
	mine, share, most := a.Server+"/"+string(a.Do), a.Node+"/halt", haltsPerNode
	if a.Do == Start {
		share, most = a.Node+"/start", startsPerNode
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flight[mine] > 0 || l.flight[share] >= most {
		return
	}
	l.flight[mine]++
	l.flight[share]++
	last := l.sent[a.Server]
	next := Sent{Do: a.Do, At: time.Now(), Tries: 1, Seen: s.ObservedSeq, Wanted: s.DesiredAt, Boot: n.Facts.Boot}
	if last.Do == a.Do && last.Wanted.Equal(next.Wanted) && last.Boot == next.Boot && next.At.Sub(last.At) < 10*maxRetry {
		next.Tries += last.Tries
	}
	l.sent[a.Server] = next
	l.wg.Go(func() {
		ok, err := l.guarded(ctx, a)
		l.m.acted(a.Do, err)
		switch {
		case err == nil || ctx.Err() != nil:
		case fault.KindOf(err) == fault.Unavailable:
			l.log.DebugContext(ctx, "node is away, the order waits", "do", a.Do, "server", a.Server, "node", a.Node)
		default:
			l.log.WarnContext(ctx, "order was not taken", "do", a.Do, "server", a.Server, "node", a.Node, "error", err)
		}
		l.done(a, mine, share, ok)
	})
}

// done frees what dispatch took and has the loop look again: a place is free, and what was decided while the order was under way may be due.
func (l *Lifecycle) done(a Action, mine, share string, ok bool) {
	l.mu.Lock()
	for _, k := range []string{mine, share} {
		if l.flight[k]--; l.flight[k] == 0 {
			delete(l.flight, k)
		}
	}
	if s := l.sent[a.Server]; s.Do == a.Do && ok {
		s.Accepted = true
		l.sent[a.Server] = s
	}
	l.mu.Unlock()
	l.Kick()
}

// guarded is give without panics.
func (l *Lifecycle) guarded(ctx context.Context, a Action) (ok bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			ok, err = false, fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return l.give(ctx, a)
}
