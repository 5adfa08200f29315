package provision

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/protocol"
)

const (
	// callTime bounds one call to the provider.
	callTime = 30 * time.Second
	// listEvery is how often the provider's list is read while machines live: one call for all of them.
	listEvery = 30 * time.Second
	// maxHold bounds the wait after a call that failed.
	maxHold = time.Minute
	// leaving is how long a deletion is left alone before the provider is asked about it.
	leaving = 2 * time.Second
)

// pace is what the loop remembers of one machine between its runs.
type pace struct {
	missing   time.Time // since when the provider says that it is not there
	notBefore time.Time // no call about it sooner
	failures  int
}

// inventory is the provider's list by id; nil: it was not read now.
type inventory map[string]cloud.Machine

// list reads it when it is due and somebody needs it.
func (p *Provision) list(ctx context.Context, jobs []job, now time.Time) inventory {
	needed := false
	for _, j := range jobs {
		needed = needed || lives(j.row.Phase)
	}
	p.mu.Lock()
	due := needed && now.Sub(p.listed) >= listEvery
	if due {
		p.listed = now
	}
	p.mu.Unlock()
	if !due {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	all, err := p.opts.Cloud.List(ctx)
	if err != nil {
		p.log.WarnContext(ctx, "the provider's list of machines could not be read", "error", err)
		return nil
	}
	inv := make(inventory, len(all))
	for _, m := range all {
		inv[m.ID] = m
	}
	return inv
}

// lives tells whether a machine of the phase has to be there.
func lives(p Phase) bool { return p == Booting || p == Proving || p == Serving || p == Draining }

// look asks the provider, and a machine that is to prove itself, about one row.
func (p *Provision) look(ctx context.Context, m Machine, inv inventory) Look {
	var l Look
	switch {
	case m.Phase == Ordering && !m.SentAt.IsZero():
		p.ask(ctx, m, &l, func(ctx context.Context) (cloud.Machine, error) { return p.opts.Cloud.ByName(ctx, m.Name) })
	case m.Phase == Deleting && !m.EndSent.IsZero():
		p.ask(ctx, m, &l, func(ctx context.Context) (cloud.Machine, error) { return p.opts.Cloud.Get(ctx, m.CloudID) })
	case lives(m.Phase):
		found, listed := inv[m.CloudID]
		if listed {
			l.Asked, l.Found = true, &found
			p.missing(m.ID, false)
		} else if inv != nil || p.isMissing(m.ID) { // a list that lacks it is no proof
			p.ask(ctx, m, &l, func(ctx context.Context) (cloud.Machine, error) { return p.opts.Cloud.Get(ctx, m.CloudID) })
		}
	}
	if m.Phase == Proving {
		l.Proof, l.Silent = p.proof(ctx, m.Node)
	}
	return l
}

func (p *Provision) ask(ctx context.Context, m Machine, l *Look, read func(context.Context) (cloud.Machine, error)) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	found, err := read(ctx)
	switch kind := kindOf(err); {
	case err == nil:
		l.Asked, l.Found = true, &found
		p.missing(m.ID, false)
	case kind == cloud.NotFound:
		l.Asked, l.Missing = true, p.missing(m.ID, true)
	default:
		l.Denied = kind == cloud.Denied
		p.hold(m.ID, err)
	}
}

// proof has a new machine checked.
func (p *Provision) proof(ctx context.Context, node string) (*protocol.CheckReply, string) {
	host, err := p.opts.Tunnel.Host(node)
	if err != nil {
		return nil, bound(fault.Message(err))
	}
	ctx, cancel := context.WithTimeout(ctx, p.opts.Deadline)
	defer cancel()
	reply, err := host.Check(ctx, protocol.CheckRequest{})
	if err != nil {
		return nil, bound(fault.Message(err))
	}
	reply.Problems, reply.Degraded = boundAll(reply.Problems), boundAll(reply.Degraded)
	return &reply, ""
}

func (p *Provision) paceOf(id string) *pace { // with mu held
	if p.pace[id] == nil {
		p.pace[id] = &pace{}
	}
	return p.pace[id]
}

// missing notes whether a read has found the machine, and gives since when none has.
func (p *Provision) missing(id string, is bool) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.paceOf(id)
	if !is {
		c.missing = time.Time{}
	} else if c.missing.IsZero() {
		c.missing = time.Now()
	}
	return c.missing
}

func (p *Provision) isMissing(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.paceOf(id).missing.IsZero()
}

// hold keeps the loop from calling about a machine for a while after an error, longer each time; nil ends that.
func (p *Provision) hold(id string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.paceOf(id)
	if err == nil {
		c.failures, c.notBefore = 0, time.Time{}
		return
	}
	window := min(time.Second<<min(c.failures, 6), maxHold)
	wait := window/2 + time.Duration(rand.Float64()*float64(window/2))
	if e := asCloud(err); e != nil && e.After > wait {
		wait = e.After
	}
	c.failures++
	c.notBefore = time.Now().Add(wait)
}

// rest keeps the loop from calling about a machine for d.
func (p *Provision) rest(id string, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paceOf(id).notBefore = time.Now().Add(d)
}

func (p *Provision) held(id string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.pace[id]
	return c != nil && now.Before(c.notBefore)
}

// forget drops what is remembered of machines that have no step left.
func (p *Provision) forget(jobs []job) {
	p.mu.Lock()
	defer p.mu.Unlock()
	alive := make(map[string]bool, len(jobs))
	for _, j := range jobs {
		alive[j.row.ID] = true
	}
	for id := range p.pace {
		if !alive[id] && !strings.HasPrefix(id, ImagePrefix) {
			delete(p.pace, id)
		}
	}
}

// kindOf is the kind of a driver's error. One that is none of the port's (a context that ended) leaves everything open.
func kindOf(err error) cloud.Kind {
	if err != nil && asCloud(err) == nil {
		return cloud.Uncertain
	}
	return cloud.KindOf(err)
}

func asCloud(err error) *cloud.Error {
	var e *cloud.Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}
