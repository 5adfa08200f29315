package rpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

// MaxExchange is the most bytes of a message on ppp-join: strangers send a token and a CSR, no more.
const MaxExchange = 64 << 10

// ExchangeClient makes one call on a plain connection, without a session: ppp-join. The connection is of no use afterwards; the caller closes it.
func ExchangeClient[Req, Resp any](ctx context.Context, conn net.Conn, method protocol.Method[Req, Resp], req Req) (Resp, error) {
	var resp Resp
	until, ok := ctx.Deadline()
	if !ok {
		until = time.Now().Add(DefaultCall)
	}
	_ = conn.SetDeadline(until)
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(past) })
	defer stop()
	body, err := exchange(conn, method.ID, time.Until(until), outgoingTrace(ctx), &req)
	if err != nil {
		return resp, unanswered(ctx, method.Name, err)
	}
	return resp, decode(body, &resp)
}

// unanswered says what a broken exchange means; a fault of the other side stays as it is.
func unanswered(ctx context.Context, name string, err error) error {
	var fault *protocol.Fault
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &fault):
		return err
	case errors.Is(ctx.Err(), context.Canceled):
		return &lost{context.Canceled, protocol.Faultf(protocol.Unavailable, "", "%s was given up", name)}
	case errors.As(err, &timeout) && timeout.Timeout():
		return &lost{context.DeadlineExceeded, protocol.Faultf(protocol.Timeout, "try again", "no answer to %s in time", name)}
	default:
		return &lost{err, protocol.Faultf(protocol.Unavailable, "check the address, then try again", "the answer to %s did not come", name)}
	}
}

func exchange(conn net.Conn, method uint16, within time.Duration, trace [16]byte, req any) ([]byte, error) {
	m := getMessage()
	defer putMessage(m)
	if err := m.encode(req); err != nil {
		return nil, err
	}
	h := header{kind: kindCall, method: method, call: 1, deadline: max(time.Millisecond, within.Round(time.Millisecond)), trace: trace}
	if err := writeAll(conn, m.frame(&h)); err != nil {
		return nil, err
	}
	br := getReader(conn)
	defer putReader(br)
	h, err := readHeader(br)
	if err != nil {
		return nil, eofInside(err)
	}
	if h.body > MaxExchange {
		return nil, errTooLarge
	}
	body, err := m.readBody(br, h.body)
	switch {
	case err != nil:
		return nil, err
	case h.kind == kindFault:
		return nil, remoteFault(body)
	case h.kind != kindReply:
		return nil, errFrame
	default:
		return append([]byte(nil), body...), nil
	}
}

// ServeExchange answers the one call of a stranger within ctx's deadline, else DefaultCall. The caller closes conn. The error is for the log;
// the stranger has been told the fault where there was one.
func ServeExchange(ctx context.Context, conn net.Conn, door protocol.Door) (err error) {
	ctx, cancel := context.WithTimeout(ctx, DefaultCall)
	defer cancel()
	until, _ := ctx.Deadline()
	_ = conn.SetDeadline(until)
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(past) })
	defer stop()
	br := getReader(conn)
	defer putReader(br)
	m := getMessage()
	defer putMessage(m)
	h, err := readHeader(br)
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	if h.kind != kindCall || h.body > MaxExchange {
		return fmt.Errorf("join: %w", errFrame)
	}
	body, err := m.readBody(br, h.body)
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	reply, err := enterDoor(&callContext{Context: ctx, h: h, name: "Door"}, door, h.method, body)
	out := header{kind: kindReply}
	if err != nil {
		out.kind = kindFault
		_ = m.encode(protocol.AsFault(err))
	} else if e := m.encode(reply); e != nil {
		return fmt.Errorf("join: %w", e)
	}
	if e := writeAll(conn, m.frame(&out)); e != nil && err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	return nil
}

func enterDoor(ctx context.Context, door protocol.Door, method uint16, body []byte) (reply any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("door panicked: %v", p)
		}
	}()
	unreadable := protocol.Faultf(protocol.Invalid, "the versions may not fit: update the older side", "the request cannot be read")
	switch method {
	case protocol.DoorJoin.ID:
		var req protocol.JoinRequest
		if decode(body, &req) != nil {
			return nil, unreadable
		}
		return door.Join(ctx, req)
	case protocol.DoorRecover.ID:
		var req protocol.RecoverRequest
		if decode(body, &req) != nil {
			return nil, unreadable
		}
		return door.Recover(ctx, req)
	default:
		return nil, protocol.Faultf(protocol.Invalid, "use a client certificate and ppp-control", "method %d is not served to strangers", method)
	}
}
