package fleet_test

import (
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/protocol"
)

func TestState(t *testing.T) {
	type change = func(s *fleet.Server, n *fleet.Node)
	seen := func(state protocol.State) change {
		return func(s *fleet.Server, _ *fleet.Node) {
			s.Ordered, s.Observed.State, s.Observed.Container = true, state, "c"
		}
	}
	wants := func(d fleet.Desired) change { return func(s *fleet.Server, _ *fleet.Node) { s.Desired = d } }
	offline := func(_ *fleet.Server, n *fleet.Node) { n.Session = nil }
	retry := func(s *fleet.Server, _ *fleet.Node) { s.Observed.Retry = now.Add(time.Minute) }
	problem := func(s *fleet.Server, _ *fleet.Node) {
		s.Problem = &protocol.Fault{Message: "no image", Next: "make images"}
	}
	for name, c := range map[string]struct {
		changes           []change
		state, text, next string
	}{
		"running":          {[]change{seen(protocol.StateRunning)}, "running", "running", ""},
		"running, changed": {[]change{seen(protocol.StateRunning), func(s *fleet.Server, _ *fleet.Node) { s.Revision, s.Observed.Revision = 2, 1 }}, "running", "running with settings from before the last change", "restart it for the new ones to count"},
		"running, to stop": {[]change{seen(protocol.StateRunning), wants(fleet.Stopped)}, "stopping", "a stop is ordered", ""},
		"silent node":      {[]change{seen(protocol.StateRunning), offline}, "unknown", "its node n1 does not answer (last seen 2026-11-21 12:00:00 UTC); the game probably runs on, and it is not started elsewhere", "see to the node (`controller node show`); what was ordered is done when it returns"},
		"silent, stopped":  {[]change{seen(protocol.StateStopped), wants(fleet.Stopped), offline}, "stopped", "stopped", ""},
		"old contact": {[]change{seen(protocol.StateRunning), func(_ *fleet.Server, n *fleet.Node) {
			n.LastSeen, n.Session.Since = now.Add(-time.Hour), now.Add(-time.Hour)
		}}, "unknown", "its node n1 does not answer (last seen 2026-11-21 11:00:00 UTC); the game probably runs on, and it is not started elsewhere", "see to the node (`controller node show`); what was ordered is done when it returns"},
		"revoked node":     {[]change{seen(protocol.StateRunning), func(_ *fleet.Server, n *fleet.Node) { n.Revoked = true }}, "unknown", "its node n1 was revoked", "delete the server, or enrol the machine again and restore a backup"},
		"ordered":          {nil, "starting", "the start is ordered", ""},
		"ordered, refused": {[]change{problem}, "starting", "the start is tried again: no image", "make images"},
		"pulling":          {[]change{seen(protocol.StatePulling), func(s *fleet.Server, _ *fleet.Node) { s.Observed.Progress = "pulling image: 40 %" }}, "pulling", "pulling image: 40 %", ""},
		"engine away": {[]change{seen(protocol.StateStarting), func(s *fleet.Server, _ *fleet.Node) {
			s.Observed.Problem = &protocol.Fault{Message: "Docker does not answer", Next: "start it"}
		}}, "starting", "its node tries again: Docker does not answer", "start it"},
		"crashed, retry":   {[]change{seen(protocol.StateCrashed), retry, func(s *fleet.Server, _ *fleet.Node) { s.Observed.Exit = &protocol.Exit{Code: 1, Advice: "read it"} }}, "crashed", "crashed with exit code 1; its node tries again at 12:01:00 UTC", "read it"},
		"given up":         {[]change{seen(protocol.StateCrashed), wants(fleet.Stopped), problem}, "crashed", "no image", "make images"},
		"could not start":  {[]change{seen(protocol.StateFailed), wants(fleet.Stopped), problem}, "failed", "no image", "make images"},
		"never became one": {[]change{wants(fleet.Stopped), problem}, "failed", "no image", "make images"},
		"waiting": {[]change{func(s *fleet.Server, _ *fleet.Node) {
			s.Node, s.Waiting = "", &fleet.Waiting{Reason: "no node has room"}
		}}, "waiting", "no node has room", "it starts by itself when there is room: stop another server, add a node, or stop this one to give up"},
		"stopped, why":       {[]change{wants(fleet.Stopped), func(s *fleet.Server, _ *fleet.Node) { s.DesiredReason = "night" }}, "stopped", "stopped: night", ""},
		"asleep":             {[]change{wants(fleet.Asleep)}, "asleep", "asleep; it wakes when a player joins", ""},
		"held":               {[]change{func(s *fleet.Server, _ *fleet.Node) { s.Hold = &fleet.Hold{Reason: "unpaid"} }}, "stopped", "held: unpaid", "settle it, then start the server"},
		"deleting":           {[]change{seen(protocol.StateRunning), wants(fleet.Deleted)}, "deleting", "its node is removing it", ""},
		"no word from start": {[]change{func(s *fleet.Server, _ *fleet.Node) { s.Ordered = true }}, "starting", "the start is ordered, no word from the node yet", ""},
	} {
		s := fleet.Server{ID: "srv_a", Name: "alpha", Node: "node_n1", Desired: fleet.Running}
		n := &fleet.Node{ID: "node_n1", Name: "n1", LastSeen: now, Session: &fleet.Session{Since: now}}
		for _, f := range c.changes {
			f(&s, n)
		}
		if s.Node == "" {
			n = nil
		}
		if got := fleet.State(s, n, now); got.State != c.state || got.Text != c.text || got.Next != c.next {
			t.Errorf("%s:\n got %s: %s | %s\nwant %s: %s | %s", name, got.State, got.Text, got.Next, c.state, c.text, c.next)
		}
	}
}

func TestNodeState(t *testing.T) {
	for want, change := range map[string]func(n *fleet.Node){
		"ready":     func(*fleet.Node) {},
		"offline":   func(n *fleet.Node) { n.Session = nil },
		"revoked":   func(n *fleet.Node) { n.Revoked, n.Session = true, nil },
		"locked":    func(n *fleet.Node) { n.Locked = true },
		"cordoned":  func(n *fleet.Node) { n.Cordoned = true },
		"degraded":  func(n *fleet.Node) { n.Facts.Degraded = []string{"no AppArmor"} },
		"unhealthy": func(n *fleet.Node) { n.Health = fleet.Health{At: now, Problems: []string{"disk full"}} },
	} {
		n := fleet.Node{LastSeen: now, Session: &fleet.Session{Since: now}}
		change(&n)
		if got := n.State(now); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if n.Reachable(now.Add(time.Hour)) {
			t.Errorf("%s: reachable after an hour of silence", want)
		}
	}
	quiet := fleet.Node{LastSeen: now, Session: &fleet.Session{Since: now}, Health: fleet.Health{At: now.Add(time.Hour), OK: true}}
	if !quiet.Reachable(now.Add(time.Hour)) || quiet.Unhealthy(now.Add(time.Hour)) {
		t.Error("a good health check is a contact")
	}
}
