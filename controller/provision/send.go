package provision

import (
	"context"
	"errors"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/tunnel"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/failpoint"
	"github.com/payperplay/payperplay/protocol/plant"
)

// tokenFor is how long a join token waits for its machine's order to be answered; bound, it lives until the join deadline and tokenSpare more.
const (
	tokenFor   = 24 * time.Hour
	tokenSpare = 12 * time.Minute // for a controller that was away: the agent tries again
)

// send orders the machine, or orders it again under the same name when the first order has certainly not arrived.
func (p *Provision) send(ctx context.Context, m Machine) error {
	order, err := p.prepare(ctx, m)
	if err != nil {
		return p.unprepared(ctx, m, err)
	}
	at := time.Now().UTC()
	err = p.change(ctx, m.ID, p.lookAgain(m), Send, func(_ store.Tx, row *Machine, _ Facts, _ Step, _ time.Time) error {
		row.Doubt = row.Doubt || !row.SentAt.IsZero()
		row.SentAt = at
		m = *row
		return nil
	})
	if err != nil || !m.SentAt.Equal(at) {
		return err
	}
	p.missing(m.ID, false) // what was missing before this order says nothing about it
	got, err := p.create(ctx, order)
	if err != nil {
		return p.settle(ctx, m, err)
	}
	p.hold(m.ID, nil)
	return p.carry(ctx, m.ID, Look{Asked: true, Found: &got}, Adopt)
}

// lookAgain is what Decide has to be shown in the transaction: send was decided on, so the reads of before still hold.
func (p *Provision) lookAgain(m Machine) Look {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Look{Asked: !m.SentAt.IsZero(), Missing: p.paceOf(m.ID).missing}
}

// prepare makes the order: token, user-data, fixtures. It is the same each time, but for what the operator has changed.
func (p *Provision) prepare(ctx context.Context, m Machine) (cloud.Order, error) {
	role := fleet.RoleWorker
	if m.Role == cloud.RoleEdge {
		role = fleet.RoleEdge
	}
	token, err := p.opts.Tokens.MachineToken(ctx, m.By, m.ID, tunnel.TokenRequest{Name: m.Name, TTL: tokenFor, Roles: []string{role}, Class: fleet.Cloud})
	if err != nil {
		return cloud.Order{}, err
	}
	data, err := p.opts.UserData(m, token)
	if err == nil && len(data) > cloud.UserDataMax {
		err = fault.New(fault.Invalid, "the machine's user-data is too long", "shorten what is added to it")
	}
	if err != nil {
		return cloud.Order{}, &cloud.Error{Kind: cloud.Invalid, Message: "its user-data could not be made: " + fault.Message(err), Next: fault.Next(err), Cause: err}
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	fix, err := p.opts.Fixtures(ctx)
	if err != nil {
		return cloud.Order{}, err
	}
	o := cloud.Order{Name: m.Name, Type: m.Type, Location: m.At, Image: m.Image, UserData: data, Labels: p.labels(m), Fixtures: fix, SSHKey: p.opts.SSHKey}
	if plant.On(plant.CreateCountedTwice) && !m.SentAt.IsZero() {
		o.Name += "-2"
	}
	return o, nil
}

// unprepared ends an order that cannot be made, or leaves it for later. Nothing was sent for it just now.
func (p *Provision) unprepared(ctx context.Context, m Machine, err error) error {
	if e := asCloud(err); e != nil && !cloud.Passing(err) {
		return p.answer(ctx, m, func(tx store.Tx, row *Machine, now time.Time) error {
			r := refusal(*row, err, now)
			r.Kind = cloud.Denied // another offer would not help
			row.Refused = append(row.Refused, r)
			return p.stop(tx, row, faultOf(err))
		})
	}
	p.hold(m.ID, err)
	return err
}

// create is the call, with its place for tests on both sides.
func (p *Provision) create(ctx context.Context, o cloud.Order) (cloud.Machine, error) {
	if err := failpoint.Hit("provision.create.before"); err != nil {
		return cloud.Machine{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	m, err := p.opts.Cloud.Create(ctx, o)
	return m, errors.Join(err, failpoint.Hit("provision.create.after"))
}

// settle writes down what an order that was not filled has led to.
func (p *Provision) settle(ctx context.Context, m Machine, err error) error {
	kind := kindOf(err)
	p.m.orders.WithLabelValues(string(kind)).Inc()
	p.log.WarnContext(ctx, "an order was not filled", "machine", m.Name, "type", m.Type, "location", m.At, "kind", kind, "error", err)
	switch kind {
	case cloud.NoStock, cloud.Invalid:
		p.hold(m.ID, nil)
		defer p.Kick()
		return p.answer(ctx, m, func(tx store.Tx, row *Machine, now time.Time) error { return p.next(tx, row, err, now) })
	case cloud.Limit, cloud.Denied, cloud.NotFound:
		return p.answer(ctx, m, func(tx store.Tx, row *Machine, now time.Time) error {
			row.Refused = append(row.Refused, refusal(*row, err, now))
			return p.stop(tx, row, faultOf(err))
		})
	case cloud.RateLimited, cloud.Busy, cloud.Unavailable: // nothing was done
		p.hold(m.ID, err)
		return p.answer(ctx, m, func(_ store.Tx, row *Machine, _ time.Time) error {
			row.SentAt = time.Time{}
			return nil
		})
	case cloud.Exists, cloud.Uncertain: // it may be there: ByName will tell
		if m.Doubt {
			return nil
		}
		return p.answer(ctx, m, func(_ store.Tx, row *Machine, _ time.Time) error {
			row.Doubt = true
			return nil
		})
	}
	return err
}

// answer changes the row that an order was sent for, if it is as it was then.
func (p *Provision) answer(ctx context.Context, m Machine, fn func(tx store.Tx, row *Machine, now time.Time) error) error {
	return p.opts.DB.Update(ctx, func(tx store.Tx) error {
		row, err := Machines.Get(tx, m.ID)
		if err != nil || row.Phase != Ordering || !row.SentAt.Equal(m.SentAt) {
			return err
		}
		now := time.Now().UTC()
		if err := fn(tx, &row, now); err != nil {
			return err
		}
		row.UpdatedAt = now
		return Machines.Put(tx, row)
	})
}

func refusal(m Machine, err error, now time.Time) Refusal {
	return Refusal{Type: m.Type, Location: m.At, Kind: kindOf(err), Message: faultOf(err).Message, At: now}
}

// next has the row ask for its next candidate, as far as the caps allow its price; the answer was that there is no machine of this one.
func (p *Provision) next(tx store.Tx, m *Machine, cause error, now time.Time) error {
	m.Refused = append(m.Refused, refusal(*m, cause, now))
	if m.Stopped {
		return nil
	}
	was, why := m.offer(), faultOf(cause)
	for len(m.Others) > 0 {
		c := m.Others[0]
		m.Others = m.Others[1:]
		err := p.allowed(tx, m.ID, c.Hourly, now)
		if fault.KindOf(err) == fault.Exhausted {
			why = fault.ToProtocol(err)
			continue
		}
		if err != nil {
			return err
		}
		m.take(c)
		m.SentAt = time.Time{}
		return p.say(tx, *m, "scaling.order_refused", self, map[string]any{"refused_type": was.Type, "refused_location": was.Location, "problem": faultOf(cause)})
	}
	return p.stop(tx, m, why)
}

// stop ends all sending for a row and says why. The row ends when it is sure that the provider has nothing.
func (p *Provision) stop(tx store.Tx, m *Machine, why *protocol.Fault) error {
	m.Stopped, m.Problem = true, why
	return p.say(tx, *m, "scaling.order_failed", self, map[string]any{"problem": why, "refused": m.Refused})
}
