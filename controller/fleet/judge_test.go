package fleet_test

import (
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/protocol"
)

// TestF25Judge is the whole rule of what is time travel and what is an ordinary race.
func TestF25Judge(t *testing.T) {
	row := func(change func(*fleet.Server)) *fleet.Server {
		s := &fleet.Server{ID: "srv_a", Desired: fleet.Running, Node: "n1", Epoch: 3, Ordered: true, RanEpoch: 3}
		if change != nil {
			change(s)
		}
		return s
	}
	runs := protocol.Observed{Server: "srv_a", Epoch: 3, State: protocol.StateRunning}
	asked := protocol.Observed{Server: "srv_a", Epoch: 3, State: protocol.StateStopped, Exit: &protocol.Exit{Asked: true}}
	at := func(o protocol.Observed, epoch int64) protocol.Observed { o.Epoch = epoch; return o }
	stopped := func(s *fleet.Server) { s.Desired = fleet.Stopped }
	mode := fleet.Recovery{Open: true, Since: now}
	for name, c := range map[string]struct {
		node   string
		o      protocol.Observed
		s      *fleet.Server
		buried bool
		r      fleet.Recovery
		want   fleet.Sign
	}{
		"as the store says":                               {node: "n1", o: runs, s: row(nil)},
		"a higher epoch on its own node":                  {node: "n1", o: at(runs, 4), s: row(nil), want: fleet.SignAhead},
		"a higher epoch on another node":                  {node: "n2", o: at(runs, 4), s: row(nil), want: fleet.SignAhead},
		"a higher epoch at rest":                          {node: "n2", o: at(asked, 4), s: row(nil), want: fleet.SignAhead},
		"the same epoch on another node":                  {node: "n2", o: runs, s: row(nil), want: fleet.SignAhead},
		"placed nowhere, but a node has its next epoch":   {node: "n2", o: runs, s: row(func(s *fleet.Server) { s.Node, s.Epoch = "", 2 }), want: fleet.SignAhead},
		"an older epoch: its copy is stale":               {node: "n2", o: at(runs, 2), s: row(nil)},
		"an older epoch on its own node":                  {node: "n1", o: at(runs, 2), s: row(nil)},
		"no claim":                                        {node: "n2", o: at(runs, 0), s: row(nil)},
		"a lie: nobody gave that epoch":                   {node: "n2", o: at(runs, 1<<40), s: row(nil)},
		"below the floor: decided before":                 {node: "n2", o: at(runs, 7), s: row(func(s *fleet.Server) { s.Floor = 8 })},
		"at the floor: newer than what was decided":       {node: "n2", o: at(runs, 8), s: row(func(s *fleet.Server) { s.Floor = 8 }), want: fleet.SignAhead},
		"its own node below the floor, as adopted":        {node: "n1", o: runs, s: row(func(s *fleet.Server) { s.Floor = 4 })},
		"a server nobody knows":                           {node: "n1", o: runs, want: fleet.SignUnknown},
		"a deleted server that its node still mentions":   {node: "n1", o: runs, buried: true},
		"being deleted":                                   {node: "n1", o: runs, s: row(func(s *fleet.Server) { s.Desired = fleet.Deleted }), r: mode},
		"runs, wanted stopped: a stop on its way":         {node: "n1", o: runs, s: row(stopped)},
		"runs, wanted stopped, in the mode":               {node: "n1", o: runs, s: row(stopped), r: mode, want: fleet.SignDiffers},
		"stops, wanted stopped, in the mode":              {node: "n1", o: protocol.Observed{Epoch: 3, State: protocol.StateStopping}, s: row(stopped), r: mode},
		"a stop that was ordered in the mode":             {node: "n1", o: runs, s: row(func(s *fleet.Server) { s.Desired, s.DesiredAt = fleet.Stopped, now.Add(time.Second) }), r: mode},
		"ended as asked, wanted running":                  {node: "n1", o: asked, s: row(nil)},
		"ended as asked, wanted running, in the mode":     {node: "n1", o: asked, s: row(nil), r: mode, want: fleet.SignDiffers},
		"crashed, wanted running, in the mode":            {node: "n1", o: protocol.Observed{Epoch: 3, State: protocol.StateCrashed}, s: row(nil), r: mode},
		"held, runs, in the mode: the store wants it off": {node: "n1", o: runs, s: row(func(s *fleet.Server) { s.Hold = &fleet.Hold{} }), r: mode, want: fleet.SignDiffers},
	} {
		if got := fleet.Judge(c.node, c.o, c.s, c.buried, c.r.Open, c.r); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
