package tunnel

import (
	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	handshakes *prometheus.CounterVec
	seconds    prometheus.Histogram
	refused    *prometheus.CounterVec
	joins      *prometheus.CounterVec
	reports    *prometheus.CounterVec
	rtt        prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer, t *Tunnel) *metrics {
	m := &metrics{
		handshakes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "payperplay_tunnel_handshakes_total", Help: "TLS handshakes by protocol and result (ok, failed, limited).",
		}, []string{"alpn", "result"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "payperplay_tunnel_handshake_seconds", Help: "How long a TLS handshake took, waiting included.",
			Buckets: []float64{.001, .005, .025, .1, .5, 2.5, 10},
		}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "payperplay_tunnel_refused_total", Help: "Sessions that were refused, by reason.",
		}, []string{"reason"}),
		joins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "payperplay_tunnel_joins_total", Help: "Attempts to join or recover, by result.",
		}, []string{"result"}),
		reports: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "payperplay_tunnel_reports_total", Help: "Reports of agents by result (taken, duplicate, foreign, dropped, gap).",
		}, []string{"result"}),
	}
	m.rtt = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "payperplay_tunnel_rtt_seconds", Help: "Round trips to nodes, measured on their samples.",
		Buckets: []float64{.0005, .002, .01, .05, .2, 1, 5},
	})
	sessions := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "payperplay_tunnel_nodes_connected", Help: "Nodes with an open session.",
	}, func() float64 { return float64(len(t.Connected())) })
	reg.MustRegister(m.handshakes, m.seconds, m.refused, m.joins, m.reports, m.rtt, sessions)
	return m
}
