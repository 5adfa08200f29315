// Package tunnel is the agent's end of the tunnel: it enrols this machine, dials the controller, keeps one session open and
// dials again when it breaks, serves the controller's calls and hands over the reports. It listens on nothing: an agent that
// is not enrolled, or that was revoked, exposes nothing.
//
// Trust comes from pins alone (the SHA-256 of the controller's CA key), never from the system's roots. The node's own key is
// made here and never leaves; certificates live for a day and are renewed through the session after two thirds of it.
package tunnel

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/rpc"
)

// Reports are the durable facts that wait for the controller; agent/state implements it.
type Reports interface {
	// Next reads up to limit reports after seq, oldest first, without holes.
	Next(ctx context.Context, after int64, limit int) ([]protocol.Report, error)
	// Ack forgets all reports up to seq.
	Ack(ctx context.Context, seq int64) error
	// NextSeq is the first report that is not acknowledged, or the next there will be.
	NextSeq() int64
	// Waiting counts the reports that are not acknowledged.
	Waiting() int64
	// Wake gets a value when there is a new report; this package is its one reader.
	Wake() <-chan struct{}
}

// State is what must survive this process; agent/state implements it.
type State interface {
	Term() (int64, error)                          // highest controller term seen
	SeeTerm(ctx context.Context, term int64) error // kind Stale for a lower one
	Generation(ctx context.Context) (int64, error) // rises with each call, across restarts
	Run() string                                   // id of this process
}

// Health is the agent's side of protocol.Host without what belongs to the tunnel itself.
type Health interface {
	Sample(ctx context.Context, req protocol.SampleRequest) (protocol.Sample, error)
	Check(ctx context.Context, req protocol.CheckRequest) (protocol.CheckReply, error)
}

// Options of an Agent.
type Options struct {
	Data        string     // directory that holds key and identity
	Controllers []string   // HOST:PORT; may be empty once enrolled
	Pins        []string   // "sha256:…"; may be empty once enrolled
	Token       string     // for the first start only
	Source      netip.Addr // dial from this address of the machine; zero: as the kernel chooses
	Facts       func() protocol.NodeFacts
	Runtime     protocol.Runtime
	Console     protocol.Console
	Health      Health
	Reports     Reports
	State       State
	// Outdated is told the controller's epochs after each Hello, before reports and inventory are compared further. nil: nothing.
	Outdated func(ctx context.Context, epochs map[string]int64) error
	// Joined is called once after this machine was enrolled, with the node's name. nil: nothing.
	Joined func(name string)

	// Wire replaces dialling, TLS and rpc: a simulation cuts here. The identity comes from it too. nil: the real ones.
	Wire *Wire

	Heartbeat time.Duration // 0 = rpc.DefaultHeartbeat
	DeadAfter time.Duration // 0 = rpc.DefaultDeadAfter
	BackoffTo time.Duration // longest wait between two dials; 0 = 10 s
	BulkIdle  time.Duration // a bulk connection that the controller forgot is closed after it; 0 = 5 min
	Logger    *slog.Logger
	Metrics   prometheus.Registerer
}

var pinForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func (o *Options) validate() error {
	if o.Data == "" && o.Wire == nil || o.Facts == nil || o.Runtime == nil || o.Console == nil || o.Health == nil || o.Reports == nil || o.State == nil {
		return errors.New("tunnel: Options need Data, Facts, Runtime, Console, Health, Reports and State")
	}
	o.Pins = slices.Clone(o.Pins)
	for i, p := range o.Pins {
		o.Pins[i] = strings.ToLower(p)
		if !pinForm.MatchString(o.Pins[i]) {
			return protocol.Faultf(protocol.Invalid, "copy --ca-pin whole from the output of: controller node token create", "%q is not a pin: sha256: and 64 hex digits", p)
		}
	}
	o.Controllers = slices.Clone(o.Controllers)
	for i, c := range o.Controllers {
		if _, _, err := net.SplitHostPort(c); err != nil {
			o.Controllers[i] = net.JoinHostPort(strings.Trim(c, "[]"), "8443")
		}
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = rpc.DefaultHeartbeat
	}
	if o.DeadAfter == 0 {
		o.DeadAfter = rpc.DefaultDeadAfter
	}
	if o.BackoffTo <= 0 {
		o.BackoffTo = 10 * time.Second
	}
	if o.BulkIdle <= 0 {
		o.BulkIdle = 5 * time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
	return nil
}

// Agent is this machine's end of the tunnel.
type Agent struct {
	opts  Options
	log   *slog.Logger
	m     *metrics
	rpcm  *rpc.Metrics
	watch *rpc.Watch
	mux   *rpc.Mux
	work  sync.WaitGroup  // sessions and bulk connections
	asked chan chan error // for a renewal now

	mu     sync.Mutex
	ident  *identity // nil: not enrolled
	status Status
	clock  clock
}

// Status is what there is to say about the tunnel, for people and health checks.
type Status struct {
	Enrolled   bool
	Connected  bool
	Parked     bool // the controller does not want this node any more: no more dialling
	Node, Name string
	Cluster    string
	Controller string // address of the present session
	Since      time.Time
	Problem    string // why it is not connected, with the next step
}

// New makes an Agent and reads its identity if there is one. Run does everything else.
func New(opts Options) (*Agent, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	ident, err := opts.Wire.identity(), error(nil)
	if ident == nil {
		ident, err = loadIdentity(opts.Data)
	}
	if err != nil {
		return nil, err
	}
	a := &Agent{opts: opts, log: opts.Logger.With("component", "tunnel"), watch: rpc.NewWatch(0), ident: ident, asked: make(chan chan error)}
	if a.rpcm, err = rpc.NewMetrics(opts.Metrics); err != nil {
		return nil, err
	}
	if ident != nil {
		if opts.Wire == nil && ident.adopt(opts.Controllers, opts.Pins) {
			if err := ident.save(opts.Data); err != nil {
				return nil, err
			}
		}
		a.status = Status{Enrolled: true, Node: ident.Node, Name: ident.Name, Cluster: ident.Cluster}
	}
	a.m = newMetrics(opts.Metrics, a)
	a.mux = rpc.NewMux(nil)
	rpc.ServeRuntime(a.mux, opts.Runtime)
	rpc.ServeConsole(a.mux, opts.Console)
	rpc.ServeHost(a.mux, host{Health: opts.Health, a: a})
	return a, nil
}

// Status tells how things are now.
func (a *Agent) Status() Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.status
}

func (a *Agent) setStatus(change func(*Status)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.status)
}

// identity gives the present identity; it is replaced whole, never changed in place.
func (a *Agent) identity() *identity {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ident
}

func (a *Agent) setIdentity(i *identity) error {
	if err := i.save(a.opts.Data); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ident = i
	return nil
}
