package tunnel

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// stranger judges a node that has papers of ours and no row: one whose papers ended long ago was revoked and trimmed since, and is turned
// away for good; any other may have joined after the backup that was restored, and its key is kept for the operator's choice. Pure.
func stranger(known error, cert *x509.Certificate, now time.Time) (key []byte, barred error) {
	if now.Sub(cert.NotAfter) > strangerLife {
		return nil, unknownNode()
	}
	return slices.Clone(cert.RawSubjectPublicKeyInfo), known
}

// unknown turns away a node that has papers of ours and no row, and writes it down for the operator: it joined after the backup
// that was restored. Its name and addresses are its own words; its id is our CA's and its key was proven by the handshake.
func (t *Tunnel) unknown(ctx context.Context, p *peer, req protocol.Hello) error {
	now := time.Now().UTC()
	name := req.Facts.Name
	if fleet.CheckName("node", name) != nil {
		name = req.Facts.Hostname
	}
	f := fleet.Finding{Node: p.node, NodeName: clip(name, 64), BoundKey: p.key, Remote: p.remote.String(), Term: min(req.Term, t.db.Term()+1<<32)}
	err := t.batch.do(ctx, func(tx store.Tx) error {
		if _, err := fleet.Nodes.Get(tx, p.node); err == nil {
			return nil // it was let in since the handshake: its next try works
		}
		return fleet.NoticeNode(tx, t.opts.Events, f, now)
	})
	if err != nil {
		return err
	}
	return t.turnAway(p, "unknown", p.refused)
}

// AdoptNode lets a node in that the store does not know: with the id that our CA has signed and the key it came with. It must
// have come since the recovery began. name "" is its own. Kinds: not_found (no such node waits), conflict (the name is taken),
// invalid (the name). Adopting a node that is there is no error.
func (t *Tunnel) AdoptNode(ctx context.Context, actor, node, name string) (fleet.Node, error) {
	var n fleet.Node
	now := time.Now().UTC()
	err := t.db.Update(ctx, func(tx store.Tx) error {
		f, err := t.waiting(tx, node)
		if err != nil {
			return err
		}
		if n, err = fleet.Nodes.Get(tx, f.Node); err == nil {
			return nil
		}
		if name == "" {
			name = f.NodeName
		}
		if err := fleet.CheckName("node", name); err != nil {
			return err
		}
		if err := nameFree(tx, name); err != nil {
			return err
		}
		n = fleet.Node{
			ID: f.Node, Name: name, Owner: actor, Class: fleet.Local, BoundKey: f.BoundKey, JoinedAt: now, JoinedBy: actor, UpdatedAt: now, UpdatedBy: actor,
			Facts: protocol.NodeFacts{Name: name},
		}
		if err := fleet.Nodes.Put(tx, n); err != nil {
			return err
		}
		if err := t.decide(tx, f, fleet.Adopted, actor, now); err != nil {
			return err
		}
		return t.emit(tx, "node.adopted", n.ID, actor, map[string]any{"name": n.Name, "address": f.Remote, "key": "sha256:" + spkiOf(f.BoundKey)})
	})
	if err == nil {
		t.opts.OnChange(n.ID)
	}
	return n, err
}

// ForgetNode leaves a node outside for good that the store does not know. Kinds: not_found. Doing it twice is no error.
func (t *Tunnel) ForgetNode(ctx context.Context, actor, node string) error {
	now := time.Now().UTC()
	return t.db.Update(ctx, func(tx store.Tx) error {
		f, err := t.waiting(tx, node)
		if err != nil || f.Choice == fleet.Forgotten {
			return err
		}
		if f.Choice == fleet.Adopted {
			return fault.New(fault.Conflict, "node "+f.NodeName+" was let in", "to cut it off: `controller node revoke "+f.NodeName+"`")
		}
		if err := t.decide(tx, f, fleet.Forgotten, actor, now); err != nil {
			return err
		}
		return t.emit(tx, "node.forgotten", f.Node, actor, map[string]any{"name": f.NodeName, "address": f.Remote})
	})
}

func (t *Tunnel) decide(tx store.Tx, f fleet.Finding, c fleet.Choice, actor string, now time.Time) error {
	f.Choice, f.ChosenBy, f.ChosenAt = c, actor, now
	return fleet.Save(tx, f)
}

// waiting finds the node, by its id or by the name it gives itself.
func (t *Tunnel) waiting(tx store.Tx, node string) (found fleet.Finding, err error) {
	n := 0
	for f, err := range fleet.Findings.Range(tx, "", nil, nil, 0, false) {
		if err != nil {
			return found, err
		}
		if f.Sign == fleet.SignNode && (f.Node == node || f.NodeName == node) {
			found = f
			n++
		}
	}
	switch {
	case n == 0:
		return found, fault.New(fault.NotFound, fmt.Sprintf("no unknown node %q has come", node), "see `controller recovery show`")
	case n > 1:
		return found, fault.New(fault.Conflict, fmt.Sprintf("%d unknown nodes call themselves %q", n, node), "name it by its id: `controller recovery show -o json`")
	}
	return found, nil
}

// Recall has every connected agent say hello again, spread over some seconds: what it is told of epochs has changed. node "" is
// all of them. It returns when they were told, at most a few seconds later; games notice nothing.
func (t *Tunnel) Recall(ctx context.Context, node, reason string) {
	t.mu.Lock()
	var peers []*peer
	for id, n := range t.nodes {
		if n.up() != nil && (node == "" || id == node) {
			peers = append(peers, n.current)
		}
	}
	t.mu.Unlock()
	t.dismissAll(ctx, peers, reason)
}
