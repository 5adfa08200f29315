package lifecycle

import (
	"context"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// carry carries out an action that needs rows only, if it still is what Decide says.
func (l *Lifecycle) carry(ctx context.Context, a Action) error {
	now := time.Now().UTC()
	return l.update(ctx, func(tx store.Tx) error {
		s, n, b, err := read(tx, a.Server)
		if err != nil || s.ID == "" {
			return err
		}
		if d, err := next(tx, s, n, b, now); err != nil || d != a.Do {
			return err
		}
		switch a.Do {
		case Book:
			_, err = l.bookOwn(tx, s, now)
		case Expire:
			err = l.quit(tx, s, "server.reservation_expired", protocol.Faultf(protocol.Timeout, "see whether its node can fetch the image, then start it again",
				"it did not become a running container within %s: its reservation was released", fleet.ReservationTTL), now)
		case GiveUp:
			err = l.quit(tx, s, "server.gave_up", fleet.Failure(s.Observed), now)
		case Turn:
			s.Op.Halfway = true
			s.Baseline = fleet.MarkOf(s.Observed)
			err = fleet.Servers.Put(tx, s)
		case Settle, Lapse:
			err = l.settle(tx, s, a.Do, now)
		case Vanish:
			err = fleet.Gone(tx, l.events, s, now)
		case Nothing, Place, Start, Stop, Kill, Remove:
		}
		return err
	})
}

// quit stops wanting a server to run, says why, and frees what it held for that, once.
func (l *Lifecycle) quit(tx store.Tx, s fleet.Server, what string, why *protocol.Fault, now time.Time) error {
	want(&s, fleet.Stopped, nil, self, why.Message, now)
	s.Problem = why
	if _, err := fleet.Release(tx, s.ID); err != nil {
		return err
	}
	if err := l.tell(tx, s, what, self, map[string]any{"problem": why}); err != nil {
		return err
	}
	return fleet.Servers.Put(tx, s)
}

// settle ends the operation under way, because it is done or because its lease has run out.
func (l *Lifecycle) settle(tx store.Tx, s fleet.Server, d Do, _ time.Time) error {
	if d == Lapse {
		if err := l.tell(tx, s, "server.op_expired", self, map[string]any{"op": s.Op.Kind, "by": s.Op.Owner}); err != nil {
			return err
		}
	} else {
		s.Waiting = nil
	}
	s.Op = nil
	if s.AtRest() && s.Wanted() != fleet.Running {
		if _, err := fleet.Release(tx, s.ID); err != nil {
			return err
		}
	}
	return fleet.Servers.Put(tx, s)
}

// read takes one server with its node and booking. A server that is gone has the id "".
func read(tx store.Tx, id string) (s fleet.Server, n *fleet.Node, b *fleet.Booking, err error) {
	if s, err = fleet.Servers.Get(tx, id); err != nil {
		if fault.KindOf(err) == fault.NotFound {
			err = nil
		}
		return fleet.Server{}, nil, nil, err
	}
	if n, err = nodeOf(tx, s); err != nil {
		return s, nil, nil, err
	}
	row, err := fleet.Bookings.Get(tx, id)
	switch {
	case err == nil:
		b = &row
	case fault.KindOf(err) == fault.NotFound:
		err = nil
	}
	return s, n, b, err
}
