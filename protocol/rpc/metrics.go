package rpc

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/payperplay/payperplay/protocol"
)

// Metrics count what all sessions of a process do. A nil *Metrics counts nothing.
type Metrics struct {
	sessions prometheus.Gauge
	panics   prometheus.Counter
	broken   prometheus.Counter
	failures *prometheus.CounterVec // side, method, code
	out, in  map[uint16]prometheus.Observer
	names    map[uint16]string
}

// NewMetrics makes and registers them.
func NewMetrics(reg prometheus.Registerer) (*Metrics, error) {
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "ppp_rpc_call_seconds", Help: "Time of a call through the tunnel, by side (caller or server) and method.",
		Buckets: []float64{.0001, .001, .01, .1, 1, 10},
	}, []string{"side", "method"})
	m := &Metrics{
		sessions: prometheus.NewGauge(prometheus.GaugeOpts{Name: "ppp_rpc_sessions", Help: "Tunnel sessions that are open."}),
		panics:   prometheus.NewCounter(prometheus.CounterOpts{Name: "ppp_rpc_panics_total", Help: "Handlers that panicked."}),
		broken:   prometheus.NewCounter(prometheus.CounterOpts{Name: "ppp_rpc_rule_breaks_total", Help: "Sessions that were ended because the other side broke the rules."}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ppp_rpc_failures_total", Help: "Calls that ended with an error, by side, method and code."}, []string{"side", "method", "code"}),
		out:      map[uint16]prometheus.Observer{}, in: map[uint16]prometheus.Observer{}, names: map[uint16]string{},
	}
	for _, row := range protocol.All() {
		m.out[row.ID] = seconds.WithLabelValues("caller", row.Name)
		m.in[row.ID] = seconds.WithLabelValues("server", row.Name)
		m.names[row.ID] = row.Name
	}
	var errs []error
	for _, c := range []prometheus.Collector{seconds, m.sessions, m.panics, m.broken, m.failures} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}

func (m *Metrics) session(n float64) {
	if m != nil {
		m.sessions.Add(n)
	}
}

func (m *Metrics) panicked() {
	if m != nil {
		m.panics.Inc()
	}
}

func (m *Metrics) hostile() {
	if m != nil {
		m.broken.Inc()
	}
}

func (m *Metrics) called(id uint16, d time.Duration, err error) {
	if m != nil {
		m.note("caller", m.out, id, d, err)
	}
}

func (m *Metrics) served(id uint16, d time.Duration, err error) {
	if m != nil {
		m.note("server", m.in, id, d, err)
	}
}

func (m *Metrics) note(side string, by map[uint16]prometheus.Observer, id uint16, d time.Duration, err error) {
	if o := by[id]; o != nil {
		o.Observe(d.Seconds())
	}
	if err != nil {
		name := m.names[id]
		if name == "" {
			name = "unknown"
		}
		m.failures.WithLabelValues(side, name, string(protocol.CodeOf(err))).Inc()
	}
}
