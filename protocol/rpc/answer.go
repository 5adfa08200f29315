package rpc

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

// slowCaller is how long one item may wait for a caller that does not read.
const slowCaller = 2 * time.Minute

// reply ends a unary call with its response.
func (c *served) reply(resp any) error {
	if err := c.msg.encode(resp); err != nil {
		return err
	}
	if size := len(c.msg.b) - headRoom; size > c.session.opts.MaxMessage {
		return protocol.Faultf(protocol.Exhausted, "ask for less at once", "the answer has %d bytes, over the limit of %d", size, c.session.opts.MaxMessage)
	}
	if err := failpoint.Hit("rpc.serve.after"); err != nil {
		c.lost = true // the work is done, the answer is not heard
		return err
	}
	return c.finish(kindReply, serveIdle)
}

// end ends a stream or raw call well.
func (c *served) end(k kind) error {
	if err := failpoint.Hit("rpc.serve.after"); err != nil {
		c.lost = true
		return err
	}
	c.msg.b = c.msg.b[:headRoom]
	return c.finish(k, slowCaller)
}

// refuse ends a call with a fault; ok tells whether it was sent.
func (c *served) refuse(k kind, err error) (ok bool) {
	if errors.Is(err, failpoint.ErrInjected) || c.gone.Load() {
		c.lost = true
		return false
	}
	f := protocol.AsFault(err)
	if f.Code == protocol.Internal {
		c.session.log.Error("call failed", "method", c.h.method, "error", err)
	}
	if err := c.msg.encode(f); err != nil {
		return false
	}
	return c.finish(k, serveIdle) == nil
}

func (c *served) finish(k kind, within time.Duration) error {
	c.ended = true
	err := c.write(k, within)
	if err != nil {
		c.lost = true
	}
	return err
}

// write sends msg as one frame.
func (c *served) write(k kind, within time.Duration) error {
	_ = c.st.SetWriteDeadline(time.Now().Add(within))
	h := header{kind: k}
	err := writeAll(c.st, c.msg.frame(&h))
	if errors.Is(err, yamux.ErrConnectionWriteTimeout) {
		c.session.cut(ErrStalled)
	}
	return err
}

// item sends one value of a stream.
func (c *served) item(ctx context.Context, resp any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := c.msg.encode(resp); err != nil {
		return err
	}
	if size := len(c.msg.b) - headRoom; size > c.session.opts.MaxMessage {
		return protocol.Faultf(protocol.Exhausted, "", "a value of %d bytes is over the limit of %d", size, c.session.opts.MaxMessage)
	}
	return c.waited(ctx, c.write(kindItem, slowCaller))
}

// waited: a write that was cut by the end of ctx says so.
func (c *served) waited(ctx context.Context, err error) error {
	if err != nil {
		c.lost = true // half a frame may be out
		if e := ctx.Err(); e != nil {
			return e
		}
	}
	return err
}

// pieceHead is room for the header of a piece.
const pieceHead = 5

var piecePool = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// pieces is the writer of a raw call: it gathers what is written into frames of exactly pieceSize.
type pieces struct {
	ctx  context.Context
	call *served
	buf  *[pieceSize]byte
	n    int // bytes of payload in buf, after pieceHead
	err  error
}

func (p *pieces) Write(b []byte) (int, error) {
	total := len(b)
	for len(b) > 0 && p.err == nil {
		if p.buf == nil {
			p.buf = piecePool.Get().(*[pieceSize]byte)
		}
		n := copy(p.buf[pieceHead+p.n:], b)
		p.n += n
		b = b[n:]
		if pieceHead+p.n == pieceSize {
			p.err = p.flush()
		}
	}
	return total - len(b), p.err
}

// flush sends what was gathered. The header is written right before the payload, whose place is fixed.
func (p *pieces) flush() error {
	if p.err != nil || p.n == 0 {
		return p.err
	}
	if p.err = p.ctx.Err(); p.err != nil {
		return p.err
	}
	h := header{kind: kindPiece, body: p.n}
	var scratch [headRoom]byte
	head := h.append(scratch[:0])
	start := pieceHead - len(head)
	copy(p.buf[start:], head)
	_ = p.call.st.SetWriteDeadline(time.Now().Add(slowCaller))
	_, err := p.call.st.Write(p.buf[start : pieceHead+p.n])
	p.n = 0
	p.err = p.call.waited(p.ctx, err)
	return p.err
}

func (p *pieces) free() {
	if p.buf != nil {
		piecePool.Put(p.buf)
		p.buf = nil
	}
}
