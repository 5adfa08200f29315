package supervisor

import (
	"context"
	"log/slog"
	"reflect"
	"regexp"
	"sync"
	"time"

	"github.com/payperplay/payperplay/agent/docker"
	"github.com/payperplay/payperplay/agent/state"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/plant"
)

// runner is one server's goroutine and what it shares with orders and readers.
type runner struct {
	s    *Supervisor
	id   string
	log  *slog.Logger
	kick chan struct{}

	mu        sync.Mutex
	row       state.Server
	interrupt context.CancelFunc // ends the step under way that an order may interrupt
	live      docker.Container   // the running container as last looked at; its ID is empty when nothing runs
	age       stopwatch          // of live
	game      game               // what the game says of itself
	facts     []protocol.Fact    // of players, waiting for the runner
	ready     *regexp.Regexp     // of the ready pattern, compiled when it is first needed
	readyText string             // what ready was compiled from
	logReady  bool               // a line matched the ready pattern since the container started
	unwatch   func()
	done      bool
}

// wake makes the runner look again soon.
func (r *runner) wake() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// run takes steps until the server is gone or ctx ends.
func (r *runner) run(ctx context.Context) {
	defer r.unwatch()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.kick:
		case <-timer.C:
		}
		r.flushFacts(ctx)
		wait := r.step(ctx)
		if r.gone() {
			r.s.forget(r)
			return
		}
		timer.Reset(wait)
	}
}

// safetyLook is how often a server is looked at when nothing happens.
const safetyLook = time.Minute

// step looks, decides and acts once, and says when to look again at the latest.
func (r *runner) step(ctx context.Context) time.Duration {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error("server step failed", "panic", p)
		}
	}()
	v, old, err := r.look(ctx)
	if err != nil {
		if ctx.Err() == nil {
			r.log.Warn("the engine does not say how the server is", "err", err)
		}
		return 2 * time.Second
	}
	a := decide(v, time.Now())
	wait, err := r.act(ctx, a, v)
	if err != nil && ctx.Err() == nil {
		r.log.Warn("server step failed", "step", a.do, "err", err)
		return 2 * time.Second
	}
	for _, c := range old {
		if err := r.s.o.Engine.Remove(ctx, c.ID); err != nil && ctx.Err() == nil {
			r.log.Warn("an old container stays behind", "container", c.ID, "err", err)
		}
	}
	return wait
}

// look reads the row and the engine. old holds containers of earlier starts that are of no more use.
func (r *runner) look(ctx context.Context) (v view, old []docker.Container, err error) {
	r.mu.Lock()
	r.interrupt = nil
	row := r.row
	known := r.live
	r.mu.Unlock()
	list := []docker.Container{}
	if known.ID != "" && row.Observed.Container == known.ID {
		one, err := r.s.o.Engine.Inspect(ctx, known.ID) // cheaper than a list, and the usual case
		if err != nil && !docker.IsGone(err) {
			return view{}, nil, err
		}
		if err == nil {
			list = append(list, one)
		}
	} else if list, err = r.s.o.Engine.List(ctx, r.id); err != nil {
		return view{}, nil, err
	}
	v = view{Boot: r.s.o.Journal.Boot()}
	for i := range list {
		switch {
		case v.C == nil:
			v.C = &list[i]
		case newer(list[i], *v.C):
			old = append(old, *v.C)
			v.C = &list[i]
		default:
			old = append(old, list[i])
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live = docker.Container{}
	if v.C != nil && v.C.Running {
		r.live = *v.C
		v.Age = r.age.of(*v.C, time.Now(), seconds(r.row.Spec.Ready.TimeoutSeconds, defaultTimeout)/2)
	}
	v.Row, v.LogReady = r.row, r.logReady
	return v, old, nil
}

func newer(a, b docker.Container) bool {
	if a.Running != b.Running {
		return a.Running
	}
	if a.Epoch != b.Epoch {
		return a.Epoch > b.Epoch
	}
	return a.Attempt > b.Attempt
}

// order changes the row as the controller says, on disk, and ends what is under way if it can be ended.
func (r *runner) order(ctx context.Context, fn func(*state.Server) error) (protocol.Observed, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	row := r.row
	if row.Stop != nil {
		copied := *row.Stop
		row.Stop = &copied
	}
	if r.done {
		return protocol.Observed{Server: r.id, State: protocol.StateAbsent, Since: time.Now().UTC()}, protocol.Faultf(protocol.Conflict, "try again", "server %s has just left the node", r.id)
	}
	if err := fn(&row); err != nil {
		return r.row.Observed, err
	}
	if !reflect.DeepEqual(row, r.row) {
		if err := r.save(ctx, row); err != nil {
			return r.row.Observed, err
		}
	}
	if r.interrupt != nil && row.Want != state.WantRun {
		r.interrupt()
	}
	r.wake()
	return r.row.Observed, nil
}

// observe changes the row as the runner sees things, on disk, with a report if the observation changed.
func (r *runner) observe(ctx context.Context, fn func(*state.Server)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	row := r.row
	if row.Stop != nil {
		copied := *row.Stop
		row.Stop = &copied
	}
	fn(&row)
	if reflect.DeepEqual(row, r.row) {
		return nil
	}
	return r.save(ctx, row)
}

// save needs mu. The row in memory changes only when the disk has it.
func (r *runner) save(ctx context.Context, row state.Server) error {
	row.Observed.Server, row.Observed.Order = r.id, row.Order.Number
	var facts []protocol.Fact
	if !reflect.DeepEqual(row.Observed, r.row.Observed) {
		o := row.Observed
		facts = append(facts, protocol.Fact{Observed: &o})
	}
	if plant.On(plant.GrantWithoutFsync) && row.Grant != r.row.Grant {
		r.row = row
		return nil
	}
	// A caller that goes away must not leave us unsure whether the order is on disk.
	if err := r.s.o.Journal.Save(context.WithoutCancel(ctx), row, facts...); err != nil {
		return err
	}
	if row.Observed.State != r.row.Observed.State {
		r.log.Info("server changed", "state", row.Observed.State, "was", r.row.Observed.State, "epoch", row.Observed.Epoch)
		r.s.m.changes.WithLabelValues(string(row.Observed.State)).Inc()
	}
	r.row = row
	return nil
}

func (r *runner) observed() protocol.Observed {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.row.Observed
}

func (r *runner) gone() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done
}

// interruptible gives a context that the next stop or kill ends.
func (r *runner) interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.interrupt = cancel
	return ctx, cancel
}

// want reads the present order.
func (r *runner) want() state.Want {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.row.Want
}
