package provision_test

import (
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/provision"
	"github.com/payperplay/payperplay/protocol"
)

func TestDecide(t *testing.T) {
	now := time.Date(2026, 12, 2, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	mine := func(s cloud.State) provision.Look {
		return provision.Look{Asked: true, Found: &cloud.Machine{ID: "1", IPv4: "203.0.113.1", State: s, Labels: map[string]string{cloud.LabelMachine: "mach-a"}}}
	}
	none := func(since time.Duration) provision.Look { return provision.Look{Asked: true, Missing: ago(since)} }
	foreign := mine(cloud.On)
	foreign.Found.Labels = nil
	naked := mine(cloud.Starting)
	naked.Found.IPv4 = ""
	ordering := provision.Machine{Phase: provision.Ordering, OrderedAt: ago(time.Minute)}
	sent := ordering
	sent.SentAt = ago(time.Minute)
	in := func(p provision.Phase) provision.Machine {
		return provision.Machine{Phase: p, PhaseAt: ago(time.Minute), OrderedAt: ago(time.Hour), Created: ago(time.Hour), JoinBy: now.Add(time.Minute), JoinedAt: ago(time.Minute), CloudID: "1", Node: "n"}
	}
	with := func(m provision.Machine, change func(*provision.Machine)) provision.Machine { change(&m); return m }
	sound := provision.Look{Proof: &protocol.CheckReply{OK: true}}
	node := &fleet.Node{ID: "n"}
	calm := provision.Facts{Calm: true, Node: node}
	for name, c := range map[string]struct {
		m    provision.Machine
		l    provision.Look
		f    provision.Facts
		want provision.Do
	}{
		"a new order":                           {ordering, provision.Look{}, calm, provision.Send},
		"a new order in recovery mode":          {ordering, provision.Look{}, provision.Facts{Mode: true}, provision.Nothing},
		"a stopped order that never went out":   {with(ordering, func(m *provision.Machine) { m.Stopped = true }), provision.Look{}, calm, provision.Abandon},
		"an old order that never went out":      {with(ordering, func(m *provision.Machine) { m.OrderedAt = ago(time.Hour) }), provision.Look{}, calm, provision.Abandon},
		"sent, nobody answers":                  {sent, provision.Look{}, calm, provision.Nothing},
		"sent and there":                        {sent, mine(cloud.Starting), calm, provision.Adopt},
		"sent and there without address":        {sent, naked, calm, provision.Nothing},
		"sent and there for somebody else":      {sent, foreign, calm, provision.Abandon},
		"sent and not there, once":              {sent, none(0), calm, provision.Nothing},
		"sent and not there for 29 s":           {sent, none(29 * time.Second), calm, provision.Nothing},
		"sent and not there for 30 s":           {sent, none(30 * time.Second), calm, provision.Send},
		"stopped, and absent too short":         {with(sent, func(m *provision.Machine) { m.Stopped = true }), none(time.Minute), calm, provision.Nothing},
		"stopped and absent":                    {with(sent, func(m *provision.Machine) { m.Stopped, m.SentAt = true, ago(2*time.Minute) }), none(time.Minute), calm, provision.Abandon},
		"stopped and there all the same":        {with(sent, func(m *provision.Machine) { m.Stopped = true }), mine(cloud.On), calm, provision.Adopt},
		"stopped and not let in":                {with(sent, func(m *provision.Machine) { m.Stopped = true }), provision.Look{Denied: true}, calm, provision.Abandon},
		"stopped, not let in, and in doubt":     {with(sent, func(m *provision.Machine) { m.Stopped, m.Doubt = true, true }), provision.Look{Denied: true}, calm, provision.Nothing},
		"boots":                                 {in(provision.Booting), mine(cloud.On), calm, provision.Nothing},
		"joined":                                {in(provision.Booting), provision.Look{}, provision.Facts{Joined: "n", Node: node}, provision.Join},
		"joined at the last moment":             {with(in(provision.Booting), func(m *provision.Machine) { m.JoinBy = now }), provision.Look{}, provision.Facts{Joined: "n", Node: node, Calm: true}, provision.Join},
		"did not join":                          {with(in(provision.Booting), func(m *provision.Machine) { m.JoinBy = now }), provision.Look{}, calm, provision.Expire},
		"did not join a controller that began":  {with(in(provision.Booting), func(m *provision.Machine) { m.JoinBy = now }), provision.Look{}, provision.Facts{}, provision.Nothing},
		"did not join an older store":           {with(in(provision.Booting), func(m *provision.Machine) { m.JoinBy = now }), provision.Look{}, provision.Facts{Calm: true, Frozen: true}, provision.Nothing},
		"boots and is off":                      {with(in(provision.Booting), func(m *provision.Machine) { m.PhaseAt = ago(3 * time.Minute) }), mine(cloud.Off), calm, provision.Blame},
		"is off at first":                       {in(provision.Booting), mine(cloud.Off), calm, provision.Nothing},
		"vanished while booting":                {in(provision.Booting), none(time.Minute), calm, provision.Lose},
		"not there in one read":                 {in(provision.Serving), none(0), provision.Facts{Occupied: true}, provision.Nothing},
		"proves":                                {in(provision.Proving), sound, calm, provision.Serve},
		"is not well":                           {in(provision.Proving), provision.Look{Proof: &protocol.CheckReply{}}, calm, provision.Nothing},
		"is not well for long":                  {with(in(provision.Proving), func(m *provision.Machine) { m.JoinedAt = ago(time.Hour) }), provision.Look{Proof: &protocol.CheckReply{}}, calm, provision.Blame},
		"reaches the metadata":                  {in(provision.Proving), provision.Look{Proof: &protocol.CheckReply{OK: true, Degraded: []string{"metadata is reachable"}}}, calm, provision.Nothing},
		"serves":                                {in(provision.Serving), provision.Look{}, provision.Facts{Occupied: true}, provision.Nothing},
		"became empty":                          {in(provision.Serving), provision.Look{}, calm, provision.Count},
		"is empty":                              {with(in(provision.Serving), func(m *provision.Machine) { m.EmptyAt = now }), provision.Look{}, calm, provision.Nothing},
		"is empty no more":                      {with(in(provision.Serving), func(m *provision.Machine) { m.EmptyAt = now }), provision.Look{}, provision.Facts{Occupied: true}, provision.Count},
		"drains":                                {in(provision.Draining), provision.Look{}, provision.Facts{Occupied: true}, provision.Nothing},
		"drained":                               {with(in(provision.Draining), func(m *provision.Machine) { m.EmptyAt = now }), provision.Look{}, calm, provision.Drained},
		"drained in an older store":             {with(in(provision.Draining), func(m *provision.Machine) { m.EmptyAt = now }), provision.Look{}, provision.Facts{Frozen: true}, provision.Nothing},
		"to be deleted":                         {in(provision.Deleting), provision.Look{}, calm, provision.End},
		"to be deleted, just now":               {with(in(provision.Deleting), func(m *provision.Machine) { m.PhaseAt = now }), provision.Look{}, calm, provision.Nothing},
		"to be deleted, a server came":          {in(provision.Deleting), provision.Look{}, provision.Facts{Occupied: true, Node: node}, provision.TakeBack},
		"to be deleted, in an older store":      {in(provision.Deleting), provision.Look{}, provision.Facts{Frozen: true}, provision.Nothing},
		"deletion sent":                         {with(in(provision.Deleting), func(m *provision.Machine) { m.EndSent = now }), mine(cloud.Leaving), calm, provision.Nothing},
		"deletion sent and not heeded":          {with(in(provision.Deleting), func(m *provision.Machine) { m.EndSent = now }), mine(cloud.On), calm, provision.End},
		"deletion done":                         {with(in(provision.Deleting), func(m *provision.Machine) { m.EndSent = now }), none(0), calm, provision.Bury},
		"deletion done of a new machine":        {with(in(provision.Deleting), func(m *provision.Machine) { m.EndSent, m.Created = now, ago(time.Minute) }), none(0), calm, provision.Nothing},
		"deletion done of a new machine, twice": {with(in(provision.Deleting), func(m *provision.Machine) { m.EndSent, m.Created = now, ago(time.Minute) }), none(30 * time.Second), calm, provision.Bury},
		"gone":                                  {in(provision.Gone), none(time.Hour), calm, provision.Nothing},
		"a phase of a newer version":            {in("resting"), none(time.Hour), calm, provision.Nothing},
	} {
		c.m.ID = "mach_a"
		if got := provision.Decide(c.m, c.l, c.f, now); got.Do != c.want {
			t.Errorf("%s: %q, want %q", name, got.Do, c.want)
		}
	}
}
