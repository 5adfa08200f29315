package tunnel

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// peer is one control connection. Only what a session needs for all its life is in it: there may be 10,000.
type peer struct {
	t        *Tunnel
	node     string
	remote   netip.Addr
	session  session
	agent    remote
	refused  error        // known since the handshake: Hello answers with it
	key      []byte       // SPKI, only of a node that the store does not know
	deadline *time.Timer  // of the Hello
	rtt      atomic.Int64 // ns, of the last sample

	// Set when a Hello was admitted, before the peer is in the table; constant from then on.
	id         string
	generation int64
	run        string
}

// facets are the node's side of the session.
func (p *peer) facets() facets { return facets{p.agent, p} }

// dismiss tells the agent why and closes. It takes at most about 2 s.
func (p *peer) dismiss(ctx context.Context, why protocol.GoodbyeRequest) {
	ctx, cancel := context.WithTimeout(ctx, goodbyeTime)
	defer cancel()
	_, _ = p.facets().Goodbye(ctx, why) // one that cannot hear it is cut all the same
	p.session.GoAway()
	_ = p.session.Close(errors.New(why.Reason))
}

// closeSoon ends a session whose agent is just being told why.
func (p *peer) closeSoon(why error) {
	time.AfterFunc(goodbyeTime, func() { _ = p.session.Close(why) })
}

// lookUp says why a node may not come in, nil if it may. key is the SPKI hash of its certificate.
func (t *Tunnel) lookUp(ctx context.Context, id, key string) error {
	ctx, cancel := context.WithTimeout(ctx, helloTime)
	defer cancel()
	var n fleet.Node
	err := t.db.View(ctx, func(tx store.Tx) (err error) {
		n, err = fleet.Nodes.Get(tx, id)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return notKnown(id)
	}
	if err != nil {
		return err
	}
	if spkiOf(n.BoundKey) != key {
		return fault.New(fault.Unauthorized, "node "+n.Name+" is bound to another key", "enrol the agent again with a new token and an empty --data")
	}
	return barred(n)
}

// errNotKnown marks the refusal of a node that has papers of ours and no row.
var errNotKnown = errors.New("node without a row")

// notKnown turns away a node whose certificate is ours and which the store does not know: an old backup was restored. It must
// not be told that it is unauthorized, or it would never come again, also not when an operator has let it in.
func notKnown(id string) error {
	return fault.Wrap(errNotKnown, fault.Forbidden, "this controller does not know the node "+id+", though its certificate is ours: an old backup was restored",
		"the operator lets it in or not: `controller recovery show`; its games run on meanwhile")
}

// barred says why a node is kept out, in words that the agent logs.
func barred(n fleet.Node) error {
	switch {
	case n.Revoked:
		return fault.New(fault.Unauthorized, "node "+n.Name+" was revoked: "+orElse(n.Reason, "no reason given"),
			"its games go on until they are stopped; to use the machine again, enrol it with a new token and an empty --data")
	case n.Locked:
		return fault.New(fault.Forbidden, "node "+n.Name+" is locked: "+orElse(n.Reason, "no reason given"),
			"stop the copy that should not run, then unlock the node (controller node unlock "+n.Name+")")
	default:
		return nil
	}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// present makes p the node's session, unless a newer one got in first. It gives the one it replaced.
func (t *Tunnel) present(p *peer, name string) (old *peer, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.entry(p.node)
	if t.down || n.barred || n.current != nil && n.current != p && n.current.generation > p.generation {
		return nil, false
	}
	if n.current != p {
		old = n.current
	}
	n.current, n.name, n.expected = p, name, false
	return old, true
}

// ended cleans up after a session, whoever ended it.
func (t *Tunnel) ended(ctx context.Context, p *peer, cause error) {
	t.mu.Lock()
	n, down := t.nodes[p.node], t.down
	was := n != nil && n.current == p
	var bulk *bulkLink
	if was {
		n.current, n.lastSeen = nil, p.session.LastHeard()
		bulk, n.bulk = n.bulk, nil
	}
	t.mu.Unlock()
	if !was {
		return
	}
	if bulk != nil {
		_ = bulk.session.Close(errors.New("the control session ended"))
	}
	if down {
		return
	}
	t.log.InfoContext(ctx, "node disconnected", "node", p.node, "session", p.id, "reason", cause)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), batchTime)
	defer cancel()
	err := t.batch.do(ctx, func(tx store.Tx) error {
		cleared, err := t.clearSession(tx, p)
		if err != nil || !cleared {
			return err
		}
		return t.emit(tx, "node.disconnected", p.node, agentActor(p.node), map[string]any{"session": p.id, "reason": errText(cause)})
	})
	if err != nil {
		t.log.WarnContext(ctx, "the end of a session was not saved", "error", err, "node", p.node)
	}
	t.opts.OnChange(p.node)
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// clearSession takes p's session out of the node's row; another one's stays.
func (t *Tunnel) clearSession(tx store.Tx, p *peer) (bool, error) {
	n, err := fleet.Nodes.Get(tx, p.node)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil || n.Session == nil || n.Session.ID != p.id {
		return false, err
	}
	n.Session, n.LastSeen = nil, p.session.LastHeard().UTC()
	return true, fleet.Nodes.Put(tx, n)
}
