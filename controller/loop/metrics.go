package loop

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are shared by all loops of one registry; the label is the loop's name.
type metrics struct {
	runs    *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	success *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	if reg == nil {
		return nil, nil
	}
	m := &metrics{
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "payperplay_loop_runs_total", Help: "Runs of a loop by result (ok, error).",
		}, []string{"loop", "result"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "payperplay_loop_run_seconds", Help: "How long one run of a loop took.",
			Buckets: []float64{.001, .01, .1, 1, 10, 60},
		}, []string{"loop"}),
		success: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "payperplay_loop_last_success_timestamp_seconds", Help: "Unix time of a loop's last run without error.",
		}, []string{"loop"}),
	}
	var err error
	m.runs = register(reg, m.runs, &err)
	m.seconds = register(reg, m.seconds, &err)
	m.success = register(reg, m.success, &err)
	return m, err
}

// register returns c, or the equal collector that another loop has registered already.
func register[C prometheus.Collector](reg prometheus.Registerer, c C, err *error) C {
	e := reg.Register(c)
	var already prometheus.AlreadyRegisteredError
	if errors.As(e, &already) {
		if old, ok := already.ExistingCollector.(C); ok {
			return old
		}
	}
	*err = errors.Join(*err, e)
	return c
}

func (m *metrics) observe(name string, d time.Duration, err error) {
	if m == nil {
		return
	}
	m.seconds.WithLabelValues(name).Observe(d.Seconds())
	if err != nil {
		m.runs.WithLabelValues(name, "error").Inc()
		return
	}
	m.runs.WithLabelValues(name, "ok").Inc()
	m.success.WithLabelValues(name).Set(float64(time.Now().UnixMicro()) / 1e6)
}
