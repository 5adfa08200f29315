package autoscale

import (
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/provision"
)

func TestReactive(t *testing.T) {
	loaded := func(used int64, age time.Duration) func(w *world) {
		return func(w *world) { // 13.9 GiB
			w.machine("x", "large", provision.Serving, age)
			w.book("srv_a", "node_x", used*gib, time.Hour, true)
		}
	}
	both := func(s *Settings) { s.Up, s.Down, s.DrainBusy = 0.85, 0.30, true }
	for name, c := range map[string]struct {
		given      func(w *world)
		s          func(s *Settings)
		want, told string
	}{
		"below the threshold":   {loaded(11, time.Hour), both, "", "load 79 %"},
		"above it":              {loaded(12, time.Hour), both, "order small", "the load is 86 % (from 85 % on one more is ordered)"},
		"off":                   {loaded(12, time.Hour), nil, "", ""},
		"in the cooldown":       {loaded(12, 4*time.Minute), both, "", "the last was ordered at 11:56:00, and what it does is waited for until 12:01:00"},
		"what is coming counts": {func(w *world) { loaded(12, time.Hour)(w); w.machine("y", "small", provision.Booting, 6*time.Minute) }, both, "", "load 70 %"},
		"cores count, too": {func(w *world) {
			loaded(1, time.Hour)(w)
			b := w.Fleet.Bookings["srv_a"]
			b.CPUMillis = 7000
			w.Fleet.Bookings["srv_a"] = b
		}, both, "order small", "the load is 88 %"},
		"an empty fleet has no load": {func(*world) {}, both, "", "nothing to do"},
		"no room under the cap":      {loaded(12, time.Hour), func(s *Settings) { both(s); s.MaxNodes = 1 }, "", "but 1 of at most 1 machines are there"},

		"low load closes the emptiest": {func(w *world) {
			loaded(4, time.Hour)(w)
			w.machine("y", "large", provision.Serving, time.Hour)
			w.book("srv_b", "node_y", 2*gib, time.Hour, true)
		}, both, "drain y", "it has the least on it, and the others have room"},
		"not sooner than 20 minutes after the last was ordered": {func(w *world) {
			loaded(4, time.Hour)(w)
			w.machine("y", "large", provision.Serving, 19*time.Minute)
			w.book("srv_b", "node_y", 2*gib, time.Hour, true)
		}, both, "", "but not before 12:01:00"},
		"nor in the cooldown of the last that was closed": {func(w *world) {
			loaded(4, time.Hour)(w)
			w.machine("y", "large", provision.Serving, time.Hour)
			w.book("srv_b", "node_y", 2*gib, time.Hour, true)
			w.LastDown = now.Add(-4 * time.Minute)
		}, both, "", "but not before 12:01:00"},
		"not if the others have no room": {loaded(4, time.Hour), both, "", "the others have not the room for what is on it"},
		"not if a world rests there": {func(w *world) {
			loaded(0, time.Hour)(w)
			w.book("srv_b", "node_x", gib, time.Hour, false)
		}, both, "", "1 world of stopped servers on it"},
		"not by default": {loaded(4, time.Hour), func(s *Settings) { both(s); s.DrainBusy = false }, "", "closing machines with running servers is off"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			c.given(w)
			s := settings()
			if c.s != nil {
				c.s(&s)
			}
			check(t, w, s, c.want, c.told)
		})
	}
}

func TestAhead(t *testing.T) {
	busy := func(started int, memory int64, since time.Duration) func(w *world) {
		return func(w *world) {
			w.machine("x", "large", provision.Serving, 30*time.Minute)
			for i := range started {
				w.book("srv_"+string(rune('a'+i)), "node_x", memory, since, true)
			}
		}
	}
	for name, c := range map[string]struct {
		given      func(w *world)
		want, told string
		ahead      int
	}{
		"nobody starts":              {busy(3, 4*gib, time.Hour), "", "nothing to do", 0},
		"few start":                  {busy(2, 6*gib, time.Minute), "", "nothing to do", 0},
		"there is room for the next": {busy(3, 2*gib, time.Minute), "", "3 servers on it", 2},
		"there is none":              {busy(3, 4*gib, time.Minute), "order large", "2 servers may start while a machine boots, and there is room for 0 of them", 2},
		"many start":                 {busy(12, gib, 5*time.Minute), "order small", "3 servers may start while a machine boots, and there is room for 1 of them", 3},
		"one is coming": {func(w *world) {
			busy(3, 4*gib, time.Minute)(w)
			w.machine("y", "large", provision.Booting, time.Second)
		}, "", "y", 2},
		"those who wait are served first": {func(w *world) { busy(3, 4*gib, time.Minute)(w); w.wait("srv_w", 64*gib) }, "", "gets no machine", 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			c.given(w)
			d := check(t, w, settings(func(s *Settings) { s.Lookahead = Span(90 * time.Second) }), c.want, c.told)
			if d.Inputs.Ahead != c.ahead {
				t.Errorf("room ahead for %d, want %d", d.Inputs.Ahead, c.ahead)
			}
		})
	}
	w := newWorld()
	busy(3, 4*gib, time.Minute)(w)
	w.wait("srv_w", 5*gib) // what is ordered for it has room for the next
	check(t, w, settings(func(s *Settings) { s.Lookahead, s.Types = Span(90*time.Second), []string{"large"} }), "order large", "")
	w = newWorld()
	busy(9, gib, time.Minute)(w)
	w.Machines[0].ServingAt = w.Machines[0].OrderedAt.Add(20 * time.Second)
	if d := Decide(w.Snapshot, settings(func(s *Settings) { s.Lookahead = Span(90 * time.Second) }), now); d.Inputs.Ahead != 2 {
		t.Errorf("with a machine that took 20 s: room for %d, want 2", d.Inputs.Ahead)
	}
}

func TestSpares(t *testing.T) {
	pool := func(n int) func(s *Settings) {
		return func(s *Settings) { s.SpareImages = map[string]string{"": "42"}; s.Spares.Base = n }
	}
	for name, c := range map[string]struct {
		given      func(w *world)
		s          func(s *Settings)
		want, told string
	}{
		"none without an image": {func(*world) {}, func(s *Settings) { s.Spares.Base = 3 }, "", "nothing to do"},
		"the pool is filled":    {func(*world) {}, pool(2), "order medium, order medium", "2 spares wanted at this hour, and 1 there"},
		"from what is coming":   {func(w *world) { w.machine("x", "small", provision.Booting, time.Second) }, pool(1), "", "on its way"},
		"from what is empty":    {func(w *world) { w.machine("x", "small", provision.Serving, time.Minute) }, pool(1), "", "a free spare"},
		"one that is claimed is replaced": {func(w *world) {
			w.machine("x", "small", provision.Serving, time.Minute)
			w.book("srv_a", "node_x", gib, time.Second, true)
		}, pool(1), "order medium", ""},
		"one that is about to be is, too": {func(w *world) { w.machine("x", "small", provision.Serving, time.Minute); w.wait("srv_a", gib) }, pool(1), "order medium", ""},
		"and one that somebody waits for": {func(w *world) { w.machine("x", "small", provision.Booting, time.Minute); w.wait("srv_a", gib) }, pool(1), "order medium", ""},
		"within the caps":                 {func(*world) {}, func(s *Settings) { pool(3)(s); s.MaxNodes = 1 }, "order medium", "not: a spare: 1 of at most 1 machines are there"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			c.given(w)
			check(t, w, settings(c.s), c.want, c.told)
		})
	}
}
