package rpc

import (
	"context"
	"fmt"
	"io"

	"github.com/payperplay/payperplay/protocol"
)

// Mux holds the methods that one side serves. Register all before the first Serve.
type Mux struct {
	authorize func(context.Context, protocol.Row, []protocol.Object) error
	routes    map[uint16]*route
}

// route is one registered method.
type route struct {
	row   protocol.Row
	serve func(ctx context.Context, c *served) error
}

// NewMux makes an empty one. authorize is asked before the handler of every method that agents call; it finds the caller in ctx, where the
// one who runs Session.Serve has put it. It may be nil on a side that serves no such method.
func NewMux(authorize func(ctx context.Context, row protocol.Row, objects []protocol.Object) error) *Mux {
	return &Mux{authorize: authorize, routes: map[uint16]*route{}}
}

// Rows lists what is registered, in no order.
func (m *Mux) Rows() []protocol.Row {
	var rows []protocol.Row
	for _, r := range m.routes {
		rows = append(rows, r.row)
	}
	return rows
}

// add panics on what can only be a mistake of the programmer, at start.
func (m *Mux) add(row protocol.Row, want protocol.Shape, serve func(context.Context, *served) error) {
	switch {
	case row.Shape != want:
		panic(fmt.Sprintf("rpc: %s is %s, not %s", row.Name, row.Shape, want))
	case m.routes[row.ID] != nil:
		panic(fmt.Sprintf("rpc: %s is registered twice", row.Name))
	case row.Caller != protocol.ByController && !row.Authorized:
		panic(fmt.Sprintf("rpc: %s is called by agents and does not say which objects it touches", row.Name))
	case row.Caller != protocol.ByController && m.authorize == nil:
		panic(fmt.Sprintf("rpc: %s is called by agents and there is no authorizer", row.Name))
	}
	m.routes[row.ID] = &route{row: row, serve: serve}
}

// admit asks the authorizer.
func admit[Req, Resp any](ctx context.Context, m *Mux, row protocol.Row, method protocol.Method[Req, Resp], req Req) error {
	if row.Caller == protocol.ByController {
		return nil
	}
	return m.authorize(ctx, row, method.Objects(req))
}

// open decodes and admits a request.
func open[Req, Resp any](ctx context.Context, m *Mux, row protocol.Row, method protocol.Method[Req, Resp], c *served) (Req, error) {
	var req Req
	if err := decode(c.body, &req); err != nil {
		return req, protocol.Faultf(protocol.Invalid, "the versions may not fit: update the older side", "request of %s cannot be read: %v", row.Name, err)
	}
	return req, admit(ctx, m, row, method, req)
}

// Handle registers a unary method.
func Handle[Req, Resp any](m *Mux, method protocol.Method[Req, Resp], fn func(context.Context, Req) (Resp, error)) {
	row := method.Row()
	m.add(row, protocol.Unary, func(ctx context.Context, c *served) error {
		req, err := open(ctx, m, row, method, c)
		if err != nil {
			return err
		}
		if err := c.enter(); err != nil {
			return err
		}
		resp, err := fn(ctx, req)
		if err != nil {
			return err
		}
		return c.reply(&resp)
	})
}

// HandleStream registers a method that answers with many values. emit blocks while the caller is slow; its error ends the call. It must not be
// used after fn returned.
func HandleStream[Req, Resp any](m *Mux, method protocol.Method[Req, Resp], fn func(ctx context.Context, req Req, emit func(Resp) error) error) {
	row := method.Row()
	m.add(row, protocol.Stream, func(ctx context.Context, c *served) error {
		req, err := open(ctx, m, row, method, c)
		if err != nil {
			return err
		}
		if err := c.enter(); err != nil {
			return err
		}
		if err := fn(ctx, req, func(resp Resp) error { return c.item(ctx, &resp) }); err != nil {
			return err
		}
		return c.end(kindEnd)
	})
}

// HandleRaw registers a method that answers with raw bytes. The writer sends pieces of 32 KiB; it must not be used after fn returned.
func HandleRaw[Req any](m *Mux, method protocol.Method[Req, struct{}], fn func(ctx context.Context, req Req, w io.Writer) error) {
	row := method.Row()
	m.add(row, protocol.Raw, func(ctx context.Context, c *served) error {
		req, err := open(ctx, m, row, method, c)
		if err != nil {
			return err
		}
		if err := c.enter(); err != nil {
			return err
		}
		w := pieces{ctx: ctx, call: c}
		defer w.free()
		if err := fn(ctx, req, &w); err != nil {
			return err
		}
		if err := w.flush(); err != nil {
			return err
		}
		return c.end(kindEnd)
	})
}
