// Package supervisor runs the servers of a node: one goroutine each, which compares what the controller ordered with what the engine says
// and takes the next step. It implements protocol.Runtime.
//
// The goroutine is level-triggered: orders, Docker events and console lines only wake it. What it has been ordered is in the journal before
// an order is answered, so a kill of the agent at any point loses nothing: the next process reads the rows, finds the containers by their
// labels and goes on. A stop or kill ends whatever is under way.
//
// The agent never stops a game because it ends itself or because the controller is away.
package supervisor

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/payperplay/payperplay/agent/docker"
	"github.com/payperplay/payperplay/agent/state"
	"github.com/payperplay/payperplay/protocol"
)

// Console is what the supervisor needs of the node's console room.
type Console interface {
	// Attach follows a container's output from where the history ends; again after a restart of the agent.
	Attach(ctx context.Context, server string, t *docker.Terminal, epoch, maxBytes int64) error
	// Drain waits until everything an ended container printed is in the history.
	Drain(ctx context.Context, server string) error
	// Remove deletes the history.
	Remove(server string) error
	// System records a line of the agent's own.
	System(server, text string)
	// Watch calls fn with every new line; fn must not block.
	Watch(server string, fn func(protocol.Line)) (cancel func())
	// LastLines gives the newest lines.
	LastLines(server string, n int) []protocol.Line
}

// Commands is how the supervisor talks to a game.
type Commands interface {
	// SetRCON says where a server's RCON answers; an empty address means that it has none.
	SetRCON(server, addr, password string)
	// Tell sends a command of the agent's own, by RCON or else by stdin.
	Tell(ctx context.Context, server, command string) error
	// Ask sends a command by RCON without a trace in the console and gives the answer. An error where the server has no RCON.
	Ask(ctx context.Context, server, command string) (string, error)
}

// Options are what the supervisor works with.
type Options struct {
	Journal  Journal
	Engine   Engine
	Volumes  Volumes
	Console  Console
	Commands Commands
	Cluster  string
	Node     string
	Bind     netip.Addr            // host address that game ports are published on
	Address  string                // address players reach the node at; empty = Bind
	PortFrom int                   // ports this agent may publish; 0 = any
	PortTo   int                   //
	Avoid    func() []netip.Prefix // networks of the host that no bridge may overlap; nil = none
	OOM      func(id string) bool  // a second witness, beside the engine, of a container that used up its memory; nil = none
	Ping     Ping                  // how a game is asked for its status; nil = over the network
	Logger   *slog.Logger
	Metrics  prometheus.Registerer
}

func (o *Options) validate() error {
	switch {
	case o.Journal == nil || o.Engine == nil || o.Volumes == nil || o.Console == nil || o.Commands == nil:
		return errors.New("supervisor: Journal, Engine, Volumes, Console and Commands are needed")
	case o.Node == "" || o.Cluster == "":
		return errors.New("supervisor: Node and Cluster are needed")
	}
	if !o.Bind.IsValid() {
		o.Bind = netip.IPv4Unspecified()
	}
	if o.Address == "" {
		o.Address = o.Bind.String()
	}
	if o.Avoid == nil {
		o.Avoid = func() []netip.Prefix { return nil }
	}
	if o.Ping == nil {
		o.Ping = ping
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
	return nil
}

// Supervisor is the room. It implements protocol.Runtime once Run has been called.
type Supervisor struct {
	o   Options
	log *slog.Logger
	m   *metrics
	wg  sync.WaitGroup

	mu      sync.Mutex
	ctx     context.Context // of the runners; ends with Run
	runners map[string]*runner
	closed  bool
	absent  sync.Mutex    // one order at a time for servers that are not here
	ready   chan struct{} // closed when the servers of the journal are known
	ended   chan struct{} // closed when Run ends
}

var _ protocol.Runtime = (*Supervisor)(nil)

// New prepares the supervisor; nothing is touched before Run.
func New(o Options) (*Supervisor, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	s := &Supervisor{o: o, log: o.Logger, runners: map[string]*runner{}, ready: make(chan struct{}), ended: make(chan struct{})}
	s.m = newMetrics(o.Metrics, s)
	return s, nil
}

// Run adopts what is there and supervises until ctx ends; it is called once. Games go on when it returns.
func (s *Supervisor) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	s.mu.Lock()
	s.ctx = ctx
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		close(s.ended)
		stop()
		s.wg.Wait()
	}()
	if err := s.load(ctx); err != nil {
		return err
	}
	s.wg.Go(func() { s.o.Engine.Watch(ctx, func(server string) { s.changed(ctx, server) }) })
	s.wg.Go(func() { s.watchGames(ctx) })
	s.wg.Go(func() { s.sweep(ctx) })
	<-ctx.Done()
	return nil
}

// changed is told by the engine that something happened to a server, or to any.
func (s *Supervisor) changed(ctx context.Context, server string) {
	if server == "" {
		s.orphans(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, r := range s.runners {
		if server == "" || id == server {
			r.wake()
		}
	}
}

// find gives the server's runner, or nil.
func (s *Supervisor) find(server string) *runner {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.runners[server]
}

// add makes a runner for a row, unless there is one.
func (s *Supervisor) add(row state.Server) (*runner, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.runners[row.ID()]; r != nil {
		return r, nil
	}
	if s.closed {
		return nil, protocol.Faultf(protocol.Unavailable, "try again when the agent is back", "the agent is shutting down")
	}
	row.Observed.Order = row.Order.Number
	r := &runner{s: s, id: row.ID(), row: row, kick: make(chan struct{}, 1), log: s.log.With("server", row.ID())}
	r.watch()
	s.runners[r.id] = r
	ctx := s.ctx
	s.wg.Go(func() { r.run(ctx) })
	return r, nil
}

func (s *Supervisor) forget(r *runner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.runners[r.id] == r {
		delete(s.runners, r.id)
	}
}

// all lists the runners.
func (s *Supervisor) all() []*runner {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*runner, 0, len(s.runners))
	for _, r := range s.runners {
		out = append(out, r)
	}
	return out
}

// sweep deletes old quarantined volumes once an hour.
func (s *Supervisor) sweep(ctx context.Context) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		if swept, err := s.o.Volumes.Sweep(time.Now()); err != nil || len(swept) > 0 {
			s.log.Info("old volumes deleted from quarantine", "volumes", swept, "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
