package bolt

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	wait, update prometheus.Histogram
	failed       prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, db *DB) (*metrics, error) {
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
	}, func() float64 { return float64(db.Size().File) })
	free := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "payperplay_store_free_bytes", Help: "Part of the store's file that is free for rows to come.",
	}, func() float64 { return float64(db.Size().Free) })
	return m, errors.Join(reg.Register(m.wait), reg.Register(m.update), reg.Register(m.failed), reg.Register(size), reg.Register(free),
		reg.Register(rowCounts{db}))
}

// rowCounts gives the kept number of rows of each table at each scrape.
type rowCounts struct{ db *DB }

var descRows = prometheus.NewDesc("payperplay_store_rows", "Rows of a table.", []string{"table"}, nil)

// Describe implements prometheus.Collector.
func (c rowCounts) Describe(ch chan<- *prometheus.Desc) { ch <- descRows }

// Collect implements prometheus.Collector.
func (c rowCounts) Collect(ch chan<- prometheus.Metric) {
	counts, err := c.db.Rows(context.Background()) //nolint:forbidigo // Prometheus gives collectors no context
	if err != nil {
		ch <- prometheus.NewInvalidMetric(descRows, err)
		return
	}
	for name, n := range counts {
		ch <- prometheus.MustNewConstMetric(descRows, prometheus.GaugeValue, float64(n), name)
	}
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
