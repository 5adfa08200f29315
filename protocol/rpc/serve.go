package rpc

import (
	"bufio"
	"context"
	"errors"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

// cancelLag is how late a unary handler learns that its caller gave up: the watcher of short calls would cost more than the calls.
const cancelLag = 5 * time.Millisecond

// accept takes streams while there is a place. When all places are taken it takes none: up to acceptBacklog wait, and yamux refuses the rest,
// so that a flood costs its sender alone.
func (s *Session) accept(ctx context.Context, mux *Mux) error {
	places := make(chan struct{}, s.opts.MaxStreams)
	for {
		select {
		case places <- struct{}{}:
		case <-s.done:
			return s.endErr
		}
		st, err := s.mux.AcceptStreamWithContext(ctx)
		if err != nil {
			if ctx.Err() == nil {
				s.broke(err)
			}
			<-s.done
			_ = s.mux.Close()
			return s.endErr
		}
		go func() {
			defer func() { <-places }()
			s.serveStream(ctx, st, mux)
		}()
	}
}

// serveStream serves the calls that come on one stream, one after the other.
func (s *Session) serveStream(ctx context.Context, st *yamux.Stream, mux *Mux) {
	br := getReader(st)
	defer putReader(br)
	defer func() { _ = st.Close() }()
	for {
		_ = st.SetReadDeadline(time.Now().Add(serveIdle))
		h, err := readHeader(br)
		if err != nil || h.kind != kindCall {
			return
		}
		c := served{session: s, st: st, br: br, h: h, msg: getMessage()}
		inStep := c.serve(ctx, mux)
		putMessage(c.msg)
		if !inStep { // while draining, what comes on kept streams is refused call by call
			return
		}
	}
}

// served is one call from the serving side.
type served struct {
	session *Session
	st      *yamux.Stream
	br      *bufio.Reader
	h       header
	msg     *message    // first the request, then the answers
	body    []byte      // of the request; valid until the first answer
	ended   bool        // the frame that ends the call was sent
	lost    bool        // the answer must not be sent
	gone    atomic.Bool // the caller closed the stream
}

// serve runs one call; inStep tells whether another may follow on the stream.
func (c *served) serve(ctx context.Context, mux *Mux) (inStep bool) {
	s, start := c.session, time.Now()
	s.active.Add(1)
	defer func() {
		s.used.Store(s.opts.Watch.now())
		s.active.Add(-1)
	}()
	r := mux.routes[c.h.method]
	err := c.prepare(r)
	if err == nil {
		err = c.handle(ctx, mux, r, start)
	}
	if c.lost {
		return false
	}
	if err != nil && !c.ended {
		inStep = c.refuse(kindFault, err) && r != nil && r.row.Shape == protocol.Unary
	} else {
		inStep = c.ended && r.row.Shape == protocol.Unary
	}
	s.opts.Metrics.served(c.h.method, time.Since(start), err)
	return inStep
}

// prepare reads the request and checks all that needs no types.
func (c *served) prepare(r *route) error {
	s := c.session
	if r == nil {
		return c.abandon(protocol.Faultf(protocol.Invalid, "the versions may not fit: update the older side", "method %d is not served here", c.h.method))
	}
	if most := limit(c.h.method, s.opts.MaxMessage); c.h.body > most {
		return c.abandon(protocol.Faultf(protocol.Invalid, "ask for less at once", "request of %s has %d bytes, over the limit of %d", r.row.Name, c.h.body, most))
	}
	body, err := c.msg.readBody(c.br, c.h.body)
	if err != nil {
		c.lost = true
		return err
	}
	c.body = body
	if s.draining.Load() {
		return protocol.Faultf(protocol.Unavailable, "try again in a moment", "the other side is shutting down")
	}
	return s.checkTerm(c.h.term)
}

// abandon answers without having read the request; the stream is out of step then.
func (c *served) abandon(f *protocol.Fault) error {
	c.refuse(kindBreak, f)
	c.lost = true
	return f
}

// checkTerm refuses an older controller and lets a newer one's term be persisted, before any handler runs.
func (s *Session) checkTerm(term int64) error {
	if s.opts.SawTerm == nil {
		return nil
	}
	s.termMu.Lock()
	defer s.termMu.Unlock()
	switch own := s.opts.Term(); {
	case term < own:
		return protocol.Faultf(protocol.Stale, "another controller leads now", "the call carries term %d, this agent has seen %d", term, own)
	case term > own:
		if err := s.opts.SawTerm(term); err != nil {
			s.log.Error("cannot keep the controller's term", "term", term, "error", err)
			return protocol.Faultf(protocol.Unavailable, "look at the agent's disk", "the agent cannot keep the new term")
		}
	}
	return nil
}

// handle runs the handler under the call's deadline, with a watch on the caller.
func (c *served) handle(ctx context.Context, mux *Mux, r *route, start time.Time) (err error) {
	ctx = &callContext{Context: ctx, h: c.h, name: r.row.Name}
	var cancel context.CancelFunc
	if c.h.deadline > 0 {
		ctx, cancel = context.WithDeadline(ctx, start.Add(c.h.deadline))
	} else {
		ctx, cancel = context.WithCancel(ctx)
	}
	defer cancel()
	stop := c.watchCaller(r.row.Shape, cancel)
	defer stop()
	defer func() {
		if p := recover(); p != nil {
			c.session.opts.Metrics.panicked()
			c.session.log.Error("handler panicked", "method", r.row.Name, "panic", p, "stack", string(debug.Stack()))
			err = protocol.Faultf(protocol.Internal, "see the log of the other side", "%s failed", r.row.Name)
		}
	}()
	if r.row.Shape != protocol.Unary {
		unblock := context.AfterFunc(ctx, func() { _ = c.st.SetWriteDeadline(past) })
		defer unblock()
	}
	return r.serve(ctx, c)
}

// enter is passed right before the handler.
func (c *served) enter() error { return failpoint.Hit("rpc.serve.before") }

// watchCaller cancels the handler when the caller closes the stream. stop ends the watch and leaves the stream readable.
func (c *served) watchCaller(shape protocol.Shape, cancel func()) (stop func()) {
	done := make(chan struct{})
	look := func() {
		defer close(done)
		_ = c.st.SetReadDeadline(time.Time{})
		// A byte is no cancel: the caller may have our answer already and be asking the next question.
		if _, err := c.br.Peek(1); err != nil && !errors.Is(err, yamux.ErrTimeout) {
			c.gone.Store(true)
			cancel()
		}
	}
	if c.br.Buffered() > 0 { // it must not come before the answer, but if it does, it waits
		return func() {}
	}
	var timer *time.Timer
	if shape == protocol.Unary {
		timer = time.AfterFunc(cancelLag, look)
	} else {
		go look()
	}
	return func() {
		if timer != nil && timer.Stop() {
			return
		}
		for {
			_ = c.st.SetReadDeadline(past)
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond): // it may have set its own deadline after ours
			}
		}
	}
}
