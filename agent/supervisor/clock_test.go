package supervisor

import (
	"testing"
	"time"

	"github.com/payperplay/payperplay/agent/docker"
	"github.com/payperplay/payperplay/agent/state"
	"github.com/payperplay/payperplay/protocol"
)

// TestF09ClockMovedWhileAway: the clock was moved while no agent ran, or the agent was away for long. A stop under way is carried out soon
// and not at once, and a crashed game is tried again soon.
func TestF09ClockMovedWhileAway(t *testing.T) {
	now := time.Now()
	for moved, want := range map[time.Duration]struct{ spent, pause time.Duration }{ // since the order, by the clock
		0:                {0, 30 * time.Second},
		5 * time.Second:  {5 * time.Second, 25 * time.Second},
		-time.Hour:       {0, 72 * time.Second},
		time.Hour:        {20 * time.Second, 0},
		1000 * time.Hour: {20 * time.Second, 0},
	} {
		stored := now.Add(-moved).Round(0) // as it comes from the journal
		row := state.Server{Want: state.WantStop, Stop: &state.StopOrder{At: stored, Grace: 30}, Observed: protocol.Observed{Retry: stored.Add(30 * time.Second)}}
		before := *row.Stop
		got := anchored(row, now)
		if spent := now.Sub(got.Stop.At); spent != want.spent {
			t.Errorf("moved by %s: the stop is %s old, want %s", moved, spent, want.spent)
		}
		if pause := got.Observed.Retry.Sub(now); pause != want.pause {
			t.Errorf("moved by %s: tried again in %s, want %s", moved, pause, want.pause)
		}
		if *row.Stop != before {
			t.Errorf("moved by %s: the journal's own row was changed", moved)
		}
		got.Stop.Asked = true
		got.Spec.Stop.Command, got.Observed.Ready = "stop", now
		if a := decide(view{Row: got, C: &docker.Container{ID: "c", Running: true}}, now); a.do == doKill || a.wait > 30*time.Second {
			t.Errorf("moved by %s: %s after %s", moved, a.do, a.wait)
		}
	}
	// Games ended while the clock was an hour ahead: they leave the window when it is over, not an hour later.
	row := anchored(state.Server{Ends: []time.Time{now.Add(-time.Minute).Round(0), now.Add(time.Hour).Round(0)}}, now)
	if left := within(row.Ends, 10*time.Minute, now.Add(9*time.Minute+30*time.Second)); len(left) != 1 {
		t.Errorf("%d of %v are in the window", len(left), row.Ends)
	}
	if left := within(row.Ends, 10*time.Minute, now.Add(10*time.Minute)); len(left) != 0 {
		t.Errorf("%v still are in the window", left)
	}
	if row := anchored(state.Server{}, now); row.Stop != nil || !row.Observed.Retry.IsZero() {
		t.Errorf("%+v of nothing", row)
	}
}

// TestF09AgeIsNotTheWallClocks: the engine tells a start by the wall clock. Whatever that does, a game that is starting gets its time.
func TestF09AgeIsNotTheWallClocks(t *testing.T) {
	const most = 5 * time.Minute
	now := time.Now()
	for off, want := range map[time.Duration]time.Duration{0: 0, time.Second: time.Second, -time.Hour: 0, time.Hour: most} {
		var w stopwatch
		c := docker.Container{ID: "a", Running: true, Started: now.Add(-off).Round(0)}
		if age := w.of(c, now, most); age != want {
			t.Errorf("started %s ago by the clock: first seen at the age of %s, want %s", off, age, want)
		}
		c.Started = c.Started.Add(-time.Hour) // the clock jumps
		if age := w.of(c, now.Add(time.Second), most); age != want+time.Second {
			t.Errorf("started %s ago by the clock: a second later it is %s old", off, age)
		}
		if age := w.of(docker.Container{ID: "b", Started: now}, now.Add(time.Second), most); age != time.Second {
			t.Errorf("another container is %s old", age)
		}
	}
}
