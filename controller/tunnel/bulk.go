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

// Bulk connections are dialled by the agent when it is asked to; the ticket says that this is the one.
const (
	bulkTime   = 15 * time.Second
	ticketSize = 43 // 32 bytes in base64
)

// bulkLink is a node's bulk session and who uses it. The fields are guarded by the Tunnel's mu.
type bulkLink struct {
	session *rpc.Session
	users   int
	idle    *time.Timer // closes the session; stopped while somebody uses it
}

// bulkWait is an OpenBulk that was asked for and has not been answered.
type bulkWait struct {
	node string
	got  chan error // one value: nil when the session is there
}

// borrowBulk gives the node's bulk session, which is opened if there is none; giveBack must be called after the last byte.
func (t *Tunnel) borrowBulk(ctx context.Context, p *peer) (s *rpc.Session, giveBack func(), err error) {
	wait, cancel := context.WithTimeout(ctx, bulkTime)
	defer cancel()
	for {
		t.mu.Lock()
		n := t.entry(p.node)
		switch {
		case n.up() != p:
			t.mu.Unlock()
			return nil, nil, fault.New(fault.Unavailable, "the session of node "+n.name+" has ended", "try again")
		case n.bulk != nil && n.bulk.session.Err() == nil:
			b := n.bulk
			b.users++
			b.idle.Stop()
			t.mu.Unlock()
			return b.session, func() { t.giveBack(b) }, nil
		}
		opening := n.opening
		if opening != nil {
			t.mu.Unlock()
			select {
			case <-opening:
				continue
			case <-wait.Done():
				return nil, nil, bulkLate(wait.Err())
			}
		}
		n.opening = make(chan struct{})
		t.mu.Unlock()
		if err := t.openBulk(wait, p); err != nil {
			return nil, nil, err
		}
	}
}

func (t *Tunnel) giveBack(b *bulkLink) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if b.users--; b.users == 0 {
		b.idle.Reset(t.opts.BulkIdle)
	}
}

func bulkLate(err error) error {
	return fault.Wrap(err, fault.Timeout, "the agent did not open a bulk connection in time", "try again")
}

// openBulk asks the agent for a bulk connection and waits until it is in the table.
func (t *Tunnel) openBulk(ctx context.Context, p *peer) error {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails since Go 1.24
	ticket := base64.RawURLEncoding.EncodeToString(raw)
	w := &bulkWait{node: p.node, got: make(chan error, 1)}
	t.mu.Lock()
	t.tickets[ticket] = w
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.tickets, ticket)
		n := t.entry(p.node)
		close(n.opening)
		n.opening = nil
	}()
	if _, err := p.facets().OpenBulk(ctx, protocol.OpenBulkRequest{Ticket: ticket}); err != nil {
		return err
	}
	select {
	case err := <-w.got:
		return err
	case <-p.session.Done():
		return fault.New(fault.Unavailable, "the node's session ended while a bulk connection was opened", "try again")
	case <-ctx.Done():
		return bulkLate(ctx.Err())
	}
}

// startBulk matches a bulk connection with who waits for it. Without a ticket for this very node it is closed.
func (t *Tunnel) startBulk(life context.Context, tc *tls.Conn) {
	id, _, err := t.who(life, tc)
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
	b := &bulkLink{session: s}
	b.idle = time.AfterFunc(t.opts.BulkIdle, func() { _ = s.Close(errors.New("idle")) })
	t.mu.Lock()
	n := t.entry(id)
	kept := n.up() != nil && !t.down
	if kept {
		n.bulk = b
	}
	t.mu.Unlock()
	if !kept {
		_ = s.Close(errors.New("the node is not connected"))
		w.got <- fault.New(fault.Unavailable, "the node's session has ended", "try again")
		return
	}
	w.got <- nil
	t.work.Add(1)
	go func() {
		defer t.work.Done()
		_ = s.Serve(life, rpc.NewMux(nil)) // agents call nothing here
		b.idle.Stop()
		t.mu.Lock()
		defer t.mu.Unlock()
		if n.bulk == b {
			n.bulk = nil
		}
	}()
}
