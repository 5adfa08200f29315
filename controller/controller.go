// Package controller is the wiring of the control plane and nothing else: New makes every room in one straight line,
// Run runs them, Stop takes them down in the opposite order. It is the only package that knows all rooms.
package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/payperplay/payperplay/controller/api"
	"github.com/payperplay/payperplay/controller/autoscale"
	"github.com/payperplay/payperplay/controller/console"
	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/lifecycle"
	"github.com/payperplay/payperplay/controller/monitor"
	"github.com/payperplay/payperplay/controller/placement"
	"github.com/payperplay/payperplay/controller/provision"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/open"
	"github.com/payperplay/payperplay/controller/template"
	"github.com/payperplay/payperplay/controller/tunnel"
	"github.com/payperplay/payperplay/controller/upkeep"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/web"
)

// Config is what the command line says.
type Config struct {
	Data, HTTP, Tunnel string
	Store              string   // address (store/open); empty = the embedded file in Data
	NewCA              bool     // take or make another CA than the one the store knows
	Advertise          []string // HOST:PORT under which agents reach Tunnel
	Templates          string   // file; empty = built in
	Strategy           string
	RequireSafeRuntime bool
	LocalAgent         bool
	AgentBinary        string
	AgentArgs          []string
	PublicURL          string // under which machines reach HTTP, for the agent's download
	HetznerEndpoint    string // of the cloud's API; empty = Hetzner's own
	Agents             string // directory with agent-linux-ARCH, for machines to download; empty = where this program is
	Version            string
	Logger             *slog.Logger
}

// Tables are the tables of all rooms.
func Tables() []store.TableDef {
	return slices.Concat(fleet.Tables(), event.Tables(), tunnel.Tables(), api.Tables(), provision.Tables(), autoscale.Tables())
}

// StorePath is where the embedded store of a data directory is.
func StorePath(data string) string { return filepath.Join(data, "controller.db") }

// OpenAPI gives the document of the HTTP API.
func OpenAPI(version string) ([]byte, error) { return api.Document(version) }

// App is a running controller.
type App struct {
	cfg   Config
	log   *slog.Logger
	token string
	store string // its address, without a password

	lost         <-chan struct{} // closed when another controller has taken over the store
	because      explained       // why lost is closed; nil when the store cannot tell
	http, tunnel net.Listener
	server       *http.Server

	runs  []namedRun
	stops []namedStop
}

type namedRun struct {
	name string
	run  func(context.Context) error
}

type namedStop struct {
	name string
	stop func() error
}

func (a *App) onStop(name string, stop func() error) {
	a.stops = append(a.stops, namedStop{name, stop})
}

func (a *App) run(name string, run func(context.Context) error) {
	a.runs = append(a.runs, namedRun{name, run})
}

// New makes all rooms and listens, but serves nothing yet. After an error nothing is left behind.
func New(ctx context.Context, cfg Config) (*App, error) {
	a := &App{cfg: cfg, log: cfg.Logger}
	if err := a.setup(ctx); err != nil {
		return nil, errors.Join(a.ended(atStart(err)), a.Stop())
	}
	return a, nil
}

// setup is one straight line on purpose: what is made first is needed by what comes after, and is stopped last.
func (a *App) setup(ctx context.Context) error { //nolint:funlen // see above
	cfg := a.cfg
	if err := a.dataDir(); err != nil {
		return err
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo(cfg.Version))

	catalogue, err := template.Load(cfg.Templates)
	if err != nil {
		return err
	}
	if a.token, err = operatorToken(a.TokenFile()); err != nil {
		return err
	}
	passphrase, err := tunnel.Passphrase(os.Getenv)
	if err != nil {
		return err
	}
	authority := tunnel.AuthorityOptions{Dir: filepath.Join(cfg.Data, "ca"), Passphrase: passphrase, New: cfg.NewCA}
	address, err := open.Parse(cmp.Or(cfg.Store, StorePath(cfg.Data)))
	if err != nil {
		return err
	}
	if address.TakesOver() {
		if err := a.beforeTakingOver(ctx, address, authority); err != nil {
			return err
		}
	}
	db, err := open.At(ctx, address, open.Options{Tables: Tables(), Scratch: cfg.Data, Logger: a.log.With("room", "store"), Metrics: reg})
	if err != nil {
		return err
	}
	a.lost, a.store = db.Lost(), address.String()
	a.because, _ = db.(explained)
	a.onStop("store", db.Close)

	authority.Cluster = db.ClusterID()
	ca, err := tunnel.AuthorityOf(ctx, db, authority)
	if err != nil {
		return err
	}
	events, err := event.New(event.Options{DB: db, Logger: a.log.With("room", "event"), Metrics: reg})
	if err != nil {
		return err
	}
	keep, err := upkeep.New(upkeep.Options{DB: db, Events: events, Data: cfg.Data, File: fileOf(db), Trims: trims(), Logger: a.log, Metrics: reg})
	if err != nil {
		return err
	}
	a.run("upkeep", keep.Run)

	// The tunnel's facts wake lifecycle, and lifecycle gives orders through the tunnel; changed breaks the ring.
	var changed notify
	tun, err := tunnel.New(tunnel.Options{
		DB: db, CA: ca, Events: events, Logger: a.log, Metrics: reg, OnChange: changed.tell,
		Inventory: func(tx store.Tx, node string, inv []protocol.Observed) error {
			return fleet.Inventory(tx, events, node, inv, time.Now().UTC())
		},
		Fact: func(tx store.Tx, node string, r protocol.Report) error {
			return fleet.Fact(tx, events, node, r, time.Now().UTC())
		},
	})
	if err != nil {
		return err
	}
	life, err := lifecycle.New(lifecycle.Options{
		DB: db, Events: events, Agents: tun, Catalogue: renderer{catalogue}, Strategy: placement.Strategy(cfg.Strategy),
		RequireSafeRuntime: cfg.RequireSafeRuntime, Recall: tun.Recall, Logger: a.log, Metrics: reg,
	})
	if err != nil {
		return err
	}
	if err := life.Begin(ctx); err != nil { // before any agent is let in: is this store a backup?
		return err
	}
	a.run("lifecycle", life.Run)

	programs := newPrograms(cfg.Agents)
	rent, err := a.landlord(ca.Cluster(), reg)
	if err != nil {
		return err
	}
	wishes, err := autoscale.FromEnv(os.Getenv)
	if err != nil {
		return err
	}
	renting := provision.Options{DB: db, Tunnel: tun, Events: events, OnChange: changed.tell, JoinDeadline: time.Duration(wishes.JoinDeadline), Logger: a.log, Metrics: reg}
	a.renting(&renting, rent, tun, ca.Cluster(), programs, func(tx store.Tx) (autoscale.Settings, error) { return autoscale.ReadSettings(tx, wishes) })
	nodes, err := provision.New(renting)
	if err != nil {
		return err
	}
	a.run("provision", nodes.Run)
	scaling, err := autoscale.New(autoscale.Options{DB: db, Events: events, Machines: nodes, Market: market(rent), Settings: wishes, Logger: a.log, Metrics: reg})
	if err != nil {
		return err
	}
	a.run("autoscale", scaling.Run)
	a.run("autoscale's ear", onWaiting(events, scaling.Kick))
	changed.to(func(string) {
		life.Kick()
		nodes.Kick()
		scaling.Kick()
	})

	con, err := console.New(console.Options{Agents: tun, Where: whereIs(db), Logger: a.log, Metrics: reg})
	if err != nil {
		return err
	}
	a.onStop("console", con.Close)

	mon, err := monitor.New(monitor.Options{DB: db, Hosts: tun, Logger: a.log, Metrics: reg})
	if err != nil {
		return err
	}
	a.run("monitor", mon.Run)

	if err := a.listen(ctx); err != nil {
		return err
	}
	a.run("tunnel", func(ctx context.Context) error { return tun.Serve(ctx, a.tunnel) })

	app, err := api.New(api.Options{
		DB: db, Events: events, Lifecycle: life, Console: con, Tunnel: tun, Nodes: nodes, Monitor: mon, Scaling: scaling, Templates: catalogue,
		OperatorToken: a.token, Cluster: ca.Cluster(), Version: cfg.Version, TunnelAddrs: a.advertised(), Web: web.Handler(), Docs: web.Docs(),
		Checks: []api.Check{{Name: "store", Ask: func(ctx context.Context) error {
			return db.View(ctx, func(tx store.Tx) error { _, err := fleet.Servers.Count(tx); return err })
		}}},
		Limits: keep, Compact: compactor(db), Programs: programs,
		Gatherer: reg, Logger: a.log.With("room", "api"), Metrics: reg,
	})
	if err != nil {
		return err
	}
	a.serveHTTP(app.Handler())

	if cfg.LocalAgent {
		local, err := newLocalAgent(a, tun, ca.Pins())
		if err != nil {
			return err
		}
		a.run("local agent", local.run)
	}
	return nil
}

func (a *App) dataDir() error {
	if err := os.MkdirAll(a.cfg.Data, 0o700); err != nil {
		return fault.Wrap(err, fault.Invalid, "the data directory cannot be made: "+err.Error(), "name another with --data, or let this user write there")
	}
	return nil
}

// beforeTakingOver tries what can fail, so that a start that is not going to work does not end the controller that leads.
func (a *App) beforeTakingOver(ctx context.Context, address open.Address, o tunnel.AuthorityOptions) error {
	if a.cfg.LocalAgent {
		if _, err := findAgent(a.cfg.AgentBinary); err != nil {
			return err
		}
	}
	if err := a.listen(ctx); err != nil {
		return err
	}
	cluster, row, err := address.Peek(ctx, tunnel.KnownTable, tunnel.KnownKey)
	if err != nil {
		return err
	}
	o.Cluster = cluster
	return tunnel.VetAuthority(row, o)
}

// listen opens both addresses, so that a port in use is said before anything runs. A second call does nothing.
func (a *App) listen(ctx context.Context) (err error) {
	if a.http != nil {
		return nil
	}
	for _, l := range []struct {
		flag, addr string
		into       *net.Listener
	}{{"--http", a.cfg.HTTP, &a.http}, {"--tunnel", a.cfg.Tunnel, &a.tunnel}} {
		if *l.into, err = (&net.ListenConfig{}).Listen(ctx, "tcp", l.addr); err != nil {
			return fault.Wrap(err, fault.Invalid, fmt.Sprintf("%s %s cannot be listened on: %v", l.flag, l.addr, err), "is another controller running? name another address with "+l.flag)
		}
		a.onStop(l.flag+" listener", closeQuietly(*l.into))
	}
	return nil
}

func closeQuietly(l net.Listener) func() error {
	return func() error {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
}

func (a *App) serveHTTP(h http.Handler) {
	a.server = &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	a.run("http", func(ctx context.Context) error {
		live, cancel := context.WithCancel(ctx)
		defer cancel()
		a.server.BaseContext = func(net.Listener) context.Context { return live }
		done := make(chan error, 1)
		go func() { done <- a.server.Serve(a.http) }()
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
		}
		// Websockets end with live; plain requests get a moment to finish.
		limit, cancelLimit := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancelLimit()
		if err := a.server.Shutdown(limit); err != nil {
			return a.server.Close()
		}
		return nil
	})
}

// Run runs everything until ctx ends or a part fails for good. When another controller has taken over the store it returns
// ErrTakenOver at once and waits for nothing: the agents belong to the other one now, and a farewell would send them away.
// The process has to end then.
func (a *App) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, r := range a.runs {
		g.Go(func() error {
			if err := r.run(ctx); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			return nil
		})
	}
	a.log.Info("controller is up", "http", a.URL(), "tunnel", a.TunnelAddr(), "store", a.store, "version", a.cfg.Version)
	done := make(chan error, 1)
	go func() { done <- g.Wait() }()
	select {
	case err := <-done:
		a.log.Info("controller is down; games run on")
		return a.ended(err)
	case <-a.lost:
		err := a.ended(store.ErrStaleTerm)
		a.log.Error("this controller has lost its store and ends; games run on", "store", a.store, "why", fault.Message(err))
		return err
	}
}

// Stop takes down what New made, last first. It may be called after a New that failed half-way.
func (a *App) Stop() error {
	var errs []error
	for _, s := range slices.Backward(a.stops) {
		if err := s.stop(); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", s.name, err))
		}
	}
	a.stops = nil
	return errors.Join(errs...)
}
