package provision

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/tunnel"
)

const (
	// proveEvery is how often a machine that has just joined is asked whether it has proven itself, for proveFor.
	proveEvery = 500 * time.Millisecond
	proveFor   = 20 * time.Second
)

// proving tells whether a machine has joined so lately that it is about to prove itself.
func proving(jobs []job, now time.Time) bool {
	return slices.ContainsFunc(jobs, func(j job) bool {
		return j.row.Phase == Booting && j.facts.Joined != "" || j.row.Phase == Proving && now.Sub(j.row.PhaseAt) < proveFor
	})
}

// calls bounds the machines that are looked after at once.
const calls = 8

// job is a machine and what the store says about it.
type job struct {
	row   Machine
	facts Facts
}

// tend is one run of the loop: read, decide, act. What fails for one machine is logged and tried again later.
func (p *Provision) tend(ctx context.Context) error {
	now := time.Now()
	defer pause(ctx, now)
	since, whole := p.since(now)
	var jobs []job
	var rows, builders []Machine
	err := p.opts.DB.View(ctx, func(tx store.Tx) (err error) {
		if rows, err = ReadMachines(tx, since); err != nil {
			return err
		}
		if builders, err = readBuilders(tx, since); err != nil {
			return err
		}
		jobs, err = p.jobs(tx, rows, now)
		return err
	})
	if err != nil {
		return err
	}
	p.m.seen(rows, builders, now, whole)
	err = p.tendDrains(ctx)
	if p.opts.Cloud == nil {
		return err
	}
	p.forget(jobs)
	inv := p.list(ctx, jobs, now)
	var group errgroup.Group
	group.SetLimit(calls)
	for _, j := range jobs {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			if err := p.guarded(ctx, j, inv); err != nil && ctx.Err() == nil {
				p.log.ErrorContext(ctx, "a step of a machine failed", "machine", j.row.Name, "phase", j.row.Phase, "error", err)
			}
			return nil
		})
	}
	_ = group.Wait() // none of them fails the run
	if proving(jobs, now) {
		time.AfterFunc(proveEvery, p.Kick) // nothing else tells that its probe has run, and a server may be waiting for it
	}
	p.nightly(ctx)
	return err
}

// pause holds the loop back while it is kicked all the time, so that it works at most half of the time. It never waits longer than a
// quarter of a second.
func pause(ctx context.Context, began time.Time) {
	timer := time.NewTimer(min(time.Since(began), time.Second/4))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// since is from when on rows of machines that are gone are read: those of today, for the sum of the day, once a minute; else none.
func (p *Provision) since(now time.Time) (from time.Time, whole bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.summed) < time.Minute {
		return now.Add(time.Hour), false
	}
	p.summed = now
	return now.UTC().Truncate(24 * time.Hour), true
}

func (p *Provision) jobs(tx store.Tx, rows []Machine, now time.Time) ([]job, error) {
	var out []job
	for _, m := range rows {
		if !m.Costs() {
			continue
		}
		f, err := p.facts(tx, m, now)
		if err != nil {
			return nil, err
		}
		out = append(out, job{m, f})
	}
	return out, nil
}

// facts reads what Decide needs beside the row.
func (p *Provision) facts(tx store.Tx, m Machine, now time.Time) (Facts, error) {
	f := Facts{Calm: now.Sub(p.began) >= calmAfter}
	var err error
	if f.Mode, f.Frozen, err = inRecovery(tx); err != nil {
		return f, err
	}
	node := m.Node
	if m.Phase == Booting {
		if node, err = tunnel.JoinedAs(tx, m.ID); err != nil {
			return f, err
		}
	}
	if node == "" {
		return f, nil
	}
	n, err := fleet.Nodes.Get(tx, node)
	if errors.Is(err, store.ErrNotFound) {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	if f.Node = &n; m.Phase == Booting {
		f.Joined = n.ID
	}
	f.Occupied, err = occupied(tx, n.ID)
	return f, err
}

// occupied tells whether anything of a server is on a node, or is about to be.
func occupied(tx store.Tx, node string) (bool, error) {
	for _, err := range fleet.Servers.Match(tx, "node", node, "", 1, false) {
		return true, err
	}
	for _, err := range fleet.Bookings.Match(tx, "node", node, "", 1, false) {
		return true, err
	}
	return false, nil
}

// guarded is one without panics: a machine that cannot be looked after must not end the loop for the others.
func (p *Provision) guarded(ctx context.Context, j job, inv inventory) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return p.one(ctx, j, inv)
}

func (p *Provision) one(ctx context.Context, j job, inv inventory) error {
	if p.held(j.row.ID, time.Now()) {
		return nil
	}
	l := p.look(ctx, j.row, inv)
	if ctx.Err() != nil {
		return nil
	}
	switch step := Decide(j.row, l, j.facts, time.Now()); step.Do {
	case Nothing:
		return nil
	case Send:
		return p.send(ctx, j.row)
	case End:
		return p.end(ctx, j.row, l)
	case Bury, Lose:
		return p.leave(ctx, j, l, step.Do)
	case Adopt, Abandon, Join, Expire, Serve, Count, Drained, TakeBack, Blame:
		return p.carry(ctx, j.row.ID, l, step.Do)
	default:
		return fmt.Errorf("step %q is not known", step.Do)
	}
}

// errChanged ends a transaction in which something else is to be done than what was decided outside.
var errChanged = errors.New("the machine has changed meanwhile")

// change decides again inside a transaction and, if that is still do, lets act write the row.
func (p *Provision) change(ctx context.Context, id string, l Look, do Do, act func(tx store.Tx, m *Machine, f Facts, s Step, now time.Time) error) error {
	err := p.opts.DB.Update(ctx, func(tx store.Tx) error {
		now := time.Now().UTC()
		m, err := Machines.Get(tx, id)
		if err != nil {
			return err
		}
		f, err := p.facts(tx, m, now)
		if err != nil {
			return err
		}
		s := Decide(m, l, f, now)
		if s.Do != do {
			return errChanged
		}
		if err := act(tx, &m, f, s, now); err != nil {
			return err
		}
		m.UpdatedAt = now
		return Machines.Put(tx, m)
	})
	if errors.Is(err, errChanged) || fault.KindOf(err) == fault.NotFound {
		p.Kick() // look again
		return nil
	}
	return err
}
