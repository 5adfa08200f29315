package supervisor

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	changes *prometheus.CounterVec
	crashes prometheus.Counter
	start   prometheus.Histogram
	ready   prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer, s *Supervisor) *metrics {
	m := &metrics{
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "payperplay_agent_server_changes_total", Help: "Observed state changes, by the new state."}, []string{"state"}),
		crashes: prometheus.NewCounter(prometheus.CounterOpts{Name: "payperplay_agent_server_crashes_total", Help: "Servers that ended unasked."}),
		start: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "payperplay_agent_container_start_seconds", Help: "From the engine's start call to the running container.",
			Buckets: []float64{.05, .1, .2, .5, 1, 2, 5, 15}}),
		ready: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "payperplay_agent_server_ready_seconds", Help: "From the container's start to the first answered ping.",
			Buckets: []float64{.5, 1, 2, 5, 10, 20, 40, 80, 160, 320, 640}}),
	}
	live := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "payperplay_agent_servers_live", Help: "Servers whose container runs."}, func() float64 { return float64(len(s.Live())) })
	reg.MustRegister(m.changes, m.crashes, m.start, m.ready, live)
	return m
}
