// Package provision looks after nodes: a health check of every connected one each minute beside the live tunnel, cordoning,
// and the list of nodes for people. (Ordering machines from a cloud will live here too.)
package provision

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fleet"
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

// Events is the part of the event log that this room writes to.
type Events interface {
	Append(tx store.Tx, e event.Event) (event.Event, error)
}

// Options of a Provision.
type Options struct {
	DB     store.DB
	Tunnel Tunnel
	Events Events
	// Every is the time between two sweeps; 0 = 60 s.
	Every time.Duration
	// Deadline is how long one node's check may take; 0 = 10 s, so that a hung Docker shows within 15 s of a sweep.
	Deadline time.Duration
	// OnChange is called after a node's health or cordon changed. It must not block; nil: nothing.
	OnChange func(node string)
	Logger   *slog.Logger
	Metrics  prometheus.Registerer
}

func (o *Options) validate() error {
	if o.DB == nil || o.Tunnel == nil || o.Events == nil {
		return errors.New("provision: Options need DB, Tunnel and Events")
	}
	if o.Every <= 0 {
		o.Every = time.Minute
	}
	if o.Deadline <= 0 {
		o.Deadline = 10 * time.Second
	}
	if o.OnChange == nil {
		o.OnChange = func(string) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
	return nil
}

// Provision looks after nodes.
type Provision struct {
	opts   Options
	log    *slog.Logger
	checks *prometheus.CounterVec
	slow   prometheus.Histogram
}

// New makes a Provision. Run runs its sweep.
func New(opts Options) (*Provision, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	p := &Provision{opts: opts, log: opts.Logger.With("component", "provision"),
		checks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "payperplay_node_checks_total", Help: "Health checks of nodes by result (ok, problem, no_answer).",
		}, []string{"result"}),
		slow: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "payperplay_node_check_seconds", Help: "How long one node's health check took.", Buckets: []float64{.005, .05, .5, 2, 5, 10},
		}),
	}
	opts.Metrics.MustRegister(p.checks, p.slow)
	return p, nil
}

// Run sweeps until ctx ends.
func (p *Provision) Run(ctx context.Context) error {
	return loop.Run(ctx, loop.Options{Name: "node_sweep", Every: p.opts.Every, Logger: p.log, Metrics: p.opts.Metrics}, p.Sweep)
}

// Node is a node's row with what is known of its connection at this moment.
type Node struct {
	fleet.Node
	Connected bool
	Seen      time.Time // newest sign of life; zero: never
	RTT       time.Duration
	State     string        // fleet's word for people
	CheckAge  time.Duration // since the last health check; negative: none yet
}

// List gives all nodes in the order of their names, revoked ones last.
func (p *Provision) List(ctx context.Context) ([]Node, error) {
	var rows, revoked []fleet.Node
	err := p.opts.DB.View(ctx, func(tx store.Tx) error {
		rows, revoked = nil, nil
		for n, err := range fleet.Nodes.Range(tx, "name", nil, nil, 0, false) {
			if err != nil {
				return err
			}
			rows = append(rows, n)
		}
		for n, err := range fleet.Nodes.Range(tx, "", nil, nil, 0, false) {
			if err != nil {
				return err
			}
			if n.Revoked {
				revoked = append(revoked, n)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	now := time.Now()
	out := make([]Node, 0, len(rows)+len(revoked))
	for _, n := range append(rows, revoked...) {
		out = append(out, p.live(n, now))
	}
	return out, nil
}

// Get gives one node by name or id; kind not_found.
func (p *Provision) Get(ctx context.Context, nameOrID string) (Node, error) {
	var n fleet.Node
	err := p.opts.DB.View(ctx, func(tx store.Tx) (err error) {
		n, err = fleet.FindNode(tx, nameOrID)
		return err
	})
	if err != nil {
		return Node{}, err
	}
	return p.live(n, time.Now()), nil
}

func (p *Provision) live(n fleet.Node, now time.Time) Node {
	l := p.opts.Tunnel.Live(n.ID)
	out := Node{Node: n, Connected: l.Connected, Seen: n.Contact(), RTT: l.RTT, CheckAge: -1}
	if l.LastSeen.After(out.Seen) {
		out.Seen = l.LastSeen
	}
	if !l.Connected {
		out.Node.Session = nil // the row may lag behind by a moment
	} else if out.Node.LastSeen.Before(out.Seen) {
		out.Node.LastSeen = out.Seen
	}
	out.State = out.Node.State(now)
	if !n.Health.At.IsZero() {
		out.CheckAge = now.Sub(n.Health.At)
	}
	return out
}
