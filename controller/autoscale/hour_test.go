package autoscale

import (
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/provision"
)

func TestPaidHour(t *testing.T) {
	empty := func(minute time.Duration) func(w *world) {
		return func(w *world) { w.machine("x", "small", provision.Serving, 3*time.Hour+minute*time.Minute) }
	}
	for name, c := range map[string]struct {
		given      func(w *world)
		s          func(s *Settings)
		want, told string
		next       time.Duration // from now until the decision may change
	}{
		"a free spare until minute 55":        {empty(54), nil, "", "empty, and paid until 12:06:00: a free spare until 12:01:00", time.Minute},
		"released at minute 55":               {empty(55), nil, "release x", "it is empty, its paid hour ends at 12:05:00, and nobody wants it: 0.004 € an hour are saved", 0},
		"and at minute 58":                    {empty(58), nil, "release x", "", 0},
		"at minute 59 it is too late":         {empty(59), nil, "", "too late to be sure that the next is not billed", time.Minute},
		"in the new hour it is a spare again": {empty(60), nil, "", "a free spare until 12:55:00", 55 * time.Minute},
		"a server runs on it":                 {func(w *world) { empty(56)(w); w.book("srv_a", "node_x", gib, time.Hour, true) }, nil, "", "keep x (0.004 € an hour): 1 server on it", 0},
		"a world rests on it":                 {func(w *world) { empty(56)(w); w.book("srv_a", "node_x", gib, time.Hour, false) }, nil, "", "0 servers on it, and 1 world at rest", 0},
		"a server's row names it": {func(w *world) {
			empty(56)(w)
			s := w.wait("srv_a", gib)
			s.Waiting, s.Node = nil, "node_x"
			w.Fleet.Servers["srv_a"] = s
		}, nil, "", "1 world at rest", 0},
		"somebody is about to come": {func(w *world) { empty(56)(w); w.wait("srv_a", gib) }, nil, "", "not: release x: server a is about to be placed on it", time.Minute},
		"the pool wants it":         {empty(56), func(s *Settings) { s.SpareImages = map[string]string{"": "1"}; s.Spares.Base = 1 }, "", "1 spare wanted at this hour, and it is one of 1", time.Minute},
		"the pool wants one of two": {func(w *world) { empty(56)(w); w.machine("y", "large", provision.Serving, 57*time.Minute) },
			func(s *Settings) { s.SpareImages = map[string]string{"": "1"}; s.Spares.Base = 1 }, "release y", "not: release x", time.Minute},
		"the load would be high without it": {func(w *world) {
			empty(56)(w)
			w.machine("y", "small", provision.Serving, 10*time.Minute)
			w.book("srv_a", "node_y", 3*gib, time.Hour, true)
		}, func(s *Settings) { s.Up = 0.85 }, "", "without it the load would be 93 %, and at 85 % one is ordered", time.Minute},
		"it does not answer, so it is no spare": {func(w *world) {
			empty(56)(w)
			n := w.Fleet.Nodes["node_x"]
			n.Session = nil
			w.Fleet.Nodes["node_x"] = n
		}, func(s *Settings) { s.Up = 0.85 }, "release x", "", 0},
		"its deletion is under way": {func(w *world) { w.machine("x", "small", provision.Deleting, 56*time.Minute) }, nil, "", "its deletion is under way", 0},
		"recovery mode":             {func(w *world) { empty(56)(w); w.Frozen = "recovery mode" }, nil, "", "recovery mode", 0},
		"another minute":            {empty(40), func(s *Settings) { s.ReleaseAt = 30 }, "release x", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			c.given(w)
			s := settings()
			if c.s != nil {
				c.s(&s)
			}
			d := check(t, w, s, c.want, c.told)
			if c.next > 0 && !d.Next.Equal(now.Add(c.next)) {
				t.Errorf("decides next at %s, want in %s", d.Next, c.next)
			}
		})
	}
}
