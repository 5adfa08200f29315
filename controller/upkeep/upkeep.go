// Package upkeep keeps what grows within its limits, and says how near to them it is before they are reached: it trims rows whose
// time is over, watches the disk under the controller's data, and answers for /readyz?verbose.
//
// It never makes the controller unready: a full disk means read-only, and reading is worth serving.
package upkeep

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/loop"
	"github.com/payperplay/payperplay/controller/store"
)

const (
	trimEvery  = 10 * time.Minute
	watchEvery = time.Minute
	// trimBatch is how many rows one transaction deletes, so that other writers wait for milliseconds only.
	trimBatch = 500
)

// Events is what the room needs of the event log.
type Events interface {
	Append(tx store.Tx, e event.Event) (event.Event, error)
	Trim(ctx context.Context, now time.Time) (int64, error)
	Stock(ctx context.Context, now time.Time) (event.Stock, error)
}

// File is what the room asks of an engine that has a file. Sizes are bytes.
type File interface {
	// Sizes is how large the file is and how much of it is free for rows to come.
	Sizes() (file, free int64)
	// Broken is why the store takes no more changes, nil while it does.
	Broken() error
}

// Trim deletes rows of one kind whose time is over: at most most of them in tx, and says how many.
type Trim struct {
	What string // for the metric: "join tokens"
	Some func(tx store.Tx, now time.Time, most int) (int, error)
}

// Options are what New needs.
type Options struct {
	DB      store.DB
	Events  Events
	Data    string // directory whose disk is watched
	File    File   // nil: the engine has none
	Trims   []Trim
	Disk    func(dir string) (Disk, error) // nil: the kernel's figures
	Logger  *slog.Logger
	Metrics prometheus.Registerer
	Now     func() time.Time // nil: time.Now
}

// Upkeep is the room.
type Upkeep struct {
	o Options
	m *metrics

	mu      sync.Mutex
	started time.Time
	trimmed time.Time // when the last whole round of trimming ended
	told    map[string]bool
}

// New checks the options and registers the metrics.
func New(o Options) (*Upkeep, error) {
	if o.DB == nil || o.Events == nil || o.Data == "" || o.Logger == nil {
		return nil, errors.New("upkeep: DB, Events, Data and Logger are needed")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Disk == nil {
		o.Disk = diskOf
	}
	u := &Upkeep{o: o, started: o.Now(), told: map[string]bool{}}
	var err error
	u.m, err = newMetrics(o.Metrics, u)
	return u, err
}

// Run trims and watches until ctx ends.
func (u *Upkeep) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return loop.Run(ctx, loop.Options{Name: "retention", Every: trimEvery, Logger: u.o.Logger, Metrics: u.o.Metrics}, u.Trim)
	})
	g.Go(func() error {
		return loop.Run(ctx, loop.Options{Name: "upkeep", Every: watchEvery, Logger: u.o.Logger, Metrics: u.o.Metrics}, u.Watch)
	})
	return g.Wait()
}
