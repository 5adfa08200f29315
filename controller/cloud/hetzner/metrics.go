package hetzner

import (
	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	requests  *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	remaining prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) (metrics, error) {
	m := metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "payperplay_cloud_requests_total", Help: "Requests to the cloud provider, by call and by how they ended (ok, or the kind of the error).",
		}, []string{"call", "result"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "payperplay_cloud_request_seconds", Help: "Time that the cloud provider took to answer.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"call"}),
		remaining: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "payperplay_cloud_rate_limit_remaining", Help: "Requests that the cloud provider will take now.",
		}),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.remaining} {
		if err := r.Register(c); err != nil {
			return metrics{}, err
		}
	}
	return m, nil
}
