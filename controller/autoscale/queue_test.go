package autoscale

import (
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/provision"
	"github.com/payperplay/payperplay/protocol"
)

func TestQueue(t *testing.T) {
	for name, c := range map[string]struct {
		given      func(w *world)
		s          func(s *Settings)
		want, told string
	}{
		"nobody waits": {func(*world) {}, nil, "", "nothing to do"},
		"one waits: the cheapest for what it needs": {func(w *world) { w.wait("srv_a", 2*gib) }, nil, "order small",
			"order small at fsn1 (0.004 € an hour, or one of 2 others): server a waits for 2GiB, and no node has room"},
		"it is too large for the smallest":    {func(w *world) { w.wait("srv_a", 5*gib) }, nil, "order medium", "1 smaller offer: too small for 5GiB"},
		"several share one machine":           {func(w *world) { w.wait("srv_a", 3*gib); w.wait("srv_b", 6*gib); w.wait("srv_c", 3*gib) }, nil, "order large", "3 servers wait (b, a, c) for 12GiB"},
		"what does not fit together gets two": {func(w *world) { w.wait("srv_a", 12*gib); w.wait("srv_b", 3*gib) }, nil, "order large, order small", "server b waits for 3GiB"},
		"nothing is large enough":             {func(w *world) { w.wait("srv_a", 64*gib) }, nil, "", "server a waits for 64GiB and gets no machine: no machine that can be had is large enough"},
		"the large gets none, the small does": {func(w *world) { w.wait("srv_a", 64*gib); w.wait("srv_b", gib) }, nil, "order small", "server a waits for 64GiB and gets no machine"},
		"a node has room": {func(w *world) {
			w.machine("x", "large", provision.Serving, 10*time.Minute)
			w.wait("srv_a", 2*gib)
		}, nil, "", "server a is about to be placed on it"},
		"one is coming": {func(w *world) {
			w.machine("x", "small", provision.Booting, time.Minute)
			w.wait("srv_a", 2*gib)
		}, nil, "", "not: a machine for server a: x is on its way and has room for it"},
		"one that is ordered, too": {func(w *world) {
			w.machine("x", "small", provision.Ordering, time.Minute)
			w.wait("srv_a", 2*gib)
		}, nil, "", "on its way: server a waits for it"},
		"what is coming is full": {func(w *world) {
			w.machine("x", "small", provision.Proving, time.Minute)
			w.wait("srv_a", 2*gib)
			w.wait("srv_b", 2*gib)
		}, nil, "order small", "server b waits"},
		"an agent saw less than the catalogue says": {func(w *world) {
			m := w.machine("x", "small", provision.Serving, 10*time.Minute)
			n := w.Fleet.Nodes[m.Node]
			n.Facts.MemoryBytes = 3 * gib
			w.Fleet.Nodes[m.Node] = n
			w.wait("srv_a", 3*gib)
		}, nil, "order medium", ""},
		"it waits for its own node":  {func(w *world) { s := w.wait("srv_a", gib); s.Node = "node_x"; w.Fleet.Servers["srv_a"] = s }, nil, "", "cannot help until servers can be moved"},
		"it is pinned":               {func(w *world) { s := w.wait("srv_a", gib); s.Pin = "node_x"; w.Fleet.Servers["srv_a"] = s }, nil, "", "it is pinned"},
		"it is held":                 {func(w *world) { s := w.wait("srv_a", gib); s.Hold = &fleet.Hold{}; w.Fleet.Servers["srv_a"] = s }, nil, "", "nothing to do"},
		"scaling is off":             {func(w *world) { w.wait("srv_a", gib) }, func(s *Settings) { s.Enabled = false }, "", "scaling is off"},
		"recovery mode":              {func(w *world) { w.wait("srv_a", gib); w.Frozen = "recovery mode" }, nil, "", "nothing is ordered: recovery mode"},
		"no price list":              {func(w *world) { w.wait("srv_a", gib); w.CatalogueErr = "timeout" }, nil, "", "there is no price list: timeout"},
		"the number of machines":     {func(w *world) { w.wait("srv_a", gib) }, func(s *Settings) { s.MaxNodes = 0 }, "", "gets no machine: 0 of at most 0 machines are there"},
		"the cap per day":            {func(w *world) { w.wait("srv_a", gib) }, func(s *Settings) { s.MaxPerDay = 90_000 }, "", "a whole day would cost 0.096 €, and 0.09 € is the cap per day"},
		"the cap allows the cheaper": {func(w *world) { w.wait("srv_a", 3*gib); w.wait("srv_b", 3*gib) }, func(s *Settings) { s.MaxPerDay = 100_000 }, "order small", "server b waits for 3GiB and gets no machine"},
		"preferred types":            {func(w *world) { w.wait("srv_a", gib) }, func(s *Settings) { s.Types = []string{"large", "small"} }, "order large", ""},
		"other locations only":       {func(w *world) { w.wait("srv_a", gib) }, func(s *Settings) { s.Locations = []string{"nbg1"} }, "", "no machine that the settings allow is to be had"},
		"no stock":                   {func(w *world) { w.wait("srv_a", gib); w.Catalogue.Types[0].Offers[0].InStock = false }, nil, "order medium", "not: small at fsn1: the provider has none now"},
		"refused lately": {func(w *world) {
			w.wait("srv_a", gib)
			w.Failures = []Failure{{Type: "small", Location: "fsn1", Kind: cloud.NoStock, Until: now.Add(time.Minute)}, {Type: "medium", Kind: cloud.Invalid, Until: now}}
		}, nil, "order medium", "refused lately (no stock), asked again at 12:01:00 UTC"},
		"the project's limit": {func(w *world) {
			w.wait("srv_a", gib)
			w.Failures = []Failure{{Kind: cloud.Limit, Until: now.Add(time.Minute)}}
		}, nil, "", "refused lately (limit)"},
		"retired and without a price": {func(w *world) {
			w.wait("srv_a", gib)
			w.Catalogue.Types[0].Retired = true
			w.Catalogue.Types[1].Offers[0].Hourly = 0
		}, nil, "order large", ""},
		"machines that never join": {func(w *world) {
			w.wait("srv_a", gib)
			for _, name := range []string{"x", "y"} {
				m := w.machine(name, "small", provision.Booting, 20*time.Minute)
				m.Phase, m.NeverJoined, m.Problem, m.UpdatedAt = provision.Gone, true, &protocol.Fault{}, now.Add(-10*time.Minute)
				w.Machines[len(w.Machines)-1] = m
			}
		}, nil, "", "the last 2 machines never joined; the next is tried at 12:50:00 UTC"},
		"growth buys larger": {func(w *world) {
			n := workerNode("node_own", 32*gib)
			w.Fleet.Nodes[n.ID] = n
			w.book("srv_x", "node_own", 29*gib, time.Hour, true)
			w.wait("srv_a", 2*gib)
		}, func(s *Settings) { s.Growth = 0.5 }, "order large", ""},
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

func TestAnOrderNamesItsFallbacks(t *testing.T) {
	w := newWorld()
	w.wait("srv_a", 6*gib)
	w.Catalogue.Types[2].Offers = append(w.Catalogue.Types[2].Offers, cloud.Offer{Location: "hel1", Hourly: 12_000, InStock: true})
	d := Decide(w.Snapshot, settings(func(s *Settings) { s.SpareImages = map[string]string{"amd64": "77"}; s.Spares.Base = 0 }), now)
	var got string
	for _, c := range d.Actions[0].Candidates {
		got += c.Type + "@" + c.Location + "/" + c.Image + " "
	}
	if want := "medium@fsn1/debian-13 large@hel1/77 large@fsn1/77 "; got != want {
		t.Errorf("candidates %s, want %s", got, want)
	}
}
