package tunnel

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// maxRecoveries is how often a node may come back by its key alone before an operator must look.
const maxRecoveries = 3

const (
	recoverLabel = "EXPORTER-payperplay-recover"
	recoverText  = "ppp-recover\x00"
)

// Recover gives a node whose certificate has expired (it was off for long) a new one for a proof of its bound key.
// The proof is over this very connection, so it is worth nothing on another.
func (d door) Recover(ctx context.Context, req protocol.RecoverRequest) (protocol.JoinReply, error) {
	key, hash, err := boundKey(req.CSR)
	if err != nil {
		return protocol.JoinReply{}, err
	}
	if len(req.Node) > store.MaxText || !proves(d, key, req) {
		d.t.m.joins.WithLabelValues("bad_proof").Inc()
		return protocol.JoinReply{}, unknownNode()
	}
	var n fleet.Node
	var no error
	now := time.Now().UTC()
	err = d.t.batch.do(ctx, func(tx store.Tx) error {
		var err error
		n, no, err = d.t.readmit(tx, req.Node, hash, d.from.String(), now)
		return err
	})
	switch {
	case err != nil:
		d.t.m.joins.WithLabelValues("error").Inc()
		return protocol.JoinReply{}, err
	case no != nil:
		d.t.m.joins.WithLabelValues("recovery_refused").Inc()
		return protocol.JoinReply{}, no
	}
	d.t.m.joins.WithLabelValues("recovered").Inc()
	return d.t.welcomePapers(n, key)
}

// unknownNode is one answer for a node that is not known and for a key that is not its own: a stranger learns nothing.
func unknownNode() error {
	return fault.New(fault.Unauthorized, "this controller does not know a node of that id and key",
		"enrol the agent again with a new token and an empty --data")
}

func proves(d door, key crypto.PublicKey, req protocol.RecoverRequest) bool {
	state := d.conn.ConnectionState()
	value, err := state.ExportKeyingMaterial(recoverLabel, nil, 32)
	if err != nil {
		return false
	}
	text := append([]byte(recoverText+req.Node+"\x00"), value...)
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		sum := sha256.Sum256(text)
		return ecdsa.VerifyASN1(k, sum[:], req.Signature)
	case ed25519.PublicKey:
		return ed25519.Verify(k, text, req.Signature)
	default:
		return false
	}
}

// readmit checks the node's row and counts the recovery. It may run twice.
func (t *Tunnel) readmit(tx store.Tx, id, keyHash, from string, now time.Time) (n fleet.Node, no, err error) {
	n, err = fleet.Nodes.Get(tx, id)
	if errors.Is(err, store.ErrNotFound) {
		return n, unknownNode(), nil
	}
	if err != nil {
		return n, nil, err
	}
	if subtle.ConstantTimeCompare([]byte(spkiOf(n.BoundKey)), []byte(keyHash)) != 1 {
		return n, unknownNode(), t.emit(tx, "node.join_refused", n.ID, "stranger:"+from, map[string]any{"reason": "other_key", "alarm": true, "address": from})
	}
	if err := barred(n); err != nil {
		return n, err, nil
	}
	if n.Recoveries >= maxRecoveries {
		return n, fault.New(fault.Forbidden, fmt.Sprintf("node %s has come back by its key alone %d times", n.Name, n.Recoveries),
			"ask the operator to allow it again (controller node allow-recovery "+n.Name+")"), nil
	}
	n.Recoveries++
	n.UpdatedAt, n.UpdatedBy = now, agentActor(n.ID)
	if err := fleet.Nodes.Put(tx, n); err != nil {
		return n, nil, err
	}
	return n, nil, t.emit(tx, "node.recovered", n.ID, agentActor(n.ID), map[string]any{"address": from, "count": n.Recoveries, "of": maxRecoveries})
}

// AllowRecovery lets a node come back by its key three more times.
func (t *Tunnel) AllowRecovery(ctx context.Context, actor, nameOrID string) error {
	return t.change(ctx, actor, nameOrID, "node.recovery_allowed", func(_ store.Tx, n *fleet.Node, _ *Enrolment) error {
		n.Recoveries = 0
		return nil
	})
}

// Renew gives a new certificate for the same key, over the node's own session.
func (h home) Renew(ctx context.Context, req protocol.RenewRequest) (protocol.RenewReply, error) {
	p, err := h.t.inside(ctx)
	if err != nil {
		return protocol.RenewReply{}, err
	}
	key, hash, err := boundKey(req.CSR)
	if err != nil {
		return protocol.RenewReply{}, err
	}
	if err := h.t.lookUp(ctx, p.node, hash); err != nil {
		return protocol.RenewReply{}, err
	}
	now := time.Now()
	cert, err := h.t.ca.issueNode(p.node, key, now, nodeLife)
	if err != nil {
		return protocol.RenewReply{}, err
	}
	return protocol.RenewReply{Cert: cert, CA: h.t.ca.Roots(), Now: now.UTC()}, nil
}
