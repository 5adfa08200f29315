// Package api is the controller's HTTP API: one route table {method, path, permission, handler}, one file per noun.
// It turns rows into what travels (controller/api/client) and faults into RFC 9457 problems, and decides nothing itself.
package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/autoscale"
	"github.com/payperplay/payperplay/controller/console"
	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/lifecycle"
	"github.com/payperplay/payperplay/controller/monitor"
	"github.com/payperplay/payperplay/controller/provision"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/template"
	"github.com/payperplay/payperplay/controller/tunnel"
)

// Options are what New needs.
type Options struct {
	DB        store.DB
	Events    *event.Log
	Lifecycle *lifecycle.Lifecycle
	Console   *console.Console
	Tunnel    *tunnel.Tunnel
	Nodes     *provision.Provision
	Monitor   *monitor.Monitor
	Scaling   *autoscale.Scaler
	Templates *template.Catalogue

	OperatorToken string       // the one token there is until accounts come
	Cluster       string       // cluster id
	Version       string       // build, for people
	TunnelAddrs   []string     // what agents dial, for the join command
	Web           http.Handler // the embedded UI; nil = none
	Docs          http.Handler // the page that shows the OpenAPI document; nil = the document itself
	Checks        []Check
	Limits        Limits                                           // nil = none are known
	Compact       func(context.Context) (client.Compaction, error) // nil = the engine needs none
	Programs      Programs                                         // nil = there is nothing to download
	Gatherer      prometheus.Gatherer

	Logger  *slog.Logger
	Metrics prometheus.Registerer
	Now     func() time.Time // nil = time.Now
}

func (o *Options) validate() error {
	var missing []error
	need := func(name string, ok bool) {
		if !ok {
			missing = append(missing, fmt.Errorf("api: %s is missing", name))
		}
	}
	need("DB", o.DB != nil)
	need("Events", o.Events != nil)
	need("Lifecycle", o.Lifecycle != nil)
	need("Console", o.Console != nil)
	need("Tunnel", o.Tunnel != nil)
	need("Nodes", o.Nodes != nil)
	need("Monitor", o.Monitor != nil)
	need("Scaling", o.Scaling != nil)
	need("Templates", o.Templates != nil)
	need("OperatorToken", len(o.OperatorToken) >= 32)
	need("Logger", o.Logger != nil)
	if o.Now == nil {
		o.Now = time.Now
	}
	return errors.Join(missing...)
}

// API serves HTTP.
type API struct {
	Options
	echo    *echo.Echo
	auth    *auth
	metrics *metrics
	doc     []byte // the OpenAPI document
	started time.Time

	bodyTime time.Duration // for a request's body to arrive
	sockets  atomic.Int64  // open websockets
	readings recentReadings
	backups  atomic.Bool // one is being made
}

// New makes the API. It listens to nothing: Handler is for an http.Server.
func New(o Options) (*API, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	a := &API{Options: o, started: o.Now(), bodyTime: readTime}
	var err error
	if a.metrics, err = newMetrics(o.Metrics); err != nil {
		return nil, err
	}
	a.auth = newAuth(o.DB, o.OperatorToken, o.Now)
	a.echo = echo.New()
	a.echo.HideBanner, a.echo.HidePort = true, true
	a.echo.Logger.SetOutput(io.Discard)
	a.echo.HTTPErrorHandler = a.writeError
	a.echo.Use(a.secure, a.observe)
	for _, r := range a.routes() {
		a.echo.Add(r.Method, r.Path, a.guard(r))
	}
	if a.doc, err = document(a.routes(), o.Version); err != nil {
		return nil, err
	}
	if o.Web != nil {
		a.echo.GET("/*", pages(o.Web))
	}
	return a, nil
}

// pages serves the web UI; what looks like the API but is not in the table is an error as programs read it.
func pages(web http.Handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		if p := c.Request().URL.Path; p == "/api" || strings.HasPrefix(p, "/api/") {
			return echo.ErrNotFound
		}
		web.ServeHTTP(c.Response(), c.Request())
		return nil
	}
}

// Handler is the API as an http.Handler.
func (a *API) Handler() http.Handler { return a.echo }

// Tables are the rows this room keeps.
func Tables() []store.TableDef { return []store.TableDef{sessions.Def()} }

// Document gives the OpenAPI document without a running controller.
func Document(version string) ([]byte, error) {
	a := &API{}
	return document(a.routes(), version)
}

func toPage[T any](items []T, next string) client.Page[T] {
	if items == nil {
		items = []T{}
	}
	return client.Page[T]{Items: items, Next: next}
}
