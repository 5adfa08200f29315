package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/payperplay/payperplay/controller/api/client"
)

// call is one plain HTTP request, as a program without our client makes it.
func (r *rig) call(method, path, body string, header ...string) (int, http.Header, map[string]any) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://"+r.http+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.token())
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	var v map[string]any
	if len(bytes.TrimSpace(b)) > 0 && strings.Contains(resp.Header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(b, &v); err != nil {
			r.t.Fatalf("%s %s: %v in %s", method, path, err, b)
		}
	}
	return resp.StatusCode, resp.Header, v
}

func (r *rig) token() string {
	return strings.TrimSpace(r.read("controller/operator.token"))
}

// TestTourAPI is the whole tour over HTTP, on each engine.
func TestTourAPI(t *testing.T) { onEngines(t, tourAPI) }

func tourAPI(t *testing.T, store string) {
	r := newRigOn(t, store, nil)
	body := `{"name":"api","template":"testserver","memory_bytes":67108864,"start":true}`
	status, _, first := r.call("POST", "/api/servers", body, "Idempotency-Key", "k1", "Content-Type", "application/json")
	if status != http.StatusCreated {
		t.Fatalf("create: %d %v", status, first)
	}
	status, _, again := r.call("POST", "/api/servers", body, "Idempotency-Key", "k1", "Content-Type", "application/json")
	if status != http.StatusCreated || again["id"] != first["id"] {
		t.Errorf("the same key made %d %v, first %v", status, again["id"], first["id"])
	}
	if status, _, p := r.call("POST", "/api/servers", body); status != http.StatusConflict || p["code"] != "conflict" || p["next"] == "" {
		t.Errorf("a second server of that name: %d %v", status, p)
	}
	r.waitState("api", time.Minute, "running")

	status, h, _ := r.call("GET", "/api/servers/api", "")
	tag := h.Get("ETag")
	if status != http.StatusOK || tag == "" {
		t.Fatalf("show: %d, ETag %q", status, tag)
	}
	if status, _, p := r.call("PATCH", "/api/servers/api", `{"env":{"MOTD":"New"}}`, "If-Match", tag); status != http.StatusOK || p["restart_required"] != true {
		t.Errorf("patch: %d %v", status, p)
	}
	if status, _, p := r.call("PATCH", "/api/servers/api", `{"env":{"MOTD":"Newer"}}`, "If-Match", tag); status != http.StatusPreconditionFailed {
		t.Errorf("patch with an old ETag: %d %v", status, p)
	}
	if status, _, p := r.call("POST", "/api/servers/api/command", `{"command":"list"}`); status != http.StatusOK || !strings.Contains(p["output"].(string), "players") {
		t.Errorf("command: %d %v", status, p)
	}
	r.consoleSocket("api")
	if status, _, p := r.call("GET", "/api/servers/api/logs?tail=5", ""); status != http.StatusOK || len(p["lines"].([]any)) == 0 {
		t.Errorf("logs: %d %v", status, p)
	}
	for _, verb := range []string{"restart", "stop", "start", "kill"} {
		if status, _, p := r.call("POST", "/api/servers/api/"+verb, ""); status != http.StatusAccepted {
			t.Errorf("%s: %d %v", verb, status, p)
		}
		want := map[string]string{"restart": "running", "stop": "stopped", "start": "running", "kill": "stopped"}[verb]
		r.waitState("api", time.Minute, want)
	}
	if status, _, p := r.call("GET", "/api/events?type=server.*&server=api", ""); status != http.StatusOK || len(p["items"].([]any)) < 4 {
		t.Errorf("events: %d %v", status, p)
	}
	if status, _, p := r.call("GET", "/api/conductor/status", ""); status != http.StatusOK || p["servers"].(map[string]any)["api"] != "node-1" {
		t.Errorf("status: %d %v", status, p)
	}
	if status, _, _ := r.call("GET", "/metrics", ""); status != http.StatusOK {
		t.Errorf("metrics: %d", status)
	}
	if status, _, p := r.call("DELETE", "/api/servers/api", ""); status != http.StatusAccepted {
		t.Errorf("delete: %d %v", status, p)
	}
	r.eventually(30*time.Second, "the server is gone", func() (bool, string) {
		status, _, p := r.call("GET", "/api/servers/"+first["id"].(string), "")
		return status == http.StatusNotFound, strings.TrimSpace(http.StatusText(status) + " " + toText(p))
	})
	r.nothingLeft()
}

func toText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// consoleSocket types a command into the websocket and reads both its reply and the console line it causes.
func (r *rig) consoleSocket(name string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 20*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "ws://"+r.http+"/api/servers/"+name+"/console?after=-10", &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + r.token()}}})
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.CloseNow()
	if err := conn.Write(ctx, websocket.MessageText, []byte(`{"type":"command","id":"7","command":"say over the socket"}`)); err != nil {
		r.t.Fatal(err)
	}
	var replied, seen bool
	for !replied || !seen {
		_, b, err := conn.Read(ctx)
		if err != nil {
			r.t.Fatalf("replied %v, seen %v: %v", replied, seen, err)
		}
		var m client.ConsoleMessage
		if err := json.Unmarshal(b, &m); err != nil {
			r.t.Fatal(err)
		}
		if m.Type == "reply" && m.ID == "7" {
			replied = true
			if m.Problem != nil {
				r.t.Fatalf("reply: %+v", m.Problem)
			}
		}
		for _, l := range m.Lines {
			seen = seen || strings.Contains(l.Text, "over the socket") && l.Kind == ""
		}
	}
}
