package supervisor

import (
	"time"

	"github.com/payperplay/payperplay/agent/docker"
	"github.com/payperplay/payperplay/agent/state"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/plant"
)

// view is everything a decision depends on.
type view struct {
	Row      state.Server
	Boot     string
	C        *docker.Container // the newest container, nil when there is none
	Age      time.Duration     // of C while it runs, not by the wall clock
	LogReady bool
}

// step names what to do next.
type step string

const (
	doNothing  step = "nothing"
	doLaunch   step = "launch"      // volume, bridge, image, container
	doAdopt    step = "adopt"       // a running container that the row does not know
	doProbe    step = "probe"       // ask the game whether it is ready
	doTimeout  step = "timeout"     // not ready in time: end it
	doAsk      step = "ask"         // tell players, save, ask the game to end
	doTerm     step = "term"        // SIGTERM
	doKill     step = "kill"        // SIGKILL
	doEnded    step = "ended"       // it ended: say how
	doSettle   step = "settle"      // nothing of it runs, as ordered
	doGone     step = "gone"        // clear it off the node
	doDead     step = "dead grant"  // its grant died with the last boot
	doReplaced step = "stale start" // a container of an older epoch runs: end it first
)

type action struct {
	do   step
	wait time.Duration // look again after
}

const (
	defaultGrace   = 60 * time.Second
	defaultTimeout = 600 * time.Second
)

// decide is the whole state machine of a server.
func decide(v view, now time.Time) action {
	running := v.C != nil && v.C.Running
	switch {
	case running && v.Row.Want == state.WantKill:
		return ladderKill()
	case running && v.Row.Want != state.WantRun:
		return ladder(v, now)
	case running && v.Row.Stop != nil:
		return ladder(v, now) // the agent itself ends it
	case running:
		return alive(v)
	case v.Row.Want == state.WantGone:
		return action{do: doGone}
	case v.Row.Want == state.WantRun && v.Row.Stop == nil:
		return down(v, now)
	default:
		return settled(v)
	}
}

// alive: a container runs and shall run.
func alive(v view) action {
	row := v.Row
	switch {
	case v.C.Epoch < row.Grant.Epoch:
		return action{do: doReplaced}
	case row.Observed.Container != v.C.ID, row.Observed.State != protocol.StateStarting && row.Observed.State != protocol.StateRunning:
		return action{do: doAdopt}
	case row.Observed.State == protocol.StateRunning:
		return action{do: doNothing, wait: safetyLook}
	}
	timeout := seconds(row.Spec.Ready.TimeoutSeconds, defaultTimeout)
	if v.Age > timeout {
		return action{do: doTimeout}
	}
	if row.Spec.Ready.LogPattern != "" && !v.LogReady {
		return action{do: doNothing, wait: min(timeout-v.Age+time.Millisecond, time.Second)}
	}
	return action{do: doProbe, wait: probeEvery(v.Age)}
}

// probeEvery is quick at first, so that a quick game is ready quickly.
func probeEvery(age time.Duration) time.Duration {
	return min(max(age/20, 25*time.Millisecond), time.Second)
}

// down: nothing runs, and it shall.
func down(v view, now time.Time) action {
	row := v.Row
	switch {
	case unaccounted(v):
		return action{do: doEnded}
	case row.Grant.Boot != v.Boot && !plant.On(plant.StartWithoutGrant):
		if row.Observed.State == protocol.StateAbsent {
			return action{do: doNothing, wait: safetyLook}
		}
		return action{do: doDead}
	case row.GaveUp:
		return action{do: doNothing, wait: safetyLook}
	case now.Before(row.Observed.Retry):
		return action{do: doNothing, wait: row.Observed.Retry.Sub(now)}
	default:
		return action{do: doLaunch}
	}
}

// unaccounted: a run ended and the row does not say so yet.
func unaccounted(v view) bool {
	if v.C == nil || v.C.Status == "created" { // it vanished, if it ever ran
		return v.Row.Observed.Container != "" && v.Row.Attempt > v.Row.Closed
	}
	return v.C.Attempt > v.Row.Closed
}

// settled: nothing runs, and nothing shall.
func settled(v view) action {
	if unaccounted(v) || busy(v.Row.Observed.State) || v.Row.Stop != nil {
		return action{do: doSettle}
	}
	return action{do: doNothing, wait: safetyLook}
}

// ladder: it runs and shall end: words, SIGTERM, SIGKILL.
func ladder(v view, now time.Time) action {
	o := v.Row.Stop
	if o == nil {
		return action{do: doTerm}
	}
	grace := seconds(o.Grace, defaultGrace)
	killAt, termAt := o.At.Add(grace), o.At.Add(grace*2/3)
	words := len(v.Row.Spec.Stop.Flush) > 0 || v.Row.Spec.Stop.Command != ""
	if v.Row.Spec.Stop.Command == "" || !o.Asked {
		termAt = o.At
	}
	// While it starts, no game listens to words.
	talks := !v.Row.Observed.Ready.IsZero() && words && o.Failed == "" && v.Row.Volume != protocol.VolumeDelete
	switch {
	case !now.Before(killAt):
		return ladderKill()
	case !o.Asked && !o.Term && talks:
		return action{do: doAsk}
	case !o.Term && !now.Before(termAt):
		return action{do: doTerm}
	case !o.Term:
		return action{do: doNothing, wait: termAt.Sub(now)}
	default:
		return action{do: doNothing, wait: killAt.Sub(now)}
	}
}

// ladderKill sends SIGKILL again now and then: the engine may not have heard.
func ladderKill() action {
	return action{do: doKill, wait: 2 * time.Second}
}

func seconds(n int, otherwise time.Duration) time.Duration {
	if n <= 0 {
		return otherwise
	}
	return time.Duration(n) * time.Second
}
