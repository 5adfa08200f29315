package lifecycle

import (
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/protocol"
)

// TestF09ClockJumpsHarmNothingThatRuns: the controller's clock jumps by an hour or by weeks, in either direction, between two looks. Whatever
// that makes of leases and of the nodes' last contact, a container that is there is neither given up nor placed elsewhere, and nothing
// that may still be on a node counts as gone.
func TestF09ClockJumpsHarmNothingThatRuns(t *testing.T) {
	for _, state := range []protocol.State{protocol.StateStarting, protocol.StateRunning, protocol.StateStopping} {
		for _, desired := range []fleet.Desired{fleet.Running, fleet.Stopped, fleet.Deleted} {
			for _, op := range []fleet.OpKind{"", fleet.OpStart, fleet.OpStop, fleet.OpRestart} {
				for _, jump := range []time.Duration{-1000 * time.Hour, -time.Hour, -31 * time.Second, 31 * time.Second, time.Hour, 1000 * time.Hour} {
					s := fleet.Server{ID: "s", Node: "n", Epoch: 1, Desired: desired, Ordered: true, Boot: "b",
						Observed: protocol.Observed{State: state, Container: "c", Since: t0.Add(-time.Minute)}}
					if op != "" {
						s.Op = &fleet.Op{Kind: op, Started: t0, Expires: t0.Add(10 * time.Minute)}
					}
					n := fleet.Node{ID: "n", LastSeen: t0, Session: &fleet.Session{Since: t0}, Facts: protocol.NodeFacts{Boot: "b"}}
					b := fleet.Booking{Server: "s", Node: "n", Runs: true, Confirmed: true, BookedAt: t0}
					switch d := Decide(s, &n, &b, t0.Add(jump)); d {
					case Place, Book, Expire, GiveUp, Vanish, Start, Remove:
						t.Errorf("%s, to be %s, %s under way, clock moved by %s: %s", state, desired, op, jump, d)
					case Stop, Kill:
						if desired == fleet.Running && op != fleet.OpRestart {
							t.Errorf("%s, %s under way, clock moved by %s: %s", state, op, jump, d)
						}
					case Nothing, Turn, Settle, Lapse:
					}
				}
			}
		}
	}
}
