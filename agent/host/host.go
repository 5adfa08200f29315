// Package host knows the machine: what it is (NodeFacts), how it does (Sample, Check), and the firewall chain that keeps servers' containers
// away from the machine itself, the cloud's metadata and the private network.
//
// Figures come from files of the kernel, read every few seconds in the background; the container engine is not asked for any of them.
package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/payperplay/payperplay/protocol"
)

// Live is a running server as the sampler needs it.
type Live struct {
	Server      string
	Epoch       int64
	State       protocol.State
	PID         int // of the container's first process
	GamePort    int // in the container
	MemoryLimit int64
	Started     time.Time
	Players     int // -1 = unknown
	PlayersMax  int
	PlayerNames []string
	TPS         float64 // -1 = unknown
}

// Engine is what the health check asks of the container engine.
type Engine interface {
	Ping(ctx context.Context) error
	Healthy() error
}

// Options say what the machine is called and what of it may be used.
type Options struct {
	Facts     protocol.NodeFacts // what only the flags know: name, roles, ports, bridge pool, version, memory cap (0 = all of it), boot id
	Data      string             // DATA
	Bridges   string             // beginning of the names of this node's bridges
	Engine    Engine
	Version   func(context.Context) (version string, degraded []string, err error) // of the engine
	Servers   func() []Live
	DiskUsage func(ctx context.Context, server string) (int64, error)
	Firewall  *Firewall // nil = none
	// Probe gives which of the addresses a server could open a connection to, and the machine itself if it could; nil: it is not asked.
	Probe   func(ctx context.Context, targets []string) (open []string, err error)
	Every   time.Duration
	Logger  *slog.Logger
	Metrics prometheus.Registerer
}

func (o *Options) validate() error {
	if o.Data == "" || o.Engine == nil || o.Servers == nil || o.DiskUsage == nil || o.Version == nil {
		return errors.New("host: Data, Engine, Version, Servers and DiskUsage are needed")
	}
	if o.Every <= 0 {
		o.Every = 5 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Host is the room. Sample and Check are two methods of protocol.Host; the tunnel has the others.
type Host struct {
	o   Options
	log *slog.Logger

	mu       sync.Mutex
	sample   protocol.Sample
	disk     map[string]int64
	engine   string // version
	degraded []string
	proof    proof

	meter meter // of the sampler's goroutine
}

// New prepares the room; Run makes it work.
func New(o Options) (*Host, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	h := &Host{o: o, log: o.Logger, disk: map[string]int64{}, meter: newMeter()}
	h.take(time.Now())
	if o.Metrics != nil {
		if err := o.Metrics.Register(&collector{h: h}); err != nil {
			return nil, fmt.Errorf("host: register metrics: %w", err)
		}
	}
	return h, nil
}

// Run samples until ctx ends.
func (h *Host) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { h.keepUsage(ctx) })
	wg.Go(func() { h.keepEngine(ctx) })
	if h.o.Firewall != nil {
		wg.Go(func() { h.o.Firewall.Run(ctx) })
	}
	if h.o.Probe != nil {
		wg.Go(func() { h.keepProbing(ctx) })
	}
	tick := time.NewTicker(h.o.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			wg.Wait()
			return nil
		case now := <-tick.C:
			h.take(now)
		}
	}
}

// Facts describes the machine. It is cheap and never waits for the engine.
func (h *Host) Facts() protocol.NodeFacts {
	f := Describe(h.o.Facts, h.o.Data, h.o.Bridges)
	h.mu.Lock()
	defer h.mu.Unlock()
	f.Docker, f.Degraded = h.engine, h.impaired()
	if h.o.Engine.Healthy() != nil {
		f.Docker = ""
	}
	return f
}

// impaired needs mu.
func (h *Host) impaired() []string {
	out := append([]string(nil), h.degraded...)
	if h.o.Probe != nil {
		out = append(out, h.proof.doubts()...)
	}
	if h.o.Firewall != nil {
		if err := h.o.Firewall.Problem(); err != nil {
			out = append(out, "containers are not fenced off from this machine and the private network: "+err.Error())
		}
	}
	return out
}

// keepEngine asks now and then what the engine is: it may be upgraded below us.
func (h *Host) keepEngine(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		h.askEngine(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (h *Host) askEngine(ctx context.Context) {
	if version, degraded, err := h.o.Version(ctx); err == nil {
		h.mu.Lock()
		h.engine, h.degraded = version, degraded
		h.mu.Unlock()
	}
}

// Look makes a first round of all that Run repeats, so that the first Facts are true: a node that said "no engine yet" would get
// no server until the next health check. What fails is told by Facts and tried again by Run.
func (h *Host) Look(ctx context.Context) {
	var both sync.WaitGroup
	if h.o.Firewall != nil {
		both.Go(func() { _ = h.o.Firewall.Assert(ctx) }) // Problem remembers
	}
	_ = h.o.Engine.Ping(ctx) // Healthy remembers
	h.askEngine(ctx)
	both.Wait()
}

// BootID reads the id of the machine's present boot; file replaces the kernel's (for several agents on one machine in tests).
func BootID(file string) (string, error) {
	if file == "" {
		file = "/proc/sys/kernel/random/boot_id"
	}
	text, err := os.ReadFile(file)
	id := strings.TrimSpace(string(text))
	if err != nil || id == "" || len(id) > 128 {
		return "", protocol.Faultf(protocol.Invalid, "give --boot-id-file a file with the id of the boot", "cannot read a boot id from %s: %v", file, err)
	}
	return id, nil
}

// Routes lists the networks the machine has IPv4 routes to, without the default route.
func Routes() ([]netip.Prefix, error) {
	routes, err := readRoutes("/proc/net/route")
	var out []netip.Prefix
	for _, r := range routes {
		out = append(out, r.to)
	}
	return out, err
}

// CheckPool refuses a bridge pool that overlaps a network of the machine. Bridges of this node's own, named with the prefix, are fine.
func CheckPool(pool netip.Prefix, bridges string) error {
	routes, err := readRoutes("/proc/net/route")
	if err != nil {
		return err
	}
	return overlaps(pool, bridges, routes)
}

func overlaps(pool netip.Prefix, bridges string, routes []route) error {
	for _, r := range routes {
		if strings.HasPrefix(r.device, "pb") && (strings.HasPrefix(r.device, bridges) || pool.Contains(r.to.Addr()) && pool.Bits() < r.to.Bits()) {
			continue // a bridge of ours, or of another agent that shares a wide pool: single bridges are checked again
		}
		if r.to.Overlaps(pool) {
			return protocol.Faultf(protocol.Invalid, "choose another --bridge-pool", "the bridge pool %s overlaps %s, which this machine reaches through %s", pool, r.to, r.device)
		}
	}
	return nil
}
