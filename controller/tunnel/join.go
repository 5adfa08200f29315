package tunnel

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/failpoint"
	"github.com/payperplay/payperplay/protocol/rpc"
)

// door is what one stranger's connection may do: join or recover, once.
type door struct {
	t    *Tunnel
	conn *tls.Conn
	from netip.Addr
}

var _ protocol.Door = door{}

// join serves one ppp-join connection and tells whether the stranger got what it came for.
func (t *Tunnel) join(life context.Context, tc *tls.Conn, from netip.Addr) bool {
	defer func() { _ = tc.Close() }()
	ctx, cancel := context.WithTimeout(life, exchangeTime)
	defer cancel()
	err := rpc.ServeExchange(ctx, tc, door{t, tc, from})
	if err == nil {
		return true
	}
	t.log.WarnContext(life, "join failed", "error", err, "remote", from)
	// Only who was refused as a stranger is charged: our own failures and a name that is taken are not an attack.
	return fault.KindOf(err) != fault.Unauthorized && fault.KindOf(err) != fault.Invalid
}

// Join trades a join token for a node and its first certificate.
func (d door) Join(ctx context.Context, req protocol.JoinRequest) (protocol.JoinReply, error) {
	if err := failpoint.Hit("tunnel.join.before"); err != nil {
		return protocol.JoinReply{}, err
	}
	key, hash, err := boundKey(req.CSR)
	if err != nil {
		return protocol.JoinReply{}, err
	}
	if !protocol.Serves(req.Facts.Protocol) {
		_, err := checkHello(&protocol.Hello{Facts: req.Facts})
		return protocol.JoinReply{}, err
	}
	if err := cleanFacts(&req.Facts); err != nil {
		return protocol.JoinReply{}, err
	}
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return protocol.JoinReply{}, err
	}
	a := applicant{key: spki, facts: req.Facts, token: hashToken(req.Token), id: fleet.NewID(fleet.NodePrefix), from: d.from, now: time.Now().UTC(),
		claim: claim{name: req.Facts.Name, machineID: req.Facts.MachineID, address: d.from.String(), keyHash: hash, roles: req.Facts.Roles}}
	var n fleet.Node
	var no *refusal
	err = d.t.batch.do(ctx, func(tx store.Tx) error {
		var err error
		n, no, err = d.t.enrol(tx, a)
		return err
	})
	switch {
	case err != nil:
		d.t.m.joins.WithLabelValues("error").Inc()
		return protocol.JoinReply{}, err
	case no != nil:
		d.t.m.joins.WithLabelValues(no.reason).Inc()
		return protocol.JoinReply{}, no.told
	}
	d.t.m.joins.WithLabelValues("joined").Inc()
	d.t.mu.Lock()
	d.t.entry(n.ID).name = n.Name
	d.t.mu.Unlock()
	d.t.opts.OnChange(n.ID)
	return d.t.welcomePapers(n, key)
}

// applicant is who wants to join.
type applicant struct {
	claim
	key   []byte // SPKI
	facts protocol.NodeFacts
	token string // hash
	id    string // of the node, if it becomes one
	from  netip.Addr
	now   time.Time
}

// enrol uses up the token and makes the node's rows, or says why not and logs the attempt. It may run twice.
func (t *Tunnel) enrol(tx store.Tx, a applicant) (fleet.Node, *refusal, error) {
	row, err := joinTokens.Get(tx, a.token)
	if errors.Is(err, store.ErrNotFound) {
		no := &refusal{"unknown", fault.New(fault.Unauthorized, "the join token is not known here", "check that it was copied whole and is for this controller; "+askNew)}
		return fleet.Node{}, no, t.emitRefused(tx, a, JoinToken{}, no)
	}
	if err != nil {
		return fleet.Node{}, nil, err
	}
	recovery, err := fleet.ReadRecovery(tx)
	if err != nil {
		return fleet.Node{}, nil, err
	}
	if row.Created.Before(recovery.Since) && row.Used.IsZero() {
		row.Expires = row.Created // it may have been used in the time that the store has forgotten
	}
	no, again := checkToken(row, a.claim, a.now)
	if no != nil {
		return fleet.Node{}, no, t.emitRefused(tx, a, row, no)
	}
	if again {
		n, err := fleet.Nodes.Get(tx, row.Node)
		if err == nil {
			err = barred(n)
		}
		return n, nil, err
	}
	if err := nameFree(tx, row.Name); err != nil {
		return fleet.Node{}, nil, err
	}
	n := fleet.Node{
		ID: a.id, Name: row.Name, Owner: row.Actor, Class: row.Class, Facts: a.facts, BoundKey: a.key,
		Machine: row.Machine, Proving: row.Machine != "", JoinedAt: a.now, JoinedBy: row.Actor, UpdatedAt: a.now, UpdatedBy: row.Actor,
	}
	n.Facts.Name = n.Name
	row.Used, row.Node, row.KeyHash = a.now, n.ID, a.keyHash
	if err := joinTokens.Put(tx, row); err != nil {
		return n, nil, err
	}
	if err := fleet.Nodes.Put(tx, n); err != nil {
		return n, nil, err
	}
	if err := enrolments.Put(tx, Enrolment{Node: n.ID, Roles: row.Roles}); err != nil {
		return n, nil, err
	}
	return n, nil, t.emit(tx, "node.joined", n.ID, row.Actor, map[string]any{
		"name": n.Name, "class": n.Class, "roles": a.facts.Roles, "address": a.from.String(), "machine_id": a.facts.MachineID, "token_by": row.Actor,
	})
}

func (t *Tunnel) emitRefused(tx store.Tx, a applicant, row JoinToken, no *refusal) error {
	return t.emit(tx, "node.join_refused", row.Node, "stranger:"+a.from.String(), map[string]any{
		"reason": no.reason, "alarm": no.reason == "used", "token_for": row.Name, "address": a.from.String(),
		"hostname": a.facts.Hostname, "machine_id": a.facts.MachineID,
	})
}

func nameFree(tx store.Tx, name string) error {
	_, err := fleet.Nodes.Lookup(tx, "name", name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return err
	default:
		return fault.New(fault.Conflict, fmt.Sprintf("there is a node %q already", name), "choose another name, or revoke that node first (controller node revoke "+name+")")
	}
}

// welcomePapers is what a node gets that joined or recovered.
func (t *Tunnel) welcomePapers(n fleet.Node, key crypto.PublicKey) (protocol.JoinReply, error) {
	now := time.Now()
	cert, err := t.ca.issueNode(n.ID, key, now, nodeLife)
	if err != nil {
		return protocol.JoinReply{}, err
	}
	reply := protocol.JoinReply{Node: n.ID, Name: n.Name, Cluster: t.ca.Cluster(), Cert: cert, CA: t.ca.Roots(), Now: now.UTC()}
	return reply, failpoint.Hit("tunnel.join.after")
}
