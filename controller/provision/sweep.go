package provision

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// parallel bounds the checks under way at once.
const parallel = 32

// found is the result of one node's check.
type found struct {
	node     string
	seen     time.Time
	health   fleet.Health
	docker   string
	degraded []string
	answered bool
}

// Sweep checks every connected node once and writes all results in one transaction, with the time each was last heard of.
// A node that does not answer is written down as such and stops nobody else's check.
func (p *Provision) Sweep(ctx context.Context) error {
	var mu sync.Mutex
	var all []found
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, id := range p.opts.Tunnel.Connected() {
		group.Go(func() error {
			f, ok := p.check(gctx, id)
			if ok {
				mu.Lock()
				defer mu.Unlock()
				all = append(all, f)
			}
			return nil
		})
	}
	_ = group.Wait() // no check fails the sweep
	if ctx.Err() != nil || len(all) == 0 {
		return ctx.Err()
	}
	var changed []string
	err := p.opts.DB.Update(ctx, func(tx store.Tx) error {
		changed = nil
		for _, f := range all {
			turned, err := p.note(tx, f)
			if err != nil {
				return err
			}
			if turned {
				changed = append(changed, f.node)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, id := range changed {
		p.opts.OnChange(id)
	}
	return nil
}

// check asks one node; ok is false when it went away meanwhile, which the tunnel has noted by itself.
func (p *Provision) check(ctx context.Context, id string) (found, bool) {
	host, err := p.opts.Tunnel.Host(id)
	if err != nil {
		return found{}, false
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, p.opts.Deadline)
	defer cancel()
	reply, err := host.Check(ctx, protocol.CheckRequest{})
	p.slow.Observe(time.Since(start).Seconds())
	live := p.opts.Tunnel.Live(id)
	f := found{node: id, seen: live.LastSeen.UTC(), health: fleet.Health{At: time.Now().UTC()}}
	switch {
	case err == nil:
		f.answered, f.docker, f.degraded = true, bound(reply.Docker), boundAll(reply.Degraded)
		f.health.OK, f.health.Problems = reply.OK, boundAll(reply.Problems)
		if !reply.OK && len(f.health.Problems) == 0 {
			f.health.Problems = []string{"the agent calls itself unhealthy and does not say why"}
		}
	case !live.Connected || errors.Is(ctx.Err(), context.Canceled):
		return found{}, false
	default:
		f.health.Problems = []string{"the health check got no answer: " + fault.Message(err)}
	}
	p.count(f)
	return f, true
}

func (p *Provision) count(f found) {
	switch {
	case !f.answered:
		p.checks.WithLabelValues("no_answer").Inc()
	case f.health.OK:
		p.checks.WithLabelValues("ok").Inc()
	default:
		p.checks.WithLabelValues("problem").Inc()
	}
}

// note writes one result. An event is logged when the health turned, and when the problems of a sick node changed.
func (p *Provision) note(tx store.Tx, f found) (turned bool, err error) {
	n, err := fleet.Nodes.Get(tx, f.node)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil || n.Revoked {
		return false, err
	}
	was := n.Health
	n.Health = f.health
	if f.seen.After(n.LastSeen) {
		n.LastSeen = f.seen
	}
	if f.answered {
		if !slices.Equal(n.Facts.Degraded, f.degraded) || n.Facts.Docker != f.docker {
			turned = true
		}
		n.Facts.Degraded, n.Facts.Docker = f.degraded, f.docker
	}
	if err := fleet.Nodes.Put(tx, n); err != nil {
		return false, err
	}
	kind := turn(was, f.health)
	if kind == "" {
		return turned, nil
	}
	_, err = p.opts.Events.Append(tx, event.Event{
		Type: kind, Node: n.ID, Actor: "controller", Data: event.JSON(map[string]any{"name": n.Name, "problems": f.health.Problems}),
	})
	return true, err
}

// turn is the event that a change of health deserves, "" for none. Pure.
func turn(was, is fleet.Health) string {
	switch {
	case is.OK && !was.OK:
		return "node.healthy" // also the first check of a node
	case !is.OK && (was.OK || was.At.IsZero() || !slices.Equal(was.Problems, is.Problems)):
		return "node.unhealthy"
	default:
		return ""
	}
}

// bound makes a text of an agent short enough and fit for the store: one that is not would fail the whole sweep.
func bound(s string) string {
	runes := []rune(strings.ReplaceAll(s, "\x00", "\uFFFD"))
	return string(runes[:min(len(runes), 256)])
}

func boundAll(list []string) []string {
	out := make([]string, 0, min(len(list), 32))
	for _, s := range list[:min(len(list), 32)] {
		out = append(out, bound(s))
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
