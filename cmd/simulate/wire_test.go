package simulate

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/payperplay/payperplay/agent/state"
	agent "github.com/payperplay/payperplay/agent/tunnel"
	controller "github.com/payperplay/payperplay/controller/tunnel"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/plant"
)

const (
	deadAfter = 8 * time.Second // as protocol/rpc
	callTime  = 30 * time.Second
	dialTime  = 10 * time.Second
)

// wire is one control connection: what TLS and rpc are otherwise. Messages are copied, take their time, wait while the way is shut, and
// are lost with the connection, never alone. Each end notices by itself, after a silence, that the other is gone.
type wire struct {
	w     *world
	p     *process
	c     *controllerEnd
	agent *end
	home  protocol.Home // the controller's

	open   context.Context // ends with the first end that closes
	shut   context.CancelFunc
	mu     sync.Mutex
	quiet  bool // nobody is told of an end's close
	served agent.Served
	base   context.Context // of the agent's handlers; nil until it serves
}

// end is one side.
type end struct {
	x    *wire
	once sync.Once
	err  error
	done chan struct{}
	peer func() *end
}

func newEnd(x *wire) *end { return &end{x: x, done: make(chan struct{})} }

func (e *end) Done() <-chan struct{} { return e.done }

func (e *end) Err() error {
	select {
	case <-e.done:
		return e.err
	default:
		return nil
	}
}

func (e *end) Close(reason error) error { e.close(reason); return nil }

var (
	errPeerGone = errors.New("the other side closed the connection")
	errSilence  = errors.New("nothing was heard from the other side")
	errClosed   = errors.New("session closed")
)

func (e *end) close(reason error) {
	if reason == nil {
		reason = errClosed
	}
	e.once.Do(func() {
		e.err = reason
		close(e.done)
		e.x.shut()
		e.x.mu.Lock()
		quiet := e.x.quiet
		e.x.mu.Unlock()
		if quiet || e.x.p.m.link.closed() > 0 {
			return // the watch of the other end finds out
		}
		time.AfterFunc(e.x.p.latency(), func() { e.peer().close(errPeerGone) })
	})
}

// latency of one message.
func (p *process) latency() time.Duration {
	p.m.mu.Lock()
	slow := p.m.slow
	p.m.mu.Unlock()
	if slow > 0 {
		return p.some(500*time.Millisecond, time.Duration(slow)*time.Second)
	}
	return p.some(time.Millisecond, 30*time.Millisecond)
}

// dial opens a wire to the controller that leads now.
func (p *process) dial(ctx context.Context) (agent.Line, error) {
	limit, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	if !pause(limit, p.latency()) || !p.m.link.pass(limit) || !p.gate.pass(limit) {
		return nil, errors.New("dial: no answer")
	}
	c := p.m.w.leader()
	if c == nil || !c.accepts() {
		return nil, errors.New("dial: connection refused")
	}
	x := &wire{w: p.m.w, p: p}
	x.open, x.shut = context.WithCancel(p.m.w.ctx)
	x.agent, x.c = newEnd(x), &controllerEnd{end: newEnd(x), c: c}
	x.agent.peer = func() *end { return x.c.end }
	x.c.peer = func() *end { return x.agent }
	p.m.mu.Lock()
	p.m.wires[x] = true
	p.m.mu.Unlock()
	x.home = c.tun.Receive(c.life, p.m.id, netip.AddrFrom4([4]byte{192, 0, 2, byte(p.m.i + 1)}), x.c)
	p.m.w.bg.Go(x.watch)
	return (*agentEnd)(x), nil
}

// watch ends the wire when the way was shut for too long, each end for itself.
func (x *wire) watch() {
	defer func() {
		x.p.m.mu.Lock()
		delete(x.p.m.wires, x)
		x.p.m.mu.Unlock()
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	quiet := time.Duration(0)
	for x.agent.Err() == nil || x.c.Err() == nil {
		select {
		case <-tick.C:
		case <-x.w.ctx.Done():
			x.agent.close(x.w.ctx.Err())
			x.c.close(x.w.ctx.Err())
			return
		}
		shut := max(x.p.m.link.closed(), x.p.gate.closed())
		if x.open.Err() != nil {
			quiet += time.Second // one end is gone and could not say so
			shut = max(shut, quiet)
		}
		if shut > deadAfter {
			x.agent.close(errSilence)
			x.c.close(errSilence)
		}
	}
}

// silence is what a machine's death leaves: the controller's end finds out by itself.
func (x *wire) silence() {
	x.mu.Lock()
	x.quiet = true
	x.mu.Unlock()
}

// cut resets the connection on both ends.
func (x *wire) cut(why string) {
	x.agent.close(errors.New(why))
	x.c.close(errors.New(why))
}

// travel takes a message from one end to the other; false when the connection ended under way.
func (x *wire) travel() bool {
	return pause(x.open, x.p.latency()) && x.p.m.link.pass(x.open) && x.p.gate.pass(x.open)
}

// lost is a call that broke on the way, as rpc tells it.
type lostCall struct {
	cause error
	fault *protocol.Fault
}

func (l *lostCall) Error() string   { return l.fault.Error() + ": " + l.cause.Error() }
func (l *lostCall) Unwrap() []error { return []error{l.fault, l.cause} }

func copied[T any](in T) (out T) {
	text, err := json.Marshal(in)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		panic(err)
	}
	return out
}

type answer[T any] struct {
	resp T
	err  error
}

// call is one call over the wire. toAgent: the controller calls. again: a copy of the request may arrive a second time.
func call[Req, Resp any](ctx context.Context, x *wire, name string, toAgent, again bool, req Req, serve func(context.Context, Req) (Resp, error)) (Resp, error) {
	near := x.agent
	if toAgent {
		near = x.c.end
	}
	var none Resp
	if err := near.Err(); err != nil {
		return none, &lostCall{err, protocol.Faultf(protocol.Unavailable, "try again", "the connection was lost during %s", name)}
	}
	req = copied(req)
	x.stamp(&req, !toAgent)
	limit, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	answers := make(chan answer[Resp], 1)
	deliver := func(ctx context.Context, after time.Duration, heard bool) {
		if !pause(x.open, after) || !x.travel() {
			return
		}
		newest := x.w.truth.orderArrives(x.p.m, req)
		resp, err := handle(ctx, x, toAgent, copied(req), serve)
		if err == nil {
			x.w.truth.orderTaken(x.p.m, req, newest)
		}
		if heard && x.loses() {
			x.w.note(x.p.name, "the reply to %s is lost", name)
			x.cut("reset while a reply was under way")
			return
		}
		if !x.travel() || !heard {
			return
		}
		if err == nil {
			x.stamp(&resp, toAgent)
		}
		answers <- answer[Resp]{resp, err}
	}
	x.w.bg.Go(func() {
		if by := x.delays(req); by > 0 {
			x.w.note(x.p.name, "%s is late by %s", name, by)
			late, cancel := context.WithTimeout(x.open, by+callTime) // also when nobody waits for it any more
			defer cancel()
			deliver(late, by, true)
			return
		}
		deliver(limit, 0, true)
	})
	if again && x.doubles() {
		x.w.bg.Go(func() {
			if x.worst(req) {
				x.w.note(x.p.name, "%s arrives again", name)
				late, cancel := context.WithTimeout(x.open, callTime)
				defer cancel()
				deliver(late, 0, false)
			}
		})
	}
	select {
	case a := <-answers:
		return a.resp, a.err
	case <-near.done:
		return none, &lostCall{near.err, protocol.Faultf(protocol.Unavailable, "look whether it happened, then try again", "the connection was lost during %s", name)}
	case <-limit.Done():
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return none, &lostCall{context.Canceled, protocol.Faultf(protocol.Unavailable, "", "%s was given up", name)}
	}
	return none, &lostCall{context.DeadlineExceeded, protocol.Faultf(protocol.Timeout, "look whether it happened, then try again", "no answer to %s in time", name)}
}

// stamp turns the times of a message into what its writer's clock said, as its reader's clock sees them.
func (x *wire) stamp(message any, toController bool) {
	if m := x.p.m; toController {
		m.out.carry(message, m.clock, x.w.clock)
	} else {
		m.in.carry(message, x.w.clock, m.clock)
	}
}

// handle runs the handler at the far end, under its context and the caller's.
func handle[Req, Resp any](ctx context.Context, x *wire, toAgent bool, req Req, serve func(context.Context, Req) (Resp, error)) (resp Resp, err error) {
	base := x.c.c.life
	if toAgent {
		if base = x.serving(); base == nil {
			return resp, protocol.Faultf(protocol.Unavailable, "try again", "the agent serves no calls yet")
		}
		if err := x.checkTerm(x.c.c.db.Term()); err != nil {
			return resp, err
		}
	}
	until, _ := ctx.Deadline()
	handler, cancel := context.WithDeadline(base, until)
	defer cancel()
	stop := context.AfterFunc(ctx, cancel)
	defer stop()
	resp, err = serve(handler, req)
	if err != nil {
		return resp, protocol.AsFault(err)
	}
	return copied(resp), nil
}

func (x *wire) serving() context.Context {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.base
}

// checkTerm is what rpc does before a handler of the agent runs.
func (x *wire) checkTerm(term int64) error {
	own, err := x.p.journal.Term()
	switch {
	case err != nil || term == own:
		return err
	case term < own && !plant.On(plant.StaleTermWrite):
		return protocol.Faultf(protocol.Stale, "another controller leads now", "the call carries term %d, this agent has seen %d", term, own)
	case term < own:
		return nil
	}
	if err := x.p.journal.SeeTerm(x.open, term); err != nil {
		return protocol.Faultf(protocol.Unavailable, "look at the agent's disk", "the agent cannot keep the new term")
	}
	return nil
}

// worst waits for the worst moment for a request to arrive again: a start when its server is being stopped or has left, what ends a game
// when a newer start was taken, others at any time.
func (x *wire) worst(req any) bool {
	server, o, is := orderOf(req)
	if !is {
		return pause(x.open, x.p.some(0, 15*time.Second))
	}
	_, start := req.(protocol.StartRequest)
	for range 300 {
		if !pause(x.open, 100*time.Millisecond) {
			return false
		}
		row, there := x.p.m.disk.row(server)
		switch overtaken := o.Before(x.p.m.disk.lastOrder(server)); {
		case start && (there && row.Observed.State == protocol.StateStopping || !there && overtaken):
			return true
		case !start && there && overtaken && row.Want == state.WantRun:
			return pause(x.open, x.p.some(0, 10*time.Second))
		}
	}
	return true
}

func (x *wire) loses() bool {
	x.p.m.mu.Lock()
	losing := x.p.m.losing
	x.p.m.mu.Unlock()
	return losing > 0 && x.p.chance(4) == 0
}

func (x *wire) doubles() bool {
	x.p.m.mu.Lock()
	double := x.p.m.double
	x.p.m.mu.Unlock()
	return double > 0 && x.p.chance(2) == 0
}

// delays tells by how much an order comes late, behind those that were given after it; 0: not at all.
func (x *wire) delays(req any) time.Duration {
	x.p.m.mu.Lock()
	double := x.p.m.double
	x.p.m.mu.Unlock()
	if _, _, is := orderOf(req); !is || double == 0 || x.p.chance(4) != 0 {
		return 0
	}
	return x.p.some(time.Second, 20*time.Second)
}

// agentEnd is the wire as the agent holds it.
type agentEnd wire

var _ agent.Line = (*agentEnd)(nil)

func (a *agentEnd) Done() <-chan struct{}    { return a.agent.Done() }
func (a *agentEnd) Err() error               { return a.agent.Err() }
func (a *agentEnd) Close(reason error) error { return a.agent.Close(reason) }

func (a *agentEnd) Serve(ctx context.Context, facets agent.Served) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.served, a.base = facets, ctx
}

func (a *agentEnd) Hello(ctx context.Context, req protocol.Hello) (protocol.Welcome, error) {
	return call(ctx, (*wire)(a), "Hello", false, false, req, a.home.Hello)
}

func (a *agentEnd) Report(ctx context.Context, req protocol.ReportBatch) (protocol.Ack, error) {
	return call(ctx, (*wire)(a), "Report", false, true, req, a.home.Report)
}

func (a *agentEnd) Renew(ctx context.Context, req protocol.RenewRequest) (protocol.RenewReply, error) {
	return call(ctx, (*wire)(a), "Renew", false, false, req, a.home.Renew)
}

// controllerEnd is the wire as the controller holds it.
type controllerEnd struct {
	*end
	noConsole
	c *controllerProcess
}

var _ controller.Line = (*controllerEnd)(nil)

func (e *controllerEnd) LastHeard() time.Time {
	return time.Now().Add(-max(e.x.p.m.link.closed(), e.x.p.gate.closed()))
}

func (e *controllerEnd) GoAway() {}

func (e *controllerEnd) Start(ctx context.Context, req protocol.StartRequest) (protocol.StartReply, error) {
	return call(ctx, e.x, "Start", true, true, req, func(ctx context.Context, req protocol.StartRequest) (protocol.StartReply, error) {
		out, err := e.x.served.Start(ctx, req)
		if err == nil {
			e.x.w.promised(e.x, req.Grant)
		}
		return out, err
	})
}

func (e *controllerEnd) Stop(ctx context.Context, req protocol.StopRequest) (protocol.StopReply, error) {
	return call(ctx, e.x, "Stop", true, true, req, e.x.served.Stop)
}

func (e *controllerEnd) Kill(ctx context.Context, req protocol.KillRequest) (protocol.KillReply, error) {
	return call(ctx, e.x, "Kill", true, true, req, e.x.served.Kill)
}

func (e *controllerEnd) Remove(ctx context.Context, req protocol.RemoveRequest) (protocol.RemoveReply, error) {
	return call(ctx, e.x, "Remove", true, true, req, e.x.served.Remove)
}

func (e *controllerEnd) Inventory(ctx context.Context, req protocol.InventoryRequest) (protocol.Inventory, error) {
	return call(ctx, e.x, "Inventory", true, false, req, e.x.served.Inventory)
}

func (e *controllerEnd) Sample(ctx context.Context, req protocol.SampleRequest) (protocol.Sample, error) {
	return call(ctx, e.x, "Sample", true, false, req, e.x.served.Sample)
}

func (e *controllerEnd) Check(ctx context.Context, req protocol.CheckRequest) (protocol.CheckReply, error) {
	return call(ctx, e.x, "Check", true, false, req, e.x.served.Check)
}

func (e *controllerEnd) OpenBulk(context.Context, protocol.OpenBulkRequest) (protocol.OpenBulkReply, error) {
	return protocol.OpenBulkReply{}, protocol.Faultf(protocol.Unavailable, "", "there is no bulk here")
}

func (e *controllerEnd) Goodbye(ctx context.Context, req protocol.GoodbyeRequest) (protocol.GoodbyeReply, error) {
	return call(ctx, e.x, "Goodbye", true, false, req, e.x.served.Goodbye)
}
