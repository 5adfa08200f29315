package provision

import (
	"context"
	"errors"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/tunnel"
	"github.com/payperplay/payperplay/protocol/failpoint"
	"github.com/payperplay/payperplay/protocol/plant"
)

// Release has a machine (by name or id) deleted, if no server is on it: that is looked at in the transaction that decides. Releasing
// twice is no error. Kinds: not_found, conflict (a server is there, or recovery mode).
func (p *Provision) Release(ctx context.Context, actor, machine, why string) error {
	if why == "" {
		why = "released by " + actor
	}
	var node string
	err := p.opts.DB.Update(ctx, func(tx store.Tx) error {
		m, err := FindMachine(tx, machine)
		if err != nil || m.Phase == Deleting || m.Phase == Gone || m.Phase == Ordering && m.Why != "" {
			return err
		}
		now := time.Now().UTC()
		f, err := p.facts(tx, m, now)
		switch {
		case err != nil:
			return err
		case f.Frozen:
			return errFrozen("no machine can be released")
		case f.Occupied && !plant.On(plant.DeleteWithServer):
			return fault.New(fault.Conflict, "machine "+m.Name+" has servers", "see who is there with `controller server list`; drain the node to have it deleted when the last one has left")
		}
		if f.Joined != "" {
			m.Node, m.JoinedAt = f.Joined, f.Node.JoinedAt
		}
		m.Why, m.UpdatedAt, node = why, now, m.Node
		if m.Phase == Ordering { // it may be there or not: the loop finds out
			m.Stopped = true
			err = p.say(tx, m, "scaling.machine_released", actor, map[string]any{"why": why})
		} else {
			err = p.condemn(tx, &m, actor, now)
		}
		if err != nil {
			return err
		}
		return Machines.Put(tx, m)
	})
	if err != nil {
		return err
	}
	if node != "" {
		p.opts.OnChange(node)
	}
	p.Kick()
	return nil
}

// end tells the provider to delete the machine. That it will be told is written before, in a transaction that looks for servers once more.
func (p *Provision) end(ctx context.Context, m Machine, l Look) error {
	if m.EndSent.IsZero() {
		sure := false
		err := p.change(ctx, m.ID, l, End, func(_ store.Tx, row *Machine, _ Facts, _ Step, now time.Time) error {
			row.EndSent, sure = now, true
			return nil
		})
		if err != nil || !sure {
			return err
		}
	}
	err := p.delete(ctx, m.CloudID)
	if err == nil {
		p.hold(m.ID, nil)
		p.rest(m.ID, leaving)
		return nil
	}
	p.hold(m.ID, err)
	if cloud.Passing(err) || asCloud(err) == nil {
		p.log.WarnContext(ctx, "a deletion is tried again", "machine", m.Name, "error", err)
		return nil
	}
	return p.opts.DB.Update(ctx, func(tx store.Tx) error {
		row, err2 := Machines.Get(tx, m.ID)
		if problem := faultOf(err); err2 == nil && row.Phase == Deleting && !sameFault(row.Problem, problem) {
			row.Problem, row.UpdatedAt = problem, time.Now().UTC()
			return errors.Join(Machines.Put(tx, row), p.say(tx, row, "scaling.machine_problem", self, map[string]any{"problem": problem}))
		}
		return err2
	})
}

// delete is the call, with its place for tests on both sides. One that is gone is no error.
func (p *Provision) delete(ctx context.Context, id string) error {
	if err := failpoint.Hit("provision.delete.before"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	err := p.opts.Cloud.Delete(ctx, id)
	if cloud.KindOf(err) == cloud.NotFound {
		err = nil
	}
	return errors.Join(err, failpoint.Hit("provision.delete.after"))
}

// leave ends the row of a machine that is confirmed not to be there: because we have deleted it (Bury), or against our will (Lose).
// The node's right to connect goes first, so that nothing can come back under its name; a node that servers are on keeps it: what becomes
// of their worlds is not decided here.
func (p *Provision) leave(ctx context.Context, j job, l Look, do Do) error {
	if j.row.Node != "" && !j.facts.Occupied {
		if err := p.opts.Revoke(ctx, self, j.row.Node); err != nil && fault.KindOf(err) != fault.NotFound {
			return err
		}
	}
	err := p.change(ctx, j.row.ID, l, do, func(tx store.Tx, m *Machine, f Facts, _ Step, now time.Time) error {
		m.DeletedAt = now
		if !l.Missing.IsZero() {
			m.DeletedAt = l.Missing.UTC()
		}
		m.enter(Gone, now)
		if err := errors.Join(tunnel.DropToken(tx, m.ID), drains.Delete(tx, m.Node)); err != nil {
			return err
		}
		if do == Bury {
			m.Problem = nil
			return p.say(tx, *m, "scaling.machine_gone", self, map[string]any{"why": m.Why})
		}
		m.Why = "it vanished: nobody here has deleted it"
		m.Problem = fault.ToProtocol(fault.New(fault.Unavailable, "the machine is gone, and not by us", "see in the cloud's console who deleted it; what was on it comes back from a backup only"))
		if err := closeNode(tx, m.Node, self, "its machine is gone", now); err != nil {
			return err
		}
		return p.say(tx, *m, "scaling.machine_lost", self, map[string]any{"problem": m.Problem, "had_servers": f.Occupied})
	})
	if err == nil && j.row.Node != "" {
		p.opts.OnChange(j.row.Node)
	}
	return err
}
