package supervisor

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/payperplay/payperplay/agent/state"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/plant"
)

const (
	defaultRestarts = 5
	defaultWindow   = 600 * time.Second
	firstRetry      = time.Second
	longestRetry    = time.Minute
	drainTimeout    = 5 * time.Second
	lastLines       = 20
)

// ended notes that the container ended unasked and when it will be tried again, if at all.
func (r *runner) ended(ctx context.Context, v view) error {
	exit := r.exit(ctx, v, false)
	r.leave(ctx)
	r.s.m.crashes.Inc()
	now := time.Now().UTC()
	var after string
	err := r.observe(ctx, func(row *state.Server) {
		if row.Want != state.WantRun {
			return // a stop came in between: settle notes it
		}
		o := &row.Observed
		o.State, o.Since, o.Exit, o.Progress, o.Address = protocol.StateCrashed, now, &exit, "", ""
		o.Started, o.Ready, o.Problem = time.Time{}, time.Time{}, nil
		if v.C != nil {
			o.Container = v.C.ID
		}
		closed(row, v)
		row.Ends = within(append(row.Ends, now), seconds(row.Spec.Restart.WindowSeconds, defaultWindow), now)
		o.Restarts = len(row.Ends)
		delay, again := retry(row.Spec.Restart, len(row.Ends), rand.Float64())
		switch {
		case row.Grant.Boot != v.Boot && !plant.On(plant.StartWithoutGrant):
			o.State = protocol.StateAbsent
			o.Problem = protocol.Faultf(protocol.Unavailable, "the controller starts it again by itself", "the node was restarted; the server waits for a new grant")
			after = "waiting for a new grant"
		case again:
			o.Retry = now.Add(delay)
			after = fmt.Sprintf("starting again in %s", delay.Round(100*time.Millisecond))
		default:
			row.GaveUp = true
			o.Problem = protocol.Faultf(protocol.Unavailable, exit.Advice, "server %s ended unasked %d times within %s and is not started again", row.Spec.Name, len(row.Ends), seconds(row.Spec.Restart.WindowSeconds, defaultWindow))
			after = "not started again"
		}
	})
	if err == nil {
		r.s.o.Console.System(r.id, fmt.Sprintf("ended unasked: %s; %s", cause(exit), after))
	}
	return err
}

// closed marks the newest run as accounted for.
func closed(row *state.Server, v view) {
	row.Closed = max(row.Closed, v.Row.Attempt)
	if v.C != nil {
		row.Closed = max(row.Closed, v.C.Attempt)
	}
}

func cause(e protocol.Exit) string {
	if e.OOM {
		return "out of memory"
	}
	if e.Code < 0 {
		return "the container vanished"
	}
	return fmt.Sprintf("exit code %d", e.Code)
}

// exit collects how a container ended, after its last line is in the history.
func (r *runner) exit(ctx context.Context, v view, asked bool) protocol.Exit {
	drain, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	if v.C != nil && v.C.Status != "created" {
		// After a restart of the agent nothing follows the ended container yet.
		if err := r.s.o.Console.Attach(ctx, r.id, r.s.o.Engine.Terminal(v.C.ID), v.C.Epoch, v.Row.Spec.ConsoleMax); err != nil {
			r.log.Warn("the last lines may be missing", "err", err)
		}
	}
	if err := r.s.o.Console.Drain(drain, r.id); err != nil && ctx.Err() == nil {
		r.log.Warn("the last lines may be missing", "err", err)
	}
	r.s.o.Commands.SetRCON(r.id, "", "")
	e := protocol.Exit{Code: -1, At: time.Now().UTC(), Asked: asked}
	if v.C != nil {
		e.Code, e.OOM = v.C.ExitCode, v.C.OOM || !asked && v.C.ExitCode == killedCode && r.oomIsLate(ctx, v.C.ID)
		if !v.C.Finished.IsZero() {
			e.At = v.C.Finished
		}
	}
	if o := v.Row.Stop; asked && o != nil {
		e.Killed = o.Kill
		e.Asked = o.Failed == ""
	}
	for _, l := range r.s.o.Console.LastLines(r.id, 3*lastLines) {
		if (l.Kind == "" || l.Kind == protocol.LinePart) && !l.Time.Before(v.Row.Observed.Started.Add(-time.Second)) {
			e.LastLine = append(e.LastLine, clip(l.Text))
		}
	}
	e.LastLine = e.LastLine[max(0, len(e.LastLine)-lastLines):]
	if !e.Asked {
		e.Advice = advice(e, v.Row.Spec.MemoryBytes)
	}
	return e
}

// killedCode is how a process ends that somebody killed: 128 + SIGKILL.
const killedCode = 137

// oomIsLate asks again: the engine is told of an out-of-memory kill on another way than of the end, and sometimes after it, or not at all.
func (r *runner) oomIsLate(ctx context.Context, container string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		if r.s.o.OOM != nil && r.s.o.OOM(container) {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
			if c, err := r.s.o.Engine.Inspect(ctx, container); err != nil || c.OOM {
				return err == nil
			}
		}
	}
}

// clip keeps reports small: twenty lines of 16 KiB would be a report of 320 KiB.
func clip(text string) string {
	const most = 500
	if len(text) <= most {
		return text
	}
	cut := most
	for cut > 0 && text[cut]&0xC0 == 0x80 {
		cut--
	}
	return text[:cut] + "…"
}

// within keeps the times that are not older than the window.
func within(ends []time.Time, window time.Duration, now time.Time) []time.Time {
	var out []time.Time
	for _, e := range ends {
		if now.Sub(e) < window {
			out = append(out, e)
		}
	}
	return out
}

// retry gives the pause after the n-th unasked end within the window, or says that there were too many. chance is in [0, 1).
func retry(rule protocol.RestartRule, n int, chance float64) (time.Duration, bool) {
	most := rule.Max
	if most == 0 {
		most = defaultRestarts
	}
	if n > most {
		return 0, false
	}
	delay := min(firstRetry<<min(n-1, 10), longestRetry)
	return time.Duration(float64(delay) * (0.8 + 0.4*chance)), true
}

// advice says in plain words what to do about an end.
func advice(e protocol.Exit, memory int64) string {
	switch {
	case e.OOM:
		return "give the server more memory: it used all of its " + protocol.FormatSize(memory)
	case e.Code < 0:
		return "someone removed the container by hand; start the server again"
	case e.Code == 0:
		return "the game ended by itself, perhaps by a stop command in its console; start it again, or stop the server here"
	case e.Code == killedCode:
		return "the game was killed from outside; look for memory trouble of the node, then give the server more memory"
	case e.Code == 126 || e.Code == 127:
		return "the image cannot run its program; choose another version or image"
	case e.Code == 134 || e.Code == 139 || e.Code == 135:
		return "the game's runtime crashed; choose another Java or game version, or remove the newest mod"
	default:
		return "read the last lines: a mod, a plugin or a broken world ends the game with an error"
	}
}
