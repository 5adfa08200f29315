package hetzner_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/cloud/hetzner"
)

// against makes a driver of a handler.
func against(t *testing.T, h http.Handler, change ...func(*hetzner.Options)) *hetzner.Driver {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	w := &world{url: srv.URL + "/v1", log: &safeBuffer{}}
	o := hetzner.Options{Timeout: 2 * time.Second}
	for _, c := range change {
		c(&o)
	}
	return w.open(t, o)
}

func refusing(status int, code string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"error":{"code":%q,"message":"as it is","details":null}}`, code)
	})
}

func anOrder() cloud.Order {
	return cloud.Order{Name: "one", Type: "cx23", Location: "fsn1", Image: "debian-12", UserData: []byte("#cloud-config\n")}
}

// TestF17EveryCode is the table of the API's words, for an order and for a read.
func TestF17EveryCode(t *testing.T) {
	for _, x := range []struct {
		status       int
		code         string
		create, read cloud.Kind
	}{
		{409, "uniqueness_error", cloud.Exists, cloud.Exists},
		{412, "resource_unavailable", cloud.NoStock, cloud.NoStock},
		{503, "resource_unavailable", cloud.NoStock, cloud.NoStock}, // the word counts for more than the status
		{412, "placement_error", cloud.NoStock, cloud.NoStock},
		{403, "resource_limit_exceeded", cloud.Limit, cloud.Limit},
		{409, "no_subnet_available", cloud.Limit, cloud.Limit},
		{409, "ip_not_available", cloud.Limit, cloud.Limit},
		{423, "locked", cloud.Busy, cloud.Busy},
		{409, "conflict", cloud.Busy, cloud.Busy},
		{409, "resource_in_use", cloud.Busy, cloud.Busy},
		{429, "rate_limit_exceeded", cloud.RateLimited, cloud.RateLimited},
		{401, "unauthorized", cloud.Denied, cloud.Denied},
		{403, "forbidden", cloud.Denied, cloud.Denied},
		{403, "token_readonly", cloud.Denied, cloud.Denied},
		{423, "protected", cloud.Denied, cloud.Denied},
		{423, "resource_locked", cloud.Denied, cloud.Denied},
		{422, "invalid_input", cloud.Invalid, cloud.Invalid},
		{422, "invalid_server_type", cloud.Invalid, cloud.Invalid},
		{400, "json_error", cloud.Invalid, cloud.Invalid},
		{422, "unsupported_error", cloud.Invalid, cloud.Invalid},
		{410, "deprecated_api_endpoint", cloud.Invalid, cloud.Invalid},
		{404, "not_found", cloud.Invalid, cloud.NotFound}, // of an order: its type, image or network
		{500, "server_error", cloud.Uncertain, cloud.Unavailable},
		{500, "service_error", cloud.Uncertain, cloud.Unavailable},
		{500, "unknown_error", cloud.Uncertain, cloud.Unavailable},
		{502, "bad_gateway", cloud.Uncertain, cloud.Unavailable},
		{503, "maintenance", cloud.Uncertain, cloud.Unavailable},
		{503, "unavailable", cloud.Uncertain, cloud.Unavailable},
		{504, "timeout", cloud.Uncertain, cloud.Unavailable},
		{401, "new_word", cloud.Denied, cloud.Denied},
		{404, "new_word", cloud.Invalid, cloud.NotFound},
		{408, "new_word", cloud.Uncertain, cloud.Unavailable},
		{409, "new_word", cloud.Busy, cloud.Busy},
		{423, "new_word", cloud.Busy, cloud.Busy},
		{429, "new_word", cloud.RateLimited, cloud.RateLimited},
		{418, "new_word", cloud.Invalid, cloud.Invalid},
		{500, "new_word", cloud.Uncertain, cloud.Unavailable},
	} {
		t.Run(fmt.Sprintf("%d_%s", x.status, x.code), func(t *testing.T) {
			d := against(t, refusing(x.status, x.code))
			_, created := d.Create(t.Context(), anOrder())
			_, read := against(t, refusing(x.status, x.code)).Get(t.Context(), "1")
			if x.read == cloud.NotFound && cloud.KindOf(read) == cloud.NotFound {
				read = nil // the client itself takes it for an empty answer
			} else if got := cloud.KindOf(read); got != x.read {
				t.Errorf("Get: got %s (%v), want %s", got, read, x.read)
			}
			if got := cloud.KindOf(created); got != x.create {
				t.Errorf("Create: got %s (%v), want %s", got, created, x.create)
			}
			for _, err := range []error{created, read} {
				var e *cloud.Error
				if err == nil || !errors.As(err, &e) {
					continue
				}
				if e.Code != x.code {
					t.Errorf("the provider's word is %q, want %q", e.Code, x.code)
				}
				if e.Kind == cloud.Denied && strings.Contains(x.code, "o") && (x.status == 401 || x.status == 403) && !strings.Contains(e.Next, "HETZNER_CLOUD_TOKEN") {
					t.Errorf("Next does not name the setting: %q", e.Next)
				}
				for cause := err; cause != nil; cause = errors.Unwrap(cause) {
					if strings.Contains(fmt.Sprintf("%T", cause), "hcloud") {
						t.Errorf("a type of the client leaves the room: %T", cause)
					}
				}
			}
		})
	}
}

// TestAnswersThatAreNone: what stands between us and the provider answers as it likes.
func TestAnswersThatAreNone(t *testing.T) {
	body := func(status int, kind, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		}
	}
	for name, x := range map[string]struct {
		h            http.HandlerFunc
		create, read cloud.Kind
	}{
		"a proxy's page":     {body(502, "text/html", "<html>Bad gateway"), cloud.Uncertain, cloud.Unavailable},
		"a portal's page":    {body(200, "text/html", "<html>Log in"), cloud.Uncertain, cloud.Unavailable},
		"no JSON":            {body(201, "application/json", "{"), cloud.Uncertain, cloud.Unavailable},
		"an empty answer":    {body(201, "application/json", "{}"), cloud.Uncertain, ""},
		"a proxy's refusal":  {body(403, "text/html", "<html>Forbidden"), cloud.Denied, cloud.Denied},
		"an error of no use": {body(500, "application/json", `{"error":null}`), cloud.Uncertain, cloud.Unavailable},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				t.Error("a redirect was followed")
			}
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, cloud.Uncertain, cloud.Unavailable},
		"half an answer": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"server":`)
		}, cloud.Uncertain, cloud.Unavailable},
		"no answer": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, cloud.Uncertain, cloud.Unavailable},
		"none in time": {func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}, cloud.Uncertain, cloud.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			d := against(t, x.h, func(o *hetzner.Options) { o.Timeout = 300 * time.Millisecond })
			_, err := d.Create(t.Context(), anOrder())
			if got := cloud.KindOf(err); got != x.create {
				t.Errorf("Create: got %s (%v), want %s", got, err, x.create)
			}
			if _, err := d.Get(t.Context(), "1"); x.read != "" && cloud.KindOf(err) != x.read {
				t.Errorf("Get: got %v, want %s", err, x.read)
			}
		})
	}
}

// TestF18WrittenOrNot: an order is in doubt once its bytes may have left, and not before.
func TestF18WrittenOrNot(t *testing.T) {
	const closed = "http://127.0.0.1:1"             // a port that was free a moment ago may be somebody's now
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and never says a word of TLS
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	cutting := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(cutting.Close)
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	own := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) { return http.DefaultTransport.RoundTrip(r) })}
	opaque := &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("no idea") })}
	for name, x := range map[string]struct {
		url    string
		client *http.Client
		want   cloud.Kind
	}{
		"nobody listens":                      {closed, nil, cloud.Unavailable},
		"nobody listens, a transport of own":  {closed, own, cloud.Unavailable},
		"no such host":                        {"https://nothing.invalid", nil, cloud.Unavailable},
		"no handshake in time":                {"https://" + silent.Addr().String(), nil, cloud.Unavailable},
		"a certificate of nobody":             {untrusted.URL, nil, cloud.Unavailable},
		"cut after it was written":            {cutting.URL, nil, cloud.Uncertain},
		"cut, with a transport of own":        {cutting.URL, own, cloud.Uncertain},
		"a transport that says nothing of it": {cutting.URL, opaque, cloud.Uncertain},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := hetzner.New(hetzner.Options{Token: goodToken, Cluster: cluster, Endpoint: x.url + "/v1", HTTPClient: x.client, Timeout: 500 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			_, err = d.Create(t.Context(), anOrder())
			if got := cloud.KindOf(err); got != x.want {
				t.Errorf("got %s (%v), want %s", got, err, x.want)
			}
			if err := d.Delete(t.Context(), "1"); cloud.KindOf(err) != cloud.Unavailable {
				t.Errorf("Delete, which begins with a read: got %v, want %s", err, cloud.Unavailable)
			}
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestTokenIsNotRepeated: a provider that sends our token back does not get it into an error, a log or a metric.
func TestTokenIsNotRepeated(t *testing.T) {
	w := &world{log: &safeBuffer{}}
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(rw, `{"error":{"code":"unauthorized","message":"who is %s?","details":null}}`, r.Header.Get("Authorization"))
	}))
	t.Cleanup(srv.Close)
	w.url = srv.URL + "/v1"
	d := w.open(t, hetzner.Options{})
	_, err := d.Create(t.Context(), anOrder())
	_, err2 := d.Catalogue(t.Context())
	if text := fmt.Sprintf("%+v %#v %+v %s", err, err, err2, w.log); strings.Contains(text, goodToken) || !strings.Contains(text, "who is Bearer ***") {
		t.Errorf("the token is told: %s", text)
	}
}

// TestNoStorm: nothing is sent twice by itself.
func TestNoStorm(t *testing.T) {
	for _, code := range []string{"conflict", "rate_limit_exceeded", "bad_gateway", "timeout"} {
		requests := 0
		inner := refusing(map[string]int{"conflict": 409, "rate_limit_exceeded": 429, "bad_gateway": 502, "timeout": 504}[code], code)
		d := against(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests++
			inner.ServeHTTP(w, r)
		}))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_, err := d.Create(ctx, anOrder())
		cancel()
		if err == nil || requests != 1 {
			t.Errorf("%s: %d requests, error %v; want one of each", code, requests, err)
		}
	}
}
