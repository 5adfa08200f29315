// Package lifecycle runs servers: it is the one writer of what is desired of a server, and the loop that makes it so.
//
// A verb (start, stop, …) writes what is wanted in one transaction and returns; a level-triggered loop reads the servers for which
// wanted and observed differ, decides with a pure function (plan.go) and acts: it books room, places, orders agents to start, stop,
// kill or remove, expires reservations, gives up on what crashes. Everything it knows is in rows, so that a controller may die at
// any moment; what it remembers of orders it sent only keeps it from repeating itself. Orders are idempotent on the agent's side.
//
// An order to a node that does not answer is no error: it stays as desired state until the node is back. Nothing is ever started
// elsewhere because a node is silent.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/loop"
	"github.com/payperplay/payperplay/controller/placement"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// Agents reaches the agents that are connected; controller/tunnel does.
type Agents interface {
	// Runtime is the runtime facet of a node by id; kind unavailable when it is not connected.
	Runtime(node string) (protocol.Runtime, error)
}

// Catalogue knows the templates; controller/template does.
type Catalogue interface {
	// Render checks what is asked for and gives the spec for it: everything but Server, Name, Owner, Revision and HostPort, with
	// defaults for sizes that are 0. It does no I/O. Kinds: not_found (template, version), invalid.
	Render(ask Ask) (protocol.Spec, error)
}

// Ask is what a spec is rendered from.
type Ask struct {
	Template    string
	Version     string
	Env         map[string]string
	MemoryBytes int64
	CPUMillis   int64
	DiskBytes   int64
}

// Options of a Lifecycle.
type Options struct {
	DB        store.DB
	Events    fleet.Events
	Agents    Agents
	Catalogue Catalogue
	Strategy  placement.Strategy // "" = auto
	// RequireSafeRuntime keeps servers off degraded nodes.
	RequireSafeRuntime bool
	// Recall has a node (by id, "" is all) say hello again; controller/tunnel does. It is for nodes that were connected before a recovery
	// mode began, and after one has ended by itself: nobody was told of epochs meanwhile. nil: nothing.
	Recall  func(ctx context.Context, node, reason string)
	Every   time.Duration // period of the loop; 0 = 2 s
	Logger  *slog.Logger  // nil: silent
	Metrics prometheus.Registerer
}

// Lifecycle is safe for use by many goroutines.
type Lifecycle struct {
	db        store.DB
	events    fleet.Events
	agents    Agents
	catalogue Catalogue
	strategy  placement.Strategy
	safe      bool
	recall    func(ctx context.Context, node, reason string)
	every     time.Duration
	log       *slog.Logger
	reg       prometheus.Registerer
	m         *metrics
	kicker    *loop.Kicker

	room   room
	mu     sync.Mutex
	sent   map[string]Sent // by server: the last order, so that it is not repeated at once
	flight map[string]int  // orders under way, by server and kind, and by node
	asked  time.Time       // when nodes were last asked for details of findings
	wg     sync.WaitGroup
}

// New makes a Lifecycle; Run makes it work.
func New(o Options) (*Lifecycle, error) {
	if o.DB == nil || o.Events == nil || o.Agents == nil || o.Catalogue == nil {
		return nil, errors.New("lifecycle: Options needs DB, Events, Agents and Catalogue")
	}
	strategy, err := placement.ParseStrategy(string(o.Strategy))
	if err != nil {
		return nil, fmt.Errorf("lifecycle: %w", err)
	}
	if o.Every <= 0 {
		o.Every = 2 * time.Second
	}
	if o.Recall == nil {
		o.Recall = func(context.Context, string, string) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	m, err := newMetrics(o.Metrics)
	if err != nil {
		return nil, err
	}
	return &Lifecycle{
		db: o.DB, events: o.Events, agents: o.Agents, catalogue: o.Catalogue, strategy: strategy, safe: o.RequireSafeRuntime,
		every: o.Every, log: o.Logger.With("room", "lifecycle"), reg: o.Metrics, m: m, kicker: loop.NewKicker(),
		recall: o.Recall, sent: map[string]Sent{}, flight: map[string]int{},
	}, nil
}

// Kick makes the loop look soon: call it when reports came in, a node connected or was changed, or servers were.
func (l *Lifecycle) Kick() { l.kicker.Kick() }

// Run works until ctx ends and returns when no order is under way any more.
func (l *Lifecycle) Run(ctx context.Context) error {
	err := loop.Run(ctx, loop.Options{Name: "lifecycle", Every: l.every, Kick: l.kicker.C(), Logger: l.log, Metrics: l.reg}, l.sweep)
	l.wg.Wait()
	return err
}

// update runs fn in one transaction and wakes the loop after it.
func (l *Lifecycle) update(ctx context.Context, fn func(tx store.Tx) error) error {
	return l.db.Update(ctx, func(tx store.Tx) error {
		tx.AfterCommit(l.kicker.Kick)
		return fn(tx)
	})
}

// self is the actor of what the loop decides.
const self = "lifecycle"

// RenderFunc makes a Catalogue of a function.
type RenderFunc func(Ask) (protocol.Spec, error)

// Render calls f.
func (f RenderFunc) Render(a Ask) (protocol.Spec, error) { return f(a) }
