package store

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/prometheus/client_golang/prometheus"
)

// The parts of an engine's Update that do not depend on the engine.

// Turn lets one Update of a process write at a time; make it with NewTurn.
type Turn chan struct{}

// NewTurn gives a Turn that nobody has.
func NewTurn() Turn { return make(Turn, 1) }

// Take waits until nobody else has it. The error is of ctx's kind, and says that the store was busy.
func (t Turn) Take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fault.Wrap(ctx.Err(), fault.KindOf(ctx.Err()), "the store was busy for too long", "try again")
	}
}

// Wait is Take for who has all the time, as Close does.
func (t Turn) Wait() { t <- struct{}{} }

// Give lets the next one write.
func (t Turn) Give() { <-t }

// Inside tells whether this goroutine runs below the function with this entry: an engine asks so whether it is in a closure of
// View or Update already. It looks at the stack, because the closure is not handed a context that could say so.
func Inside(entry uintptr) bool {
	var pcs [64]uintptr
	for skip := 3; ; skip += len(pcs) {
		n := runtime.Callers(skip, pcs[:])
		for _, pc := range pcs[:n] {
			if f := runtime.FuncForPC(pc - 1); f != nil && f.Entry() == entry {
				return true
			}
		}
		if n < len(pcs) {
			return false
		}
	}
}

// UpdateMetrics are the figures of Update that every engine has, under the same names. A nil one counts nothing.
type UpdateMetrics struct {
	wait, update prometheus.Histogram
	failed       prometheus.Counter
}

// NewUpdateMetrics registers them; reg is not nil.
func NewUpdateMetrics(reg prometheus.Registerer) (*UpdateMetrics, error) {
	buckets := prometheus.ExponentialBuckets(0.0001, 4, 9) // 0.1 ms … 6.5 s
	m := &UpdateMetrics{
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
	return m, errors.Join(reg.Register(m.wait), reg.Register(m.update), reg.Register(m.failed))
}

// Observe counts one Update: how long it waited for its turn, how long it took from there, and how it ended.
func (m *UpdateMetrics) Observe(wait, update time.Duration, err error) {
	if m == nil {
		return
	}
	m.wait.Observe(wait.Seconds())
	m.update.Observe(update.Seconds())
	if err != nil {
		m.failed.Inc()
	}
}
