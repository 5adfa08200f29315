package provision

import (
	"context"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
)

// sendBuilder orders the builder, or orders it again under the same name when the first order has certainly not arrived.
func (p *Provision) sendBuilder(ctx context.Context, i Image, l imageLook) error {
	order, err := p.prepareBuilder(ctx, i)
	if err != nil {
		if e := asCloud(err); e == nil || cloud.Passing(err) {
			p.hold(i.ID, err)
			return err
		}
		return p.refuseImage(ctx, i, err)
	}
	at := time.Now().UTC()
	err = p.changeImage(ctx, i.ID, l, imageSend, func(_ store.Tx, row *Image, _ imageStep, _ time.Time) error {
		row.Doubt = row.Doubt || !row.SentAt.IsZero()
		row.SentAt = at
		i = *row
		return nil
	})
	if err != nil || !i.SentAt.Equal(at) {
		return err
	}
	p.missing(i.ID, false)
	got, err := p.create(ctx, order)
	if err != nil {
		return p.settleBuilder(ctx, i, err)
	}
	p.hold(i.ID, nil)
	return p.carryImage(ctx, i.ID, imageLook{Look: Look{Asked: true, Found: &got}}, imageAdopt)
}

func (p *Provision) prepareBuilder(ctx context.Context, i Image) (cloud.Order, error) {
	data, err := p.builderData(i)
	if err != nil {
		return cloud.Order{}, &cloud.Error{Kind: cloud.Invalid, Message: fault.Message(err), Next: fault.Next(err), Cause: err}
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	fix, err := p.opts.Fixtures(ctx)
	fix.Spread = "" // it is alone, and gone soon
	return cloud.Order{Name: i.Name, Type: i.Type, Location: i.At, Image: i.Base, UserData: data, Labels: p.imageLabels(i, cloud.RoleBuilder), Fixtures: fix, SSHKey: p.opts.SSHKey}, err
}

// builderData renders what a builder is given. Kinds: invalid.
func (p *Provision) builderData(i Image) ([]byte, error) {
	data, err := p.opts.BuilderData(i)
	if err == nil && len(data) > cloud.UserDataMax {
		err = fault.New(fault.Invalid, "the builder's user-data is too long", "name fewer game images")
	}
	return data, err
}

// settleBuilder writes down what an order that was not filled has led to, by the same rules as for a machine.
func (p *Provision) settleBuilder(ctx context.Context, i Image, err error) error {
	kind := kindOf(err)
	p.log.WarnContext(ctx, "the order of a builder was not filled", "image", i.ID, "type", i.Type, "location", i.At, "kind", kind, "error", err)
	switch kind {
	case cloud.NoStock, cloud.Invalid:
		p.hold(i.ID, nil)
		return p.goOn(p.answerImage(ctx, i, func(tx store.Tx, row *Image, now time.Time) error { return p.nextBuilder(tx, row, err, now) }))
	case cloud.Limit, cloud.Denied, cloud.NotFound:
		return p.refuseImage(ctx, i, err)
	case cloud.RateLimited, cloud.Busy, cloud.Unavailable: // nothing was done
		p.hold(i.ID, err)
		if i.Doubt { // but maybe by an order before: ByName will tell
			return nil
		}
		return p.answerImage(ctx, i, func(_ store.Tx, row *Image, _ time.Time) error {
			row.SentAt = time.Time{}
			return nil
		})
	case cloud.Exists, cloud.Uncertain: // it may be there: ByName will tell
		return p.answerImage(ctx, i, func(_ store.Tx, row *Image, _ time.Time) error {
			row.Doubt = true
			return nil
		})
	}
	return err
}

// refuseImage gives up an order that another offer would not help.
func (p *Provision) refuseImage(ctx context.Context, i Image, err error) error {
	return p.goOn(p.answerImage(ctx, i, func(_ store.Tx, row *Image, now time.Time) error {
		r := refusal(row.builder(), err, now)
		row.Refused = append(row.Refused, r)
		row.Problem = faultOf(err)
		if !row.Doubt {
			row.SentAt = time.Time{} // the provider has nothing
		}
		return nil
	}))
}

// answerImage changes the row that an order was sent for, if it is as it was then.
func (p *Provision) answerImage(ctx context.Context, i Image, fn func(tx store.Tx, row *Image, now time.Time) error) error {
	return p.opts.DB.Update(ctx, func(tx store.Tx) error {
		row, err := Images.Get(tx, i.ID)
		if err != nil || row.Phase != ImageOrdering || !row.SentAt.Equal(i.SentAt) {
			return err
		}
		row.UpdatedAt = time.Now().UTC()
		if err := fn(tx, &row, row.UpdatedAt); err != nil {
			return err
		}
		return Images.Put(tx, row)
	})
}

// nextBuilder has the row ask for its next candidate, as far as the caps allow its price.
func (p *Provision) nextBuilder(tx store.Tx, i *Image, cause error, now time.Time) error {
	i.Refused = append(i.Refused, refusal(i.builder(), cause, now))
	if !i.Doubt {
		i.SentAt = time.Time{} // the provider has nothing
	}
	if i.Problem != nil {
		return nil
	}
	i.Problem = faultOf(cause)
	for len(i.Others) > 0 {
		c := i.Others[0]
		i.Others = i.Others[1:]
		err := p.allowed(tx, i.ID, c.Hourly, now)
		if fault.KindOf(err) == fault.Exhausted {
			i.Problem = fault.ToProtocol(err)
			continue
		}
		if err != nil {
			return err
		}
		i.take(c)
		i.Problem, i.SentAt = nil, time.Time{}
		return nil
	}
	return nil
}
