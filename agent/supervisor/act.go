package supervisor

import (
	"context"
	"fmt"
	"github.com/payperplay/payperplay/agent/docker"
	"time"

	"github.com/payperplay/payperplay/agent/state"
	"github.com/payperplay/payperplay/protocol"
)

// act does what was decided and says when to look again.
func (r *runner) act(ctx context.Context, a action, v view) (time.Duration, error) {
	switch a.do {
	case doLaunch:
		return 0, r.launch(ctx, v)
	case doAdopt:
		return 0, r.adopt(ctx, v)
	case doProbe:
		return r.probe(ctx, a.wait, v)
	case doTimeout:
		return 0, r.timeout(ctx, v)
	case doReplaced:
		return 0, r.observe(ctx, func(row *state.Server) {
			row.Stop = &state.StopOrder{At: time.Now().UTC(), Grace: row.Spec.Stop.GraceSeconds, Restart: true, Reason: "a newer start"}
		})
	case doAsk:
		return 0, r.ask(ctx, v)
	case doTerm:
		return 0, r.term(ctx, v)
	case doKill:
		return a.wait, r.kill(ctx, v)
	case doEnded:
		return 0, r.ended(ctx, v)
	case doSettle:
		return 0, r.settle(ctx, v)
	case doDead:
		return safetyLook, r.observe(ctx, func(row *state.Server) {
			row.Observed.State, row.Observed.Since, row.Observed.Progress = protocol.StateAbsent, time.Now().UTC(), ""
			row.Observed.Problem = protocol.Faultf(protocol.Unavailable, "the controller starts it again by itself", "the node was restarted; the server waits for a new grant")
		})
	case doGone:
		return 0, r.clear(ctx, v)
	default:
		return a.wait, nil
	}
}

// adopt takes a running container that the row does not (rightly) know: the agent died after its start, or was away, or lost its journal.
func (r *runner) adopt(ctx context.Context, v view) error {
	r.log.Info("running container adopted", "container", v.C.ID[:12], "epoch", v.C.Epoch)
	err := r.observe(ctx, func(row *state.Server) {
		row.Attempt, row.GaveUp = max(row.Attempt, v.C.Attempt), false
		row.Closed = min(row.Closed, v.C.Attempt-1)
		if row.Spec.Image == "" && docker.Check(v.C.Spec) == nil && v.C.Spec.Server == r.id {
			row.Spec = v.C.Spec // only the container remembers
		}
		row.Observed = r.starting(*v.C, *row)
	})
	if err != nil {
		return err
	}
	return r.attach(ctx, *v.C)
}

// probe asks the game for its server-list status.
func (r *runner) probe(ctx context.Context, wait time.Duration, v view) (time.Duration, error) {
	ctx, cancel := r.interruptible(ctx)
	defer cancel()
	s, err := r.s.o.Ping(ctx, *v.C)
	if err != nil {
		return wait, nil
	}
	r.play(s)
	now := time.Now().UTC()
	first := false
	err = r.observe(context.WithoutCancel(ctx), func(row *state.Server) {
		if row.Want != state.WantRun || row.Stop != nil || row.Observed.Container != v.C.ID {
			return
		}
		first = true
		row.Observed.State, row.Observed.Since, row.Observed.Ready, row.Observed.Progress = protocol.StateRunning, now, now, ""
		row.Observed.Runtime, row.Observed.Problem = s.Version, nil
	})
	if err == nil && first {
		r.s.m.ready.Observe(now.Sub(v.C.Started).Seconds())
		r.s.o.Console.System(r.id, fmt.Sprintf("ready after %.1f s", now.Sub(v.C.Started).Seconds()))
	}
	return safetyLook, err
}

// timeout ends a start that never became ready.
func (r *runner) timeout(ctx context.Context, v view) error {
	limit := seconds(v.Row.Spec.Ready.TimeoutSeconds, defaultTimeout)
	what := "no server-list ping was answered"
	if v.Row.Spec.Ready.LogPattern != "" && !v.LogReady {
		what = "no console line matched " + v.Row.Spec.Ready.LogPattern
	}
	r.s.o.Console.System(r.id, fmt.Sprintf("not ready after %s: %s", limit, what))
	return r.observe(ctx, func(row *state.Server) {
		if row.Want != state.WantRun || row.Stop != nil {
			return
		}
		row.Stop = &state.StopOrder{At: time.Now().UTC(), Grace: row.Spec.Stop.GraceSeconds, Code: string(protocol.Timeout),
			Failed: fmt.Sprintf("server %s was not ready after %s: %s", row.Spec.Name, limit, what),
			Next:   "read its console; give it more time in the template, or more memory"}
	})
}
