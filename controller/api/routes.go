package api

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/payperplay/payperplay/controller/api/client"
)

// Actor is who asks. Every change carries it.
type Actor struct {
	Name string // "operator" until accounts come
	// Session is the hash of the browser session, empty for a bearer token.
	Session string
}

// Permission is what a route needs. Public routes need nobody.
type Permission string

// The permissions.
const (
	Public        Permission = "public"
	ServerRead    Permission = "server.read"
	ServerWrite   Permission = "server.write"
	ServerOperate Permission = "server.operate" // start, stop, restart, kill
	ConsoleRead   Permission = "console.read"
	ConsoleWrite  Permission = "console.write"
	NodeRead      Permission = "node.read"
	NodeAdmin     Permission = "node.admin"
	EventRead     Permission = "event.read"
	StoreAdmin    Permission = "store.admin"
	SelfRead      Permission = "self" // anybody who is logged in
)

type handler func(echo.Context, Actor) error

// param is a query parameter of a route.
type param struct{ Name, Kind, Help string }

// route is one row of the table. Request and Response are zero values of what travels; nil = nothing.
type route struct {
	Method, Path string
	Permission   Permission
	Handler      handler
	Summary      string
	Request      any
	Response     any
	Status       int
	Query        []param
	Header       []param
	Tag          string
	Socket       bool   // a websocket
	Media        string // of the answer, when it is not JSON
}

var paging = []param{{"limit", "integer", "at most so many (default 100, at most 500)"}, {"cursor", "string", "from the page before"}}

var eventFilter = []param{
	{"type", "string", "exact type, or a family as server.*"}, {"server", "string", "name or id of a server"}, {"node", "string", "name or id of a node"},
	{"after", "integer", "only events with a higher sequence number"},
}

func with(a []param, more ...param) []param { return append(append([]param(nil), a...), more...) }

// routes is the table: everything the controller answers to, and what one must be allowed to do for it.
func (a *API) routes() []route {
	return slices.Concat(a.commonRoutes(), a.scalingRoutes(), a.imageRoutes())
}

func (a *API) commonRoutes() []route {
	const get, post, patch, del = http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete
	idem := []param{{"Idempotency-Key", "string", "the same key with the same request never makes a second one"}}
	order := func(verb, summary string, h handler, req any) route {
		return route{Method: post, Path: "/api/servers/:name/" + verb, Permission: ServerOperate, Handler: h, Summary: summary, Request: req, Response: client.Server{}, Status: http.StatusAccepted, Tag: "servers"}
	}
	nodeOrder := func(verb, summary string, h handler) route {
		return route{Method: post, Path: "/api/nodes/:name/" + verb, Permission: NodeAdmin, Handler: h, Summary: summary, Response: client.Node{}, Tag: "nodes"}
	}
	recovery := func(noun, verb, summary string, h handler) route {
		return route{Method: post, Path: "/api/recovery/" + noun + "/:name/" + verb, Permission: StoreAdmin, Handler: h, Summary: summary, Response: client.Recovery{}, Tag: "recovery"}
	}
	return []route{
		{Method: get, Path: "/healthz", Permission: Public, Handler: a.healthz, Summary: "Is the process alive", Tag: "health", Media: "text/plain"},
		{Method: get, Path: "/readyz", Permission: Public, Handler: a.readyz, Summary: "Can it serve; ?verbose tells each part and how near each limit is", Tag: "health", Query: []param{{"verbose", "boolean", "one entry per part and limit; values only for this very machine or with the operator's token"}, {"format", "string", "text = verbose as lines for people"}}, Response: ready{}},
		{Method: get, Path: "/metrics", Permission: Public, Handler: a.serveMetrics, Summary: "Prometheus metrics", Tag: "health", Media: "text/plain"},
		{Method: get, Path: "/api/openapi.json", Permission: Public, Handler: a.openapi, Summary: "This document", Tag: "docs", Response: map[string]any{}},
		{Method: get, Path: "/api/docs", Permission: Public, Handler: a.docs, Summary: "This document as a page", Tag: "docs", Media: "text/html"},

		{Method: get, Path: "/dl/:name", Permission: Public, Handler: a.download, Summary: "The agent's program: agent-linux-amd64, agent-linux-arm64, or its SHA-256 with .sha256 behind", Tag: "downloads", Media: "application/octet-stream"},

		{Method: post, Path: "/api/session", Permission: Public, Handler: a.login, Summary: "Trade the operator's token for a browser session", Request: client.Login{}, Response: client.Session{}, Tag: "session"},
		{Method: get, Path: "/api/session", Permission: SelfRead, Handler: a.session, Summary: "Who am I", Response: client.Session{}, Tag: "session"},
		{Method: del, Path: "/api/session", Permission: SelfRead, Handler: a.logout, Summary: "Log out", Status: http.StatusNoContent, Tag: "session"},

		{Method: get, Path: "/api/servers", Permission: ServerRead, Handler: a.listServers, Summary: "List servers", Query: paging, Response: client.Page[client.Server]{}, Tag: "servers"},
		{Method: post, Path: "/api/servers", Permission: ServerWrite, Handler: a.createServer, Summary: "Create a server", Request: client.CreateServer{}, Response: client.Server{}, Status: http.StatusCreated, Header: idem, Tag: "servers"},
		{Method: get, Path: "/api/servers/:name", Permission: ServerRead, Handler: a.showServer, Summary: "Show a server", Response: client.Server{}, Tag: "servers"},
		{Method: patch, Path: "/api/servers/:name", Permission: ServerWrite, Handler: a.patchServer, Summary: "Change a server", Request: client.PatchServer{}, Response: client.Server{}, Header: []param{{"If-Match", "string", "the ETag of the server as it was read"}}, Tag: "servers"},
		{Method: del, Path: "/api/servers/:name", Permission: ServerWrite, Handler: a.deleteServer, Summary: "Delete a server and its world", Status: http.StatusAccepted, Response: client.Server{}, Tag: "servers"},
		order("start", "Start a server", a.startServer, nil),
		order("stop", "Stop a server: players told, world saved, then ended", a.stopServer, client.StopServer{}),
		order("restart", "Stop a server and start it again", a.restartServer, nil),
		order("kill", "End a server at once", a.killServer, nil),
		{Method: post, Path: "/api/servers/:name/command", Permission: ConsoleWrite, Handler: a.command, Summary: "Run one console command", Request: client.Command{}, Response: client.CommandReply{}, Tag: "console"},
		{Method: get, Path: "/api/servers/:name/logs", Permission: ConsoleRead, Handler: a.logs, Summary: "Read console history", Response: client.Lines{}, Tag: "console", Query: []param{
			{"tail", "integer", "the last N lines"}, {"from", "integer", "from this sequence number on"}, {"to", "integer", "up to this sequence number"},
			{"since", "string", "from this time on, RFC 3339"}, {"search", "string", "only lines that contain this"}, {"limit", "integer", "at most so many (default 1000, at most 10000)"}}},
		{Method: get, Path: "/api/servers/:name/logs/download", Permission: ConsoleRead, Handler: a.downloadLogs, Summary: "The whole console history as text", Tag: "console", Media: "text/plain"},
		{Method: get, Path: "/api/servers/:name/console", Permission: ConsoleRead, Handler: a.console, Summary: "Live console (websocket)", Tag: "console", Socket: true, Query: []param{{"after", "integer", "last sequence number seen; -N starts with the last N lines"}}, Response: client.ConsoleMessage{}},
		{Method: get, Path: "/api/servers/:name/samples", Permission: ServerRead, Handler: a.samples, Summary: "Recent memory, CPU, players and TPS", Response: client.Samples{}, Tag: "servers", Query: []param{{"since", "string", "from this time on, RFC 3339"}}},

		{Method: get, Path: "/api/servers/:name/why", Permission: ServerRead, Handler: a.whyServer, Summary: "Why is it on its node, or on none", Response: client.Why{}, Tag: "servers"},

		{Method: get, Path: "/api/nodes", Permission: NodeRead, Handler: a.listNodes, Summary: "List nodes", Query: paging, Response: client.Page[client.Node]{}, Tag: "nodes"},
		{Method: post, Path: "/api/nodes/tokens", Permission: NodeAdmin, Handler: a.createToken, Summary: "Make a single-use join token", Request: client.CreateToken{}, Response: client.Token{}, Status: http.StatusCreated, Tag: "nodes"},
		{Method: get, Path: "/api/nodes/:name", Permission: NodeRead, Handler: a.showNode, Summary: "Show a node", Response: client.Node{}, Tag: "nodes"},
		nodeOrder("revoke", "Cut a node off for good", a.revokeNode),
		nodeOrder("cordon", "Place no new servers on a node", a.cordonNode),
		nodeOrder("uncordon", "Place new servers on a node again", a.uncordonNode),
		nodeOrder("unlock", "Let a node in again whose identity was used twice", a.unlockNode),
		nodeOrder("allow-recovery", "Let a long-lost node come back with its bound key", a.allowRecovery),

		{Method: post, Path: "/api/nodes/:name/drain", Permission: NodeAdmin, Handler: a.drainNode, Summary: "Empty a node: no new servers, and a rented machine is deleted when the last one has left; asked again it tells how far that is", Request: client.Drain{}, Response: client.Drained{}, Tag: "nodes"},

		{Method: get, Path: "/api/events", Permission: EventRead, Handler: a.listEvents, Summary: "Read the durable event log", Response: client.Page[client.Event]{}, Tag: "events",
			Query: with(eventFilter, param{"since", "string", "from this time on, RFC 3339"}, param{"until", "string", "before this time, RFC 3339"}, param{"limit", "integer", "at most so many (default 100, at most 1000)"}, param{"newest", "boolean", "the newest ones, oldest first"})},
		{Method: get, Path: "/api/events/live", Permission: EventRead, Handler: a.liveEvents, Summary: "Follow events (websocket)", Query: eventFilter, Response: client.Event{}, Tag: "events", Socket: true},

		{Method: get, Path: "/api/templates", Permission: ServerRead, Handler: a.listTemplates, Summary: "The catalogue", Query: []param{{"category", "string", "only this category"}, {"q", "string", "only those that contain this"}, {"players", "integer", "those that suit so many players best come first"}, {"popular", "boolean", "only the popular ones"}}, Response: client.Page[client.Template]{}, Tag: "templates"},
		{Method: get, Path: "/api/templates/:name", Permission: ServerRead, Handler: a.showTemplate, Summary: "One template", Response: client.Template{}, Tag: "templates"},
		{Method: get, Path: "/api/conductor/status", Permission: NodeRead, Handler: a.status, Summary: "The fleet at a glance", Response: client.Status{}, Tag: "fleet"},
		{Method: post, Path: "/api/store/compact", Permission: StoreAdmin, Handler: a.compactStore, Summary: "Shrink the store's file; changes wait meanwhile", Response: client.Compaction{}, Tag: "store"},
		{Method: get, Path: "/api/recovery", Permission: NodeRead, Handler: a.showRecovery, Summary: "Is the store older than the agents, and what contradicts it", Response: client.Recovery{}, Tag: "recovery"},
		{Method: post, Path: "/api/recovery/lead", Permission: StoreAdmin, Handler: a.leadRecovery, Summary: "Raise the term above the highest the agents have seen", Response: client.Recovery{}, Tag: "recovery"},
		{Method: post, Path: "/api/recovery/end", Permission: StoreAdmin, Handler: a.endRecovery, Summary: "End the recovery mode", Request: client.EndRecovery{}, Response: client.Recovery{}, Tag: "recovery"},
		{Method: post, Path: "/api/recovery/adopt", Permission: StoreAdmin, Handler: a.adoptAll, Summary: "Take the agents' word for every server it can be taken for", Response: client.Adopted{}, Tag: "recovery"},
		recovery("servers", "adopt", "Take the agent's word for a server", a.adoptServer),
		recovery("servers", "keep", "Take the store's word for a server; newer copies are set aside on their nodes", a.keepServer),
		recovery("servers", "forget", "Delete the row of a server that no node has", a.forgetServer),
		recovery("nodes", "adopt", "Let a node in that the store does not know", a.adoptNode),
		recovery("nodes", "keep", "Do not believe what a node claims of itself and cannot prove", a.keepNode),
		recovery("nodes", "forget", "Leave a node outside that the store does not know", a.forgetNode),
		{Method: get, Path: "/api/store/backup", Permission: StoreAdmin, Handler: a.backupStore, Summary: "A consistent copy of the store", Tag: "store", Media: "application/octet-stream"},
	}
}
