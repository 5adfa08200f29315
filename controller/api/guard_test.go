package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/bolt"
)

const testToken = "ppo_0123456789abcdef0123456789abcdef"

// bare is an API whose handlers are replaced by one that says that it was entered: what is under test stands before them.
func bare(t *testing.T) (*API, *int) {
	t.Helper()
	db, err := bolt.Open(context.Background(), filepath.Join(t.TempDir(), "db"), bolt.Options{Tables: append(Tables(), fleet.Tables()...), DoubleRun: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	a := &API{Options: Options{DB: db, Logger: slog.New(slog.DiscardHandler), Now: time.Now}, bodyTime: readTime}
	a.auth = newAuth(db, testToken, time.Now)
	if a.metrics, err = newMetrics(nil); err != nil {
		t.Fatal(err)
	}
	a.echo = echo.New()
	a.echo.HTTPErrorHandler = a.writeError
	a.echo.Use(a.secure, a.observe)
	entered := new(int)
	for _, r := range a.routes() {
		if r.Path != "/api/session" {
			r.Handler = func(c echo.Context, _ Actor) error { *entered++; return c.NoContent(http.StatusNoContent) }
		}
		a.echo.Add(r.Method, r.Path, a.guard(r))
	}
	return a, entered
}

func request(a *API, method, path, body string, header ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
			continue
		}
		req.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	a.echo.ServeHTTP(rec, req)
	return rec
}

func pathOf(r route) string { return strings.ReplaceAll(r.Path, ":name", "x") }

// TestS17NoCredentialsNoHandler: every route that is not public refuses strangers, and its handler is not entered.
func TestS17NoCredentialsNoHandler(t *testing.T) {
	a, entered := bare(t)
	for _, creds := range [][]string{nil, {"Authorization", "Bearer wrong"}, {"Authorization", testToken}, {"Authorization", "Basic " + testToken}, {"Cookie", cookieName + "=" + testToken}} {
		for _, r := range a.routes() {
			if r.Permission == Public {
				continue
			}
			rec := request(a, r.Method, pathOf(r), "{}", creds...)
			if rec.Code != http.StatusUnauthorized && rec.Code != http.StatusForbidden {
				t.Errorf("%s %s with %v: %d", r.Method, r.Path, creds, rec.Code)
			}
			var p client.Problem
			if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil || p.Detail == "" || p.Next == "" || rec.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s %s: no problem with a next step: %s", r.Method, r.Path, rec.Body)
			}
		}
	}
	if *entered != 0 {
		t.Fatalf("%d handlers were entered", *entered)
	}
	// The control: with the token they are.
	for _, r := range a.routes() {
		if r.Permission == Public || r.Path == "/api/session" {
			continue
		}
		before := *entered
		if request(a, r.Method, pathOf(r), "{}", "Authorization", "Bearer "+testToken); *entered != before+1 {
			t.Errorf("%s %s: the operator did not get in", r.Method, r.Path)
		}
	}
}

// TestPublicRoutes lists what a stranger may call: a new public route must be added here on purpose.
func TestPublicRoutes(t *testing.T) {
	want := map[string]bool{"GET /healthz": true, "GET /readyz": true, "GET /metrics": true, "GET /api/openapi.json": true, "GET /api/docs": true, "POST /api/session": true, "GET /dl/:name": true}
	for _, r := range (&API{}).routes() {
		key := r.Method + " " + r.Path
		if (r.Permission == Public) != want[key] {
			t.Errorf("%s has permission %q", key, r.Permission)
		}
		if r.Permission == "" || r.Handler == nil || r.Summary == "" || r.Tag == "" {
			t.Errorf("%s: the row is not complete", key)
		}
	}
}

// browser logs in and gives cookie and CSRF token.
func browser(t *testing.T, a *API) (cookie, csrf string) {
	t.Helper()
	rec := request(a, "POST", "/api/session", `{"token":"`+testToken+`"}`)
	if rec.Code != http.StatusOK {
		t.Fatalf("login: %d %s", rec.Code, rec.Body)
	}
	var s client.Session
	if err := json.Unmarshal(rec.Body.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	c := rec.Result().Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode {
		t.Errorf("cookie %+v", c)
	}
	return c.Name + "=" + c.Value, s.CSRF
}

// TestS14CSRFAndOrigin: a browser's session changes nothing without the page's token, and opens no websocket for another site.
func TestS14CSRFAndOrigin(t *testing.T) {
	a, entered := bare(t)
	cookie, csrf := browser(t, a)
	for _, c := range []struct {
		name, method, path string
		header             []string
		in                 bool
	}{
		{"read", "GET", "/api/servers", nil, true},
		{"change without token", "POST", "/api/servers/x/start", nil, false},
		{"change with a wrong token", "POST", "/api/servers/x/start", []string{"X-CSRF-Token", "x"}, false},
		{"change", "POST", "/api/servers/x/start", []string{"X-CSRF-Token", csrf}, true},
		{"socket from elsewhere", "GET", "/api/servers/x/console", []string{"Upgrade", "websocket", "Origin", "http://evil.example"}, false},
		{"socket from a look-alike", "GET", "/api/servers/x/console", []string{"Upgrade", "websocket", "Origin", "http://panel.example.evil.example", "Host", "panel.example"}, false},
		{"socket from here", "GET", "/api/servers/x/console", []string{"Upgrade", "websocket", "Origin", "http://panel.example", "Host", "panel.example"}, true},
	} {
		before := *entered
		rec := request(a, c.method, c.path, "{}", append([]string{"Cookie", cookie}, c.header...)...)
		if in := *entered > before; in != c.in {
			t.Errorf("%s: entered %v, want %v (%d)", c.name, in, c.in, rec.Code)
		}
	}
}

// TestS06SessionSecretIsNoToken: what is good for one place is good for nothing else.
func TestS06SessionSecretIsNoToken(t *testing.T) {
	a, entered := bare(t)
	cookie, csrf := browser(t, a)
	_, secret, _ := strings.Cut(cookie, "=")
	for _, bearer := range []string{secret, csrf, hashOf(secret)} {
		if rec := request(a, "GET", "/api/servers", "", "Authorization", "Bearer "+bearer); rec.Code != http.StatusUnauthorized {
			t.Errorf("a browser's secret worked as a bearer token: %d", rec.Code)
		}
	}
	if rec := request(a, "GET", "/api/servers", "", "Cookie", cookieName+"="+hashOf(secret)); rec.Code != http.StatusUnauthorized || *entered != 0 {
		t.Errorf("the stored hash worked as a cookie: %d", rec.Code)
	}
	if rec := request(a, "DELETE", "/api/session", "", "Cookie", cookie, "X-CSRF-Token", csrf); rec.Code != http.StatusNoContent {
		t.Fatalf("logout: %d", rec.Code)
	}
	if rec := request(a, "GET", "/api/servers", "", "Cookie", cookie); rec.Code != http.StatusUnauthorized {
		t.Errorf("the session works after logging out: %d", rec.Code)
	}
}

func TestSessionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := bare(t)
		cookie, _ := browser(t, a)
		ok := func() bool {
			return request(a, "GET", "/api/servers", "", "Cookie", cookie).Code == http.StatusNoContent
		}
		for range 80 { // used every 11 h, it lives on, up to 30 days in all
			time.Sleep(11 * time.Hour)
			if !ok() {
				break
			}
		}
		if _, secret, _ := strings.Cut(cookie, "="); true {
			err := a.DB.View(t.Context(), func(tx store.Tx) error {
				s, err := sessions.Get(tx, hashOf(secret))
				if lived := time.Since(s.Created); lived < sessionMost || lived > sessionMost+12*time.Hour {
					t.Errorf("the session ended after %v", lived)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
		cookie, _ = browser(t, a)
		time.Sleep(sessionIdle + time.Minute)
		if ok() {
			t.Error("an idle session lives")
		}
	})
}

func TestFailedLoginsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := bare(t)
		codes := map[int]int{}
		for range 20 {
			codes[request(a, "POST", "/api/session", `{"token":"wrong"}`).Code]++
		}
		if codes[http.StatusUnauthorized] != 5 || codes[http.StatusTooManyRequests] != 15 {
			t.Errorf("answers: %v", codes)
		}
		time.Sleep(7 * time.Second)
		if rec := request(a, "POST", "/api/session", `{"token":"`+testToken+`"}`); rec.Code != http.StatusOK {
			t.Errorf("the right token after a wait: %d", rec.Code)
		}
	})
}

// TestS12LargeBody: a body over the limit is refused and not read into memory.
func TestS12LargeBody(t *testing.T) {
	a, _ := bare(t)
	a.echo.POST("/decode", a.guard(route{Permission: Public, Handler: func(c echo.Context, _ Actor) error {
		var v client.CreateServer
		return decode(c, &v)
	}}))
	rec := request(a, "POST", "/decode", `{"name":"`+strings.Repeat("a", maxBody)+`"}`)
	if rec.Code != http.StatusRequestEntityTooLarge || !strings.Contains(rec.Body.String(), "larger than 1MiB") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	for body, says := range map[string]string{
		`{"nmae":"x"}`:        "unknown field",
		`{"memory_bytes":""}`: "memory_bytes",
		`{`:                   "ends in the middle",
		`{"name":"a"} {}`:     "more than one",
		`[]`:                  "array",
		`nonsense`:            "no JSON",
	} {
		if rec := request(a, "POST", "/decode", body); rec.Code != http.StatusBadRequest || !strings.Contains(rec.Body.String(), says) {
			t.Errorf("%s: %d %s", body, rec.Code, rec.Body)
		}
	}
}

// TestDocument: the OpenAPI document is valid, and every route of the table is in it.
func TestDocument(t *testing.T) {
	b, err := Document("test")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range (&API{}).routes() {
		item := doc.Paths.Find(pathParam.ReplaceAllString(r.Path, "{$1}"))
		if item == nil || item.GetOperation(r.Method) == nil {
			t.Errorf("%s %s is not in the document", r.Method, r.Path)
		}
	}
}

// TestPanicCostsOneRequest: a handler that panics answers 500 without saying why, and the next request works.
func TestPanicCostsOneRequest(t *testing.T) {
	a, _ := bare(t)
	a.echo.GET("/boom", a.guard(route{Permission: Public, Handler: func(echo.Context, Actor) error { panic("secret detail") }}))
	rec := request(a, "GET", "/boom", "")
	if rec.Code != http.StatusInternalServerError || strings.Contains(rec.Body.String(), "secret") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if rec := request(a, "GET", "/healthz", ""); rec.Code >= 500 {
		t.Errorf("after the panic: %d", rec.Code)
	}
}

// TestS12StrangersWordsAreNoLabels: a method is any word; it must not make a new time series.
func TestS12StrangersWordsAreNoLabels(t *testing.T) {
	a, _ := bare(t)
	for _, m := range []string{"FOO1", "FOO2", "GETT", "get"} {
		request(a, m, "/api/servers", "")
		request(a, m, "/nothing/"+m, "")
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(a.metrics.requests, a.metrics.seconds)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if v := l.GetValue(); strings.Contains(v, "FOO") || strings.EqualFold(v, "gett") || v == "get" {
					t.Errorf("%s has a label %s=%q", f.GetName(), l.GetName(), v)
				}
			}
		}
	}
}

// TestStatusOfMistakes: the statuses that programs know, each with a problem that says the next step.
func TestStatusOfMistakes(t *testing.T) {
	a, _ := bare(t)
	a.echo.GET("/*", pages(http.NotFoundHandler()))
	as := []string{"Authorization", "Bearer " + testToken}
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{"PUT", "/api/servers", "{}", http.StatusMethodNotAllowed},
		{"DELETE", "/api/nodes", "", http.StatusMethodNotAllowed},
		{"GET", "/api/nothing", "", http.StatusNotFound},
		{"GET", "/api", "", http.StatusNotFound},
		{"GET", "/api/", "", http.StatusNotFound},
		{"GET", "/api/servers/", "", http.StatusNotFound},
		{"POST", "/api/session", `{"token":"` + strings.Repeat("x", maxBody) + `"}`, http.StatusRequestEntityTooLarge},
		{"POST", "/api/session", `[]`, http.StatusBadRequest},
		{"POST", "/api/session", `{"token":"x"} {}`, http.StatusBadRequest},
		{"POST", "/api/session", `nonsense`, http.StatusBadRequest},
	} {
		rec := request(a, c.method, c.path, c.body, as...)
		var p client.Problem
		if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil || rec.Code != c.want || p.Status != c.want || p.Detail == "" || p.Next == "" {
			t.Errorf("%s %s: %d, want %d: %.200s", c.method, c.path, rec.Code, c.want, rec.Body)
		}
	}
}

func TestIfMatch(t *testing.T) {
	for header, want := range map[string]int64{`"7"`: 7, `W/"7"`: 7, "7": 7, "*": 0, " * ": 0} {
		if got, err := ifMatch(header); err != nil || got != want {
			t.Errorf("%q: %d, %v", header, got, err)
		}
	}
	if _, err := ifMatch(""); fault.KindOf(err) != fault.Precondition {
		t.Errorf("no header: %v", err)
	}
	for _, bad := range []string{`"0"`, "-1", `"1", "2"`, "abc", `""`, "1.5"} { // "0" must not mean: whatever is there
		if _, err := ifMatch(bad); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestS07LogoutIsNotUndone: a request that is under way while its session is closed does not bring it back.
func TestS07LogoutIsNotUndone(t *testing.T) {
	a, _ := bare(t)
	secret, err := a.auth.open(t.Context(), "operator")
	if err != nil {
		t.Fatal(err)
	}
	hash := hashOf(secret)
	later := time.Now().Add(5 * time.Minute) // so that touch wants to write
	closed := false
	a.auth.now = func() time.Time { // touch has begun; the logout comes before it reads
		return later
	}
	a.auth.db = closing{a.auth.db, func() {
		if !closed {
			closed = true
			if err := newAuth(a.DB, testToken, time.Now).close(t.Context(), hash); err != nil {
				t.Error(err)
			}
		}
	}}
	if _, err := a.auth.touch(t.Context(), hash); fault.KindOf(err) != fault.Unauthorized {
		t.Errorf("touch: %v", err)
	}
	if _, err := a.auth.touch(t.Context(), hash); fault.KindOf(err) != fault.Unauthorized {
		t.Errorf("the session is back: %v", err)
	}
}

// closing runs before each Update.
type closing struct {
	store.DB
	before func()
}

func (c closing) Update(ctx context.Context, fn func(store.Tx) error) error {
	c.before()
	return c.DB.Update(ctx, fn)
}

// TestF32SlowBody: a body that does not come ends the request and frees its connection, also of a stranger.
func TestF32SlowBody(t *testing.T) {
	a, _ := bare(t)
	a.bodyTime = 100 * time.Millisecond
	srv := httptest.NewServer(a.echo)
	defer srv.Close()
	for _, path := range []string{"/api/session", "/api/servers", "/api/nothing"} { // public, not let in, not there
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", path); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		answer, err := io.ReadAll(conn) // ends because the server closes
		if err != nil || len(answer) == 0 {
			t.Errorf("%s: %v %q", path, err, answer)
		}
		if path == "/api/session" && !strings.HasPrefix(string(answer), "HTTP/1.1 408") {
			t.Errorf("%s: %q", path, answer)
		}
		_ = conn.Close()
	}
}
