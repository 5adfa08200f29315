package provision

import (
	"context"
	"errors"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

// Report is what a garbage collection found and did.
type Report struct {
	At     time.Time
	Dry    bool
	Things []Garbage
}

// maxTold bounds the things that one event lists.
const maxTold = 100

// Collect looks at everything in the cloud with the cluster's labels and takes away what no row knows and nothing uses, if it is older than
// 10 minutes; a machine that an open order lacks is adopted. With dry nothing is done but to say so. What fails for one thing stops no other.
// Kinds: precondition (no cloud), unavailable.
func (p *Provision) Collect(ctx context.Context, actor string, dry bool) (Report, error) {
	r := Report{At: time.Now().UTC(), Dry: dry}
	if p.opts.Cloud == nil {
		return r, errNoCloud("there is nothing to look through")
	}
	p.collecting.Lock()
	defer p.collecting.Unlock()
	things, err := p.leftovers(ctx)
	if err != nil {
		return r, cloudFault(err)
	}
	if r.Things, err = p.judgeAll(ctx, things); err != nil {
		return r, err
	}
	if err := p.logGarbage(ctx, actor, "scaling.garbage_found", r); err != nil || dry {
		return r, err
	}
	did := false
	for i := range r.Things {
		g := &r.Things[i]
		if g.Do == GarbageLeave || ctx.Err() != nil {
			continue
		}
		did = true
		if err := p.dispose(ctx, *g, things); err != nil {
			g.Result = fault.Message(cloudFault(err))
			p.m.garbage.WithLabelValues(string(g.Kind), "failed").Inc()
			p.log.WarnContext(ctx, "a thing in the cloud could not be taken away", "kind", g.Kind, "id", g.ID, "error", err)
			continue
		}
		g.Result = "done"
		p.m.garbage.WithLabelValues(string(g.Kind), g.Do).Inc()
	}
	if !did {
		return r, ctx.Err()
	}
	p.Kick()
	return r, errors.Join(ctx.Err(), p.logGarbage(ctx, actor, "scaling.garbage_collected", r))
}

// leftovers is what the provider has with our labels.
func (p *Provision) leftovers(ctx context.Context) ([]cloud.Thing, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	if p.opts.Ground != nil {
		return p.opts.Ground.Leftovers(ctx)
	}
	all, err := p.opts.Cloud.List(ctx)
	var out []cloud.Thing
	for _, m := range all {
		out = append(out, thing(m))
	}
	return out, err
}

func thing(m cloud.Machine) cloud.Thing {
	return cloud.Thing{Kind: cloud.ThingMachine, ID: m.ID, Name: m.Name, Labels: m.Labels, Created: m.Created}
}

// judgeAll gives what is not where it belongs, and the rows whose machine is not among the things.
func (p *Provision) judgeAll(ctx context.Context, things []cloud.Thing) ([]Garbage, error) {
	var k known
	err := p.opts.DB.View(ctx, func(tx store.Tx) (err error) {
		k, err = p.readKnown(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	now := time.Now()
	k.fixed = map[cloud.ThingKind]int{}
	seen := map[string]bool{}
	for _, t := range things {
		if t.Kind == cloud.ThingMachine {
			seen[t.ID] = true
		}
		if t.Labels[cloud.LabelRole] == string(cloud.RoleFixture) {
			k.fixed[t.Kind]++
		}
	}
	var out []Garbage
	for _, t := range things {
		if g := k.judge(t, now); g != nil {
			out = append(out, *g)
		}
	}
	for id, m := range k.byCloud {
		if lives(m.Phase) && !seen[id] {
			out = append(out, Garbage{Kind: cloud.ThingMachine, ID: id, Name: m.Name, Do: GarbageLeave, Since: m.Created,
				Why: "its row says " + string(m.Phase) + ", and the provider's list lacks it: the row ends when that is confirmed"})
		}
	}
	return out, nil
}

// dispose does what was decided about one thing, if the rows and the provider still say the same.
func (p *Provision) dispose(ctx context.Context, g Garbage, things []cloud.Thing) error {
	var t cloud.Thing
	for _, one := range things {
		if one.Kind == g.Kind && one.ID == g.ID {
			t = one
		}
	}
	if g.Kind == cloud.ThingMachine {
		m, err := p.get(ctx, g.ID)
		if kindOf(err) == cloud.NotFound {
			return nil
		}
		if err != nil {
			return err
		}
		if g.Do == GarbageAdopt {
			return p.carry(ctx, g.row, Look{Asked: true, Found: &m}, Adopt)
		}
		t = thing(m)
	}
	if !cloud.Ours(t.Labels, p.opts.Cluster) { // the driver looks too; this is the last line before something is gone for good
		return fault.New(fault.Forbidden, "it does not carry this cluster's labels", "take it away by hand")
	}
	again, err := p.judgeAll(ctx, []cloud.Thing{t})
	if err != nil {
		return err
	}
	for _, now := range again {
		if now.Kind == g.Kind && now.ID == g.ID && now.Do == GarbageDelete {
			if g.Kind == cloud.ThingMachine {
				return p.delete(ctx, g.ID)
			}
			return p.remove(ctx, t)
		}
	}
	return fault.New(fault.Conflict, "it is needed again", "")
}

func (p *Provision) get(ctx context.Context, id string) (cloud.Machine, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return p.opts.Cloud.Get(ctx, id)
}

// remove is the call, with its place for tests on both sides.
func (p *Provision) remove(ctx context.Context, t cloud.Thing) error {
	if err := failpoint.Hit("provision.remove.before"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return errors.Join(p.opts.Ground.Remove(ctx, t), failpoint.Hit("provision.remove.after"))
}

// logGarbage appends an event when there is something to tell.
func (p *Provision) logGarbage(ctx context.Context, actor, kind string, r Report) error {
	if len(r.Things) == 0 {
		return nil
	}
	told := r.Things[:min(len(r.Things), maxTold)]
	return p.opts.DB.Update(ctx, func(tx store.Tx) error {
		_, err := p.opts.Events.Append(tx, event.Event{Type: kind, Actor: actor, Data: event.JSON(map[string]any{"dry_run": r.Dry, "things": told, "count": len(r.Things)})})
		return err
	})
}

// cloudFault is a provider's error as a fault of ours.
func cloudFault(err error) error {
	e := asCloud(err)
	if e == nil {
		return err
	}
	f := faultOf(err)
	return fault.Wrap(err, f.Code, "the cloud provider says: "+f.Message, f.Next)
}

// nightly collects garbage once a night.
func (p *Provision) nightly(ctx context.Context) {
	now := time.Now()
	p.mu.Lock()
	due := !p.night.IsZero() && !now.Before(p.night)
	if due {
		p.night = nextNight(now, p.opts.Night)
	}
	p.mu.Unlock()
	if !due || ctx.Err() != nil {
		return
	}
	if _, err := p.Collect(ctx, self, false); err != nil && ctx.Err() == nil {
		p.log.ErrorContext(ctx, "garbage in the cloud was not collected", "error", err)
	}
}

// nextNight is the next time of day at after now; never for a negative one. Pure.
func nextNight(now time.Time, at time.Duration) time.Time {
	if at < 0 {
		return time.Time{}
	}
	next := now.UTC().Truncate(24 * time.Hour).Add(at)
	if !next.After(now) {
		next = next.Add(24 * time.Hour)
	}
	return next
}
