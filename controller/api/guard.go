package api

import (
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
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
				a.Logger.Error("a request panicked", "path", c.Path(), "panic", p)
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

func (a *API) account(c echo.Context, began time.Time, err error) {
	route, status, took := c.Path(), c.Response().Status, time.Since(began)
	if route == "" || route == "/*" {
		route = "web"
	}
	a.metrics.requests.WithLabelValues(c.Request().Method, route, strconv.Itoa(status/100)+"xx").Inc()
	if status != http.StatusSwitchingProtocols && !isSocket(c.Request()) {
		a.metrics.seconds.WithLabelValues(c.Request().Method, route).Observe(took.Seconds())
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
	var he *echo.HTTPError
	if errors.As(err, &he) {
		err = fromEcho(he)
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		err = fault.New(fault.Invalid, "the request is larger than "+protocol.FormatSize(maxBody), "send less")
	}
	kind := fault.KindOf(err)
	status := fault.Status(kind)
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
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case errors.As(err, &tooLarge):
		return err
	case err != nil:
		return fault.New(fault.Invalid, "the request cannot be understood: "+jsonMistake(err), "see /api/docs")
	}
	if dec.More() {
		return fault.New(fault.Invalid, "the request holds more than one JSON value", "send one")
	}
	return nil
}
