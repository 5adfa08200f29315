// Package provision looks after nodes and the machines that we rent for them: a health check of every connected node each minute beside the
// live tunnel, cordon and drain, and the life of a rented machine from the order to the provider's word that it is gone.
//
// A machine's life is rows and a level-triggered loop (machines.go): it reads the rows, asks the provider, decides with a pure function
// (decide.go) and acts, and decides again inside the transaction that writes. What keeps money from leaking:
//
//   - The row is there before the order is sent, and its name follows from it: an order that is repeated cannot make a second machine.
//   - The caps are asked in the transaction that writes the row.
//   - A row ends only when the provider has confirmed that it has nothing; one read that says so is no confirmation.
//   - No machine is deleted while a server's row names its node, and that is looked at in the transaction that decides on the deletion.
//   - Images are made the same way, of rows and machines of their own (image.go).
//   - What carries our labels and no row knows is adopted or taken away (collect.go).
package provision

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/loop"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/tunnel"
	"github.com/payperplay/payperplay/protocol"
)

// Tunnel reaches the nodes that are connected.
type Tunnel interface {
	Connected() []string
	Host(node string) (protocol.Host, error)
	Live(node string) tunnel.Live
}

// Tokens makes the join tokens of machines; controller/tunnel does.
type Tokens interface {
	MachineToken(ctx context.Context, actor, machine string, req tunnel.TokenRequest) (tunnel.Token, error)
}

// Ground is what garbage collection needs beside machines; a driver of controller/cloud is one.
type Ground interface {
	Leftovers(ctx context.Context) ([]cloud.Thing, error)
	Remove(ctx context.Context, t cloud.Thing) error
}

// Events is the part of the event log that this room writes to.
type Events interface {
	Append(tx store.Tx, e event.Event) (event.Event, error)
}

// Options of a Provision. Those about machines count only with Cloud, and then Cluster, Tokens, UserData and Revoke must be given too.
type Options struct {
	DB     store.DB
	Tunnel Tunnel
	Events Events
	// Every is the time between two sweeps; 0 = 60 s.
	Every time.Duration
	// Deadline is how long one node's check may take; 0 = 10 s, so that a hung Docker shows within 15 s of a sweep.
	Deadline time.Duration
	// OnChange is called after a node's health, cordon or proof changed. It must not block; nil: nothing.
	OnChange func(node string)

	// Cloud orders and ends machines; nil: none are rented. Power is not among it on purpose (design.md §6.3).
	Cloud   cloud.Machines
	Ground  Ground // nil: garbage collection looks at machines only, and finds them with Cloud
	Cluster string
	// Caps are the bounds of what is rented, read in the transaction that writes an order; nil: nothing may be ordered.
	Caps   func(tx store.Tx) (Caps, error)
	Tokens Tokens
	// UserData renders what the machine is given. An error ends the order: it will not be another one the next time.
	UserData func(m Machine, t tunnel.Token) ([]byte, error)
	// Fixtures makes sure of network, firewall and placement group and gives them; nil: without.
	Fixtures func(ctx context.Context) (cloud.Fixtures, error)
	SSHKey   string
	// Revoke takes a node's right to connect away; controller/tunnel does.
	Revoke func(ctx context.Context, actor, node string) error
	// JoinDeadline is how long a machine may take from its creation to its agent's joining; 0 = 8 min.
	JoinDeadline time.Duration
	// MachinesEvery is the period of the machines' loop; 0 = 5 s. What happens in the store wakes it (Kick).
	MachinesEvery time.Duration
	// Night is the time of day, UTC, of the nightly garbage collection; 0 = 04:00, negative: never.
	Night time.Duration
	// Keep says why a labelled thing that no row of this room names is needed all the same (an image of the settings), "" if it is not.
	// nil: images stay, unless Images is given.
	Keep func(t cloud.Thing) string

	// Images keeps snapshots that machines boot from; nil: none are built. With it, Market and BuilderData must be given too.
	Images cloud.Images
	// Market tells what a builder can be rented as, and what everything costs.
	Market cloud.Market
	// BuilderData renders what the machine is given that an image is made of: it must power off by itself when it is ready.
	BuilderData func(i Image) ([]byte, error)
	// ImageSettings is read in the transactions of builds and deletions; nil: builders boot from debian-13, and nothing boots from images.
	ImageSettings func(tx store.Tx) (ImageSettings, error)

	Logger  *slog.Logger
	Metrics prometheus.Registerer
}

var clusterForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func (o *Options) validate() error {
	if o.DB == nil || o.Tunnel == nil || o.Events == nil {
		return errors.New("provision: Options need DB, Tunnel and Events")
	}
	if o.Cloud != nil && (o.Tokens == nil || o.UserData == nil || o.Revoke == nil) {
		return errors.New("provision: Options with a Cloud need Tokens, UserData and Revoke")
	}
	if o.Images != nil && (o.Cloud == nil || o.Market == nil || o.BuilderData == nil) {
		return errors.New("provision: Options with Images need a Cloud, its Market and BuilderData")
	}
	if o.Cloud != nil && !clusterForm.MatchString(o.Cluster) {
		return errors.New("provision: Options with a Cloud need the Cluster's id, of a-z, 0-9 and -")
	}
	or := func(d *time.Duration, otherwise time.Duration) {
		if *d == 0 {
			*d = otherwise
		}
	}
	or(&o.Every, time.Minute)
	or(&o.Deadline, 10*time.Second)
	or(&o.JoinDeadline, 8*time.Minute)
	or(&o.MachinesEvery, 5*time.Second)
	or(&o.Night, 4*time.Hour)
	if o.OnChange == nil {
		o.OnChange = func(string) {}
	}
	if o.Caps == nil {
		o.Caps = func(store.Tx) (Caps, error) { return Caps{}, nil }
	}
	if o.Fixtures == nil {
		o.Fixtures = func(context.Context) (cloud.Fixtures, error) { return cloud.Fixtures{}, nil }
	}
	if o.ImageSettings == nil {
		o.ImageSettings = func(store.Tx) (ImageSettings, error) { return ImageSettings{Base: "debian-13"}, nil }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
	return nil
}

// Provision looks after nodes and machines.
type Provision struct {
	opts   Options
	log    *slog.Logger
	checks *prometheus.CounterVec
	slow   prometheus.Histogram
	m      *metrics
	kick   *loop.Kicker
	// kickImages wakes the images' loop.
	kickImages *loop.Kicker
	began      time.Time

	collecting sync.Mutex // one garbage collection at a time

	mu     sync.Mutex
	pace   map[string]*pace // by machine; forgotten at a restart, which only makes the loop ask once more
	listed time.Time        // of the provider's list
	summed time.Time        // of the day's cost
	night  time.Time        // when garbage is collected next
}

// New makes a Provision. Run runs its loops.
func New(opts Options) (*Provision, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	p := &Provision{opts: opts, log: opts.Logger.With("component", "provision"), kick: loop.NewKicker(), kickImages: loop.NewKicker(), began: time.Now(), pace: map[string]*pace{},
		checks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "payperplay_node_checks_total", Help: "Health checks of nodes by result (ok, problem, no_answer).",
		}, []string{"result"}),
		slow: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "payperplay_node_check_seconds", Help: "How long one node's health check took.", Buckets: []float64{.005, .05, .5, 2, 5, 10},
		}),
	}
	p.night = nextNight(p.began, opts.Night)
	opts.Metrics.MustRegister(p.checks, p.slow)
	p.m = newMetrics(opts.Metrics)
	return p, nil
}

// Run runs the loops until ctx ends.
func (p *Provision) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return loop.Run(ctx, loop.Options{Name: "node_sweep", Every: p.opts.Every, Logger: p.log, Metrics: p.opts.Metrics}, p.Sweep)
	})
	group.Go(func() error {
		o := loop.Options{Name: "machines", Every: p.opts.MachinesEvery, Kick: p.kick.C(), Logger: p.log, Metrics: p.opts.Metrics}
		return loop.Run(ctx, o, p.tend)
	})
	if p.opts.Images != nil {
		group.Go(func() error {
			o := loop.Options{Name: "images", Every: p.opts.MachinesEvery, Kick: p.kickImages.C(), Logger: p.log, Metrics: p.opts.Metrics}
			return loop.Run(ctx, o, p.tendImages)
		})
	}
	return group.Wait()
}

// Kick has the machines' loop look now: whoever learns that a node has joined or a server has left calls it. It never blocks.
func (p *Provision) Kick() { p.kick.Kick() }

// say appends an event about a machine in the transaction of the change.
func (p *Provision) say(tx store.Tx, m Machine, kind, actor string, data map[string]any) error {
	all := map[string]any{"machine": m.ID, "name": m.Name, "type": m.Type, "location": m.At, "hourly": m.Hourly}
	for k, v := range data {
		all[k] = v
	}
	_, err := p.opts.Events.Append(tx, event.Event{Type: kind, Node: m.Node, Actor: actor, Data: event.JSON(all)})
	return err
}

// self is the actor of what the loop does.
const self = "controller"
