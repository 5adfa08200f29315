package tunnel

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/rpc"
)

// host adds to the machine's health what belongs to the tunnel itself.
type host struct {
	Health
	a *Agent
}

var _ protocol.Host = host{}

var errNoLink = protocol.Faultf(protocol.Invalid, "", "this call belongs on a control session")

// Goodbye remembers why the controller is about to end the session; keep decides what follows.
func (h host) Goodbye(ctx context.Context, req protocol.GoodbyeRequest) (protocol.GoodbyeReply, error) {
	l, ok := ctx.Value(linkKey{}).(*link)
	if !ok {
		return protocol.GoodbyeReply{}, errNoLink
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = &dismissed{why: req}
	// The controller closes once it has this answer; should it not, this side does.
	time.AfterFunc(5*time.Second, func() { _ = l.s.Close(errors.New(req.Reason)) })
	return protocol.GoodbyeReply{}, nil
}

// OpenBulk dials a bulk connection to the controller of this session, beside it.
func (h host) OpenBulk(ctx context.Context, req protocol.OpenBulkRequest) (protocol.OpenBulkReply, error) {
	l, ok := ctx.Value(linkKey{}).(*link)
	if !ok {
		return protocol.OpenBulkReply{}, errNoLink
	}
	if len(req.Ticket) != ticketSize {
		return protocol.OpenBulkReply{}, protocol.Faultf(protocol.Invalid, "", "a ticket has %d characters", ticketSize)
	}
	h.a.work.Add(1)
	go func() {
		defer h.a.work.Done()
		if err := h.a.bulk(l, req.Ticket); err != nil && l.ctx.Err() == nil {
			h.a.log.WarnContext(l.ctx, "bulk connection failed", "error", err, "controller", l.addr)
		}
	}()
	return protocol.OpenBulkReply{}, nil
}

const ticketSize = 43 // 32 bytes in base64

// bulk dials, shows the ticket and serves until the session has been idle for a while or the control session ends.
func (a *Agent) bulk(l *link, ticket string) error {
	ident := a.identity()
	conn, err := a.dial(l.ctx, l.addr, tlsConfig(protocol.ALPNBulk, ident.Pins, ident.Cluster, ident.tlsCert()))
	if err != nil {
		return err
	}
	if _, err := io.WriteString(conn, ticket); err != nil {
		_ = conn.Close()
		return err
	}
	term := func() int64 { t, _ := a.opts.State.Term(); return t }
	s, err := rpc.NewSession(conn, rpc.Options{
		Client: true, Logger: a.log, Term: term, SawTerm: func(t int64) error { return a.opts.State.SeeTerm(l.ctx, t) },
		Heartbeat: a.opts.Heartbeat, DeadAfter: a.opts.DeadAfter, Watch: a.watch, Metrics: a.rpcm, Window: rpc.WindowBulk,
	})
	if err != nil {
		return err
	}
	ctx := context.WithValue(l.ctx, linkKey{}, nil)
	a.work.Add(1)
	go func() {
		defer a.work.Done()
		_ = s.Serve(ctx, a.mux)
	}()
	return a.idle(s)
}

// idle closes a bulk session that has served nothing for long. The controller closes it much earlier, because only it knows
// when the last byte has arrived; this is for one that forgets.
func (a *Agent) idle(s *rpc.Session) error {
	tick := time.NewTicker(a.opts.BulkIdle / 6)
	defer tick.Stop()
	for since := time.Now(); ; {
		select {
		case <-s.Done():
			return nil
		case <-tick.C:
		}
		if s.Active() > 0 {
			since = time.Now()
		} else if time.Since(since) >= a.opts.BulkIdle {
			s.GoAway() // the controller opens a new one if it wants
			return s.Close(errors.New("idle"))
		}
	}
}
