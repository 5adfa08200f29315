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

// CallStream makes a call that is answered by many values; emit gets each in order, on the caller's goroutine. A slow emit slows the other side
// by way of the stream's window: at most Window bytes and one value are held. It lasts until the other side ends it, emit fails (its error is returned),
// or ctx ends; without a deadline in ctx it may last as long as the session.
func CallStream[Req, Resp any](ctx context.Context, s *Session, m protocol.Method[Req, Resp], req Req, emit func(Resp) error) error {
	c := call{session: s, id: m.ID, name: m.Name, shape: protocol.Stream}
	return c.follow(ctx, &req, func(h header, msg *message) error {
		body, err := msg.readBody(c.stream.br, h.body)
		if err != nil {
			return err
		}
		var resp Resp
		if err := decode(body, &resp); err != nil {
			return err
		}
		if err := emit(resp); err != nil {
			return &emitError{err}
		}
		return nil
	})
}

// CallRaw makes a call that is answered by raw bytes, which go to w as they come. nil means that all of them came.
func CallRaw[Req any](ctx context.Context, s *Session, m protocol.Method[Req, struct{}], req Req, w io.Writer) error {
	c := call{session: s, id: m.ID, name: m.Name, shape: protocol.Raw}
	return c.follow(ctx, &req, func(h header, _ *message) error { return c.copyPiece(w, h.body) })
}

// emitError marks an error of the caller's own emit or writer.
type emitError struct{ error }

func (e *emitError) Unwrap() error { return e.error }

// follow runs a stream or raw call; each gets every item or piece.
func (c *call) follow(ctx context.Context, req any, each func(header, *message) error) error {
	start := time.Now()
	c.session.calling.Add(1)
	defer c.session.callEnded()
	err := c.followOnce(ctx, start, req, each)
	if c.stream != nil {
		c.session.release(c.stream, false)
	}
	var own *emitError
	if errors.As(err, &own) {
		err = own.error
	}
	c.session.opts.Metrics.called(c.id, time.Since(start), err)
	return err
}

func (c *call) followOnce(ctx context.Context, start time.Time, req any, each func(header, *message) error) error {
	if err := ctx.Err(); err != nil {
		return c.failed(ctx, err)
	}
	if err := failpoint.Hit("rpc.call.before"); err != nil {
		return c.failed(ctx, err)
	}
	c.until, _ = ctx.Deadline()
	m := getMessage()
	defer putMessage(m)
	stop, err := c.begin(ctx, start, m, req)
	if err != nil {
		return err
	}
	defer stop()
	for {
		end, err := c.next(ctx, m, each)
		if err != nil || end {
			if err == nil {
				err = failpoint.Hit("rpc.call.after")
			}
			return c.explain(ctx, err)
		}
	}
}

// explain leaves faults and the caller's own errors as they are.
func (c *call) explain(ctx context.Context, err error) error {
	var own *emitError
	var fault *protocol.Fault
	if err == nil || errors.As(err, &own) || errors.As(err, &fault) {
		return err
	}
	return c.failed(ctx, eofInside(err))
}

// next reads one frame of the answer.
func (c *call) next(ctx context.Context, m *message, each func(header, *message) error) (end bool, err error) {
	if err := c.waitFrame(ctx); err != nil {
		return false, err
	}
	h, err := readHeader(c.stream.br)
	if err != nil {
		return false, err
	}
	if h.body > c.session.opts.MaxMessage {
		return false, errTooLarge
	}
	switch {
	case h.kind == kindEnd:
		return true, nil
	case h.kind == kindFault, h.kind == kindBreak:
		body, err := m.readBody(c.stream.br, h.body)
		if err != nil {
			return false, err
		}
		return true, remoteFault(body)
	case h.kind == kindItem && c.shape == protocol.Stream, h.kind == kindPiece && c.shape == protocol.Raw:
		return false, each(h, m)
	default:
		return false, errFrame
	}
}

// waitFrame waits for the first byte of a frame. A stream may be silent for long: each wait has a deadline, and goes on while session and caller live.
func (c *call) waitFrame(ctx context.Context) error {
	for c.stream.br.Buffered() == 0 {
		c.arm(ctx)
		_, err := c.stream.br.Peek(1)
		if err == nil {
			break
		}
		again := errors.Is(err, yamux.ErrTimeout) && c.shape == protocol.Stream && ctx.Err() == nil && c.session.Err() == nil
		if !again {
			return err
		}
	}
	c.arm(ctx)
	return nil
}

// arm sets the read deadline of the next step: a minute of progress, within the call's deadline.
func (c *call) arm(ctx context.Context) {
	step := time.Now().Add(progress)
	if !c.until.IsZero() && c.until.Before(step) {
		step = c.until
	}
	_ = c.stream.SetReadDeadline(step)
	if ctx.Err() != nil { // it ended before this deadline was set, and its own would be lost
		_ = c.stream.SetReadDeadline(past)
	}
}

// copyPiece hands n raw bytes to w straight out of the read buffer.
func (c *call) copyPiece(w io.Writer, n int) error {
	br := c.stream.br
	for n > 0 {
		have := br.Buffered()
		if have == 0 {
			if _, err := br.Peek(1); err != nil {
				return eofInside(err)
			}
			have = br.Buffered()
		}
		have = min(have, n)
		part, _ := br.Peek(have)
		wrote, err := w.Write(part)
		if err == nil && wrote < have {
			err = io.ErrShortWrite
		}
		if err != nil {
			return &emitError{err}
		}
		_, _ = br.Discard(have)
		n -= have
	}
	return nil
}
