package bolt

import (
	"context"
	"errors"

	"github.com/payperplay/payperplay/controller/store"
	"github.com/prometheus/client_golang/prometheus"
)

func newMetrics(reg prometheus.Registerer, db *DB) (*store.UpdateMetrics, error) {
	if reg == nil {
		return nil, nil
	}
	m, err := store.NewUpdateMetrics(reg)
	size := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "payperplay_store_size_bytes", Help: "Size of the store's file.",
	}, func() float64 { return float64(db.Size().File) })
	free := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "payperplay_store_free_bytes", Help: "Part of the store's file that is free for rows to come.",
	}, func() float64 { return float64(db.Size().Free) })
	return m, errors.Join(err, reg.Register(size), reg.Register(free), reg.Register(rowCounts{db}))
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
