package tunnel

import (
	"context"
	"errors"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// Revoke takes a node's right to connect away, for good, and cuts it within 2 s. Its games go on until someone stops them:
// the controller cannot reach them any more. Revoking twice is no error.
func (t *Tunnel) Revoke(ctx context.Context, actor, nameOrID string) error {
	var id string
	err := t.change(ctx, actor, nameOrID, "node.revoked", func(tx store.Tx, n *fleet.Node, _ *Enrolment) error {
		id = n.ID
		if n.Revoked {
			return errNothing
		}
		if err := fleet.DropFindings(tx, n.ID); err != nil {
			return err
		}
		n.Revoked, n.Reason, n.Session = true, "revoked by "+actor, nil
		return nil
	})
	if err != nil {
		return err
	}
	t.cut(ctx, id, protocol.GoodbyeRequest{Reason: "this node was revoked by " + actor, Retry: false})
	t.opts.OnChange(id)
	return nil
}

// Unlock lets a node in again whose key was used by two copies. The operator has made sure that one copy is left.
func (t *Tunnel) Unlock(ctx context.Context, actor, nameOrID string) error {
	var id string
	err := t.change(ctx, actor, nameOrID, "node.unlocked", func(_ store.Tx, n *fleet.Node, e *Enrolment) error {
		if id = n.ID; !n.Locked {
			return fault.New(fault.Conflict, "node "+n.Name+" is not locked", "see `controller node show "+n.Name+"`")
		}
		n.Locked, n.Reason = false, ""
		n.Facts.MachineID = "" // whichever machine comes next is the one that the operator has left
		e.Uses, e.Warned = nil, time.Time{}
		return nil
	})
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entry(id).barred = false
	return nil
}

// errNothing ends a change that has nothing to do.
var errNothing = errors.New("nothing to change")

// change is a transaction of an operator on one node.
func (t *Tunnel) change(ctx context.Context, actor, nameOrID, kind string, fn func(store.Tx, *fleet.Node, *Enrolment) error) error {
	err := t.db.Update(ctx, func(tx store.Tx) error {
		n, err := fleet.FindNode(tx, nameOrID)
		if err != nil {
			return err
		}
		e, err := enrolments.Get(tx, n.ID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		e.Node = n.ID
		if err := fn(tx, &n, &e); err != nil {
			return err
		}
		n.UpdatedAt, n.UpdatedBy = time.Now().UTC(), actor
		if err := fleet.Nodes.Put(tx, n); err != nil {
			return err
		}
		if err := enrolments.Put(tx, e); err != nil {
			return err
		}
		return t.emit(tx, kind, n.ID, actor, map[string]any{"name": n.Name})
	})
	if errors.Is(err, errNothing) {
		return nil
	}
	return err
}

// cut bars a node and ends its connections, telling the agent why. It returns when they are closed, at most about 2 s later.
// It is called after the commit: a session whose Hello was committed before and is not yet in the table stays out by the bar.
func (t *Tunnel) cut(ctx context.Context, id string, why protocol.GoodbyeRequest) {
	t.mu.Lock()
	n := t.entry(id)
	n.barred = true
	p, bulk := n.current, n.bulk
	n.bulk = nil
	t.mu.Unlock()
	if bulk != nil {
		_ = bulk.session.Close(errors.New(why.Reason))
	}
	if p != nil {
		p.dismiss(context.WithoutCancel(ctx), why)
	}
}
