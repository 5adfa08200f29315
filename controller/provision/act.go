package provision

import (
	"context"
	"errors"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/tunnel"
	"github.com/payperplay/payperplay/protocol"
)

// carry writes one step that needs rows only.
func (p *Provision) carry(ctx context.Context, id string, l Look, do Do) error {
	var again Machine // the row of a retry; its id is made outside of the transaction
	p.born(&again, time.Now().UTC())
	var after Machine
	did := false
	err := p.change(ctx, id, l, do, func(tx store.Tx, m *Machine, f Facts, s Step, now time.Time) error {
		did = true
		defer func() { after = *m }()
		switch do {
		case Adopt:
			return p.adopt(tx, m, l, now)
		case Abandon:
			return p.abandon(tx, m, s, now)
		case Join:
			return p.join(tx, m, f, now)
		case Expire:
			return p.expire(tx, m, l, again, now)
		case Serve:
			return p.serve(tx, m, f, now)
		case Count:
			m.EmptyAt = now
			if f.Occupied {
				m.EmptyAt = time.Time{}
			}
			return nil
		case Drained:
			m.Why = "it was drained"
			return p.condemn(tx, m, self, now)
		case TakeBack:
			return p.takeBack(tx, m, f, now)
		case Blame:
			m.Problem = s.Problem
			return p.say(tx, *m, "scaling.machine_problem", self, map[string]any{"problem": s.Problem})
		case Nothing, Send, Lose, End, Bury:
		}
		return errors.New("not a step of rows alone")
	})
	if err != nil || !did || after.ID == "" {
		return err
	}
	p.tell(after, do)
	return nil
}

// tell is what follows a step that was committed.
func (p *Provision) tell(m Machine, do Do) {
	switch do {
	case Adopt:
		if m.Doubt {
			p.m.orders.WithLabelValues("adopted").Inc()
		} else {
			p.m.orders.WithLabelValues("created").Inc()
		}
	case Abandon:
		p.m.orders.WithLabelValues("failed").Inc()
	case Expire:
		p.m.orders.WithLabelValues("never_joined").Inc()
	case Serve:
		p.m.served(m)
	case Count, Blame:
		return
	case Nothing, Send, Lose, Join, Drained, TakeBack, End, Bury:
	}
	if m.Node != "" {
		p.opts.OnChange(m.Node)
	}
	p.Kick()
}

// adopt writes down which machine the provider has made for the row, and lets that one machine use its token.
func (p *Provision) adopt(tx store.Tx, m *Machine, l Look, now time.Time) error {
	c := l.Found
	m.CloudID, m.IPv4, m.Private, m.Created = c.ID, c.IPv4, c.Private, c.Created.UTC()
	if c.Created.IsZero() {
		m.Created = now
	}
	if m.Why == "" && address(*c) == "" {
		m.Why = "the provider has given it no address"
	}
	if m.Why != "" { // or it was released before anybody knew that it is there
		if err := tunnel.DropToken(tx, m.ID); err != nil {
			return err
		}
		m.enter(Deleting, now)
		return p.say(tx, *m, "scaling.machine_created", self, map[string]any{"cloud_id": c.ID, "why": m.Why})
	}
	m.Stopped, m.Problem = false, nil
	m.JoinBy = now.Add(p.opts.JoinDeadline)
	err := tunnel.BindToken(tx, m.ID, c.ID, address(*c), m.JoinBy.Add(tokenSpare))
	if fault.KindOf(err) == fault.NotFound { // the store was restored: nobody can join with what the machine has
		m.Why = "its join token is not known any more"
		m.enter(Deleting, now)
	} else if err != nil {
		return err
	} else {
		m.enter(Booting, now)
	}
	return p.say(tx, *m, "scaling.machine_created", self, map[string]any{"cloud_id": c.ID, "address": address(*c), "seconds": now.Sub(m.OrderedAt).Seconds()})
}

// abandon ends a row that the provider has nothing for.
func (p *Provision) abandon(tx store.Tx, m *Machine, s Step, now time.Time) error {
	told := m.Stopped
	m.Problem, m.DeletedAt = s.Problem, now
	if m.Why == "" {
		m.Why = "the order was not filled"
	}
	m.enter(Gone, now)
	if err := tunnel.DropToken(tx, m.ID); err != nil {
		return err
	}
	if told {
		return p.say(tx, *m, "scaling.machine_gone", self, map[string]any{"why": m.Why})
	}
	return p.say(tx, *m, "scaling.order_failed", self, map[string]any{"problem": s.Problem, "refused": m.Refused})
}

func (p *Provision) join(tx store.Tx, m *Machine, f Facts, now time.Time) error {
	m.Node, m.JoinedAt, m.Problem = f.Joined, f.Node.JoinedAt, nil
	if m.JoinedAt.IsZero() {
		m.JoinedAt = now
	}
	m.enter(Proving, now)
	return p.say(tx, *m, "scaling.machine_joined", self, map[string]any{"seconds": m.JoinedAt.Sub(m.OrderedAt).Seconds()})
}

// expire gives a machine up whose agent has not joined. The first time another one is ordered, elsewhere if there is a choice; the second
// time it stays at that, since what is wrong is not the machine.
func (p *Provision) expire(tx store.Tx, m *Machine, l Look, again Machine, now time.Time) error {
	m.NeverJoined, m.Why = true, "its agent did not join by "+m.JoinBy.Format(time.TimeOnly)+" UTC"
	m.Problem = &protocol.Fault{Code: protocol.Timeout, Message: m.Why + ": " + hint(l),
		Next: "see that agents reach the controller at the address it advertises (--advertise), and the image's cloud-init"}
	if err := tunnel.DropToken(tx, m.ID); err != nil {
		return err
	}
	m.enter(Deleting, now)
	data := map[string]any{"problem": m.Problem, "retry": "", "no_retry": "it was the second attempt"}
	if m.Retry == "" {
		offers := m.Others
		if len(offers) == 0 {
			offers = []Candidate{m.offer()}
		}
		again.Role, again.Spare, again.For, again.By, again.Retry, again.Others = m.Role, m.Spare, m.For, m.By, m.ID, offers[1:]
		again.take(offers[0])
		err := p.insert(tx, again, self, now)
		switch {
		case err == nil:
			data["retry"], data["no_retry"] = again.ID, ""
		case fault.KindOf(err) == fault.Exhausted:
			data["no_retry"] = fault.Message(err)
		default:
			return err
		}
	}
	return p.say(tx, *m, "scaling.machine_never_joined", self, data)
}

// serve lets servers come.
func (p *Provision) serve(tx store.Tx, m *Machine, f Facts, now time.Time) error {
	n := *f.Node
	n.Proving, n.UpdatedAt, n.UpdatedBy = false, now, self
	if err := fleet.Nodes.Put(tx, n); err != nil {
		return err
	}
	m.ServingAt, m.Problem = now, nil
	if !f.Occupied {
		m.EmptyAt = now
	}
	m.enter(Serving, now)
	return p.say(tx, *m, "scaling.machine_serving", self, map[string]any{"seconds": now.Sub(m.OrderedAt).Seconds()})
}

// goingReason is why the node of a machine that is being deleted is cordoned.
const goingReason = "its machine is being deleted"

// condemn decides on the deletion: no server comes to the node any more. The caller has seen that none is there.
func (p *Provision) condemn(tx store.Tx, m *Machine, actor string, now time.Time) error {
	m.enter(Deleting, now)
	if err := closeNode(tx, m.Node, actor, goingReason, now); err != nil {
		return err
	}
	if err := tunnel.DropToken(tx, m.ID); err != nil {
		return err
	}
	return p.say(tx, *m, "scaling.machine_released", actor, map[string]any{"why": m.Why})
}

// closeNode keeps servers away from a node; "" and one that is revoked or not known are no error.
func closeNode(tx store.Tx, node, actor, reason string, now time.Time) error {
	n, err := fleet.Nodes.Get(tx, node)
	if errors.Is(err, store.ErrNotFound) || err == nil && n.Revoked {
		return nil
	}
	if err != nil {
		return err
	}
	n.Cordoned, n.UpdatedAt, n.UpdatedBy = true, now, actor
	if !n.Locked {
		n.Reason = reason
	}
	return fleet.Nodes.Put(tx, n)
}

// takeBack keeps a machine that a server was placed on after its deletion was decided and before it was sent.
func (p *Provision) takeBack(tx store.Tx, m *Machine, f Facts, now time.Time) error {
	draining, err := drains.Get(tx, m.Node)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	m.Why, m.EmptyAt = "", time.Time{}
	n := *f.Node
	n.UpdatedAt, n.UpdatedBy = now, self
	if draining.Node != "" {
		m.enter(Draining, now)
		n.Reason = draining.reason()
	} else {
		m.enter(home(n), now)
		n.Cordoned, n.Reason = false, ""
	}
	if err := fleet.Nodes.Put(tx, n); err != nil {
		return err
	}
	return p.say(tx, *m, "scaling.machine_kept", self, map[string]any{"why": "a server was placed on it before it was deleted"})
}

// home is the phase of a machine that has joined and is wanted.
func home(n fleet.Node) Phase {
	if n.Proving {
		return Proving
	}
	return Serving
}
