package autoscale

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/payperplay/payperplay/controller/provision"
	"github.com/payperplay/payperplay/protocol"
)

// Status is how the fleet grows and shrinks, now.
type Status struct {
	Available bool   // a cloud is configured and its prices are known
	Problem   string // why not
	Next      string // what to do about it
	// Trouble is what the provider said to the newest order that failed lately; nil: none did.
	Trouble     *protocol.Fault
	Settings    Settings
	Plan        Decision // what would be done now
	Machines    []provision.Machine
	CatalogueAt time.Time
}

// Status reads and decides as the loop does, and does nothing.
func (s *Scaler) Status(ctx context.Context) (Status, error) {
	now := time.Now().UTC()
	snap, set, err := s.read(ctx, now)
	if err != nil {
		return Status{}, err
	}
	return Status{
		Available: snap.CatalogueErr == "", Problem: snap.CatalogueErr, Next: snap.CatalogueNext, Settings: set, Plan: Decide(snap, set, now),
		Machines: snap.Machines, CatalogueAt: snap.Catalogue.At, Trouble: trouble(snap.Machines, now),
	}, nil
}

// trouble finds the newest order that came to nothing within the time that its offer is left alone.
func trouble(machines []provision.Machine, now time.Time) *protocol.Fault {
	var newest provision.Machine
	for _, m := range machines {
		if m.Phase == provision.Gone && m.Problem != nil && m.DeletedAt.After(newest.DeletedAt) && now.Sub(m.DeletedAt) < shunLimit {
			newest = m
		}
	}
	for _, m := range machines {
		if m.ServingAt.After(newest.DeletedAt) {
			return nil // it works again
		}
	}
	return newest.Problem
}

// metrics are those of this room.
type metrics struct {
	decisions *prometheus.CounterVec
	events    *prometheus.CounterVec
	waiting   prometheus.Gauge
	load      prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) metrics {
	m := metrics{
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "payperplay_scaling_decisions_total", Help: "Actions that were decided, by policy and action."}, []string{"policy", "action"}),
		events:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "payperplay_scaling_events_total", Help: "Actions that were carried out, by result (done, refused by a limit or by a server that came, failed)."}, []string{"action", "result"}),
		waiting:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "payperplay_scaling_waiting_servers", Help: "Servers that wait for room."}),
		load:      prometheus.NewGauge(prometheus.GaugeOpts{Name: "payperplay_scaling_load_ratio", Help: "Booked and promised, of the room that is there and coming."}),
	}
	reg.MustRegister(m.decisions, m.events, m.waiting, m.load)
	return m
}

func (m metrics) saw(d Decision) {
	for _, a := range d.Acts() {
		m.decisions.WithLabelValues(string(a.Policy), string(a.Do)).Inc()
	}
	m.waiting.Set(float64(d.Inputs.Waiting))
	m.load.Set(d.Inputs.Load)
}

func (m metrics) done(do Do, result string) { m.events.WithLabelValues(string(do), result).Inc() }
