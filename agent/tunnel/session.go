package tunnel

import (
	"context"
	"crypto/tls"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/failpoint"
	"github.com/payperplay/payperplay/protocol/rpc"
)

const (
	helloTime    = 15 * time.Second
	firstLook    = 3 * time.Second  // the session must not wait for a slow Docker
	refreshAfter = 15 * time.Second // an inventory that could not be taken is tried again
	lookAgain    = 30 * time.Second // for reports, without being woken
)

// link is one control session.
type link struct {
	a    *Agent
	addr string
	ctx  context.Context // ends with the session
	s    Session
	home protocol.Home

	generation int64 // of this session; taken at its first Hello

	mu   sync.Mutex
	over *dismissed // what the controller said before it ended the session
}

type linkKey struct{}

// serve opens a session on conn and works until it ends.
func (a *Agent) serve(ctx context.Context, addr string, conn *tls.Conn) error {
	return a.session(ctx, addr, func(l *link) error { return l.overTLS(conn) })
}

// overTLS makes the session of a connection and serves the controller's calls on it.
func (l *link) overTLS(conn *tls.Conn) error {
	a, ctx := l.a, l.ctx
	term := func() int64 { t, _ := a.opts.State.Term(); return t } // an unreadable journal counts as no term: the Hello fails on it
	s, err := rpc.NewSession(conn, rpc.Options{
		Client: true, Logger: a.log, Term: term, SawTerm: func(t int64) error { return a.opts.State.SeeTerm(ctx, t) },
		Heartbeat: a.opts.Heartbeat, DeadAfter: a.opts.DeadAfter, Watch: a.watch, Metrics: a.rpcm,
	})
	if err != nil {
		return err
	}
	l.s, l.home = s, rpc.NewHome(s)
	a.work.Add(1)
	go func() {
		defer a.work.Done()
		_ = s.Serve(ctx, a.mux)
	}()
	return nil
}

// session lives a session from the moment it is open to its end, and gives the reason of the end.
func (a *Agent) session(ctx context.Context, addr string, open func(*link) error) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	l := &link{a: a, addr: addr}
	l.ctx = context.WithValue(ctx, linkKey{}, l)
	if err := open(l); err != nil {
		return err
	}
	err := l.live()
	a.setStatus(func(st *Status) { st.Connected, st.Controller = false, "" })
	_ = l.s.Close(err)
	if over := l.dismissal(); over != nil {
		return over
	}
	return err
}

func (l *link) dismissal() *dismissed {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over
}

// live says hello, hands over what waits, and then keeps reports and certificate fresh until the session ends.
func (l *link) live() error {
	a := l.a
	w, err := l.hello(false)
	if err != nil {
		return err
	}
	a.log.InfoContext(l.ctx, "connected to the controller", "controller", l.addr, "node", w.Node, "session", w.Session)
	a.setStatus(func(s *Status) {
		s.Connected, s.Parked, s.Controller, s.Since, s.Problem = true, false, l.addr, time.Now(), ""
	})
	sent := w.AckSeq
	if sent, err = l.push(sent); err != nil {
		return err
	}
	// The inventory comes after the reports that led to it, so that the controller sees things happen in their order.
	refresh := time.NewTimer(refreshAfter)
	defer refresh.Stop()
	if !w.NeedInventory || l.inventory() {
		refresh.Stop()
	}
	return l.work(sent, refresh)
}

func (l *link) work(sent int64, refresh *time.Timer) error {
	a := l.a
	renew := time.NewTimer(renewIn(a.identity().leaf, a.now(), rand.Float64()))
	defer renew.Stop()
	look := time.NewTicker(lookAgain)
	defer look.Stop()
	var err error
	for {
		select {
		case <-l.s.Done():
			return l.s.Err()
		case <-l.ctx.Done():
			return l.ctx.Err()
		case <-a.opts.Reports.Wake():
			sent, err = l.push(sent)
		case <-look.C:
			sent, err = l.push(sent)
		case <-refresh.C:
			if !l.inventory() {
				refresh.Reset(refreshAfter)
			}
		case <-renew.C:
			next, _ := l.renew()
			renew.Reset(next)
		case answer := <-a.asked:
			next, err := l.renew()
			renew.Reset(next)
			answer <- err
		}
		if err != nil {
			return err
		}
	}
}

// hello opens the session; with the inventory it is the second one.
func (l *link) hello(withInventory bool) (protocol.Welcome, error) {
	a := l.a
	ctx, cancel := context.WithTimeout(l.ctx, helloTime)
	defer cancel()
	if err := failpoint.Hit("agent.tunnel.hello.before"); err != nil {
		return protocol.Welcome{}, err
	}
	req, err := l.greeting(ctx, withInventory)
	if err != nil {
		return protocol.Welcome{}, err
	}
	w, err := l.home.Hello(ctx, req)
	if err != nil {
		return w, turnedAway{err}
	}
	ident := a.identity()
	if w.Cluster != ident.Cluster || w.Node != ident.Node {
		return w, protocol.Faultf(protocol.Forbidden, "check --controller", "the controller takes this machine for node %s of cluster %s, it is %s of %s", w.Node, w.Cluster, ident.Node, ident.Cluster)
	}
	if err := a.opts.State.SeeTerm(ctx, w.Term); err != nil {
		return w, err
	}
	a.setClock(w.Now)
	if err := l.known(ctx, w.AckSeq, w.Mark); err != nil {
		return w, err
	}
	if a.opts.Outdated != nil {
		if err := a.opts.Outdated(ctx, w.Epochs); err != nil {
			return w, err
		}
	}
	return w, failpoint.Hit("agent.tunnel.hello.after")
}

func (l *link) greeting(ctx context.Context, withInventory bool) (protocol.Hello, error) {
	st := l.a.opts.State
	term, err := st.Term()
	if err != nil {
		return protocol.Hello{}, err
	}
	generation := l.generation
	if generation == 0 {
		if generation, err = st.Generation(ctx); err != nil {
			return protocol.Hello{}, err
		}
		l.generation = generation
	}
	req := protocol.Hello{
		Facts: l.a.facts(), Run: st.Run(), Generation: generation, Term: term, NextSeq: l.a.opts.Reports.NextSeq(), Now: time.Now().UTC(),
	}
	if r, ok := l.a.opts.Reports.(interface{ Dropped() int64 }); ok {
		req.DroppedSeq = r.Dropped()
	}
	if r, ok := l.a.opts.Reports.(marker); ok {
		req.Mark = r.Mark()
	}
	limit := helloTime / 2
	if !withInventory {
		limit = firstLook
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	inv, err := l.a.opts.Runtime.Inventory(ctx, protocol.InventoryRequest{})
	if err != nil {
		if withInventory {
			return req, err
		}
		return req, nil // Docker may not answer; the session is wanted all the more
	}
	req.InventoryHash = inv.Hash
	if withInventory {
		req.Inventory = inv.Servers
	}
	return req, nil
}

// inventory sends the full inventory and tells whether that worked.
func (l *link) inventory() bool {
	_, err := l.hello(true)
	if err != nil && l.s.Err() == nil {
		l.a.log.WarnContext(l.ctx, "the inventory could not be handed over, will try again", "error", err)
	}
	return err == nil
}
