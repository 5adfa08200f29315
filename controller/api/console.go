package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/labstack/echo/v4"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

const (
	maxCommand = 4 << 10 // bytes
	maxSockets = 10_000  // open at once; each costs about 60 KiB
	pingEvery  = 10 * time.Second
	writeWait  = 10 * time.Second
)

func (a *API) command(c echo.Context, actor Actor) error {
	var req client.Command
	if err := decode(c, &req); err != nil {
		return err
	}
	r, err := a.runCommand(c.Request().Context(), actor, c.Param("name"), req.Command)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, client.CommandReply{Output: r.Output, Via: r.Via})
}

func (a *API) runCommand(ctx context.Context, actor Actor, name, text string) (protocol.CommandReply, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return protocol.CommandReply{}, fault.New(fault.Invalid, "the command is empty", "write one, as 'list'")
	case len(text) > maxCommand:
		return protocol.CommandReply{}, fault.New(fault.Invalid, "the command is longer than 4096 bytes", "write a shorter one")
	case strings.ContainsAny(text, "\r\n\x00"):
		return protocol.CommandReply{}, fault.New(fault.Invalid, "the command has more than one line", "send one command at a time")
	}
	s, _, err := a.find(ctx, name)
	if err != nil {
		return protocol.CommandReply{}, err
	}
	if stop := s.Spec.Stop.Command; stop != "" && strings.TrimPrefix(text, "/") == stop {
		// Typed into the game it would end unasked, count as a crash and be started again.
		if _, err := a.Lifecycle.Stop(ctx, actor.Name, s.ID, "stopped from the console"); err != nil {
			return protocol.CommandReply{}, err
		}
		return protocol.CommandReply{Output: s.Name + " is being stopped", Via: "lifecycle"}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	return a.Console.Command(ctx, protocol.CommandRequest{Server: s.ID, Epoch: s.Epoch, Command: text, Actor: actor.Name})
}

func (a *API) logs(c echo.Context, _ Actor) error {
	var q protocol.LinesRequest
	tail, err := intQuery(c, "tail", 0, 1, 10_000)
	if err != nil {
		return err
	}
	limit, err := intQuery(c, "limit", 1000, 1, 10_000)
	if err != nil {
		return err
	}
	if q.From, err = intQuery(c, "from", 0, 0, 1<<62); err != nil {
		return err
	}
	if q.To, err = intQuery(c, "to", 0, 0, 1<<62); err != nil {
		return err
	}
	if q.Since, err = timeQuery(c, "since"); err != nil {
		return err
	}
	s, _, err := a.find(c.Request().Context(), c.Param("name"))
	if err != nil {
		return err
	}
	q.Server, q.Search, q.Limit = s.ID, c.QueryParam("search"), int(limit)
	if tail > 0 {
		q.Limit, q.Tail = int(tail), true
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), 15*time.Second)
	defer cancel()
	r, err := a.Console.Lines(ctx, q)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, client.Lines{Lines: linesView(r.Lines), First: r.First, Head: r.Head, More: r.More})
}

func (a *API) downloadLogs(c echo.Context, _ Actor) error {
	s, _, err := a.find(c.Request().Context(), c.Param("name"))
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+s.Name+`.log"`)
	err = a.Console.Export(c.Request().Context(), s.ID, pieces{c})
	if err != nil && c.Response().Committed {
		panic(http.ErrAbortHandler) // a cut answer must not look like a whole one
	}
	if err != nil {
		h.Del("Content-Disposition")
	}
	return err
}

// socket is a websocket whose writes never block longer than writeWait.
type socket struct {
	conn *websocket.Conn
}

func (s socket) send(ctx context.Context, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, writeWait)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, b)
}

// heartbeat lets both ends notice a dead way between them.
func (s socket) heartbeat(ctx context.Context, cancel context.CancelFunc) {
	t := time.NewTicker(pingEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if s.send(ctx, client.ConsoleMessage{Type: "ping"}) != nil {
				cancel()
				return
			}
		}
	}
}

// serveSocket upgrades the request and runs fn until it ends; a fault of fn is the last thing the other end is told.
func (a *API) serveSocket(c echo.Context, actor Actor, read func(context.Context, socket) error, fn func(context.Context, socket) error) error {
	if a.sockets.Add(1) > maxSockets {
		a.sockets.Add(-1)
		return fault.New(fault.Exhausted, "there are too many live connections", "close some, or try again later")
	}
	defer a.sockets.Add(-1)
	conn, err := websocket.Accept(c.Response(), c.Request(), &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return nil //nolint:nilerr // Accept has answered already
	}
	defer conn.CloseNow()
	conn.SetReadLimit(16 << 10)
	a.metrics.viewers.Inc()
	defer a.metrics.viewers.Dec()
	ctx, cancel := context.WithCancel(c.Request().Context())
	defer cancel()
	s := socket{conn: conn}
	go s.heartbeat(ctx, cancel)
	go a.watchLogin(ctx, cancel, actor)
	go func() {
		defer cancel()
		if err := read(ctx, s); err != nil && ctx.Err() == nil {
			a.Logger.Debug("a websocket was closed", "err", err)
		}
	}()
	err = fn(ctx, s)
	var f *protocol.Fault
	if errors.As(err, &f) && c.Request().Context().Err() == nil {
		p := problemFrom(err)
		_ = s.send(c.Request().Context(), client.ConsoleMessage{Type: "end", Problem: &p})
	}
	_ = conn.Close(websocket.StatusNormalClosure, "")
	return nil
}

// watchLogin cuts a live stream within 2 s after its login has ended.
func (a *API) watchLogin(ctx context.Context, cancel context.CancelFunc, actor Actor) {
	if actor.Session == "" {
		return
	}
	t := time.NewTicker(1500 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if _, err := a.auth.touch(ctx, actor.Session); fault.KindOf(err) == fault.Unauthorized {
				cancel()
				return
			}
		}
	}
}

// console is the live console: lines down, commands up.
func (a *API) console(c echo.Context, actor Actor) error {
	after, err := intQuery(c, "after", 0, -10_000, 1<<62)
	if err != nil {
		return err
	}
	s, _, err := a.find(c.Request().Context(), c.Param("name"))
	if err != nil {
		return err
	}
	return a.serveSocket(c, actor,
		func(ctx context.Context, ws socket) error { return a.readCommands(ctx, ws, actor, s.ID) },
		func(ctx context.Context, ws socket) error {
			cursor := max(after, 0)
			return a.Console.FollowAs(ctx, actor.Name, s.ID, after, func(b protocol.LineBatch) error {
				return sendLines(ctx, ws, b, &cursor)
			})
		})
}

// sendLines sends a batch. What the console room says by itself (the node is away, it is back) has no number of its own:
// it goes as a notice, so that among lines every number comes once.
func sendLines(ctx context.Context, ws socket, b protocol.LineBatch, cursor *int64) error {
	var lines []protocol.Line
	for _, l := range b.Lines {
		if l.Seq > *cursor {
			lines, *cursor = append(lines, l), l.Seq
			continue
		}
		if err := ws.send(ctx, client.ConsoleMessage{Type: "notice", Text: l.Text}); err != nil {
			return err
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return ws.send(ctx, client.ConsoleMessage{Type: "lines", Lines: linesView(lines), Head: b.Head})
}

// readCommands runs what the viewer types, one at a time and in order.
func (a *API) readCommands(ctx context.Context, ws socket, actor Actor, server string) error {
	for {
		_, b, err := ws.conn.Read(ctx)
		if err != nil {
			return err
		}
		var m client.ConsoleMessage
		if err := json.Unmarshal(b, &m); err != nil || m.Type != "command" {
			p := problemFrom(fault.New(fault.Invalid, "the message is not a command", "see /api/docs"))
			if err := ws.send(ctx, client.ConsoleMessage{Type: "reply", ID: m.ID, Problem: &p}); err != nil {
				return err
			}
			continue
		}
		reply := client.ConsoleMessage{Type: "reply", ID: m.ID}
		if !allowed(actor, ConsoleWrite) {
			p := problemFrom(errForbidden)
			reply.Problem = &p
		} else if r, err := a.runCommand(ctx, actor, server, m.Command); err != nil {
			p := problemFrom(err)
			reply.Problem = &p
		} else {
			reply.Output, reply.Via = r.Output, r.Via
		}
		if err := ws.send(ctx, reply); err != nil {
			return err
		}
	}
}

// drop reads and forgets: what follows is one-way.
func drop(ctx context.Context, ws socket) error {
	for {
		if _, _, err := ws.conn.Read(ctx); err != nil {
			return err
		}
	}
}

// liveEvents follows the durable log. Without ?after it starts with the next event.
func (a *API) liveEvents(c echo.Context, actor Actor) error {
	f, err := a.filter(c)
	if err != nil {
		return err
	}
	after := f.After
	if c.QueryParam("after") == "" {
		err = a.DB.View(c.Request().Context(), func(tx store.Tx) (err error) {
			after, err = a.Events.Head(tx)
			return err
		})
		if err != nil {
			return err
		}
	}
	return a.serveSocket(c, actor, drop, func(ctx context.Context, ws socket) error {
		for e, err := range a.Events.Follow(ctx, after, f) {
			if err != nil {
				return err
			}
			views, err := a.eventViews(ctx, []event.Event{e})
			if err != nil {
				return err
			}
			if err := ws.send(ctx, views[0]); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
}
