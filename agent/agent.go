// Package agent is the wiring of the daemon on a node: it makes the rooms, joins them, runs them and takes them down again.
// It decides nothing. Stopping the agent never stops a game.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/payperplay/payperplay/agent/console"
	"github.com/payperplay/payperplay/agent/docker"
	"github.com/payperplay/payperplay/agent/host"
	"github.com/payperplay/payperplay/agent/state"
	"github.com/payperplay/payperplay/agent/supervisor"
	"github.com/payperplay/payperplay/agent/tunnel"
	"github.com/payperplay/payperplay/agent/volume"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

// Config is everything the flags say.
type Config struct {
	Data        string
	Controllers []string // HOST:PORT
	Pins        []string // "sha256:…"
	Token       string
	Name        string
	Roles       []string // "worker", "edge"; empty = worker
	Memory      int64    // bytes servers may be given in all; 0 = the machine's
	PortFrom    int      // game ports on this machine, inclusive
	PortTo      int
	BridgePool  netip.Prefix
	Bind        netip.Addr // host address of game ports
	BootIDFile  string
	Prove       bool       // prove with a container that servers cannot reach what they must not
	MachineID   string     // empty = what MachineFile or the firmware says
	MachineFile string     // file whose first line is the machine's id
	Source      netip.Addr // dial the controller from this address; zero: any
	TokenFile   string     // where Token was read from; it is removed once this machine is enrolled
	DockerHost  string
	Metrics     string // listen address of the metrics; empty = none
	Failpoints  string
	Version     string
	Logger      *slog.Logger
	// Alive is called every AliveEvery while the agent does its work: its servers, its journal and its link answer. nil: nobody asks.
	Alive      func()
	AliveEvery time.Duration
	Ready      func() // called once when the agent is enrolled and its servers are known; may be nil
}

// Defaults of Config.
const (
	DefaultPortFrom   = 25500
	DefaultPortTo     = 26499
	DefaultBridgePool = "10.213.0.0/16"
)

func (c *Config) validate() error {
	bad := func(next, format string, args ...any) error {
		return protocol.Faultf(protocol.Invalid, next, format, args...)
	}
	if c.Data == "" {
		return bad("give --data DIR", "no data directory was given")
	}
	if len(c.Roles) == 0 {
		c.Roles = []string{"worker"}
	}
	for _, r := range c.Roles {
		if r != "worker" && r != "edge" {
			return bad("give --roles worker, edge or worker,edge", "%q is not a role", r)
		}
	}
	if c.PortFrom == 0 && c.PortTo == 0 {
		c.PortFrom, c.PortTo = DefaultPortFrom, DefaultPortTo
	}
	if c.PortFrom < 1 || c.PortTo > 65535 || c.PortFrom > c.PortTo {
		return bad("give --ports as 25500-26499", "%d-%d is not a range of ports", c.PortFrom, c.PortTo)
	}
	if !c.BridgePool.IsValid() {
		c.BridgePool = netip.MustParsePrefix(DefaultBridgePool)
	}
	if !c.Bind.IsValid() {
		c.Bind = netip.IPv4Unspecified()
	}
	if c.Memory < 0 {
		return bad("give --memory as 4GiB", "memory cannot be negative")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Agent is the daemon. Make it with New and use it once.
type Agent struct {
	cfg     Config
	log     *slog.Logger
	reg     *prometheus.Registry
	stops   []namedStop // taken down in reverse
	late    *late
	joined  chan struct{}
	metrics string // address the metrics are served at
	fail    chan error
	lived   bool // the supervisor has answered at least once; of Run's goroutine
}

type namedStop struct {
	name string
	fn   func()
}

// New checks the configuration; it touches nothing.
func New(cfg Config) (*Agent, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return &Agent{cfg: cfg, log: cfg.Logger, reg: prometheus.NewRegistry(), late: newLate(), joined: make(chan struct{}), fail: make(chan error, 8)}, nil
}

// Run runs the agent until ctx ends or something fails that makes it useless. Games run on afterwards.
func (a *Agent) Run(ctx context.Context) (err error) {
	defer a.stop()
	if err := a.setup(ctx); err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return nil
		}
		return err
	}
	if a.cfg.Ready != nil {
		a.cfg.Ready()
	}
	for {
		select {
		case <-ctx.Done():
			a.log.Info("agent stops; games run on")
			return nil
		case err := <-a.fail:
			return err
		case <-a.heartbeat():
			a.tellAlive(ctx)
		}
	}
}

// heartbeat fires when the next word is due to whoever watches over this process; never when nobody does.
func (a *Agent) heartbeat() <-chan time.Time {
	if a.cfg.Alive == nil {
		return nil
	}
	return time.After(a.cfg.AliveEvery)
}

// tellAlive says so only if the supervisor and with it the journal answer: an agent in which they hang is better started anew. That costs
// no game. The controller and the engine may be away for as long as they like.
func (a *Agent) tellAlive(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.AliveEvery)
	defer cancel()
	_, err := a.late.Inventory(ctx, protocol.InventoryRequest{})
	if err == nil {
		a.lived = true
	}
	if err != nil && a.lived { // before the first answer the rows are still read, which an engine that hangs may keep waiting
		a.log.Warn("the supervisor does not answer: nobody is told that this agent is alive", "err", err)
		return
	}
	a.cfg.Alive()
}

// setup makes and starts the rooms. It is one straight line on purpose: the order is the dependency.
func (a *Agent) setup(ctx context.Context) error {
	c, log := a.cfg, a.log
	boot, err := a.preflight()
	if err != nil {
		return err
	}
	a.reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	journal, err := state.Open(state.Options{Dir: c.Data, Boot: boot, BridgePool: c.BridgePool, Logger: log, Metrics: a.reg})
	if err != nil {
		return err
	}
	a.onStop("journal", func() { _ = journal.Close() })

	consoles, err := console.New(console.Options{Dir: c.Data + "/console", Boot: boot, Logger: log, Metrics: a.reg})
	if err != nil {
		return err
	}
	a.onStop("console", func() { _ = consoles.Close() })
	a.goRun(ctx, "console", consoles.Run)

	facts := c.facts(boot)
	a.late.first(facts, c.Data)

	link, err := tunnel.New(tunnel.Options{Data: c.Data, Controllers: c.Controllers, Pins: c.Pins, Token: c.Token, Source: c.Source, Facts: a.late.Facts,
		Runtime: a.late, Console: consoles, Health: a.late, Reports: journal, State: journal, Outdated: a.late.Outdated,
		Joined: func(string) { a.late.known(); close(a.joined) }, Logger: log, Metrics: a.reg})
	if err != nil {
		return err
	}
	if link.Status().Enrolled {
		a.late.known()
	} else {
		a.late.probe(ctx, c.DockerHost)
	}
	a.goRun(ctx, "tunnel", link.Run)
	if link.Status().Enrolled {
		log.Info("this machine is enrolled", "node", link.Status().Node)
	} else if err := a.waitJoined(ctx); err != nil {
		return err
	}
	a.forgetToken()
	who := link.Status()
	facts.Name = who.Name

	engine, err := docker.New(docker.Options{Host: c.DockerHost, Cluster: who.Cluster, Node: who.Node, Name: who.Name, Logger: log, Metrics: a.reg})
	if err != nil {
		return err
	}
	a.onStop("docker client", func() { _ = engine.Close() })
	a.goRun(ctx, "docker health", func(ctx context.Context) error { engine.KeepPinging(ctx); return nil })

	volumes, err := volume.New(volume.Options{Dir: c.Data, Cluster: who.Cluster, Logger: log})
	if err != nil {
		return err
	}
	a.onStop("volumes", func() { _ = volumes.Close() })

	bridges := docker.BridgePrefix(engine.Tag())
	servers, err := supervisor.New(supervisor.Options{Journal: journal, Engine: engine, Volumes: volumes, Console: consoleRoom{consoles}, Commands: consoles,
		Cluster: who.Cluster, Node: who.Node, Bind: c.Bind, Address: address(c.Bind, facts, c.Data, bridges), PortFrom: c.PortFrom, PortTo: c.PortTo,
		Avoid: avoid, OOM: host.KilledForMemory, Logger: log, Metrics: a.reg})
	if err != nil {
		return err
	}

	machine, err := host.New(host.Options{Probe: a.prober(engine), Facts: facts, Data: c.Data, Bridges: bridges, Engine: engine, Version: versionOf(engine),
		Servers: live(servers), DiskUsage: volumes.Usage, Firewall: host.NewFirewall(engine.Tag(), bridges, log), Logger: log, Metrics: a.reg})
	if err != nil {
		return err
	}
	look, done := context.WithTimeout(ctx, firstLook)
	machine.Look(look)
	done()
	a.goRun(ctx, "supervisor", servers.Run)
	a.goRun(ctx, "host", machine.Run)
	a.late.bind(servers, machine)
	return a.serveMetrics(ctx)
}

// facts are those that only the flags know.
func (c Config) facts(boot string) protocol.NodeFacts {
	f := protocol.NodeFacts{Name: c.Name, Boot: boot, AgentVersion: c.Version, Roles: slices.Clone(c.Roles), MemoryBytes: c.Memory,
		MachineID: c.MachineID, PortFrom: c.PortFrom, PortTo: c.PortTo, BridgePool: c.BridgePool.String()}
	if c.Bind.IsValid() && !c.Bind.IsUnspecified() {
		f.Addresses = []string{c.Bind.String()} // no other one has the game ports
	}
	return f
}

// forgetToken takes the token off the disk once this machine is enrolled.
func (a *Agent) forgetToken() {
	if a.cfg.TokenFile == "" {
		return // it came on the command line, and was written nowhere
	}
	if err := host.ForgetToken("/", a.cfg.TokenFile); err != nil {
		a.log.Warn("the join token is still on this disk: it is used up, but should not be there", "err", err)
	}
}

// prober runs the probe on this node's engine; nil when nobody asked for it.
func (a *Agent) prober(engine *docker.Client) func(context.Context, []string) ([]string, error) {
	if !a.cfg.Prove {
		return nil
	}
	return func(ctx context.Context, targets []string) ([]string, error) {
		subnet, err := host.ProbeSubnet(a.cfg.BridgePool)
		if err != nil {
			return nil, err
		}
		return engine.Probe(ctx, subnet, targets)
	}
}

// preflight checks what can be known before anything is made, and gives the boot id.
func (a *Agent) preflight() (string, error) {
	if err := failpoint.Arm(a.cfg.Failpoints); err != nil {
		return "", protocol.Faultf(protocol.Invalid, "correct "+failpoint.EnvPlan, "%v", err)
	}
	if err := host.CheckPool(a.cfg.BridgePool, docker.BridgePrefix("")); err != nil {
		return "", err
	}
	return host.BootID(a.cfg.BootIDFile)
}

// waitJoined waits until the tunnel has enrolled this machine.
func (a *Agent) waitJoined(ctx context.Context) error {
	select {
	case <-a.joined:
		return nil
	case err := <-a.fail:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// goRun runs a room in the background until ctx or the agent ends; its failure is the agent's.
func (a *Agent) goRun(ctx context.Context, name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		err := run(ctx)
		var fault *protocol.Fault
		switch {
		case err == nil || ctx.Err() != nil:
		case errors.As(err, &fault):
			a.fail <- fault // for people: the part's name tells them nothing
		default:
			a.fail <- fmt.Errorf("%s: %w", name, err)
		}
	})
	a.onStop(name, func() { cancel(); wg.Wait() })
}

func (a *Agent) onStop(name string, fn func()) { a.stops = append(a.stops, namedStop{name, fn}) }

// stop takes everything down in reverse order, also after half a setup.
func (a *Agent) stop() {
	for _, s := range slices.Backward(a.stops) {
		began := time.Now()
		s.fn()
		if took := time.Since(began); took > 2*time.Second {
			a.log.Warn("a part was slow to stop", "part", s.name, "took", took)
		}
	}
	a.stops = nil
}
