package simulate

import (
	"math"
	"math/rand/v2"
	"reflect"
	"sync"
	"time"
)

// wallClock is what a machine takes for the time. It may jump, and run fast or slow. Rooms run on true time: a clock shows in the times
// that leave a machine, that come to it, and that it finds on its disk and in its engine. Timers and differences of times that one process
// took are of the monotonic clock, which nobody sets.
type wallClock struct {
	mu    sync.Mutex
	steps []step
	said  map[int64]time.Time // what it said, by the true time: a stamp never changes
}

// step is how a clock goes from a true time on.
type step struct {
	from  time.Time
	ahead time.Duration // then
	rate  float64       // and how much more each second: 0.1 is fast by a tenth
}

func newWallClock() *wallClock { return &wallClock{said: map[int64]time.Time{}} }

// aheadAt tells how far the clock is ahead at a true time. It needs mu.
func (c *wallClock) aheadAt(t time.Time) time.Duration {
	for i := len(c.steps) - 1; i >= 0; i-- {
		if s := c.steps[i]; !t.Before(s.from) {
			return s.ahead + time.Duration(s.rate*float64(t.Sub(s.from)))
		}
	}
	return 0
}

// change moves the clock by a jump and lets it run faster by rate from now on.
func (c *wallClock) change(jump time.Duration, rate float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	next := step{from: now, ahead: c.aheadAt(now) + jump, rate: rate}
	if n := len(c.steps); n > 0 {
		next.rate += c.steps[n-1].rate
	}
	if math.Abs(next.rate) < 1e-9 {
		next.rate = 0
	}
	c.steps = append(c.steps, next)
}

func (c *wallClock) ahead() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.aheadAt(time.Now())
}

// steady tells whether nothing was done to the clock for that long, and it does not drift.
func (c *wallClock) steady(within time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.steps) == 0 {
		return true
	}
	last := c.steps[len(c.steps)-1]
	return last.rate == 0 && time.Since(last.from) > within
}

// now is what the clock says.
func (c *wallClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now().UTC().Round(0)
	return now.Add(c.aheadAt(now))
}

// says gives what the clock said at the true time t.
func (c *wallClock) says(t time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	said, ok := c.said[t.UnixNano()]
	if !ok {
		said = t.Round(0).Add(c.aheadAt(t))
		c.said[t.UnixNano()] = said
	}
	return said
}

// reads gives a stamp of the true time t as who reads it now sees it: as old as the clock makes it.
func (c *wallClock) reads(t time.Time) time.Time {
	said := c.says(t)
	seen := said.Add(-c.ahead())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said[seen.UnixNano()] = said
	return seen
}

// letter is how the times of messages from one clock look to another: as old as its own clock makes them when it sees them first.
type letter struct {
	mu   sync.Mutex
	seen map[int64]time.Time
}

func newLetter() *letter { return &letter{seen: map[int64]time.Time{}} }

func (l *letter) carry(message any, from, to *wallClock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	eachTime(reflect.ValueOf(message).Elem(), func(t time.Time) time.Time {
		seen, ok := l.seen[t.UnixNano()]
		if !ok {
			seen = from.says(t).Add(-to.ahead())
			l.seen[t.UnixNano()] = seen
		}
		return seen
	})
}

func eachTime(v reflect.Value, fn func(time.Time) time.Time) {
	switch v.Kind() {
	case reflect.Struct:
		if t, ok := reflect.TypeAssert[time.Time](v); ok {
			if !t.IsZero() {
				v.Set(reflect.ValueOf(fn(t)))
			}
			return
		}
		for i := range v.NumField() {
			eachTime(v.Field(i), fn)
		}
	case reflect.Slice:
		for i := range v.Len() {
			eachTime(v.Index(i), fn)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			eachTime(v.Elem(), fn)
		}
	default:
	}
}

// clockKinds are the faults of clocks. They are drawn apart from the others, so that seeds keep the orders and faults that they had before.
func clockKinds() []kind {
	const s = time.Second
	return []kind{{"drift", 20 * s, 90 * s}, {"controller-drift", 20 * s, 90 * s}, {"controller-clock", 20 * s, 90 * s}}
}

func drawClocks(seed uint64, i int, p plan, length time.Duration) (out []mishap) {
	r, kinds := rnd(seed, "clocks", i), clockKinds()
	for range r.IntN(4) {
		k := favoured(r, kinds, kinds[r.IntN(len(kinds))])
		out = append(out, k.draw(r, p, time.Duration(r.Int64N(int64(length))).Round(time.Millisecond)))
	}
	return out
}

// draw makes a mishap of the kind.
func (k kind) draw(r *rand.Rand, p plan, at time.Duration) mishap {
	f := mishap{At: at, Kind: k.name, Node: r.IntN(len(p.Nodes)), Arg: r.IntN(1 << 16)}
	f.For = (k.min + time.Duration(r.Int64N(int64(k.max-k.min+1)))).Round(time.Millisecond)
	return f
}

// wrongClock lets the clock of a node or of the controller go wrong: by a jump of up to an hour, or by a drift of up to a half, and of up to a
// tenth when it lasts for more than half a minute. What a drift has gained is set right at its end, or stays.
func (w *world) wrongClock(c *wallClock, f mishap) (begin, end func()) {
	if f.Kind == "clock" || f.Kind == "controller-clock" {
		jump := time.Duration(f.Arg%7200-3600) * time.Second
		return func() { c.change(jump, 0) }, func() { c.change(-jump, 0) }
	}
	rate := float64(f.Arg%101-50) / 100
	if f.For > 30*time.Second {
		rate /= 5
	}
	var began time.Time
	return func() { began = time.Now(); c.change(0, rate) }, func() {
		back := time.Duration(0)
		if f.Arg&1 == 0 {
			back = -time.Duration(rate * float64(time.Since(began)))
		}
		c.change(back, -rate)
	}
}
