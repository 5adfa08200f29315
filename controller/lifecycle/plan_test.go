package lifecycle

import (
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/protocol"
)

var t0 = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestDecide(t *testing.T) {
	type row struct {
		s *fleet.Server
		n *fleet.Node
		b *fleet.Booking
	}
	type change = func(r row)
	seen := func(state protocol.State) change {
		return func(r row) {
			r.s.Ordered, r.s.Observed = true, protocol.Observed{State: state, Since: t0.Add(-time.Minute), Container: "c"}
		}
	}
	wants := func(d fleet.Desired) change { return func(r row) { r.s.Desired = d } }
	op := func(k fleet.OpKind) change {
		return func(r row) { r.s.Op = &fleet.Op{Kind: k, Expires: t0.Add(time.Minute)} }
	}
	stale := func(r row) { r.s.Op.Expires = t0 }
	offline := func(r row) { r.n.Session = nil }
	revoked := func(r row) { r.n.Revoked = true }
	retry := func(r row) { r.s.Observed.Retry = t0.Add(time.Minute) }
	confirmed := func(r row) { r.b.Confirmed = true }
	free := func(r row) { r.b.Runs, r.b.MemoryBytes = false, 0 }
	expired := func(r row) { r.b.ExpiresAt = t0 }
	old := func(r row) { r.s.Baseline = fleet.MarkOf(r.s.Observed) }
	reboot := func(r row) { r.n.Facts.Boot = "b2" }
	ordered := func(r row) { r.s.Ordered = true }
	waiting := func(r row) { r.s.Waiting = &fleet.Waiting{} }
	held := func(r row) { r.s.Hold = &fleet.Hold{Reason: "unpaid"} }
	kill := func(r row) { r.s.Kill = true }
	nowhere := func(r row) { r.s.Node, r.s.Ordered = "", false }
	code := func(c protocol.Code) change {
		return func(r row) { r.s.Observed.Problem = &protocol.Fault{Code: c} }
	}
	for name, c := range map[string]struct {
		changes []change
		want    Do
	}{
		"placed, booked":                       {nil, Start},
		"no node":                              {[]change{nowhere}, Place},
		"node offline":                         {[]change{offline}, Nothing},
		"node revoked":                         {[]change{revoked}, Nothing},
		"not booked":                           {[]change{free}, Book},
		"booked for the run before":            {[]change{seen(protocol.StateStopped), confirmed}, Book},
		"booked with another size":             {[]change{func(r row) { r.s.MemoryBytes++ }}, Book},
		"not booked, offline":                  {[]change{free, offline}, Book},
		"reservation expired":                  {[]change{expired}, Expire},
		"reservation expired, offline":         {[]change{expired, offline}, Expire},
		"reservation expired, pulling":         {[]change{expired, seen(protocol.StatePulling)}, Expire},
		"reservation expired, but it runs":     {[]change{expired, seen(protocol.StateRunning)}, Nothing},
		"ordered, no word":                     {[]change{ordered}, Start},
		"ordered, no word, offline":            {[]change{ordered, offline}, Nothing},
		"pulling":                              {[]change{seen(protocol.StatePulling)}, Nothing},
		"starting":                             {[]change{seen(protocol.StateStarting), op(fleet.OpStart)}, Nothing},
		"running":                              {[]change{seen(protocol.StateRunning)}, Nothing},
		"running, start under way":             {[]change{seen(protocol.StateRunning), op(fleet.OpStart)}, Settle},
		"running, another room's op":           {[]change{seen(protocol.StateRunning), op("migrate")}, Nothing},
		"to start, another room's op":          {[]change{op("migrate")}, Nothing},
		"running, waiting":                     {[]change{seen(protocol.StateRunning), waiting}, Settle},
		"running, node offline":                {[]change{seen(protocol.StateRunning), offline}, Nothing},
		"stopping, wanted again":               {[]change{seen(protocol.StateStopping)}, Nothing},
		"stopped, wanted again":                {[]change{seen(protocol.StateStopped)}, Start},
		"absent":                               {[]change{seen(protocol.StateAbsent)}, Start},
		"crashed, agent tries":                 {[]change{seen(protocol.StateCrashed), retry}, Nothing},
		"crashed for good":                     {[]change{seen(protocol.StateCrashed)}, GiveUp},
		"crashed for good, offline":            {[]change{seen(protocol.StateCrashed), offline}, GiveUp},
		"crashed before the order":             {[]change{seen(protocol.StateCrashed), old}, Start},
		"ended with the machine":               {[]change{seen(protocol.StateCrashed), reboot}, Start},
		"failed: invalid":                      {[]change{seen(protocol.StateFailed), code(protocol.Invalid)}, GiveUp},
		"failed: docker away":                  {[]change{seen(protocol.StateFailed), code(protocol.Unavailable)}, Start},
		"failed: not ready in time":            {[]change{seen(protocol.StateFailed), code(protocol.Timeout)}, GiveUp},
		"reservation expired, no container":    {[]change{expired, seen(protocol.StateStarting), func(r row) { r.s.Observed.Container = "" }}, Expire},
		"reservation expired, container":       {[]change{expired, seen(protocol.StateStarting)}, Nothing},
		"failed, agent tries":                  {[]change{seen(protocol.StateFailed), code(protocol.Unavailable), retry}, Nothing},
		"restart, running":                     {[]change{seen(protocol.StateRunning), op(fleet.OpRestart)}, Stop},
		"restart, starting":                    {[]change{seen(protocol.StateStarting), op(fleet.OpRestart)}, Stop},
		"restart, stopping":                    {[]change{seen(protocol.StateStopping), op(fleet.OpRestart)}, Nothing},
		"restart, crashed with retry":          {[]change{seen(protocol.StateCrashed), retry, op(fleet.OpRestart)}, Stop},
		"restart, ended":                       {[]change{seen(protocol.StateStopped), op(fleet.OpRestart)}, Turn},
		"restart, offline":                     {[]change{seen(protocol.StateRunning), op(fleet.OpRestart), offline}, Nothing},
		"restart, halfway":                     {[]change{seen(protocol.StateStopped), op(fleet.OpRestart), func(r row) { r.s.Op.Halfway = true }}, Start},
		"restart, halfway, running":            {[]change{seen(protocol.StateRunning), op(fleet.OpRestart), func(r row) { r.s.Op.Halfway = true }}, Settle},
		"lease ran out":                        {[]change{seen(protocol.StateStarting), op(fleet.OpStart), stale}, Lapse},
		"held, running":                        {[]change{seen(protocol.StateRunning), held}, Stop},
		"held, to start":                       {[]change{held}, Nothing},
		"stop, running":                        {[]change{seen(protocol.StateRunning), wants(fleet.Stopped)}, Stop},
		"stop, pulling":                        {[]change{seen(protocol.StatePulling), wants(fleet.Stopped), op(fleet.OpStop)}, Stop},
		"stop, ordered, no word":               {[]change{ordered, wants(fleet.Stopped)}, Stop},
		"stop, crashed with retry":             {[]change{seen(protocol.StateCrashed), retry, wants(fleet.Stopped)}, Stop},
		"stop, stopping":                       {[]change{seen(protocol.StateStopping), wants(fleet.Stopped), op(fleet.OpStop)}, Nothing},
		"stop, another room's op":              {[]change{seen(protocol.StateRunning), wants(fleet.Stopped), op("migrate")}, Stop},
		"stop, a state of a newer agent":       {[]change{seen("hovering"), wants(fleet.Stopped)}, Stop},
		"stop, offline":                        {[]change{seen(protocol.StateRunning), wants(fleet.Stopped), offline}, Nothing},
		"stop, done":                           {[]change{seen(protocol.StateStopped), wants(fleet.Stopped), op(fleet.OpStop)}, Settle},
		"stopped":                              {[]change{seen(protocol.StateStopped), wants(fleet.Stopped), free}, Nothing},
		"asleep, running":                      {[]change{seen(protocol.StateRunning), wants(fleet.Asleep)}, Stop},
		"kill, stopping":                       {[]change{seen(protocol.StateStopping), wants(fleet.Stopped), kill}, Kill},
		"kill, starting":                       {[]change{seen(protocol.StateStarting), wants(fleet.Stopped), kill}, Kill},
		"delete, running":                      {[]change{seen(protocol.StateRunning), wants(fleet.Deleted)}, Stop},
		"delete, running, killed":              {[]change{seen(protocol.StateRunning), wants(fleet.Deleted), kill}, Kill},
		"delete, stopped":                      {[]change{seen(protocol.StateStopped), wants(fleet.Deleted)}, Remove},
		"delete, never started":                {[]change{wants(fleet.Deleted)}, Vanish},
		"delete, no node":                      {[]change{wants(fleet.Deleted), nowhere}, Vanish},
		"delete, offline":                      {[]change{seen(protocol.StateStopped), wants(fleet.Deleted), offline}, Nothing},
		"delete, revoked":                      {[]change{seen(protocol.StateRunning), wants(fleet.Deleted), revoked}, Vanish},
		"delete, the node's row is gone":       {[]change{seen(protocol.StateRunning), wants(fleet.Deleted), func(r row) { r.n.ID = "" }}, Vanish},
		"to run, the node's row is gone":       {[]change{func(r row) { r.n.ID = "" }}, Nothing},
		"stop with the node's row gone":        {[]change{seen(protocol.StateRunning), wants(fleet.Stopped), func(r row) { r.n.ID = "" }}, Nothing},
		"waiting at rest, not wanted any more": {[]change{waiting, wants(fleet.Stopped)}, Settle},
	} {
		s := fleet.Server{ID: "srv_1", Node: "node_1", Epoch: 1, Boot: "b1", Desired: fleet.Running, MemoryBytes: 100}
		n := &fleet.Node{ID: "node_1", LastSeen: t0, Session: &fleet.Session{Since: t0}, Facts: protocol.NodeFacts{Boot: "b1"}}
		b := &fleet.Booking{Server: "srv_1", Node: "node_1", Runs: true, MemoryBytes: 100, ExpiresAt: t0.Add(time.Minute)}
		for _, f := range c.changes {
			f(row{&s, n, b})
		}
		if n.ID == "" {
			n = nil
		}
		if got := Decide(s, n, b, t0); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestDecideSettled guards the index that the loop reads: a row that is not in it must have nothing to do.
func TestDecideSettled(t *testing.T) {
	for _, d := range []fleet.Desired{fleet.Running, fleet.Stopped, fleet.Asleep, fleet.Archived, fleet.Deleted} {
		for _, state := range []protocol.State{"", protocol.StateAbsent, protocol.StatePulling, protocol.StateStarting, protocol.StateRunning, protocol.StateStopping, protocol.StateStopped, protocol.StateCrashed, protocol.StateFailed, "new"} {
			for _, ordered := range []bool{false, true} {
				for _, confirmed := range []bool{false, true} {
					s := fleet.Server{ID: "srv_1", Node: "node_1", Desired: d, Ordered: ordered, Observed: protocol.Observed{State: state, Since: t0}}
					n := &fleet.Node{ID: "node_1", LastSeen: t0, Session: &fleet.Session{Since: t0}}
					b := &fleet.Booking{Runs: true, Confirmed: confirmed || state == protocol.StateRunning, ExpiresAt: t0.Add(time.Minute)}
					if got := Decide(s, n, b, t0); got != Nothing && !fleet.Unsettled(s) {
						t.Errorf("desired %s, observed %q, ordered %v: %q is to be done, but the row counts as settled", d, state, ordered, got)
					}
				}
			}
		}
	}
}

func TestPlanOrderAndPauses(t *testing.T) {
	n := fleet.Node{ID: "node_1", LastSeen: t0, Session: &fleet.Session{Since: t0}, Facts: protocol.NodeFacts{Boot: "b1"}}
	server := func(id string, age time.Duration, change func(s *fleet.Server)) fleet.Server {
		s := fleet.Server{ID: id, Node: "node_1", Desired: fleet.Running, DesiredAt: t0, CreatedAt: t0.Add(-age), Boot: "b1"}
		change(&s)
		return s
	}
	snap := fleet.Snapshot{At: t0, Nodes: map[string]fleet.Node{n.ID: n}, Servers: map[string]fleet.Server{}, Bookings: map[string]fleet.Booking{}}
	for _, s := range []fleet.Server{
		server("young", time.Hour, func(*fleet.Server) {}),
		server("old", 9*time.Hour, func(*fleet.Server) {}),
		server("played", time.Minute, func(s *fleet.Server) { s.Players = []string{"Ann"} }),
		server("stop", time.Hour, func(s *fleet.Server) { s.Desired, s.Ordered = fleet.Stopped, true }),
		server("kill", time.Hour, func(s *fleet.Server) { s.Desired, s.Ordered, s.Kill = fleet.Stopped, true, true }),
		server("vanish", time.Hour, func(s *fleet.Server) { s.Desired = fleet.Deleted }),
	} {
		snap.Servers[s.ID] = s
		snap.Bookings[s.ID] = fleet.Booking{Server: s.ID, Node: n.ID, Runs: true, ExpiresAt: t0.Add(time.Hour)}
	}
	got := ""
	for _, a := range Plan(snap, nil, t0) {
		got += a.Server + " "
	}
	if want := "kill stop vanish played old young "; got != want {
		t.Errorf("order: %s, want %s", got, want)
	}

	last := Sent{At: t0, Tries: 3, Wanted: t0, Boot: "b1"}
	for name, c := range map[string]struct {
		do     Do
		after  time.Duration
		change func(s *fleet.Server, last *Sent)
		want   bool
	}{
		"start too early":           {Start, 3 * time.Second, nil, false},
		"start again":               {Start, 4 * time.Second, nil, true},
		"start, failed at once":     {Start, 3 * time.Second, func(s *fleet.Server, _ *Sent) { s.ObservedSeq++ }, false},
		"start, wanted anew":        {Start, 0, func(s *fleet.Server, _ *Sent) { s.DesiredAt = t0.Add(1) }, true},
		"start, rebooted":           {Start, 0, func(_ *fleet.Server, l *Sent) { l.Boot = "b0" }, true},
		"start, another order was":  {Start, 0, func(_ *fleet.Server, l *Sent) { l.Do = Stop }, true},
		"stop taken":                {Stop, 29 * time.Second, func(_ *fleet.Server, l *Sent) { l.Accepted = true }, false},
		"stop taken, not heeded":    {Stop, 0, func(s *fleet.Server, l *Sent) { l.Accepted, s.ObservedSeq = true, 7 }, true},
		"stop taken, long ago":      {Stop, 30 * time.Second, func(_ *fleet.Server, l *Sent) { l.Accepted = true }, true},
		"many tries, within limits": {Start, maxRetry, func(_ *fleet.Server, l *Sent) { l.Tries = 1 << 40 }, true},
	} {
		s, l := snap.Servers["old"], last
		l.Do = c.do
		if c.change != nil {
			c.change(&s, &l)
		}
		if got := due(c.do, s, &n, l, t0.Add(c.after)); got != c.want {
			t.Errorf("%s: due %v, want %v", name, got, c.want)
		}
	}
}

func TestAdmit(t *testing.T) {
	kinds := []fleet.OpKind{fleet.OpStart, fleet.OpStop, fleet.OpRestart, fleet.OpKill, fleet.OpDelete}
	for under, want := range map[fleet.OpKind]string{ // what becomes of start, stop, restart, kill, delete
		"":              "take take take take take",
		fleet.OpStart:   "join take deny take take",
		fleet.OpStop:    "deny join deny take take",
		fleet.OpRestart: "join take join take take",
		fleet.OpKill:    "deny join deny join take",
		"migrate":       "deny take deny take deny",
	} {
		got := ""
		for _, k := range kinds {
			s := fleet.Server{Name: "alpha", Desired: fleet.Running}
			if under != "" {
				s.Op = &fleet.Op{Kind: under, Owner: "bob", Started: t0, Expires: t0.Add(time.Minute)}
			}
			v, err := admit(s, k, t0)
			got += " " + map[verdict]string{take: "take", join: "join", deny: "deny"}[v]
			if (v == deny) != (fault.KindOf(err) == fault.Conflict) {
				t.Errorf("%s during %s: %v, %v", k, under, v, err)
			}
			if s.Op != nil {
				if v, err := admit(s, k, t0.Add(time.Minute)); v != take || err != nil {
					t.Errorf("%s after the lease of %s ran out: %v, %v", k, under, v, err)
				}
			}
		}
		if got[1:] != want {
			t.Errorf("during %q: %s, want %s", under, got[1:], want)
		}
	}
	gone := fleet.Server{Name: "alpha", Desired: fleet.Deleted}
	for _, k := range kinds {
		v, err := admit(gone, k, t0)
		if want := map[fleet.OpKind]verdict{fleet.OpKill: take, fleet.OpDelete: join}[k]; k != fleet.OpKill && k != fleet.OpDelete && (v != deny || err == nil) || (k == fleet.OpKill || k == fleet.OpDelete) && v != want {
			t.Errorf("%s of a deleted server: %v, %v", k, v, err)
		}
	}
}
