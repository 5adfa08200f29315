package controller

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/payperplay/payperplay/controller/api"
	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/bolt"
	"github.com/payperplay/payperplay/controller/tunnel"
	"github.com/payperplay/payperplay/protocol"
)

// strictDocument is the document that the controller serves, with every field that it does not name forbidden.
func strictDocument(t *testing.T, served []byte, endpoint string) (*openapi3.T, routers.Router) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(served)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	no := false
	for _, s := range doc.Components.Schemas {
		if s.Value.Type.Is("object") && len(s.Value.Properties) > 0 {
			s.Value.AdditionalProperties = openapi3.AdditionalProperties{Has: &no}
		}
	}
	doc.Servers = openapi3.Servers{{URL: endpoint}}
	r, err := legacy.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return doc, r
}

// checked sends a request and holds request and answer against the document.
type checked struct {
	t      *testing.T
	router routers.Router
	base   string
	token  string
}

func (c checked) call(method, path, body string, want int, header ...string) []byte {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	route, params, err := c.router.FindRoute(req)
	if err != nil {
		c.t.Errorf("%s %s is not in the document: %v", method, path, err)
		return nil
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if want != 0 && resp.StatusCode != want {
		c.t.Errorf("%s %s: %d, want %d: %.300s", method, path, resp.StatusCode, want, answer)
	}
	in := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route},
		Status:                 resp.StatusCode, Header: resp.Header, Body: io.NopCloser(bytes.NewReader(answer)),
		Options: &openapi3filter.Options{MultiError: true, IncludeResponseStatus: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	}
	if err := openapi3filter.ValidateResponse(c.t.Context(), in); err != nil {
		c.t.Errorf("%s %s: the answer is not what the document says: %v\n%.600s", method, path, err, answer)
	}
	return answer
}

// furnish puts a node and a server with all their fields into a store, as if an agent had been there.
func furnish(t *testing.T, dir string) {
	t.Helper()
	db, err := bolt.Open(t.Context(), StorePath(dir), bolt.Options{Tables: slices.Concat(fleet.Tables(), event.Tables(), tunnel.Tables(), api.Tables())})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	n := fleet.Node{ID: fleet.NewID(fleet.NodePrefix), Name: "attic", Class: fleet.Local, JoinedAt: now, LastSeen: now, Facts: protocol.NodeFacts{Roles: []string{"worker"}, MemoryBytes: 8 << 30, CPUs: 4}}
	n.Health.At, n.Health.Problems = now, []string{"docker does not answer"}
	s := fleet.Server{
		ID: fleet.NewID(fleet.ServerPrefix), Name: "crashed", Owner: "operator", Template: "testserver", Version: "1", Desired: fleet.Running, Revision: 2, Node: n.ID, Epoch: 1,
		CreatedAt: now, UpdatedAt: now, ObservedAt: now, Env: map[string]string{"A": "b"}, MemoryBytes: 1 << 28,
		Observed: protocol.Observed{State: protocol.StateCrashed, Retry: now.Add(time.Minute), Started: now, Exit: &protocol.Exit{Code: 137, OOM: true, At: now, LastLine: []string{"x"}, Advice: "more memory"}},
	}
	log, err := event.New(event.Options{DB: db, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(t.Context(), func(tx store.Tx) error {
		if _, err := log.Append(tx, event.Event{Type: "server.crashed", Server: s.ID, Node: n.ID, Data: event.JSON(map[string]any{"exit": 1, "advice": nil, "lines": []string(nil)})}); err != nil {
			return err
		}
		if err := fleet.Nodes.Put(tx, n); err != nil {
			return err
		}
		return fleet.Servers.Put(tx, s)
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDocumentTellsTheTruth holds the real answers of every GET route, and of the others as far as they go without an agent,
// against the OpenAPI document. With PPP_LIVE_API and PPP_LIVE_TOKEN the GET routes of a controller that runs are asked too.
func TestDocumentTellsTheTruth(t *testing.T) {
	dir := t.TempDir()
	furnish(t, dir)
	app, _, stop := serve(t, config(dir))
	defer stop()
	c := checked{t: t, base: app.URL(), token: app.token}
	resp, err := http.Get(app.URL() + "/api/openapi.json") //nolint:noctx // a test's own server
	if err != nil {
		t.Fatal(err)
	}
	served, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	var doc *openapi3.T
	doc, c.router = strictDocument(t, served, app.URL())

	var made client.Server
	if err := json.Unmarshal(c.call("POST", "/api/servers", `{"name":"doc","template":"testserver","start":true}`, 201), &made); err != nil || made.Waiting == nil {
		t.Fatalf("%+v %v", made, err)
	}
	c.call("POST", "/api/nodes/tokens", `{"name":"cellar","roles":["worker"]}`, 201)
	gets(t, c, doc, "crashed", "attic")
	gets(t, c, doc, "doc", "attic")
	gets(t, c, doc, "nobody", "nobody") // the problems

	c.call("PATCH", "/api/servers/doc", `{"memory_bytes":268435456}`, 200, "If-Match", "*")
	c.call("PATCH", "/api/servers/doc", `{}`, 412)
	c.call("POST", "/api/servers/doc/command", `{"command":"list"}`, 0)
	c.call("POST", "/api/servers/doc/stop", `{"reason":"x"}`, 202)
	c.call("POST", "/api/servers/doc/start", "", 202)
	c.call("POST", "/api/servers/doc/restart", "", 0)
	c.call("POST", "/api/servers/doc/kill", "", 202)
	c.call("POST", "/api/nodes/attic/cordon", "", 200)
	c.call("POST", "/api/nodes/attic/uncordon", "", 200)
	c.call("POST", "/api/nodes/attic/unlock", "", 0)
	c.call("POST", "/api/nodes/attic/allow-recovery", "", 0)
	c.call("POST", "/api/nodes/attic/revoke", "", 200)
	c.call("DELETE", "/api/servers/doc", "", 202)
	c.call("POST", "/api/session", `{"token":"`+app.token+`"}`, 200)
	c.call("DELETE", "/api/session", "", 204)
	c.call("POST", "/api/servers", `{"nam":1}`, 400)

	if live := os.Getenv("PPP_LIVE_API"); live != "" {
		c.base, c.token = live, os.Getenv("PPP_LIVE_TOKEN")
		doc, c.router = strictDocument(t, served, live)
		gets(t, c, doc, os.Getenv("PPP_LIVE_SERVER"), os.Getenv("PPP_LIVE_NODE"))
	}
}

// gets calls every GET route of the document but the websockets.
func gets(t *testing.T, c checked, doc *openapi3.T, server, node string) {
	t.Helper()
	called := 0
	for path, item := range doc.Paths.Map() {
		if item.Get == nil || item.Get.Responses.Status(http.StatusSwitchingProtocols) != nil {
			continue
		}
		name := server
		switch {
		case strings.HasPrefix(path, "/api/nodes"):
			name = node
		case strings.HasPrefix(path, "/api/templates"):
			name = "flying-squid"
		}
		c.call(http.MethodGet, strings.ReplaceAll(path, "{name}", name), "", 0)
		called++
	}
	if called < 15 {
		t.Errorf("only %d GET routes in the document", called)
	}
}

func init() {
	// What the document calls text is not parsed further.
	for _, media := range []string{"text/html", "application/octet-stream"} {
		openapi3filter.RegisterBodyDecoder(media, openapi3filter.FileBodyDecoder)
	}
}
