package rpc

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

// Call makes one unary call. Its deadline is that of ctx, else DefaultCall. Errors: *protocol.Fault from the other side as it was given;
// else one that holds both a Fault (Timeout, Unavailable: the outcome is then unknown) and the cause.
func Call[Req, Resp any](ctx context.Context, s *Session, m protocol.Method[Req, Resp], req Req) (Resp, error) {
	var resp Resp
	c := call{session: s, id: m.ID, name: m.Name, shape: protocol.Unary}
	err := c.run(ctx, &req, func(body []byte) error { return decode(body, &resp) })
	return resp, err
}

// call is one call from the calling side.
type call struct {
	session *Session
	id      uint16
	name    string
	shape   protocol.Shape
	stream  *clientStream
	sent    <-chan struct{} // closed when a request that is written aside is out
	until   time.Time       // zero = as long as the session lives (streams only)
}

// run makes the call and hands the answer's body to done; the body is valid only inside it.
func (c *call) run(ctx context.Context, req any, done func(body []byte) error) error {
	start := time.Now()
	c.session.calling.Add(1)
	defer c.session.callEnded()
	err := c.attempt(ctx, start, req, done)
	c.session.opts.Metrics.called(c.id, time.Since(start), err)
	return err
}

func (s *Session) callEnded() {
	s.used.Store(s.opts.Watch.now())
	s.calling.Add(-1)
}

func (c *call) attempt(ctx context.Context, start time.Time, req any, done func(body []byte) error) error {
	if err := ctx.Err(); err != nil {
		return c.failed(ctx, err)
	}
	if err := failpoint.Hit("rpc.call.before"); err != nil {
		return c.failed(ctx, err)
	}
	var ok bool
	if c.until, ok = ctx.Deadline(); !ok {
		c.until = start.Add(DefaultCall)
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, c.until)
		defer cancel()
	}
	m := getMessage()
	defer putMessage(m)
	inStep, err := c.exchange(ctx, start, m, req)
	if c.stream != nil {
		c.session.release(c.stream, inStep)
	}
	if err != nil {
		return err
	}
	if err := failpoint.Hit("rpc.call.after"); err != nil {
		return c.failed(ctx, err)
	}
	if err := done(m.b[headRoom:]); err != nil {
		return c.failed(ctx, err)
	}
	return nil
}

// exchange sends the request and reads the reply into m. inStep tells whether the stream may be used again.
func (c *call) exchange(ctx context.Context, now time.Time, m *message, req any) (inStep bool, err error) {
	stop, err := c.begin(ctx, now, m, req)
	if err != nil {
		return false, err
	}
	h, err := readHeader(c.stream.br)
	if err == nil {
		err = c.checkReply(h)
	}
	var body []byte
	if err == nil {
		body, err = m.readBody(c.stream.br, h.body)
	}
	untouched := stop() && c.allSent()
	if err != nil {
		return false, c.failed(ctx, eofInside(err))
	}
	if h.kind != kindReply {
		return untouched && h.kind == kindFault, remoteFault(body)
	}
	return untouched, nil
}

func (c *call) checkReply(h header) error {
	switch {
	case h.kind != kindReply && h.kind != kindFault && h.kind != kindBreak:
		return errFrame
	case h.body > c.session.opts.MaxMessage:
		return errTooLarge
	default:
		return nil
	}
}

// begin takes a stream and sends the request. stop must be called; it gives false when ctx ended in between, so the stream's deadlines are spoilt.
func (c *call) begin(ctx context.Context, now time.Time, m *message, req any) (stop func() bool, err error) {
	s := c.session
	if err := m.encode(req); err != nil {
		return nil, protocol.Faultf(protocol.Internal, "report this", "request of %s cannot be written: %v", c.name, err)
	}
	if size := len(m.b) - headRoom; size > limit(c.id, s.opts.MaxMessage) {
		return nil, protocol.Faultf(protocol.Invalid, "ask for less at once", "request of %s has %d bytes, over the limit", c.name, size)
	}
	h := header{kind: kindCall, method: c.id, call: s.nextCall.Add(1), trace: outgoingTrace(ctx)}
	if !c.until.IsZero() {
		h.deadline = max(time.Millisecond, c.until.Sub(now).Round(time.Millisecond))
	}
	if s.opts.Term != nil {
		h.term = s.opts.Term()
	}
	if c.stream, err = s.take(ctx, c.shape != protocol.Unary); err != nil {
		return nil, c.failed(ctx, err)
	}
	cs := c.stream
	if err := cs.SetDeadline(c.until); err != nil {
		return nil, c.failed(ctx, err)
	}
	stop = func() bool { return true }
	if ctx.Done() != nil {
		stop = context.AfterFunc(ctx, func() { _ = cs.SetDeadline(past) })
	}
	if err := c.send(m.frame(&h)); err != nil {
		stop()
		return nil, c.failed(ctx, err)
	}
	return stop, nil
}

// send writes the frame. yamux waits for a turn on the line without regard to the stream's deadline, and for a window that a refusing peer will not open:
// when the line is busy now, or the frame larger than the window, the write goes on aside while the answer, or the deadline, is waited for.
func (c *call) send(frame []byte) error {
	s := c.session
	since := s.conn.writing.Load()
	busy := since != 0 && s.opts.Watch.now()-since > int64(20*time.Millisecond)
	if !busy && len(frame) <= WindowControl {
		return writeAll(c.stream.Stream, frame)
	}
	own := append([]byte(nil), frame...)
	st, sent := c.stream.Stream, make(chan struct{})
	c.sent = sent
	go func() {
		defer close(sent)
		if err := writeAll(st, own); errors.Is(err, yamux.ErrConnectionWriteTimeout) {
			s.cut(ErrStalled)
		}
	}()
	return nil
}

// allSent tells whether nothing of the request is still being written.
func (c *call) allSent() bool {
	if c.sent == nil {
		return true
	}
	select {
	case <-c.sent:
		return true
	default:
		return false
	}
}

var errTooLarge = errors.New("message over the size limit")

// failed says what a broken call means for the caller.
func (c *call) failed(ctx context.Context, err error) error {
	s := c.session
	if errors.Is(err, yamux.ErrConnectionWriteTimeout) {
		s.cut(ErrStalled)
	}
	var timeout interface{ Timeout() bool }
	switch ended := s.Err(); {
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled):
		return &lost{context.Canceled, protocol.Faultf(protocol.Unavailable, "", "%s was given up", c.name)}
	case ended != nil:
		return &lost{ended, protocol.Faultf(protocol.Unavailable, "look whether it happened, then try again", "the connection was lost during %s", c.name)}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return &lost{context.DeadlineExceeded, protocol.Faultf(protocol.Timeout, "look whether it happened, then try again", "no answer to %s in time", c.name)}
	case errors.Is(err, yamux.ErrRemoteGoAway), errors.Is(err, yamux.ErrConnectionReset):
		return &lost{err, protocol.Faultf(protocol.Unavailable, "try again in a moment", "the other side takes no more calls now (%s)", c.name)}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, yamux.ErrStreamClosed):
		return &lost{err, protocol.Faultf(protocol.Unavailable, "look whether it happened, then try again", "the answer to %s was cut off", c.name)}
	default:
		return &lost{err, protocol.Faultf(protocol.Unavailable, "try again", "%s failed on the way", c.name)}
	}
}

// lost is a call that broke on the way: a Fault for people, and the cause for errors.Is.
type lost struct {
	cause error
	fault *protocol.Fault
}

func (l *lost) Error() string   { return l.fault.Error() + ": " + l.cause.Error() }
func (l *lost) Unwrap() []error { return []error{l.fault, l.cause} }
