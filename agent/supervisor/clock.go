package supervisor

import (
	"slices"
	"time"

	"github.com/payperplay/payperplay/agent/docker"
	"github.com/payperplay/payperplay/agent/state"
)

// The machine's clock may be an hour off, jump or stand still. Times that this process took carry Go's monotonic reading, and differences
// of them are right; times from the journal and from the engine are the wall clock's. This file ties those to the monotonic clock once,
// so that a jump ends no game early and keeps none waiting.

// stopwatch measures how long a container has been running, from when this process first saw it.
type stopwatch struct {
	id  string
	at  time.Time     // first seen
	had time.Duration // its age then
}

// of gives the container's age. What the wall clock says of its life before it was first seen counts up to most.
func (w *stopwatch) of(c docker.Container, now time.Time, most time.Duration) time.Duration {
	if w.id != c.ID {
		*w = stopwatch{id: c.ID, at: now, had: min(max(0, now.Sub(c.Started)), most)}
	}
	return w.had + now.Sub(w.at)
}

// anchored ties a row from the journal to the monotonic clock. When the clock was moved while no agent ran, a stop under way begins now at
// the latest and still has a third of its time, a pause after a crash is no longer than it can be, and ends that are still to come count from now.
func anchored(row state.Server, now time.Time) state.Server {
	if row.Stop != nil {
		stop := *row.Stop
		spent := min(max(0, now.Sub(stop.At)), seconds(stop.Grace, defaultGrace)*2/3)
		stop.At = now.UTC().Add(-spent)
		row.Stop = &stop
	}
	if retry := row.Observed.Retry; !retry.IsZero() {
		row.Observed.Retry = now.UTC().Add(min(max(0, retry.Sub(now)), longestRetry*6/5))
	}
	row.Ends = slices.Clone(row.Ends)
	for i, end := range row.Ends {
		row.Ends[i] = now.UTC().Add(-max(0, now.Sub(end)))
	}
	return row
}
