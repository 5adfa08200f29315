package lifecycle

import (
	"context"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/failpoint"
	"github.com/payperplay/payperplay/protocol/plant"
)

// orderTimeout bounds one call to an agent: it only takes the order, the work is told of by reports.
const orderTimeout = 15 * time.Second

// give sends one order to an agent, if it still is what Decide says; ok tells whether the agent took it.
func (l *Lifecycle) give(ctx context.Context, a Action) (ok bool, err error) {
	rt, err := l.agents.Runtime(a.Node)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	if a.Do == Start {
		return l.giveStart(ctx, rt, a)
	}
	s, still, err := l.still(ctx, a)
	if err != nil || !still {
		return false, err
	}
	op, reason := "", s.DesiredReason
	if s.Op != nil {
		op = s.Op.ID
		if s.Op.Kind == fleet.OpRestart && reason == "" {
			reason = "restart"
		}
	}
	if err := failpoint.Hit("lifecycle.order.before"); err != nil {
		return false, err
	}
	var seen protocol.Observed
	switch a.Do {
	case Stop:
		var r protocol.StopReply
		r, err = rt.Stop(ctx, protocol.StopRequest{Server: s.ID, Epoch: s.Epoch, Reason: reason, Op: op, Order: s.Order})
		seen = r.Observed
	case Kill:
		var r protocol.KillReply
		r, err = rt.Kill(ctx, protocol.KillRequest{Server: s.ID, Epoch: s.Epoch, Op: op, Order: s.Order})
		seen = r.Observed
	case Remove:
		_, err = rt.Remove(ctx, protocol.RemoveRequest{Server: s.ID, Epoch: s.Epoch, Volume: protocol.VolumeDelete, Op: op, Order: s.Order})
	case Nothing, Place, Book, Expire, GiveUp, Turn, Settle, Lapse, Vanish, Start:
	}
	if err != nil {
		return false, l.overtaken(ctx, rt, s.ID, s.Order, err)
	}
	if err := failpoint.Hit("lifecycle.order.after"); err != nil {
		return true, err
	}
	return true, l.took(ctx, s, seen)
}

// still reads the server again and numbers the order, if a is what has to be done.
func (l *Lifecycle) still(ctx context.Context, a Action) (s fleet.Server, ok bool, err error) {
	err = l.db.Update(ctx, func(tx store.Tx) error {
		ok = false
		var n *fleet.Node
		var b *fleet.Booking
		if s, n, b, err = read(tx, a.Server); err != nil || s.ID == "" || s.Node != a.Node {
			return err
		}
		if d, err := next(tx, s, n, b, time.Now()); err != nil || d != a.Do && !plant.On(plant.MissingRecheck) {
			return err
		}
		ok = true
		s.Order++
		return fleet.Servers.Put(tx, s)
	})
	return s, ok, err
}

// took takes an answer that says nothing runs, if no report came since: of a server the agent never had there will be none.
func (l *Lifecycle) took(ctx context.Context, s fleet.Server, seen protocol.Observed) error {
	if seen.State == "" || fleet.Active(seen) || seen.Epoch != s.Epoch && seen.Epoch != 0 {
		return nil
	}
	seen.Server, seen.Epoch = s.ID, s.Epoch
	err := l.update(ctx, func(tx store.Tx) error {
		cur, err := fleet.Servers.Get(tx, s.ID)
		if err != nil || cur.ObservedSeq != s.ObservedSeq && !plant.On(plant.MissingRecheck) {
			return err
		}
		return fleet.Observe(tx, l.events, cur.Node, seen, time.Now())
	})
	if fleet.Refused(err) {
		return nil
	}
	return err
}

// giveStart grants a start: what the grant says is written before it is sent.
func (l *Lifecycle) giveStart(ctx context.Context, rt protocol.Runtime, a Action) (ok bool, err error) {
	var req protocol.StartRequest
	op, now := fleet.NewID("op_"), time.Now().UTC()
	err = l.db.Update(ctx, func(tx store.Tx) error {
		ok = false
		s, n, b, err := read(tx, a.Server)
		if err != nil || s.ID == "" || s.Node != a.Node {
			return err
		}
		if d, err := next(tx, s, n, b, now); err != nil || d != Start && !plant.On(plant.MissingRecheck) {
			return err
		}
		if ok = true; s.Op != nil {
			op = s.Op.ID
		}
		s.Order++
		req = protocol.StartRequest{
			Spec: booked(s.Spec, b), Fresh: s.Fresh(), Op: op, Order: s.Order,
			Grant: protocol.Grant{Server: s.ID, Epoch: s.Epoch, Node: s.Node, Boot: n.Facts.Boot, Term: l.db.Term(), Issued: now},
		}
		s.Ordered, s.Boot, s.Baseline = true, n.Facts.Boot, fleet.MarkOf(s.Observed)
		s.Granted = s.Order
		if b != nil {
			b.Ordered = true
			if err := fleet.Bookings.Put(tx, *b); err != nil {
				return err
			}
		}
		return fleet.Servers.Put(tx, s)
	})
	if err != nil || !ok {
		return false, err
	}
	if err := failpoint.Hit("lifecycle.start.before"); err != nil {
		return false, err
	}
	if _, err = rt.Start(ctx, req); err != nil {
		if err = l.overtaken(ctx, rt, a.Server, req.Order, err); err != nil {
			err = l.refused(ctx, a, err)
		}
		return false, err
	}
	return true, failpoint.Hit("lifecycle.start.after")
}

// booked is the spec with the memory and CPU that are booked. They differ from what the row asks for when it was changed after an
// order to start of which no word came: that order may have been carried out, so it is repeated and not booked anew. What runs then
// is of an older revision, which is what people are told.
func booked(spec protocol.Spec, b *fleet.Booking) protocol.Spec {
	if b != nil && b.Runs && (b.MemoryBytes != spec.MemoryBytes || b.CPUMillis != spec.CPUMillis) {
		spec.MemoryBytes, spec.CPUMillis, spec.Revision = b.MemoryBytes, b.CPUMillis, spec.Revision-1
	}
	return spec
}

// refused notes why a start was not taken, for people to see, and gives up where asking again cannot help.
func (l *Lifecycle) refused(ctx context.Context, a Action, cause error) error {
	why, now := fault.ToProtocol(cause), time.Now().UTC()
	final := false
	switch why.Code {
	case protocol.Invalid, protocol.NotFound, protocol.Forbidden, protocol.Exhausted, protocol.Precondition:
		final = true
	case protocol.Conflict, protocol.Unauthorized, protocol.Unavailable, protocol.Timeout, protocol.ReadOnly, protocol.Stale, protocol.Internal:
	}
	err := l.update(context.WithoutCancel(ctx), func(tx store.Tx) error {
		s, n, b, err := read(tx, a.Server)
		if err != nil || s.ID == "" || s.Node != a.Node {
			return err
		}
		if d, err := next(tx, s, n, b, now); err != nil || d != Start {
			return err
		}
		if final {
			return l.quit(tx, s, "server.gave_up", why, now)
		}
		if s.Problem != nil && *s.Problem == *why {
			return nil
		}
		s.Problem = why
		return fleet.Servers.Put(tx, s)
	})
	if err != nil {
		return err
	}
	return cause
}
