package event

import (
	"errors"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	appended  *prometheus.CounterVec
	trimmed   prometheus.Counter
	followers prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	if reg == nil {
		return nil, nil
	}
	m := &metrics{
		appended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "payperplay_events_total", Help: "Events appended to the log and committed, by family.",
		}, []string{"family"}),
		trimmed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "payperplay_events_trimmed_total", Help: "Events deleted after their retention.",
		}),
		followers: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "payperplay_event_followers", Help: "Readers that follow the log now.",
		}),
	}
	return m, errors.Join(reg.Register(m.appended), reg.Register(m.trimmed), reg.Register(m.followers))
}

func (m *metrics) append(eventType string) {
	if m != nil {
		family, _, _ := strings.Cut(eventType, ".")
		m.appended.WithLabelValues(family).Inc()
	}
}

func (m *metrics) trim(n int64) {
	if m != nil {
		m.trimmed.Add(float64(n))
	}
}

func (m *metrics) follow(n float64) {
	if m != nil {
		m.followers.Add(n)
	}
}
