package simulate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/lifecycle"
	"github.com/payperplay/payperplay/protocol"
)

const (
	users = 3
	tries = 12 // of one order, before its user gives up
)

// order carries out one order of a user: again and again, until it is acknowledged or refused for good.
func (w *world) order(n int, o order) {
	who := fmt.Sprintf("user%d", o.User+1)
	name := fmt.Sprintf("game-%d", o.Server+1)
	chance := rnd(w.seed, "order", w.round, n)
	w.act(who, "%s %s %d MiB, %d replies lost", o.Do, name, o.Memory/mib, o.Lost)
	key := fmt.Sprintf("key-%d-%d", w.round, n)
	for try := range tries {
		if w.broken.Err() != nil {
			return
		}
		c := w.leader()
		if c == nil || !c.accepts() {
			pause(w.broken, time.Duration(500+chance.IntN(4000))*time.Millisecond)
			continue
		}
		s, err := w.ask(c, who, name, key, o)
		if try < o.Lost || !c.alive() {
			pause(w.broken, time.Duration(100+chance.IntN(3000))*time.Millisecond)
			continue // nobody heard the answer
		}
		if err == nil {
			w.truth.acknowledged(o, s)
			w.note(who, "%s %s is acknowledged", o.Do, name)
			return
		}
		if w.refused(who, name, o, err) {
			return
		}
		pause(w.broken, time.Duration(500+chance.IntN(4000))*time.Millisecond)
	}
}

func (w *world) ask(c *controllerProcess, who, name, key string, o order) (s fleet.Server, err error) {
	ctx, cancel := context.WithTimeout(c.life, 10*time.Second)
	defer cancel()
	switch o.Do {
	case "create":
		return c.life1.Create(ctx, who, lifecycle.CreateInput{Name: name, Template: "simulated", MemoryBytes: o.Memory, Start: o.Memory%(512*mib) == 0, Once: key})
	case "start":
		return c.life1.Start(ctx, who, name)
	case "stop":
		return c.life1.Stop(ctx, who, name, "")
	case "restart":
		return c.life1.Restart(ctx, who, name)
	case "kill":
		return c.life1.Kill(ctx, who, name)
	case "delete":
		return c.life1.Delete(ctx, who, name)
	case "set":
		r, err := c.life1.Set(ctx, who, name, 0, lifecycle.Changes{MemoryBytes: &o.Memory})
		return r.Server, err
	}
	panic(o.Do)
}

// refused looks at an error as a person does (I12) and tells whether asking again is of no use.
func (w *world) refused(who, name string, o order, err error) bool {
	f := protocol.AsFault(err)
	w.note(who, "%s %s: %s: %s", o.Do, name, f.Code, f.Message)
	if errors.Is(err, errGone) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	needsNext := []protocol.Code{protocol.Conflict, protocol.NotFound, protocol.Exhausted, protocol.Unavailable, protocol.ReadOnly, protocol.Precondition}
	if f.Code == protocol.Internal || f.Message == "" || slices.Contains(needsNext, f.Code) && f.Next == "" {
		w.violate("I12", "%s %s: an error without cause or next step: %q %q (%v)", o.Do, name, f.Message, f.Next, err)
	}
	return !slices.Contains([]protocol.Code{protocol.Unavailable, protocol.ReadOnly, protocol.Timeout}, f.Code)
}

// acknowledged checks that what a user was told is what was committed, or something newer (I5).
func (t *truth) acknowledged(o order, s fleet.Server) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.acked++
	row, ok := t.rows.Servers[s.ID]
	switch {
	case !ok && t.gone[s.ID]:
	case !ok:
		t.w.violate("I5", "%s of %s was acknowledged, and there is no such server", o.Do, s.Name)
	case row.DesiredAt.Before(s.DesiredAt) || row.DesiredAt.Equal(s.DesiredAt) && row.Desired != s.Desired || row.Revision < s.Revision:
		t.w.violate("I5", "%s of %s was acknowledged as %s at %s, and the row says %s at %s", o.Do, s.Name, s.Desired, s.DesiredAt, row.Desired, row.DesiredAt)
	}
}

// read follows the event log from outside, as a webhook does, over all lives of the controller: without gap or double, and soon.
func (w *world) read() {
	after := int64(0)
	for w.ctx.Err() == nil {
		c := w.leader()
		if c == nil || !c.accepts() {
			pause(w.ctx, 500*time.Millisecond)
			continue
		}
		began := time.Now()
		for e, err := range c.events.Follow(c.ctx, after, event.Filter{}) {
			if err != nil {
				if fault.KindOf(err) == fault.Precondition {
					w.violate("events", "the reader's cursor %d is gone: %v", after, err)
				}
				break
			}
			if e.Seq != after+1 {
				w.violate("events", "the reader got event %d after %d", e.Seq, after)
			}
			after = e.Seq
			w.drain() // the event can be read before the witness, in the writer's goroutine, is told of its commit
			w.truth.heard(e, c, began)
		}
		pause(w.ctx, 100*time.Millisecond)
	}
}

// heard checks that a follower gets an event soon after its commit.
func (t *truth) heard(e event.Event, c *controllerProcess, began time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m, ok := t.logged[e.Seq]
	if !ok {
		t.w.violate("events", "event %d (%s) was told and is not committed", e.Seq, e.Type)
		return
	}
	if began.After(m.at) {
		m.at = began
	}
	if late := time.Since(m.at); m.by == c && late > time.Second {
		t.w.violate("events", "event %d (%s) was told %s after its commit", e.Seq, e.Type, late)
	}
}
