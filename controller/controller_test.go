package controller

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/protocol"
)

func config(dir string) Config {
	return Config{Data: dir, HTTP: "127.0.0.1:0", Tunnel: "127.0.0.1:0", Strategy: "auto", Version: "test", Logger: slog.New(slog.DiscardHandler)}
}

// serve runs a controller until stop is called.
func serve(t *testing.T, cfg Config) (app *App, c *client.Client, stop func()) {
	t.Helper()
	app, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- app.Run(ctx) }()
	stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		if err := app.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	}
	c, err = client.New(client.Options{Endpoint: app.URL(), Token: app.token, HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
	if err != nil {
		t.Fatal(err)
	}
	return app, c, stop
}

// TestRestartIsANonEvent: what was acknowledged is there after a restart, the token is the same, the term is higher, nothing leaks.
func TestRestartIsANonEvent(t *testing.T) {
	defer goleak.VerifyNone(t)
	dir := t.TempDir()
	app, c, stop := serve(t, config(dir))
	token := app.token
	made, err := c.CreateServer(t.Context(), client.CreateServer{Name: "a", Template: "testserver", Start: true}, "")
	if err != nil {
		t.Fatal(err)
	}
	if made.State != "waiting" || made.Waiting == nil || made.Next == "" {
		t.Errorf("with no node: %s, %+v", made.State, made.Waiting)
	}
	before, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stop()

	app, c, stop = serve(t, config(dir))
	defer stop()
	if app.token != token {
		t.Error("the operator's token changed")
	}
	after, err := c.Status(t.Context())
	if err != nil || after.Term <= before.Term || after.Cluster != before.Cluster {
		t.Errorf("term %d then %d, cluster %s then %s: %v", before.Term, after.Term, before.Cluster, after.Cluster, err)
	}
	again, err := c.Server(t.Context(), "a")
	if err != nil || again.ID != made.ID || again.Desired != "running" {
		t.Errorf("%+v: %v", again, err)
	}
	page, err := c.Events(t.Context(), client.EventsQuery{Type: "server.*", Server: "a"})
	if err != nil || len(page.Items) < 2 || page.Items[0].Type != "server.created" || page.Items[0].Actor != "operator" {
		t.Errorf("events: %+v %v", page.Items, err)
	}
}

// TestF24SecondControllerIsRefused with one clear line, and the first one does not notice.
func TestF24SecondControllerIsRefused(t *testing.T) {
	dir := t.TempDir()
	_, c, stop := serve(t, config(dir))
	defer stop()
	_, err := New(t.Context(), config(dir))
	if err == nil || !strings.Contains(err.Error(), "controller.db") {
		t.Fatalf("second controller: %v", err)
	}
	if _, err := c.Status(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestSetupLeavesNothing: a start that fails half-way lets go of what it held.
func TestSetupLeavesNothing(t *testing.T) {
	defer goleak.VerifyNone(t)
	dir := t.TempDir()
	cfg := config(dir)
	cfg.LocalAgent, cfg.AgentBinary = true, "/nowhere/agent"
	if _, err := New(t.Context(), cfg); protocol.CodeOf(err) != protocol.Invalid {
		t.Fatalf("no agent binary: %v", err)
	}
	_, _, stop := serve(t, config(dir)) // the store is free again
	stop()
}

func TestTokenFileIsPrivate(t *testing.T) {
	dir := t.TempDir()
	app, _, stop := serve(t, config(dir))
	defer stop()
	st, err := os.Stat(app.TokenFile())
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", st.Mode(), err)
	}
	if err := os.WriteFile(filepath.Join(dir, "short"), []byte("abc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := operatorToken(filepath.Join(dir, "short")); protocol.CodeOf(err) != protocol.Invalid {
		t.Errorf("a short token was taken: %v", err)
	}
}

// TestIdempotencyKey: the same key with the same request gives the same server, also over a restart; with another it does not.
func TestIdempotencyKey(t *testing.T) {
	dir := t.TempDir()
	_, c, stop := serve(t, config(dir))
	req := client.CreateServer{Name: "once", Template: "testserver"}
	first, err := c.CreateServer(t.Context(), req, "key-1")
	if err != nil {
		t.Fatal(err)
	}
	stop()
	_, c, stop = serve(t, config(dir))
	defer stop()
	if again, err := c.CreateServer(t.Context(), req, "key-1"); err != nil || again.ID != first.ID {
		t.Errorf("same key, same request: %s, %v", again.ID, err)
	}
	req.MemoryBytes = 128 << 20
	if _, err := c.CreateServer(t.Context(), req, "key-1"); protocol.CodeOf(err) != protocol.Conflict {
		t.Errorf("same key, another request: %v", err)
	}
	if _, err := c.CreateServer(t.Context(), req, "key-2"); protocol.CodeOf(err) != protocol.Conflict {
		t.Errorf("another key, same name: %v", err)
	}
}

// TestPagesAreWhole: walking a list by its cursor gives everything once, in order.
func TestPagesAreWhole(t *testing.T) {
	app, c, stop := serve(t, config(t.TempDir()))
	defer stop()
	for _, name := range []string{"e", "b", "d", "a", "c", "f", "g"} {
		if _, err := c.CreateServer(t.Context(), client.CreateServer{Name: name, Template: "testserver"}, ""); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	cursor := ""
	for {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.Endpoint()+"/api/servers?limit=3&cursor="+cursor, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+app.token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var page client.Page[client.Server]
		err = json.NewDecoder(resp.Body).Decode(&page)
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil || len(page.Items) > 3 {
			t.Fatalf("%d items, %v", len(page.Items), err)
		}
		for _, s := range page.Items {
			names = append(names, s.Name)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if strings.Join(names, "") != "abcdefg" {
		t.Errorf("pages gave %v", names)
	}
}

// TestFollowSurvivesRestart: an event follow goes on without a hole or a double over a restart of the controller.
func TestFollowSurvivesRestart(t *testing.T) {
	dir := t.TempDir()
	cfg := config(dir)
	app, c, stop := serve(t, cfg)
	cfg.HTTP = strings.TrimPrefix(app.URL(), "http://")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	seen := make(chan client.Event, 100)
	done := make(chan error, 1)
	go func() {
		done <- c.FollowEvents(ctx, client.EventsQuery{Type: "server.created"}, nil, func(e client.Event) error {
			seen <- e
			if e.Server == "b" {
				return client.ErrStop
			}
			return nil
		})
	}()
	time.Sleep(300 * time.Millisecond) // the follow starts with the next event; there is no sign of when it has begun
	if _, err := c.CreateServer(ctx, client.CreateServer{Name: "a", Template: "testserver"}, ""); err != nil {
		t.Fatal(err)
	}
	if e := <-seen; e.Server != "a" {
		t.Fatalf("%+v", e)
	}
	stop()
	_, c, stop = serve(t, cfg)
	defer stop()
	if _, err := c.CreateServer(ctx, client.CreateServer{Name: "b", Template: "testserver"}, ""); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if e := <-seen; e.Server != "b" || len(seen) != 0 {
		t.Errorf("%+v and %d more", e, len(seen))
	}
}

// TestPatchThatChangesNothing makes no new version, no event and no restart note; limits are said before anything is written.
func TestPatchThatChangesNothing(t *testing.T) {
	_, c, stop := serve(t, config(t.TempDir()))
	defer stop()
	s, err := c.CreateServer(t.Context(), client.CreateServer{Name: "a", Template: "testserver"}, "")
	if err != nil {
		t.Fatal(err)
	}
	same := s.MemoryBytes
	for _, p := range []client.PatchServer{{}, {MemoryBytes: &same}, {Env: map[string]*string{"NOT_SET": nil}}} {
		if got, err := c.PatchServer(t.Context(), "a", s.Revision, p); err != nil || got.Revision != s.Revision || got.RestartRequired {
			t.Errorf("%+v: revision %d, %v", p, got.Revision, err)
		}
	}
	for _, n := range []int64{-1, 1<<63 - 1, 1 << 50} {
		if _, err := c.PatchServer(t.Context(), "a", s.Revision, client.PatchServer{MemoryBytes: &n}); protocol.CodeOf(err) != protocol.Invalid {
			t.Errorf("%d bytes of memory: %v", n, err)
		}
	}
	huge := int64(1<<63 - 1)
	for _, p := range []client.PatchServer{{CPUMillis: &huge}, {DiskBytes: &huge}} {
		if _, err := c.PatchServer(t.Context(), "a", s.Revision, p); protocol.CodeOf(err) != protocol.Invalid {
			t.Errorf("%+v: %v", p, err)
		}
	}
	more := 2 * same
	got, err := c.PatchServer(t.Context(), "a", s.Revision, client.PatchServer{MemoryBytes: &more})
	if err != nil || got.Revision != s.Revision+1 || got.MemoryBytes != more {
		t.Errorf("a real change: %+v %v", got, err)
	}
	page, err := c.Events(t.Context(), client.EventsQuery{Type: "server.changed"})
	if err != nil || len(page.Items) != 1 {
		t.Errorf("%d events, %v", len(page.Items), err)
	}
}
