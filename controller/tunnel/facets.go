package tunnel

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/rpc"
)

// Runtime gives a connected node's Runtime; kind unavailable, with the node's name and last contact, if it is not connected.
func (t *Tunnel) Runtime(node string) (protocol.Runtime, error) { return t.remote(node) }

// Console gives a connected node's Console; errors as Runtime.
func (t *Tunnel) Console(node string) (protocol.Console, error) { return t.remote(node) }

// Host gives a connected node's Host; errors as Runtime.
func (t *Tunnel) Host(node string) (protocol.Host, error) { return t.remote(node) }

// facets is all that an agent offers.
type facets interface {
	protocol.Runtime
	protocol.Console
	protocol.Host
}

func (t *Tunnel) remote(node string) (facets, error) {
	p, err := t.peerOf(node)
	if err != nil {
		return nil, err
	}
	return p.facets(), nil
}

// authorize is asked before every method that agents call. Reports are checked object by object in their own transaction
// (mayTell), because one foreign fact must not stop those behind it.
func (t *Tunnel) authorize(ctx context.Context, row protocol.Row, objects []protocol.Object) error {
	p, err := peerFrom(ctx)
	if err != nil {
		return err
	}
	switch row.ID {
	case protocol.HomeHello.ID:
		return nil
	case protocol.HomeReport.ID:
		_, err := t.inside(ctx)
		return err
	default:
		if _, err := t.inside(ctx); err != nil {
			return err
		}
		for _, o := range objects {
			if o.Kind != "node" || o.ID != p.node {
				return fault.New(fault.NotFound, "there is no such "+o.Kind, "")
			}
		}
		return nil
	}
}

// Bulk connections are dialled by the agent when it is asked to; the ticket says that this is the one.
const (
	bulkTime   = 15 * time.Second
	ticketSize = 43 // 32 bytes in base64
)

// bulkWait is an OpenBulk that was asked for and has not been answered.
type bulkWait struct {
	node string
	got  chan *rpc.Session
}

// bulk gives the node's bulk session and has one opened if there is none.
func (t *Tunnel) bulk(ctx context.Context, p *peer) (*rpc.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, bulkTime)
	defer cancel()
	for {
		t.mu.Lock()
		n := t.entry(p.node)
		if n.current != p {
			t.mu.Unlock()
			return nil, fault.New(fault.Unavailable, "the node's session has ended", "try again")
		}
		if n.bulk != nil && n.bulk.Err() == nil {
			s := n.bulk
			t.mu.Unlock()
			return s, nil
		}
		opening := n.opening
		if opening == nil {
			n.opening = make(chan struct{})
			t.mu.Unlock()
			return t.openBulk(ctx, p)
		}
		t.mu.Unlock()
		select {
		case <-opening:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (t *Tunnel) openBulk(ctx context.Context, p *peer) (*rpc.Session, error) {
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return nil, err
	}
	ticket := base64.RawURLEncoding.EncodeToString(raw)
	w := &bulkWait{node: p.node, got: make(chan *rpc.Session, 1)}
	t.mu.Lock()
	t.tickets[ticket] = w
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		delete(t.tickets, ticket)
		n := t.entry(p.node)
		close(n.opening)
		n.opening = nil
		t.mu.Unlock()
	}()
	if _, err := p.facets().OpenBulk(ctx, protocol.OpenBulkRequest{Ticket: ticket}); err != nil {
		return nil, err
	}
	select {
	case s := <-w.got:
		return s, nil
	case <-p.session.Done():
		return nil, fault.New(fault.Unavailable, "the node's session ended while a bulk connection was opened", "try again")
	case <-ctx.Done():
		return nil, fault.Wrap(ctx.Err(), fault.Timeout, "the agent did not open a bulk connection in time", "try again")
	}
}

// startBulk matches a bulk connection with who waits for it. Without a ticket for this very node it is closed.
func (t *Tunnel) startBulk(life context.Context, tc *tls.Conn) {
	id, err := t.who(life, tc)
	ticket := make([]byte, ticketSize)
	if err == nil {
		_ = tc.SetReadDeadline(time.Now().Add(handshakeTime))
		_, err = io.ReadFull(tc, ticket)
	}
	if err != nil {
		t.m.refused.WithLabelValues("bulk").Inc()
		t.log.DebugContext(life, "bulk connection refused", "error", err, "node", id)
		_ = tc.Close()
		return
	}
	_ = tc.SetReadDeadline(time.Time{})
	t.mu.Lock()
	w := t.tickets[string(ticket)]
	if w != nil && w.node == id {
		delete(t.tickets, string(ticket)) // one ticket, one connection
	}
	t.mu.Unlock()
	if w == nil || w.node != id {
		t.m.refused.WithLabelValues("ticket").Inc()
		_ = tc.Close()
		return
	}
	s, err := rpc.NewSession(tc, rpc.Options{Logger: t.log, Term: t.db.Term, DeadAfter: t.opts.DeadAfter, Watch: t.watch, Metrics: t.rpcm, Window: rpc.WindowBulk})
	if err != nil {
		return
	}
	t.mu.Lock()
	n := t.entry(id)
	kept := n.current != nil && !t.down
	if kept {
		n.bulk = s
	}
	t.mu.Unlock()
	if !kept {
		_ = s.Close(errors.New("the node is not connected"))
		return
	}
	w.got <- s
	t.work.Add(1)
	go func() {
		defer t.work.Done()
		_ = s.Serve(life, rpc.NewMux(nil)) // agents call nothing here
		t.mu.Lock()
		if n.bulk == s {
			n.bulk = nil
		}
		t.mu.Unlock()
	}()
}
