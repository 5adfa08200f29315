package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

func serverPath(name string) string { return "/api/servers/" + segment(name) }

// Servers lists all servers.
func (c *Client) Servers(ctx context.Context) ([]Server, error) {
	return list[Server](ctx, c, "/api/servers", url.Values{"limit": {"500"}})
}

// Server gives one server by name.
func (c *Client) Server(ctx context.Context, name string) (Server, error) {
	var s Server
	return s, c.do(ctx, call{method: http.MethodGet, path: serverPath(name)}, &s)
}

// CreateServer makes a server. The same key with the same request gives the same server again instead of a second one.
func (c *Client) CreateServer(ctx context.Context, req CreateServer, key string) (Server, error) {
	var s Server
	h := http.Header{}
	if key != "" {
		h.Set("Idempotency-Key", key)
	}
	return s, c.do(ctx, call{method: http.MethodPost, path: "/api/servers", header: h, body: req}, &s)
}

// PatchServer changes a server if it still has the given revision.
func (c *Client) PatchServer(ctx context.Context, name string, revision int64, req PatchServer) (Server, error) {
	var s Server
	return s, c.do(ctx, call{method: http.MethodPatch, path: serverPath(name), header: http.Header{"If-Match": {etag(revision)}}, body: req}, &s)
}

// Start, Stop, Restart and Kill order what their names say and return when the order is taken.
func (c *Client) Start(ctx context.Context, name string) (Server, error) {
	return c.order(ctx, name, "start", struct{}{})
}

// Stop orders a stop: players told, save flushed, then SIGTERM, then SIGKILL after the grace.
func (c *Client) Stop(ctx context.Context, name string, how StopServer) (Server, error) {
	return c.order(ctx, name, "stop", how)
}

// Restart orders a stop and a start.
func (c *Client) Restart(ctx context.Context, name string) (Server, error) {
	return c.order(ctx, name, "restart", struct{}{})
}

// Kill ends a server at once; unsaved progress is lost.
func (c *Client) Kill(ctx context.Context, name string) (Server, error) {
	return c.order(ctx, name, "kill", struct{}{})
}

func (c *Client) order(ctx context.Context, name, verb string, body any) (Server, error) {
	var s Server
	return s, c.do(ctx, call{method: http.MethodPost, path: serverPath(name) + "/" + verb, body: body}, &s)
}

// DeleteServer orders that a server and its world are deleted. Its name is free at once; by its id it can be seen until it is gone.
func (c *Client) DeleteServer(ctx context.Context, name string) (Server, error) {
	var s Server
	return s, c.do(ctx, call{method: http.MethodDelete, path: serverPath(name)}, &s)
}

// Command runs one console command.
func (c *Client) Command(ctx context.Context, name, command string) (CommandReply, error) {
	var r CommandReply
	return r, c.do(ctx, call{method: http.MethodPost, path: serverPath(name) + "/command", body: Command{Command: command}}, &r)
}

// LogsQuery selects console history: the last Tail lines, or From…To (inclusive sequence numbers, 0 = open), or Since a time; Search filters.
type LogsQuery struct {
	Tail     int
	From, To int64
	Since    time.Time
	Search   string
	Limit    int
}

// Logs reads a piece of console history.
func (c *Client) Logs(ctx context.Context, name string, q LogsQuery) (Lines, error) {
	v := url.Values{}
	set := func(key string, n int64) {
		if n != 0 {
			v.Set(key, strconv.FormatInt(n, 10))
		}
	}
	set("tail", int64(q.Tail))
	set("from", q.From)
	set("to", q.To)
	set("limit", int64(q.Limit))
	if !q.Since.IsZero() {
		v.Set("since", q.Since.UTC().Format(time.RFC3339Nano))
	}
	if q.Search != "" {
		v.Set("search", q.Search)
	}
	var l Lines
	return l, c.do(ctx, call{method: http.MethodGet, path: serverPath(name) + "/logs", query: v}, &l)
}

// DownloadLogs writes the whole console history as text.
func (c *Client) DownloadLogs(ctx context.Context, name string, w io.Writer) (int64, error) {
	return c.download(ctx, call{method: http.MethodGet, path: serverPath(name) + "/logs/download"}, w)
}

func (c *Client) download(ctx context.Context, k call, w io.Writer) (int64, error) {
	resp, err := c.send(ctx, k)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return io.Copy(w, resp.Body)
}

// Samples gives the recent figures of a server.
func (c *Client) Samples(ctx context.Context, name string) (Samples, error) {
	var s Samples
	return s, c.do(ctx, call{method: http.MethodGet, path: serverPath(name) + "/samples"}, &s)
}

// Nodes lists all nodes.
func (c *Client) Nodes(ctx context.Context) ([]Node, error) {
	return list[Node](ctx, c, "/api/nodes", nil)
}

// Node gives one node by name.
func (c *Client) Node(ctx context.Context, name string) (Node, error) {
	var n Node
	return n, c.do(ctx, call{method: http.MethodGet, path: "/api/nodes/" + segment(name)}, &n)
}

// NodeOrder does one of revoke, cordon, uncordon, unlock, allow-recovery.
func (c *Client) NodeOrder(ctx context.Context, name, verb string) (Node, error) {
	var n Node
	return n, c.do(ctx, call{method: http.MethodPost, path: "/api/nodes/" + segment(name) + "/" + verb, body: struct{}{}}, &n)
}

// CreateToken makes a join token.
func (c *Client) CreateToken(ctx context.Context, req CreateToken) (Token, error) {
	var t Token
	return t, c.do(ctx, call{method: http.MethodPost, path: "/api/nodes/tokens", body: req}, &t)
}

// EventsQuery selects events. Type may be a family: "server.*". After is exclusive.
type EventsQuery struct {
	Type, Server, Node string
	Since, Until       time.Time
	After              int64
	Limit              int
	Newest             bool // the newest Limit events, oldest first
}

func (q EventsQuery) values() url.Values {
	v := url.Values{}
	for key, text := range map[string]string{"type": q.Type, "server": q.Server, "node": q.Node} {
		if text != "" {
			v.Set(key, text)
		}
	}
	if !q.Since.IsZero() {
		v.Set("since", q.Since.UTC().Format(time.RFC3339Nano))
	}
	if !q.Until.IsZero() {
		v.Set("until", q.Until.UTC().Format(time.RFC3339Nano))
	}
	if q.After > 0 {
		v.Set("after", strconv.FormatInt(q.After, 10))
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.Newest {
		v.Set("newest", "true")
	}
	return v
}

// Events reads one page of the durable log.
func (c *Client) Events(ctx context.Context, q EventsQuery) (Page[Event], error) {
	var p Page[Event]
	return p, c.do(ctx, call{method: http.MethodGet, path: "/api/events", query: q.values()}, &p)
}

// Templates lists the catalogue.
func (c *Client) Templates(ctx context.Context, category, text string) ([]Template, error) {
	v := url.Values{}
	if category != "" {
		v.Set("category", category)
	}
	if text != "" {
		v.Set("q", text)
	}
	return list[Template](ctx, c, "/api/templates", v)
}

// Status gives the fleet at a glance.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	return s, c.do(ctx, call{method: http.MethodGet, path: "/api/conductor/status"}, &s)
}

// StoreBackup writes a consistent copy of the running controller's store.
func (c *Client) StoreBackup(ctx context.Context, w io.Writer) (int64, error) {
	return c.download(ctx, call{method: http.MethodGet, path: "/api/store/backup", slow: true}, w)
}

// StoreCompact shrinks the running controller's store file; changes wait meanwhile.
func (c *Client) StoreCompact(ctx context.Context) (Compaction, error) {
	var done Compaction
	return done, c.do(ctx, call{method: http.MethodPost, path: "/api/store/compact", body: struct{}{}, slow: true}, &done)
}

// Template gives one entry of the catalogue.
func (c *Client) Template(ctx context.Context, name string) (Template, error) {
	var t Template
	return t, c.do(ctx, call{method: http.MethodGet, path: "/api/templates/" + segment(name)}, &t)
}
