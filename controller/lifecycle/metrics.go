package lifecycle

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/payperplay/payperplay/controller/fleet"
)

type metrics struct {
	actions   *prometheus.CounterVec
	unsettled prometheus.Gauge
	waiting   prometheus.Gauge
	recovery  prometheus.Gauge
	undecided prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		actions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "payperplay_lifecycle_actions_total", Help: "What the lifecycle loop did (place, book, start, stop, kill, remove, expire, give_up, …) by result (ok, error).",
		}, []string{"action", "result"}),
		unsettled: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "payperplay_lifecycle_unsettled_servers", Help: "Servers that are not yet what is wanted of them.",
		}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "payperplay_lifecycle_waiting_servers", Help: "Servers that are to run and have no room.",
		}),
		recovery: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "payperplay_recovery_mode", Help: "1 while the store is known to be older than the agents and nothing is started by itself.",
		}),
		undecided: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "payperplay_recovery_undecided", Help: "Contradictions between store and agents that wait for an operator.",
		}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.actions, m.unsettled, m.waiting, m.recovery, m.undecided} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) acted(d Do, err error) {
	result := "ok"
	if err != nil {
		result = "error"
	}
	m.actions.WithLabelValues(string(d), result).Inc()
}

func (m *metrics) seen(s fleet.Snapshot) {
	waiting := 0
	for _, srv := range s.Servers {
		if srv.Waiting != nil {
			waiting++
		}
	}
	open := 0.0
	if s.Recovery.Open {
		open = 1
	}
	m.recovery.Set(open)
	m.undecided.Set(float64(s.Recovery.Undecided))
	m.unsettled.Set(float64(len(s.Servers)))
	m.waiting.Set(float64(waiting))
}
