package api

import (
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/protocol"
)

// maxBody bounds every request body, bytes. Files get their own routes later.
const maxBody = 1 << 20

// A client must bring its request's body and take its answer in this time. Downloads get writeTime anew with every piece;
// websockets have limits of their own.
const (
	readTime  = 20 * time.Second
	writeTime = time.Minute
)

// guard is what stands before every handler: who asks, may they, and how large is it.
func (a *API) guard(r route) echo.HandlerFunc {
	return func(c echo.Context) error {
		req := c.Request()
		if req.Body != nil {
			req.Body = http.MaxBytesReader(c.Response(), req.Body, maxBody)
		}
		var actor Actor
		if r.Permission != Public {
			var err error
			if actor, err = a.auth.identify(req); err != nil {
				return err
			}
			if r.Permission != SelfRead && !allowed(actor, r.Permission) {
				return errForbidden
			}
		}
		return r.Handler(c, actor)
	}
}

// pieces writes a download: slow is allowed, standing still is not.
type pieces struct{ c echo.Context }

func (p pieces) Write(b []byte) (int, error) {
	moreTime(p.c)
	return p.c.Response().Write(b)
}

// moreTime gives the client writeTime from now on to take what comes; what was done before may have taken longer.
func moreTime(c echo.Context) {
	_ = http.NewResponseController(c.Response()).SetWriteDeadline(time.Now().Add(writeTime))
}

// secure sets the headers that every answer has.
func (a *API) secure(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		if strings.HasPrefix(c.Request().URL.Path, "/api/") {
			h.Set("Cache-Control", "no-store")
			h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		}
		id := c.Request().Header.Get("X-Request-ID")
		if id == "" || len(id) > 64 || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
			id = rand.Text()
		}
		h.Set("X-Request-ID", id)
		control := http.NewResponseController(c.Response())     // a test's recorder has no deadlines
		_ = control.SetWriteDeadline(time.Now().Add(writeTime)) // a websocket clears it
		if c.Request().ContentLength != 0 {
			// Also for who is not let in: the server reads what is left of a body before it takes the next request.
			_ = control.SetReadDeadline(time.Now().Add(a.bodyTime))
		}
		return next(c)
	}
}

type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	viewers  prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "payperplay_api_requests_total", Help: "API requests by route and status class."}, []string{"method", "route", "status"}),
		seconds:  prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "payperplay_api_request_duration_seconds", Help: "Time to answer API requests; websockets are left out.", Buckets: []float64{.001, .005, .02, .1, .5, 2, 10}}, []string{"method", "route"}),
		viewers:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "payperplay_api_websockets", Help: "Open websockets."}),
	}
	if reg == nil {
		return m, nil
	}
	return m, errors.Join(reg.Register(m.requests), reg.Register(m.seconds), reg.Register(m.viewers))
}

// observe counts, times and logs every request, and keeps a panic to the one request it hit.
func (a *API) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		began := time.Now()
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler { //nolint:errorlint // net/http's own sentinel, compared as it says
					panic(p)
				}
				a.Logger.Error("a request panicked", "path", c.Path(), "panic", p, "stack", string(debug.Stack()))
				err = fault.New(fault.Internal, "panic", "")
			}
			if err != nil {
				c.Error(err)
			}
			a.account(c, began, err)
			err = nil
		}()
		return next(c)
	}
}

// methodLabel keeps the label bounded: a method is any word that a stranger sends.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	default:
		return "other"
	}
}

func (a *API) account(c echo.Context, began time.Time, err error) {
	route, status, took := c.Path(), c.Response().Status, time.Since(began)
	if route == "" || route == "/*" {
		route = "web"
	}
	method := methodLabel(c.Request().Method)
	a.metrics.requests.WithLabelValues(method, route, strconv.Itoa(status/100)+"xx").Inc()
	if status != http.StatusSwitchingProtocols && !isSocket(c.Request()) {
		a.metrics.seconds.WithLabelValues(method, route).Observe(took.Seconds())
	}
	level := slog.LevelDebug
	attrs := []any{"method", c.Request().Method, "path", c.Request().URL.Path, "status", status, "duration_ms", took.Milliseconds(), "source", sourceOf(c.Request()), "request_id", c.Response().Header().Get("X-Request-ID")}
	if status >= 500 {
		level = slog.LevelWarn
		attrs = append(attrs, "err", err)
	}
	a.Logger.Log(c.Request().Context(), level, "request", attrs...)
}

// writeError turns any error into a problem. Internals stay in the log.
func (a *API) writeError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	p := problemFrom(err)
	p.Instance = c.Request().URL.Path
	p.Request = c.Response().Header().Get("X-Request-ID")
	c.Response().Header().Set("Content-Type", "application/problem+json")
	if p.Status == http.StatusServiceUnavailable {
		c.Response().Header().Set("Retry-After", "5")
	}
	if werr := c.JSON(p.Status, p); werr != nil {
		a.Logger.Debug("an error could not be sent", "err", werr)
	}
}

// problemFrom says err in the words of RFC 9457.
func problemFrom(err error) client.Problem {
	status := 0 // of the kind, unless HTTP has a better word
	var he *echo.HTTPError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &he):
		err = fromEcho(he)
		if he.Code == http.StatusMethodNotAllowed {
			status = he.Code
		}
	case errors.As(err, &tooLarge):
		err, status = fault.New(fault.Invalid, "the request is larger than "+protocol.FormatSize(maxBody), "send less"), http.StatusRequestEntityTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		err, status = fault.New(fault.Timeout, "the request did not arrive in time", "send it again"), http.StatusRequestTimeout
	}
	kind := fault.KindOf(err)
	if status == 0 {
		status = fault.Status(kind)
	}
	return client.Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: fault.Message(err), Code: string(kind), Next: fault.Next(err)}
}

func fromEcho(he *echo.HTTPError) error {
	switch he.Code {
	case http.StatusNotFound:
		return fault.New(fault.NotFound, "there is nothing at this address", "see /api/docs")
	case http.StatusMethodNotAllowed:
		return fault.New(fault.Invalid, "this address does not take that method", "see /api/docs")
	default:
		return fault.New(fault.Invalid, http.StatusText(he.Code), "see /api/docs")
	}
}

// decode reads a JSON body strictly: unknown fields are a mistake of the caller and said so. An empty body leaves v as it is.
func decode(c echo.Context, v any) error {
	dec := jsonDecoder(c.Request().Body)
	err := dec.Decode(v)
	more := err == nil && dec.More()
	if err == nil { // the body is here; what the handler does now may take longer
		_ = http.NewResponseController(c.Response()).SetReadDeadline(time.Time{})
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case errors.As(err, &tooLarge), errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case err != nil:
		return fault.New(fault.Invalid, "the request cannot be understood: "+jsonMistake(err), "see /api/docs")
	}
	if more {
		return fault.New(fault.Invalid, "the request holds more than one JSON value", "send one")
	}
	return nil
}
