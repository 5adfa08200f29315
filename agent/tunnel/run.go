package tunnel

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

const (
	slowWait  = 30 * time.Second // between dials when only an operator can change the answer
	sayAgain  = 5 * time.Minute  // the same problem is logged again after this
	longLived = 30 * time.Second // a session that lived so long starts the back-off anew
)

// Run enrols this machine if need be and keeps a session open until ctx ends. It returns an error only when this machine
// cannot be enrolled. A node that the controller does not want any more is not an error: its games go on, and Run waits.
func (a *Agent) Run(ctx context.Context) error {
	defer a.work.Wait()
	if a.identity() == nil {
		if err := a.enrol(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	} else if a.opts.Token != "" {
		a.opts.Token = ""
		a.log.InfoContext(ctx, "this machine is enrolled already: the token was not used", "node", a.identity().Node)
	}
	a.keep(ctx)
	return nil
}

// keep dials, serves and dials again.
func (a *Agent) keep(ctx context.Context) {
	failures, turn := 0, 0
	var said saying
	for ctx.Err() == nil {
		addr := a.controller(turn)
		start := time.Now()
		err := a.once(ctx, addr)
		if ctx.Err() != nil {
			return
		}
		if time.Since(start) > longLived {
			failures = 0
		}
		failures++
		a.m.ended(err)
		f := fateOf(err)
		if f == renewed && a.opts.Wire == nil {
			err = a.recover(ctx, addr)
			f = fateOf(err)
			if err == nil {
				continue
			}
			if f == renewed {
				f = slowly
			}
		}
		said.say(ctx, a, f, addr, err)
		turn++
		if f == parked {
			a.setStatus(func(s *Status) { s.Parked = true })
			<-ctx.Done()
			return
		}
		if !wait(ctx, a.pause(f, failures, err)) {
			return
		}
	}
}

func (a *Agent) controller(turn int) string {
	all := a.identity().Controllers
	if len(all) == 0 {
		return ""
	}
	return all[turn%len(all)]
}

// pause is how long to wait before the next dial.
func (a *Agent) pause(f fate, failures int, err error) time.Duration {
	var over *dismissed
	if errors.As(err, &over) {
		spread := min(max(over.why.SpreadMS, 0), 60_000)
		return time.Duration(rand.Float64() * float64(time.Duration(spread)*time.Millisecond))
	}
	if f == slowly {
		return min(slowWait, 3*a.opts.BackoffTo) + backoff(failures, a.opts.BackoffTo, rand.Float64())
	}
	return backoff(failures, a.opts.BackoffTo, rand.Float64())
}

// saying logs a problem once, and again from time to time, so that a long outage is one line and not thousands.
type saying struct {
	text string
	at   time.Time
}

func (s *saying) say(ctx context.Context, a *Agent, f fate, addr string, err error) {
	text := err.Error()
	a.setStatus(func(st *Status) { st.Problem = text })
	if text == s.text && time.Since(s.at) < sayAgain {
		return
	}
	s.text, s.at = text, time.Now()
	switch f {
	case parked:
		a.log.ErrorContext(ctx, "the controller does not want this node any more; its games go on, no more attempts are made", "controller", addr, "error", err)
	case slowly:
		a.log.ErrorContext(ctx, "the controller does not let this node in, will ask again from time to time", "controller", addr, "error", err)
	default:
		a.log.WarnContext(ctx, "not connected to the controller, will try again; games go on", "controller", addr, "error", err)
	}
}

// once opens a session at addr, serves it to its end and gives the reason.
func (a *Agent) once(ctx context.Context, addr string) error {
	if addr == "" {
		return protocol.Faultf(protocol.Invalid, "start the agent with --controller HOST:PORT", "no controller's address is known")
	}
	if a.opts.Wire != nil {
		return a.overWire(ctx, addr)
	}
	ident := a.identity()
	conn, err := a.dial(ctx, addr, ident.resumable(tlsConfig(protocol.ALPNControl, ident.Pins, ident.Cluster, ident.tlsCert())))
	if err != nil {
		return err
	}
	return a.serve(ctx, addr, conn)
}
