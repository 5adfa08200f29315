package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/payperplay/payperplay/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func fixture(t *testing.T, h http.Handler) *Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	c, err := New(Options{Endpoint: srv.URL, Token: "secret", HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func say(ctx context.Context, conn *websocket.Conn, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return conn.Write(ctx, websocket.MessageText, b)
}

// TestFollowGoesOnAtTheRightLine over sockets that break in every way: cut, closed politely, refused, in the middle of a message.
func TestFollowGoesOnAtTheRightLine(t *testing.T) {
	var calls atomic.Int64
	var afters []string
	c := fixture(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := calls.Add(1)
		if r.URL.Path != "/api/servers/s/console" || r.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("%s with %q", r.URL, r.Header.Get("Authorization"))
		}
		if n%4 == 2 {
			w.WriteHeader(http.StatusBadGateway) // a proxy in front of a controller that restarts
			return
		}
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		text := r.URL.Query().Get("after")
		afters = append(afters, text)
		after, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			t.Error(err)
		}
		after = max(after, 0)
		_ = say(r.Context(), conn, ConsoleMessage{Type: "ping"})
		for i := int64(1); i <= 3; i++ {
			_ = say(r.Context(), conn, ConsoleMessage{Type: "lines", Lines: []Line{{Seq: after + i, Text: fmt.Sprint(after + i)}}})
		}
		switch n % 4 {
		case 0:
			_ = conn.Close(websocket.StatusGoingAway, "restart")
		case 3:
			if wr, err := conn.Writer(r.Context(), websocket.MessageText); err == nil {
				_, _ = wr.Write([]byte(`{"type":"lines","lines":[{"seq":`)) // and no more
			}
		}
	}))
	var got []int64
	lost := 0
	err := c.Follow(t.Context(), "s", FollowOptions{After: -5, Lost: func(error) { lost++ }}, func(m ConsoleMessage) error {
		for _, l := range m.Lines {
			got = append(got, l.Seq)
		}
		if len(got) >= 12 {
			return ErrStop
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}; !slices.Equal(got, want) {
		t.Errorf("lines %v", got)
	}
	if want := []string{"-5", "3", "6", "9"}; !slices.Equal(afters, want) || lost < 4 {
		t.Errorf("asked from %v, lost %d times", afters, lost)
	}
}

// TestFollowEnds for good when the controller says so, and when the callback fails, and not before.
func TestFollowEnds(t *testing.T) {
	end := &Problem{Code: string(protocol.NotFound), Detail: "the server was deleted"}
	c := fixture(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		if r.URL.Path == "/api/servers/gone/console" {
			_ = say(r.Context(), conn, ConsoleMessage{Type: "end", Problem: end})
			return
		}
		_ = say(r.Context(), conn, ConsoleMessage{Type: "lines", Lines: []Line{{Seq: 1}}})
		_, _, _ = conn.Read(r.Context())
	}))
	if err := c.Follow(t.Context(), "gone", FollowOptions{}, func(ConsoleMessage) error { return nil }); protocol.CodeOf(err) != protocol.NotFound {
		t.Errorf("a deleted server: %v", err)
	}
	mine := errors.New("disk full")
	if err := c.Follow(t.Context(), "s", FollowOptions{}, func(ConsoleMessage) error { return mine }); !errors.Is(err, mine) {
		t.Errorf("the callback's error: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := c.Follow(ctx, "s", FollowOptions{}, func(ConsoleMessage) error { cancel(); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("the caller gave up: %v", err)
	}
}

// TestFollowEventsMissesNothing: what happens while the very first connection is broken comes too, though "from now on" was asked.
func TestFollowEventsMissesNothing(t *testing.T) {
	var sockets atomic.Int64
	c := fixture(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/events" {
			_ = json.NewEncoder(w).Encode(Page[Event]{Items: []Event{{Seq: 41}}})
			return
		}
		n := sockets.Add(1)
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		if after := r.URL.Query().Get("after"); after != "41" {
			t.Errorf("connection %d starts after %q", n, after)
		}
		if n == 1 {
			return // before any event
		}
		_ = say(r.Context(), conn, Event{Seq: 42, Type: "server.created"}) // it happened in between
		_, _, _ = conn.Read(r.Context())
	}))
	if err := c.FollowEvents(t.Context(), EventsQuery{}, nil, func(e Event) error {
		if e.Seq != 42 {
			t.Errorf("event %d", e.Seq)
		}
		return ErrStop
	}); err != nil {
		t.Fatal(err)
	}
}

// TestNamesStayInTheirPlace: whatever a name is, it is one part of the path.
func TestNamesStayInTheirPlace(t *testing.T) {
	var path string
	c := fixture(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.EscapedPath()
		_, _ = w.Write([]byte("{}"))
	}))
	for name, want := range map[string]string{
		"plain": "/api/servers/plain", "../nodes/x": "/api/servers/..%2Fnodes%2Fx", "a/stop": "/api/servers/a%2Fstop", "..": "/api/servers/%2E%2E",
		"a?b#c": "/api/servers/a%3Fb%23c", "a b": "/api/servers/a%20b", "%2f": "/api/servers/%252f",
	} {
		if _, err := c.Server(t.Context(), name); err != nil || path != want {
			t.Errorf("%q: %s, want %s (%v)", name, path, want, err)
		}
	}
	under, err := New(Options{Endpoint: c.Endpoint() + "/panel/", HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := under.Server(t.Context(), "x"); err != nil || path != "/panel/api/servers/x" {
		t.Errorf("an endpoint with a path: %s %v", path, err)
	}
}

// TestAnswersThatAreNotOurs become one clear fault.
func TestAnswersThatAreNotOurs(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"another web server's 404": func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) },
		"a page":                   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"half a JSON":              func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"id":`)) },
		"a problem without a code": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte(`{}`))
		},
	} {
		var f *protocol.Fault
		if _, err := fixture(t, h).Server(t.Context(), "x"); !errors.As(err, &f) || f.Code != protocol.Internal || f.Next == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	c, err := New(Options{Endpoint: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	var f *protocol.Fault
	if _, err := c.Server(t.Context(), "x"); !errors.As(err, &f) || f.Code != protocol.Unavailable || f.Next == "" {
		t.Errorf("nobody there: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	if _, err := c.Server(ctx, "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("out of time: %v", err)
	}
}
