package supervisor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/payperplay/payperplay/agent/state"
	"github.com/payperplay/payperplay/protocol"
)

const (
	warning     = 5 * time.Second // players are told so long before the end
	wordTimeout = 3 * time.Second // one console command
	saveTimeout = 20 * time.Second
)

// ask tells the players, writes the world and asks the game to end. When the game does not take words, SIGTERM follows at once.
func (r *runner) ask(ctx context.Context, v view) error {
	ctx, cancel := r.interruptible(ctx)
	defer cancel()
	if r.want() == state.WantKill {
		return nil
	}
	rule, o := v.Row.Spec.Stop, v.Row.Stop
	grace := seconds(o.Grace, defaultGrace)
	if lead := min(warning, grace/6).Round(time.Second); rule.Announce != "" && lead > 0 && r.occupied(ctx, v) {
		_ = r.tell(ctx, announcement(rule.Announce, int(lead.Seconds()), o.Reason), wordTimeout)
		if !pause(ctx, lead) {
			return nil
		}
	}
	heard := true
	for _, command := range rule.Flush {
		heard = heard && r.tell(ctx, command, min(saveTimeout, grace/3)) == nil
	}
	if rule.Command != "" && heard {
		heard = r.tell(ctx, rule.Command, wordTimeout) == nil
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil // a kill, or the agent ends: the next look goes on
	}
	return r.observe(ctx, func(row *state.Server) {
		if row.Stop != nil {
			row.Stop.Asked = true
			if !heard {
				row.Stop.At = row.Stop.At.Add(-grace * 2 / 3) // skip the wait for a game that heard nothing
				row.Stop.Grace = max(row.Stop.Grace, 1)
			}
		}
	})
}

func (r *runner) tell(ctx context.Context, command string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := r.s.o.Commands.Tell(ctx, r.id, command)
	if err != nil {
		r.log.Warn("the game did not take a command", "command", command, "err", err)
	}
	return err
}

// announcement fills in the seconds and adds the reason. A line break would be a second command.
func announcement(format string, left int, reason string) string {
	text := strings.ReplaceAll(format, "%d", fmt.Sprint(left))
	if reason != "" {
		text += ": " + reason
	}
	return strings.Map(func(c rune) rune {
		if c < ' ' {
			return ' '
		}
		return c
	}, text)
}

// pause waits and tells whether ctx lived that long.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func (r *runner) term(ctx context.Context, v view) error {
	if err := r.s.o.Engine.Signal(ctx, v.C.ID, "SIGTERM"); err != nil {
		return err
	}
	return r.observe(ctx, func(row *state.Server) {
		if row.Stop == nil {
			row.Stop = &state.StopOrder{At: time.Now().UTC(), Grace: row.Spec.Stop.GraceSeconds}
		}
		row.Stop.Term = true
	})
}

func (r *runner) kill(ctx context.Context, v view) error {
	if err := r.s.o.Engine.Signal(ctx, v.C.ID, "SIGKILL"); err != nil {
		return err
	}
	return r.observe(ctx, func(row *state.Server) {
		if row.Stop == nil {
			row.Stop = &state.StopOrder{At: time.Now().UTC()}
		}
		row.Stop.Kill = true
	})
}

// settle notes that nothing runs any more, as ordered, and starts again where that was the order.
func (r *runner) settle(ctx context.Context, v view) error {
	var exit *protocol.Exit
	if unaccounted(v) {
		e := r.exit(ctx, v, true)
		exit = &e
	}
	if v.C != nil && v.C.Status == "created" {
		if err := r.s.o.Engine.Remove(ctx, v.C.ID); err != nil {
			return err
		}
	}
	r.leave(ctx)
	again := false
	err := r.observe(ctx, func(row *state.Server) {
		o, order := &row.Observed, row.Stop
		closed(row, v)
		if exit != nil {
			o.Exit = exit
		}
		if o.State != protocol.StateStopped || exit != nil { // a stop more of what is stopped is no news: the controller would take it for word of a start
			o.Since = time.Now().UTC()
		}
		o.State, o.Progress, o.Retry, o.Problem, o.Address = protocol.StateStopped, "", time.Time{}, nil, ""
		o.Started, o.Ready, o.Restarts = time.Time{}, time.Time{}, 0
		row.Stop, row.Ends = nil, nil
		switch {
		case order == nil:
		case order.Failed != "" && row.Want == state.WantRun:
			row.GaveUp, o.State = true, protocol.StateFailed
			o.Problem = &protocol.Fault{Code: protocol.Code(order.Code), Message: order.Failed, Next: order.Next}
		case order.Restart && row.Want != state.WantKill:
			row.Want, row.GaveUp, again = state.WantRun, false, true
		}
		if row.Want == state.WantKill {
			row.Want = state.WantStop
		}
	})
	if exit != nil && err == nil {
		r.s.o.Console.System(r.id, "stopped"+how(*exit))
	}
	if again {
		r.wake()
	}
	return err
}

func how(e protocol.Exit) string {
	switch {
	case e.Killed:
		return ", killed"
	case e.Code != 0:
		return fmt.Sprintf(", exit code %d", e.Code)
	default:
		return ""
	}
}
