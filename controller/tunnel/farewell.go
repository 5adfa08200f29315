package tunnel

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// returnTime is how long a node that was connected when the controller went down has to come back before that is news.
const returnTime = time.Minute

// begin takes note of all nodes and clears sessions that an earlier process left in their rows. Those nodes are expected back:
// a restart of the controller is no event in the life of a node.
func (t *Tunnel) begin(ctx context.Context) error {
	var all []fleet.Node
	err := t.db.Update(ctx, func(tx store.Tx) error {
		all = nil
		for n, err := range fleet.Nodes.Range(tx, "", nil, nil, 0, false) {
			if err != nil {
				return err
			}
			all = append(all, n)
		}
		for _, n := range all {
			if n.Session == nil {
				continue
			}
			n.Session = nil
			if err := fleet.Nodes.Put(tx, n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.down = false
	for _, n := range all {
		e := t.entry(n.ID)
		e.name, e.lastSeen, e.expected = n.Name, n.Contact(), n.Session != nil
	}
	return nil
}

// missing logs the nodes that did not come back after a restart.
func (t *Tunnel) missing(ctx context.Context) {
	var ids []string
	t.mu.Lock()
	for id, n := range t.nodes {
		if n.expected && n.up() == nil {
			ids = append(ids, id)
		}
		n.expected = false
	}
	t.mu.Unlock()
	if len(ids) == 0 {
		return
	}
	err := t.db.Update(ctx, func(tx store.Tx) error {
		for _, id := range ids {
			if err := t.emit(tx, "node.disconnected", id, agentActor(id), map[string]any{"reason": "it did not come back after a restart of the controller"}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		t.log.WarnContext(ctx, "missing nodes were not logged", "error", err, "nodes", len(ids))
	}
	for _, id := range ids {
		t.opts.OnChange(id)
	}
}

// farewell tells every agent that the controller goes down and closes all sessions. Their end is written in one transaction and
// is no event: the agents are not gone, we are.
func (t *Tunnel) farewell(ctx context.Context) {
	t.mu.Lock()
	t.down = true
	var peers []*peer
	for _, n := range t.nodes {
		if n.current != nil {
			peers = append(peers, n.current)
		}
	}
	t.mu.Unlock()
	t.dismissAll(ctx, peers, "the controller is going down")
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	err := t.db.Update(ctx, func(tx store.Tx) error {
		for _, p := range peers {
			n, err := fleet.Nodes.Get(tx, p.node)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			n.LastSeen = p.session.LastHeard().UTC() // the session stays in the row: begin reads it
			if err := fleet.Nodes.Put(tx, n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.log.WarnContext(ctx, "last contact of the nodes was not saved", "error", err)
	}
}

// dismissAll ends sessions. One agent may be back at once; 10,000 take 10 s.
func (t *Tunnel) dismissAll(ctx context.Context, peers []*peer, reason string) {
	spread := min(int64(len(peers))*2, 10_000)
	group := errgroup.Group{}
	group.SetLimit(256)
	for _, p := range peers {
		group.Go(func() error {
			p.dismiss(ctx, protocol.GoodbyeRequest{Reason: reason, Retry: true, SpreadMS: spread})
			return nil
		})
	}
	_ = group.Wait()
}
