package tunnel

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"slices"
	"time"

	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/rpc"
)

const (
	handshakeTime = 10 * time.Second
	exchangeTime  = 30 * time.Second // of a join, after the handshake
	helloTime     = 10 * time.Second // from handshake to an accepted Hello
	goodbyeTime   = time.Second      // a peer has this long to hear why it is cut
)

// Serve accepts agents on ln until ctx ends; then it tells all of them to come back later, closes everything and returns.
func (t *Tunnel) Serve(ctx context.Context, ln net.Listener) error {
	if err := t.begin(ctx); err != nil {
		return err
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	late := time.AfterFunc(returnTime, func() { t.missing(life) })
	defer late.Stop()
	err := t.accept(ctx, life, ln)
	_ = ln.Close()
	t.farewell(life)
	end()
	t.work.Wait()
	return err
}

// accept hands connections to handshake goroutines, never more than Pending at once: further ones wait in the kernel's queue.
func (t *Tunnel) accept(ctx, life context.Context, ln net.Listener) error {
	slots := make(chan struct{}, t.opts.Pending)
	wait := time.Duration(0)
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		conn, err := ln.Accept()
		if err == nil {
			wait = 0
			t.work.Add(1)
			go func() {
				defer t.work.Done()
				defer func() { <-slots }()
				t.meet(life, conn)
			}()
			continue
		}
		<-slots
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		wait = min(max(2*wait, 5*time.Millisecond), time.Second)
		t.log.WarnContext(ctx, "accept failed", "error", err, "retry_in", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// meet does the handshake with one stranger and hands the connection to whom it is for. It runs on a goroutine of its own
// that ends here, because a handshake leaves a large stack behind that a long-lived reader must not keep.
func (t *Tunnel) meet(life context.Context, conn net.Conn) {
	defer func() {
		if p := recover(); p != nil {
			t.log.ErrorContext(life, "panic in a handshake", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			_ = conn.Close()
		}
	}()
	exact, counted := addrOf(conn)
	if !t.limit.enter(counted, time.Now()) {
		t.m.handshakes.WithLabelValues("", "limited").Inc()
		_ = conn.Close()
		return
	}
	failed := false
	defer func() { t.limit.leave(counted, time.Now(), failed) }()
	tc, err := t.handshake(life, conn)
	if err != nil {
		// A peer that is merely slow or gone is not charged: in a storm that would shut out honest agents behind one address.
		var timeout net.Error
		failed = !(errors.As(err, &timeout) && timeout.Timeout()) && !errors.Is(err, context.Canceled)
		t.log.DebugContext(life, "handshake failed", "error", err, "remote", exact)
		return
	}
	switch tc.ConnectionState().NegotiatedProtocol {
	case protocol.ALPNJoin:
		failed = !t.join(life, tc, exact)
	case protocol.ALPNControl:
		t.startControl(life, tc, exact)
	case protocol.ALPNBulk:
		t.startBulk(life, tc)
	default:
		_ = tc.Close()
	}
}

// handshake closes the connection when it fails.
func (t *Tunnel) handshake(life context.Context, conn net.Conn) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(life, handshakeTime)
	defer cancel()
	_ = rpc.TuneConn(conn) // a connection that is no TCP socket needs no tuning
	g := &gated{Conn: conn, gate: t.gate}
	defer g.done()
	tc := tls.Server(rpc.Wire(g), t.entrance)
	start := time.Now()
	err := tc.HandshakeContext(ctx)
	t.m.seconds.Observe(time.Since(start).Seconds())
	alpn := tc.ConnectionState().NegotiatedProtocol
	if err != nil {
		t.m.handshakes.WithLabelValues(alpn, "failed").Inc()
		_ = conn.Close()
		return nil, err
	}
	t.m.handshakes.WithLabelValues(alpn, "ok").Inc()
	return tc, nil
}

// newEntrance picks the rules by what the stranger says it came for: only ppp-join works without a certificate of ours.
func (t *Tunnel) newEntrance() *tls.Config {
	return rpc.TuneTLS(&tls.Config{
		GetConfigForClient: func(hi *tls.ClientHelloInfo) (*tls.Config, error) {
			for _, alpn := range []string{protocol.ALPNControl, protocol.ALPNBulk, protocol.ALPNJoin} {
				if slices.Contains(hi.SupportedProtos, alpn) {
					return t.configFor(alpn)
				}
			}
			return nil, fmt.Errorf("tunnel: no protocol of ours among %q", hi.SupportedProtos)
		},
	})
}

// configFor gives the one configuration that all connections of a kind share until the controller's certificate changes:
// each keeps a reference to it for its life.
func (t *Tunnel) configFor(alpn string) (*tls.Config, error) {
	cert, err := t.ca.serverCert(time.Now())
	if err != nil {
		return nil, err
	}
	t.confMu.Lock()
	defer t.confMu.Unlock()
	if t.confCert != cert {
		t.confCert, t.configs = cert, map[string]*tls.Config{}
	}
	cfg := t.configs[alpn]
	if cfg != nil {
		return cfg, nil
	}
	cfg = rpc.TuneTLS(&tls.Config{NextProtos: []string{alpn}, Certificates: []tls.Certificate{*cert}})
	if alpn != protocol.ALPNJoin {
		cfg.ClientAuth = tls.RequireAnyClientCert
		cfg.VerifyConnection = t.ca.admits
	}
	if alpn == protocol.ALPNControl {
		// 10,000 agents come back at once after a restart. Whether a node may come in is asked of its row at each Hello, not of its papers.
		key, err := t.ca.ticketKey()
		if err != nil {
			return nil, err
		}
		rpc.Tickets(cfg, key)
	}
	t.configs[alpn] = cfg
	return cfg, nil
}

// who gives the node that a verified connection belongs to, and why it may not come in (nil: it may). key is that of a node
// which the store does not know: the handshake has proven that it has it, and our CA that the node is its.
func (t *Tunnel) who(ctx context.Context, tc *tls.Conn) (id string, key []byte, barred error) {
	certs := tc.ConnectionState().PeerCertificates // VerifyConnection has seen them
	cert := certs[0]
	clear(certs) // the connection would keep the parsed certificate for its life: 3 KiB for each of 10,000 agents
	id, err := nodeOf(cert, t.ca.Cluster())
	if err != nil {
		return "", nil, err
	}
	known := t.lookUp(ctx, id, spkiOf(cert.RawSubjectPublicKeyInfo))
	if errors.Is(known, errNotKnown) {
		key, barred = stranger(known, cert, time.Now())
		return id, key, barred
	}
	if err := expired(cert, time.Now()); err != nil {
		return id, nil, err
	}
	return id, nil, known
}

// startControl makes a session of a control connection. A node that may not come in gets one too, but only to hear why.
func (t *Tunnel) startControl(life context.Context, tc *tls.Conn, from netip.Addr) {
	p := &peer{t: t, remote: from}
	p.node, p.key, p.refused = t.who(life, tc)
	s, err := rpc.NewSession(tc, rpc.Options{
		Logger: t.log, Term: t.db.Term, DeadAfter: t.opts.DeadAfter, Watch: t.watch, Metrics: t.rpcm,
	})
	if err != nil {
		t.log.WarnContext(life, "session failed", "error", err, "node", p.node)
		return
	}
	p.session, p.agent = s, rpc.NewRemote(s, nil)
	t.keep(life, p, func(ctx context.Context) error { return s.Serve(ctx, t.mux) })
}

// keep serves a peer to its end, in the background.
func (t *Tunnel) keep(life context.Context, p *peer, serve func(context.Context) error) {
	p.deadline = time.AfterFunc(helloTime, func() { _ = p.session.Close(errNoHello) })
	t.work.Add(1)
	go func() {
		defer t.work.Done()
		err := serve(withPeer(life, p))
		p.deadline.Stop()
		t.ended(life, p, err)
	}()
}

var errNoHello = errors.New("no accepted hello within 10 s")
