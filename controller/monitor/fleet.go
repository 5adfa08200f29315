package monitor

import (
	"context"
	"time"

	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
)

// staleness says how old a fleet snapshot may be, as a multiple of what it cost to take it: a small fleet is always read anew,
// one of 10,000 servers costs at most a tenth of a core however often it is asked for.
const staleness = 10

type taken struct {
	snap  fleet.Snapshot
	loads map[string]fleet.Load
	valid time.Time // until
}

// Fleet gives all rows, at most ten times as old as they take to read. Callers must not change it.
func (m *Monitor) Fleet(ctx context.Context) (fleet.Snapshot, error) {
	t, err := m.look(ctx)
	return t.snap, err
}

// Loads gives what every node has to carry, by id, as old as Fleet. Callers must not change it.
func (m *Monitor) Loads(ctx context.Context) (map[string]fleet.Load, error) {
	t, err := m.look(ctx)
	return t.loads, err
}

func (m *Monitor) look(ctx context.Context) (taken, error) {
	select {
	case m.reading <- struct{}{}: // one reader at a time: the others wait and share what it finds
		defer func() { <-m.reading }()
	case <-ctx.Done():
		return taken{}, ctx.Err()
	}
	now := m.o.Now()
	if now.Before(m.fleet.valid) {
		return m.fleet, nil
	}
	began := time.Now()
	var t taken
	err := m.o.DB.View(ctx, func(tx store.Tx) (err error) {
		t.snap, err = m.reader.Read(tx, now)
		return err
	})
	if err != nil {
		return t, err
	}
	t.loads = t.snap.Loads()
	cost := time.Since(began)
	if cost < 5*time.Millisecond {
		cost = 0
	}
	t.valid = m.o.Now().Add(staleness * cost)
	m.fleet = t
	return t, nil
}
