package postgres

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	updates           *store.UpdateMetrics
	retries, resolved prometheus.Counter
	size              atomic.Int64
}

// newMetrics has the names that the embedded engine has, where they mean the same.
func newMetrics(reg prometheus.Registerer, writers, readers *pgxpool.Pool) (*metrics, error) {
	if reg == nil {
		return nil, nil
	}
	updates, err := store.NewUpdateMetrics(reg)
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		updates:  updates,
		retries:  counter("payperplay_store_retries_total", "Updates that ran again after a lost connection, a deadlock or the like."),
		resolved: counter("payperplay_store_commits_resolved_total", "Commits whose answer was lost and whose outcome was looked up."),
	}
	gauge := func(name, help string, read func() float64) error {
		return reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
	}
	return m, errors.Join(
		err, reg.Register(m.retries), reg.Register(m.resolved),
		gauge("payperplay_store_size_bytes", "Size of the store's tables and indexes.", func() float64 { return float64(m.size.Load()) }),
		gauge("payperplay_store_connections", "Connections to Postgres.", func() float64 {
			return float64(writers.Stat().TotalConns() + readers.Stat().TotalConns())
		}),
		gauge("payperplay_store_connections_busy", "Connections to Postgres that are in use.", func() float64 {
			return float64(writers.Stat().AcquiredConns() + readers.Stat().AcquiredConns())
		}),
	)
}

func (m *metrics) observe(wait, update time.Duration, err error) {
	if m != nil {
		m.updates.Observe(wait, update, err)
	}
}

func (m *metrics) retry() {
	if m != nil {
		m.retries.Inc()
	}
}

func (m *metrics) resolving() {
	if m != nil {
		m.resolved.Inc()
	}
}
