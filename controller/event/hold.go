package event

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/payperplay/payperplay/controller/store"
)

// Stock is how much the log holds and what keeps it from holding less.
type Stock struct {
	Count  int64     `json:"count"`
	Max    int64     `json:"max"`
	Head   int64     `json:"head"`
	Oldest time.Time `json:"oldest,omitzero"` // when the oldest event that is kept was logged
	// Held is how many events should have been trimmed by now and are kept for the cursors of money and audit; HeldBy the
	// one that is furthest behind.
	Held    int64   `json:"held"`
	HeldBy  string  `json:"held_by,omitempty"`
	Cursors []Place `json:"cursors"`
}

// Place is how far a durable cursor has come.
type Place struct {
	Name    string    `json:"name"`
	Seq     int64     `json:"seq"`
	Lag     int64     `json:"lag"` // events after it, as many as the log has at most
	Hold    bool      `json:"hold"`
	Updated time.Time `json:"updated"`
}

// Stock takes stock. It costs a handful of reads.
func (l *Log) Stock(ctx context.Context, now time.Time) (s Stock, err error) {
	err = l.db.View(ctx, func(tx store.Tx) error {
		s, err = l.stock(tx, now)
		return err
	})
	return s, err
}

func (l *Log) stock(tx store.Tx, now time.Time) (Stock, error) {
	s := Stock{Max: l.maxEvents, Cursors: []Place{}}
	var err error
	if s.Count, err = events.Count(tx); err != nil {
		return s, err
	}
	if s.Head, err = l.Head(tx); err != nil {
		return s, err
	}
	limit := int64(1)<<62 - 1
	for c, err := range cursors.Range(tx, "", nil, nil, 0, false) {
		if err != nil {
			return s, err
		}
		if strings.HasPrefix(c.Name, ".") { // the log's own
			continue
		}
		s.Cursors = append(s.Cursors, Place{Name: c.Name, Seq: c.Seq, Lag: min(s.Count, max(0, s.Head-c.Seq)), Hold: c.Hold, Updated: c.Updated})
		if c.Hold && c.Seq < limit {
			limit, s.HeldBy = c.Seq, c.Name
		}
	}
	first, end, err := bounds(tx)
	if err != nil || end == 0 {
		s.HeldBy = ""
		return s, err
	}
	oldest, err := events.Get(tx, store.SeqKey(first))
	if err != nil {
		return s, err
	}
	s.Oldest = oldest.Logged
	old, err := firstLogged(tx, now.Add(-l.retention))
	if err != nil {
		return s, err
	}
	// Numbers count rows, but for the holes that restores leave: there can be no more than there are.
	if s.Held = min(s.Count, held(first, end, old, s.Count-l.maxEvents, limit)); s.Held == 0 {
		s.HeldBy = ""
	}
	return s, nil
}

// held counts the events of [first, end) that are beyond the retention, because they are among the surplus oldest ones or before
// the number young, and that the cursor at limit has not passed. The newest event is never beyond it. Pure.
func held(first, end, young, surplus, limit int64) int64 {
	if limit >= end {
		return 0 // nobody is behind
	}
	expired := min(max(young, first+surplus), end-1) // the first that may stay
	return max(0, expired-max(first, limit+1))
}

// stockCollector shows the stock at each scrape.
type stockCollector struct{ l *Log }

var (
	descCount  = prometheus.NewDesc("payperplay_events_kept", "Events in the log.", nil, nil)
	descOldest = prometheus.NewDesc("payperplay_events_oldest_timestamp_seconds", "When the oldest event that is kept was logged.", nil, nil)
	descHeld   = prometheus.NewDesc("payperplay_events_held", "Events beyond their retention that a cursor of money or audit still needs.", nil, nil)
	descLag    = prometheus.NewDesc("payperplay_event_cursor_lag", "Events that a reader with a durable cursor has not done yet.", []string{"cursor"}, nil)
)

// Describe implements prometheus.Collector.
func (c stockCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descCount, descOldest, descHeld, descLag} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c stockCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second) //nolint:forbidigo // Prometheus gives collectors no context
	defer cancel()
	s, err := c.l.Stock(ctx, time.Now())
	if err != nil {
		ch <- prometheus.NewInvalidMetric(descCount, err)
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(descCount, float64(s.Count))
	gauge(descHeld, float64(s.Held))
	if !s.Oldest.IsZero() {
		gauge(descOldest, float64(s.Oldest.Unix()))
	}
	for _, p := range s.Cursors {
		gauge(descLag, float64(p.Lag), p.Name)
	}
}

func (l *Log) register(reg prometheus.Registerer) (err error) {
	if l.m, err = newMetrics(reg); err != nil || reg == nil {
		return err
	}
	return reg.Register(stockCollector{l})
}
