package supervisor

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/payperplay/payperplay/agent/docker"
	"github.com/payperplay/payperplay/agent/state"
	"github.com/payperplay/payperplay/protocol"
)

// retryEngine is how long to wait when the engine does not answer.
const retryEngine = 3 * time.Second

// bridgeTries is how many networks are tried when others hold them.
const bridgeTries = 16

// launch does everything from the grant to the running container. Trouble that a person must look at ends in StateFailed,
// an engine that is away only delays.
func (r *runner) launch(ctx context.Context, v view) error {
	if v.C != nil { // a remainder of the last run, or one that was made and never started
		if v.C.Status == "created" {
			if err := r.s.o.Engine.Remove(ctx, v.C.ID); err != nil {
				return err
			}
		}
	}
	row, ok, err := r.begin(ctx)
	if err != nil || !ok {
		return err
	}
	// A bridge takes the engine 0.1 s; the container needs it when it starts.
	bridged := make(chan error, 1)
	go func() { bridged <- r.bridge(ctx) }()
	bridge := sync.OnceValue(func() error { return <-bridged })
	defer func() { _ = bridge() }() // who comes after us must not meet it half made
	err = r.prepare(ctx, row)
	if err == nil {
		err = r.create(ctx, row, v.C, bridge)
	}
	if err == nil || ctx.Err() != nil {
		return nil
	}
	if r.want() != state.WantRun {
		r.log.Info("start given up for a stop", "err", err)
		return nil
	}
	return r.launchFailed(ctx, row, err)
}

// begin notes the attempt, unless a stop came in between.
func (r *runner) begin(ctx context.Context) (row state.Server, ok bool, err error) {
	err = r.observe(ctx, func(now *state.Server) {
		if now.Want != state.WantRun || now.Stop != nil {
			return
		}
		ok = true
		now.Attempt++
		o := &now.Observed
		if o.State != protocol.StateStarting && o.State != protocol.StatePulling {
			o.State, o.Since = protocol.StateStarting, time.Now().UTC()
		}
		o.Container, o.Started, o.Ready, o.Retry, o.Address, o.Runtime = "", time.Time{}, time.Time{}, time.Time{}, "", ""
		o.Epoch, o.Revision = now.Grant.Epoch, now.Spec.Revision
		row = *now
	})
	return row, ok, err
}

// prepare makes ready what a container needs.
func (r *runner) prepare(ctx context.Context, row state.Server) error {
	uid, gid := docker.User(row.Spec.Profile)
	if err := r.s.o.Volumes.Prepare(r.id, row.Grant.Epoch, row.Fresh, uid, gid); err != nil {
		return err
	}
	pulling, cancel := r.interruptible(ctx)
	defer cancel()
	if r.want() != state.WantRun {
		return context.Canceled
	}
	pulled, err := r.s.o.Engine.EnsureImage(pulling, row.Spec.Image, row.Spec.BuildHint, func(progress string) { r.pulling(ctx, progress) })
	if pulled {
		_ = r.s.o.Journal.Append(ctx, protocol.Fact{Image: &protocol.ImageFact{Image: row.Spec.Image}})
	} else if protocol.CodeOf(err) == protocol.NotFound {
		_ = r.s.o.Journal.Append(ctx, protocol.Fact{Image: &protocol.ImageFact{Image: row.Spec.Image, Problem: protocol.AsFault(err)}})
	}
	return err
}

// bridge makes the server's bridge. Another agent on this machine may take the same network at the same moment: then the next one is tried.
func (r *runner) bridge(ctx context.Context) error {
	avoid := r.s.o.Avoid()
	for try := 0; ; try++ {
		subnet, err := r.s.o.Journal.Bridge(ctx, r.id, avoid)
		if err != nil {
			return err
		}
		err = r.s.o.Engine.EnsureNetwork(ctx, r.id, subnet)
		if protocol.CodeOf(err) != protocol.Conflict || try == bridgeTries {
			return err
		}
		if err := r.s.o.Journal.FreeBridge(ctx, r.id); err != nil {
			return err
		}
		avoid = append(avoid, subnet)
	}
}

func (r *runner) pulling(ctx context.Context, progress string) {
	err := r.observe(ctx, func(row *state.Server) {
		if row.Want == state.WantRun && row.Stop == nil {
			if row.Observed.State != protocol.StatePulling {
				row.Observed.State, row.Observed.Since = protocol.StatePulling, time.Now().UTC()
			}
			row.Observed.Progress = progress
		}
	})
	if err != nil {
		r.log.Warn("progress was not noted", "err", err)
	}
}

// create makes the container, and starts it when its bridge is there. The console is attached before the first line can be printed.
func (r *runner) create(ctx context.Context, row state.Server, previous *docker.Container, bridge func() error) error {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	id, err := r.s.o.Engine.Create(ctx, docker.Run{Spec: row.Spec, Grant: row.Grant, Attempt: row.Attempt,
		Volume: r.s.o.Volumes.Data(r.id), Bind: r.s.o.Bind, Password: hex.EncodeToString(secret)})
	if err != nil {
		return err
	}
	r.s.o.Console.System(r.id, fmt.Sprintf("starting %s (%s)", row.Spec.Name, row.Spec.Image))
	if err := bridge(); err != nil {
		_ = r.s.o.Engine.Remove(ctx, id)
		return err
	}
	if r.want() != state.WantRun {
		_ = r.s.o.Engine.Remove(ctx, id)
		return context.Canceled
	}
	began := time.Now()
	if err := r.s.o.Engine.Start(ctx, id); err != nil {
		_ = r.s.o.Engine.Remove(ctx, id)
		if protocol.CodeOf(err) == protocol.Conflict {
			return protocol.Faultf(protocol.Conflict, "stop what uses it, or give the server another port", "port %d of node %s is in use by something else", row.Spec.HostPort, r.s.o.Engine.Name())
		}
		return err
	}
	c, err := r.s.o.Engine.Inspect(ctx, id)
	if err != nil {
		return err // it runs: the next look adopts it
	}
	r.s.m.start.Observe(time.Since(began).Seconds())
	if err := r.attach(ctx, c); err != nil {
		r.log.Warn("console is not followed", "err", err)
	}
	err = r.observe(ctx, func(row *state.Server) {
		row.Fresh = false
		seen := r.starting(c, *row)
		if row.Observed.State == protocol.StateStopping {
			seen.State, seen.Since = protocol.StateStopping, row.Observed.Since
		}
		row.Observed = seen
	})
	if previous != nil && previous.Status != "created" {
		if err := r.s.o.Engine.Remove(ctx, previous.ID); err != nil {
			r.log.Warn("the last run's container stays behind", "err", err)
		}
	}
	return err
}

// starting is the observation of a container that has just been started or found.
func (r *runner) starting(c docker.Container, row state.Server) protocol.Observed {
	return protocol.Observed{Server: r.id, Epoch: c.Epoch, Revision: c.Revision, State: protocol.StateStarting, Since: time.Now().UTC(),
		Container: c.ID, Started: c.Started, MemoryBytes: c.Spec.MemoryBytes, CPUMillis: c.Spec.CPUMillis, Exit: row.Observed.Exit, Restarts: len(row.Ends),
		Address: net.JoinHostPort(r.s.o.Address, strconv.Itoa(row.Spec.HostPort))}
}

// attach gives the container to the console and remembers it.
func (r *runner) attach(ctx context.Context, c docker.Container) error {
	r.mu.Lock()
	r.live, r.logReady, r.game = c, false, unknownGame
	spec := r.row.Spec
	r.mu.Unlock()
	addr := ""
	if spec.Console.RCON && c.IP.IsValid() {
		addr = net.JoinHostPort(c.IP.String(), strconv.Itoa(docker.RCONPort(spec.Console)))
	}
	err := r.s.o.Console.Attach(ctx, r.id, r.s.o.Engine.Terminal(c.ID), c.Epoch, spec.ConsoleMax)
	r.s.o.Commands.SetRCON(r.id, addr, c.Password)
	r.searchReady(c.Started)
	return err
}

// launchFailed says why it does not run. An engine that is away is tried again.
func (r *runner) launchFailed(ctx context.Context, row state.Server, err error) error {
	problem := protocol.AsFault(err)
	if problem.Code == protocol.Internal {
		problem = protocol.Faultf(protocol.Internal, "see the agent's log on node "+r.s.o.Engine.Name(), "server %s could not be started: %v", row.Spec.Name, err)
	}
	again := problem.Code == protocol.Unavailable || problem.Code == protocol.Timeout
	r.log.Warn("server does not start", "err", err, "again", again)
	now := time.Now().UTC()
	return r.observe(ctx, func(row *state.Server) {
		if row.Want != state.WantRun {
			return
		}
		o := &row.Observed
		o.Problem, o.Progress = problem, ""
		if again {
			o.Retry = now.Add(retryEngine)
			return
		}
		row.GaveUp = true
		o.State, o.Since = protocol.StateFailed, now
	})
}
