package bolt

import (
	"errors"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	wait, update prometheus.Histogram
	failed       prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, path string) (*metrics, error) {
	if reg == nil {
		return nil, nil
	}
	buckets := prometheus.ExponentialBuckets(0.0001, 4, 9) // 0.1 ms … 6.5 s
	m := &metrics{
		wait: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "payperplay_store_write_wait_seconds", Help: "Time an update waited for the one before it.", Buckets: buckets,
		}),
		update: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "payperplay_store_update_seconds", Help: "Time of an update from its lock to its commit.", Buckets: buckets,
		}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "payperplay_store_update_failures_total", Help: "Updates that were rolled back or could not be written.",
		}),
	}
	size := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "payperplay_store_size_bytes", Help: "Size of the store's file.",
	}, func() float64 {
		info, err := os.Stat(path)
		if err != nil {
			return 0
		}
		return float64(info.Size())
	})
	return m, errors.Join(reg.Register(m.wait), reg.Register(m.update), reg.Register(m.failed), reg.Register(size))
}

func (m *metrics) observe(wait, update time.Duration, err error) {
	if m == nil {
		return
	}
	m.wait.Observe(wait.Seconds())
	m.update.Observe(update.Seconds())
	if err != nil {
		m.failed.Inc()
	}
}
