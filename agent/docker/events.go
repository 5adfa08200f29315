package docker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/docker/docker/api/types/events"
)

// Watch calls changed with a server's id whenever one of its containers started, ended or went away, and with "" after each (re)connection,
// when anything may have happened. It reconnects for ever with the time of the last event and returns when ctx ends.
func (c *Client) Watch(ctx context.Context, changed func(server string)) {
	since := time.Now()
	delay := 100 * time.Millisecond
	for ctx.Err() == nil {
		began := time.Now()
		err := c.watchOnce(ctx, &since, changed)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > 10*time.Second {
			delay = 100 * time.Millisecond
		}
		c.log.Warn("docker event stream ended, connecting again", "err", err, "in", delay)
		select {
		case <-time.After(delay/2 + rand.N(delay)):
		case <-ctx.Done():
		}
		delay = min(2*delay, 3*time.Second)
	}
}

func (c *Client) watchOnce(ctx context.Context, since *time.Time, changed func(string)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := c.Ping(ctx); err != nil {
		return err
	}
	f := c.mine("")
	f.Add("type", string(events.ContainerEventType))
	for _, action := range []events.Action{events.ActionStart, events.ActionDie, events.ActionOOM, events.ActionDestroy} {
		f.Add("event", string(action))
	}
	got, errs := c.api.Events(ctx, events.ListOptions{Since: fmt.Sprintf("%d.%09d", since.Unix(), since.Nanosecond()), Filters: f})
	changed("")
	for {
		select {
		case m := <-got:
			*since = time.Unix(0, m.TimeNano)
			changed(m.Actor.Attributes[LabelServer])
		case err := <-errs:
			return err
		}
	}
}

// health remembers when the engine last answered.
type health struct {
	mu       sync.Mutex
	ok       time.Time
	failures int
}

func (h *health) answered() {
	h.mu.Lock()
	h.ok, h.failures = time.Now(), 0
	h.mu.Unlock()
}

func (h *health) failed() {
	h.mu.Lock()
	h.failures++
	h.mu.Unlock()
}

// pingDeadline and pingEvery let a hung engine show within 10 s (F10: 15 s).
const (
	pingDeadline = 4 * time.Second
	pingEvery    = 5 * time.Second
)

// Ping asks the engine for a sign of life.
func (c *Client) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingDeadline)
	defer cancel()
	if err := c.agree(ctx); err != nil {
		return c.explain(err, "a ping")
	}
	if _, err := c.api.Ping(ctx); err != nil {
		return c.explain(err, "a ping")
	}
	c.health.answered()
	return nil
}

// KeepPinging watches the engine's health until ctx ends.
func (c *Client) KeepPinging(ctx context.Context) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	answered := true
	for {
		err := c.Ping(ctx)
		if ctx.Err() != nil {
			return
		}
		if (err == nil) != answered {
			answered = err == nil
			c.log.Warn("docker engine", "answers", answered, "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Healthy is nil while the engine answers.
func (c *Client) Healthy() error {
	c.health.mu.Lock()
	defer c.health.mu.Unlock()
	if c.health.failures == 0 && !c.health.ok.IsZero() {
		return nil
	}
	return fmt.Errorf("docker unresponsive, last answer %s", when(c.health.ok))
}

func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}
