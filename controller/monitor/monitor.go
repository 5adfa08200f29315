// Package monitor keeps what servers and machines use right now: it asks every connected agent for a sample every few seconds,
// keeps the newest and a short history for charts, and shows them to Prometheus. All of it is disposable: after a restart it fills again.
package monitor

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/loop"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

const (
	// Step is the distance between two points of a history, Keep how many there are: one hour.
	Step = 15 * time.Second
	Keep = 240
	// freshFor is how long the newest sample counts as now.
	freshFor = 30 * time.Second
	// parallel bounds the calls under way at once.
	parallel = 32
)

// Hosts is where the samples come from: the tunnel.
type Hosts interface {
	Connected() []string // ids of connected nodes
	Host(node string) (protocol.Host, error)
}

// Options are what New needs.
type Options struct {
	DB      store.DB
	Hosts   Hosts
	Every   time.Duration // 0 = 5 s
	Logger  *slog.Logger
	Metrics prometheus.Registerer
	Now     func() time.Time // nil = time.Now
}

// Point is one entry of a server's history. Players and TPS are negative when not known.
type Point struct {
	At           time.Time
	MemoryBytes  int64
	CPUCores     float32
	TPS          float32
	Players      int32
	NetRx, NetTx int64
}

type series struct {
	newest protocol.ServerSample
	at     time.Time
	node   string
	points []Point // ring
	next   int
}

type machine struct {
	sample protocol.HostSample
	at     time.Time
}

// Monitor holds the samples.
type Monitor struct {
	o       Options
	missed  prometheus.Counter
	mu      sync.RWMutex
	servers map[string]*series
	nodes   map[string]machine

	reading chan struct{} // held by who reads or looks at fleet
	reader  *fleet.Reader
	fleet   taken
}

// New checks the options and registers the metrics.
func New(o Options) (*Monitor, error) {
	if o.DB == nil || o.Hosts == nil || o.Logger == nil {
		return nil, errors.New("monitor: DB, Hosts and Logger are needed")
	}
	if o.Every == 0 {
		o.Every = 5 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	m := &Monitor{o: o, servers: map[string]*series{}, nodes: map[string]machine{}, reading: make(chan struct{}, 1), reader: fleet.NewReader(),
		missed: prometheus.NewCounter(prometheus.CounterOpts{Name: "payperplay_samples_missed_total", Help: "Samples that a connected node did not give."})}
	if o.Metrics != nil {
		return m, errors.Join(o.Metrics.Register(m.missed), o.Metrics.Register(&collector{m: m}))
	}
	return m, nil
}

// Run samples until ctx ends.
func (m *Monitor) Run(ctx context.Context) error {
	return loop.Run(ctx, loop.Options{Name: "monitor", Every: m.o.Every, Logger: m.o.Logger, Metrics: m.o.Metrics}, m.Sweep)
}

// Sweep asks every connected node once. A node that does not answer costs only itself.
func (m *Monitor) Sweep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, m.o.Every)
	defer cancel()
	g := errgroup.Group{}
	g.SetLimit(parallel)
	for _, node := range m.o.Hosts.Connected() {
		g.Go(func() error {
			host, err := m.o.Hosts.Host(node)
			if err != nil {
				return nil //nolint:nilerr // it left between the two calls
			}
			s, err := host.Sample(ctx, protocol.SampleRequest{})
			if err != nil {
				m.missed.Inc()
				return nil //nolint:nilerr // counted; the next sweep asks again
			}
			m.take(node, s)
			return nil
		})
	}
	err := g.Wait()
	m.forget()
	return err
}

// take stores one sample under the controller's clock: agents' clocks may be off.
func (m *Monitor) take(node string, s protocol.Sample) {
	now := m.o.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.nodes[node] = machine{sample: s.Host, at: now}
	for _, sv := range s.Servers {
		sr := m.servers[sv.Server]
		if sr == nil {
			sr = &series{}
			m.servers[sv.Server] = sr
		}
		last := sr.last()
		sr.newest, sr.at, sr.node = sv, now, node
		if now.Sub(last) >= Step-Step/10 {
			sr.add(Point{At: now, MemoryBytes: sv.MemoryBytes, CPUCores: float32(sv.CPUCores), TPS: float32(sv.TPS), Players: int32(sv.Players), NetRx: sv.NetRx, NetTx: sv.NetTx})
		}
	}
}

// forget drops servers of which nothing was heard for as long as a history lasts.
func (m *Monitor) forget() {
	now := m.o.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, s := range m.servers {
		if now.Sub(s.at) > Keep*Step {
			delete(m.servers, id)
		}
	}
	for id, n := range m.nodes {
		if now.Sub(n.at) > Keep*Step {
			delete(m.nodes, id)
		}
	}
}

func (s *series) last() time.Time {
	if len(s.points) == 0 {
		return time.Time{}
	}
	return s.points[(s.next+len(s.points)-1)%len(s.points)].At
}

func (s *series) add(p Point) {
	if len(s.points) < Keep {
		s.points = append(s.points, p)
		return
	}
	s.points[s.next] = p
	s.next = (s.next + 1) % Keep
}

// Server gives the newest sample of a server; ok is false when there is none of the last 30 s.
func (m *Monitor) Server(id string) (protocol.ServerSample, time.Time, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	s := m.servers[id]
	if s == nil || m.o.Now().Sub(s.at) > freshFor {
		return protocol.ServerSample{}, time.Time{}, false
	}
	return s.newest, s.at, true
}

// Node gives the newest sample of a machine; ok is false when there is none of the last 30 s.
func (m *Monitor) Node(id string) (protocol.HostSample, time.Time, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n, ok := m.nodes[id]
	if !ok || m.o.Now().Sub(n.at) > freshFor {
		return protocol.HostSample{}, time.Time{}, false
	}
	return n.sample, n.at, true
}

// History gives the points of a server after since, oldest first.
func (m *Monitor) History(id string, since time.Time) []Point {
	m.mu.RLock()
	defer m.mu.RUnlock()
	s := m.servers[id]
	if s == nil {
		return nil
	}
	out := make([]Point, 0, len(s.points))
	for i := range s.points {
		if p := s.points[(s.next+i)%len(s.points)]; p.At.After(since) {
			out = append(out, p)
		}
	}
	return out
}
