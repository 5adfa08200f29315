package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/protocol"
)

// ward is one name and what its owner may rely on: what was acknowledged, and what may or may not have come through.
type ward struct {
	name    string
	id      string
	gone    []string // ids whose deletion was acknowledged
	desired map[string]bool
	motd    map[string]bool
	memory  map[int64]bool
	creates int
	crashes int
	started time.Time // of the steady one
	lines   *lines
}

// outcome of a request.
type outcome int

const (
	done    outcome = iota
	refused         // for certain nothing happened
	unknown         // the answer is lost
)

// judge is I12: every error has a code and a next step; it also says whether the request may have come through.
func (c *chaos) judge(w *ward, what string, err error) outcome {
	if err == nil {
		c.note("%s %s: done", w.name, what)
		return done
	}
	c.note("%s %s: %v", w.name, what, err)
	var f *protocol.Fault
	if !errors.As(err, &f) {
		c.t.Errorf("I12 %s %s: not a fault: %v", w.name, what, err)
		return unknown
	}
	if f.Code == "" || f.Message == "" || f.Next == "" {
		c.t.Errorf("I12 %s %s: code %q, message %q, next %q", w.name, what, f.Code, f.Message, f.Next)
	}
	switch f.Code {
	case protocol.Unavailable, protocol.Timeout:
		return unknown
	case protocol.Internal:
		c.t.Errorf("I12 %s %s: an internal fault: %v", w.name, what, err)
		return unknown
	default:
		return refused
	}
}

func one[T comparable](v T) map[T]bool { return map[T]bool{v: true} }

// note takes down what an order for v may have led to.
func note[T comparable](o outcome, have map[T]bool, v T) map[T]bool {
	switch o {
	case done:
		return one(v)
	case unknown:
		have[v] = true
	case refused:
	}
	return have
}

// own orders at random until the deadline.
func (c *chaos) own(w *ward, rng *rand.Rand) {
	pace := []float64{0.5, 4}[rng.IntN(2)] // one who is impatient, one who is not
	for {
		c.sleep(between(rng, 0.05, pace))
		if c.over() {
			return
		}
		ctx, cancel := c.call()
		switch n := rng.IntN(20); {
		case n < 4:
			_, err := c.client.Start(ctx, w.name)
			w.desired = note(c.judge(w, "start", err), w.desired, "running")
		case n < 7:
			_, err := c.client.Stop(ctx, w.name, client.StopServer{})
			w.desired = note(c.judge(w, "stop", err), w.desired, "stopped")
		case n < 10:
			_, err := c.client.Restart(ctx, w.name)
			w.desired = note(c.judge(w, "restart", err), w.desired, "running")
		case n < 12:
			_, err := c.client.Kill(ctx, w.name)
			w.desired = note(c.judge(w, "kill", err), w.desired, "stopped")
		case n < 15:
			c.patch(w, rng)
		case n < 16 && w.crashes < 3:
			w.crashes++
			_, err := c.client.Command(ctx, w.name, "crash 3")
			c.judge(w, "crash", err)
		case n < 19 || rng.IntN(2) == 0:
			_, err := c.client.Command(ctx, w.name, "list")
			c.judge(w, "list", err)
		default:
			c.replace(w, rng)
		}
		cancel()
	}
}

// talk is what happens to a server whose owner orders nothing.
func (c *chaos) talk(w *ward, rng *rand.Rand) {
	for !c.over() {
		c.sleep(between(rng, 0.5, 3))
		ctx, cancel := c.call()
		_, err := c.client.Command(ctx, w.name, "list")
		c.judge(w, "list", err)
		_, err = c.client.Logs(ctx, w.name, client.LogsQuery{Tail: 50})
		c.judge(w, "logs", err)
		cancel()
	}
}

func (c *chaos) patch(w *ward, rng *rand.Rand) {
	ctx, cancel := c.call()
	defer cancel()
	s, err := c.client.Server(ctx, w.name)
	if c.judge(w, "show", err) != done {
		return
	}
	motd, memory := fmt.Sprintf("chaos %d", rng.IntN(1e6)), int64(64+16*rng.IntN(5))<<20
	_, err = c.client.PatchServer(ctx, w.name, s.Revision, client.PatchServer{MemoryBytes: &memory, Env: map[string]*string{"MOTD": &motd}})
	o := c.judge(w, fmt.Sprintf("set MOTD=%q memory=%d", motd, memory>>20), err)
	w.motd, w.memory = note(o, w.motd, motd), note(o, w.memory, memory)
}

// insist repeats a request until its outcome is known.
func (c *chaos) insist(w *ward, what string, request func() error) outcome {
	limit := c.deadline.Add(time.Minute)
	for {
		o := c.judge(w, what, request())
		if o != unknown {
			return o
		}
		if !c.deadline.IsZero() && time.Now().After(limit) {
			c.t.Errorf("I6 %s %s: no certain answer", w.name, what)
			return unknown
		}
		time.Sleep(300 * time.Millisecond)
		if c.over() { // let the daemons come back
			c.link.set("open")
		}
	}
}

// replace deletes the server and makes another of the same name.
func (c *chaos) replace(w *ward, rng *rand.Rand) {
	first := true
	o := c.insist(w, "delete", func() error {
		ctx, cancel := c.call()
		defer cancel()
		_, err := c.client.DeleteServer(ctx, w.name)
		if !first && protocol.CodeOf(err) == protocol.NotFound {
			return nil // the answer before was lost
		}
		first = false
		return err
	})
	if o != done {
		return
	}
	w.gone = append(w.gone, w.id)
	w.lines.end()
	c.createWard(w, rng)
}

// createWard makes the ward's server; the key makes one of however many attempts.
func (c *chaos) createWard(w *ward, rng *rand.Rand) {
	w.creates++
	key := fmt.Sprintf("%s-%d-%d", w.name, c.seed, w.creates)
	motd := "made " + key
	req := client.CreateServer{Name: w.name, Template: "testserver", MemoryBytes: 64 << 20, Start: c.deadline.IsZero() || rng.IntN(4) > 0,
		Env: map[string]string{"MOTD": motd, "RECORD_EVERY": "50ms", "WITNESS_EVERY": "200ms"}}
	o := c.insist(w, "create", func() error {
		ctx, cancel := c.call()
		defer cancel()
		s, err := c.client.CreateServer(ctx, req, key)
		if err == nil {
			w.id = s.ID
		}
		return err
	})
	if o != done {
		c.t.Errorf("I5 %s: a create after an acknowledged delete was refused", w.name)
		return
	}
	desired := "stopped"
	if req.Start {
		desired = "running"
	}
	w.desired, w.motd, w.memory, w.crashes = one(desired), one(motd), one(req.MemoryBytes), 0
	w.lines = c.listen(w.id)
}
