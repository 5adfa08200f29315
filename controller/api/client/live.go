package client

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/payperplay/payperplay/protocol"
)

// maxMessage bounds one websocket message from the controller, bytes.
const maxMessage = 4 << 20

// ErrStop, returned by a callback, ends a follow without an error.
var ErrStop = errors.New("stop following")

func (c *Client) dial(ctx context.Context, path string, query url.Values) (*websocket.Conn, error) {
	u := c.url(path, query)
	u = "ws" + strings.TrimPrefix(u, "http")
	h := http.Header{"User-Agent": {c.agent}}
	if c.token != "" {
		h.Set("Authorization", "Bearer "+c.token)
	}
	dialCtx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	conn, resp, err := websocket.Dial(dialCtx, u, &websocket.DialOptions{HTTPClient: c.http, HTTPHeader: h})
	if err != nil {
		if resp != nil && resp.StatusCode >= 400 {
			defer resp.Body.Close()
			return nil, problemOf(resp)
		}
		return nil, c.unreachable(ctx, err)
	}
	conn.SetReadLimit(maxMessage)
	return conn, nil
}

// final tells whether trying again can not help.
func final(err error) bool {
	switch protocol.CodeOf(err) {
	case protocol.Unavailable, protocol.Timeout, protocol.Internal:
		return false
	default:
		return true
	}
}

// Console is one live console connection. Send may be called from any goroutine.
type Console struct {
	conn *websocket.Conn
}

// Send gives a command to the game; its reply comes as a message of type "reply" with the same id.
func (s *Console) Send(ctx context.Context, id, command string) error {
	b, err := json.Marshal(ConsoleMessage{Type: "command", ID: id, Command: command})
	if err != nil {
		return err
	}
	return s.conn.Write(ctx, websocket.MessageText, b)
}

// FollowOptions steer a follow. After is the last sequence number already seen; -N starts with the last N lines.
type FollowOptions struct {
	After int64
	// Connected is called with each new connection, Lost with the reason each time one ends; both may be nil.
	Connected func(*Console)
	Lost      func(error)
}

// Follow calls fn with every message of a server's console and goes on at the right line after every break of the connection
// (controller restarted, network cut), until ctx ends, fn fails, or the server is gone.
func (c *Client) Follow(ctx context.Context, name string, o FollowOptions, fn func(ConsoleMessage) error) error {
	after := o.After
	return c.keep(ctx, o.Lost, func() error {
		conn, err := c.dial(ctx, serverPath(name)+"/console", url.Values{"after": {strconv.FormatInt(after, 10)}})
		if err != nil {
			return err
		}
		defer conn.CloseNow()
		if o.Connected != nil {
			o.Connected(&Console{conn: conn})
		}
		return read(ctx, conn, func(m ConsoleMessage) error {
			for _, l := range m.Lines {
				after = max(after, l.Seq)
			}
			return fn(m)
		})
	})
}

// FollowEvents calls fn with every event that matches q, first from the log after q.After, then live, over every break of the connection.
func (c *Client) FollowEvents(ctx context.Context, q EventsQuery, lost func(error), fn func(Event) error) error {
	return c.keep(ctx, lost, func() error {
		if q.After == 0 {
			// Where "from now on" begins must be known before the first break, or what happens during it is missed.
			now, err := c.Events(ctx, EventsQuery{Newest: true, Limit: 1})
			if err != nil {
				return err
			}
			for _, e := range now.Items {
				q.After = e.Seq
			}
		}
		conn, err := c.dial(ctx, "/api/events/live", q.values())
		if err != nil {
			return err
		}
		defer conn.CloseNow()
		return read(ctx, conn, func(e Event) error {
			if e.Seq == 0 {
				return nil // heartbeat
			}
			q.After = e.Seq
			return fn(e)
		})
	})
}

func read[T any](ctx context.Context, conn *websocket.Conn, fn func(T) error) error {
	for {
		// The controller sends at least a heartbeat every 10 s; silence means that it or the way to it is dead.
		rctx, cancel := context.WithTimeout(ctx, 25*time.Second)
		_, b, err := conn.Read(rctx)
		cancel()
		if err != nil {
			return closed(ctx, err)
		}
		var end struct {
			Type    string   `json:"type"`
			Problem *Problem `json:"problem"`
		}
		var m T
		if err := errors.Join(json.Unmarshal(b, &end), json.Unmarshal(b, &m)); err != nil {
			return protocol.Faultf(protocol.Invalid, "is the CLI older than the controller?", "a message could not be read: %v", err)
		}
		if end.Type == "end" && end.Problem != nil {
			return &protocol.Fault{Code: protocol.Code(end.Problem.Code), Message: end.Problem.Detail, Next: end.Problem.Next}
		}
		if err := fn(m); err != nil {
			return stopped{err}
		}
	}
}

// closed says how a connection ended. A follow that is over for good was told so by a message of type "end" before.
func closed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return stopped{ctx.Err()}
	}
	why := ""
	if code := websocket.CloseStatus(err); code != -1 { // it was closed, not cut
		why = " (" + code.String() + ")"
	}
	return protocol.Faultf(protocol.Unavailable, "", "the connection to the controller was lost%s", why)
}

// stopped marks an error that ends a follow.
type stopped struct{ error }

func (c *Client) keep(ctx context.Context, lost func(error), once func() error) error {
	const most = 5 * time.Second
	wait := 100 * time.Millisecond
	for {
		began := time.Now()
		err := once()
		var s stopped
		if errors.As(err, &s) {
			if errors.Is(s.error, ErrStop) {
				return nil
			}
			return s.error
		}
		if final(err) {
			return err
		}
		if lost != nil {
			lost(err)
		}
		if time.Since(began) > 5*time.Second {
			wait = 100 * time.Millisecond
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait/2 + rand.N(wait/2+1)):
		}
		wait = min(wait*2, most)
	}
}
