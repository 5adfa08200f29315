package fleet_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// claims is an inventory of servers at an epoch that the store has not given.
func claims(epoch int64, servers ...string) (out []protocol.Observed) {
	for _, s := range servers {
		out = append(out, protocol.Observed{Server: s, Epoch: epoch, State: protocol.StateRunning, Container: "c"})
	}
	return out
}

// lone is a rig of two nodes with a server on each, and one that is nowhere.
func lone(t *testing.T) rig {
	r := newRig(t)
	for _, s := range []string{"srv_a", "srv_b", "srv_c"} {
		r.add(s, nil)
	}
	r.assign("srv_a", "node_n1")
	r.assign("srv_b", "node_n2")
	return r
}

// frozen tells which of the three servers wait.
func (r rig) frozen() string {
	r.t.Helper()
	out := ""
	r.do(func(tx store.Tx) error {
		out = ""
		for _, id := range []string{"srv_a", "srv_b", "srv_c"} {
			s, err := fleet.Servers.Get(tx, id)
			if err != nil {
				return err
			}
			g, err := fleet.ReadGate(tx, s)
			if err != nil {
				return err
			}
			if g.Frozen() != (g.Refuse(s, "started") != nil) {
				return fmt.Errorf("%s: frozen %t, but refused: %w", id, g.Frozen(), g.Refuse(s, "started"))
			}
			if g.Frozen() {
				out += id[4:]
			}
		}
		return nil
	})
	return out
}

func (r rig) end(actor string, at time.Time) {
	r.t.Helper()
	r.do(func(tx store.Tx) error { return fleet.EndRecovery(tx, r.log, actor, at) })
}

// state checks whether the mode is open and which servers wait.
func (r rig) state(when string, open bool, frozen string) fleet.Recovery {
	r.t.Helper()
	var rec fleet.Recovery
	r.do(func(tx store.Tx) (err error) { rec, err = fleet.ReadRecovery(tx); return err })
	if got := r.frozen(); rec.Open != open || got != frozen {
		r.t.Errorf("%s: %+v, %q wait, want open %t, %q", when, rec, got, open, frozen)
	}
	return rec
}

// TestF25OneLiarCostsItself: what one node says of servers, and cannot prove, stops those servers and nothing else, however often and
// loudly it says it. A second node that contradicts too opens the mode; after an operator's end none of them opens it again.
func TestF25OneLiarCostsItself(t *testing.T) {
	r := lone(t)
	for i := range int64(5) {
		r.hears("node_n1", now.Add(time.Duration(i)), claims(5+i, "srv_a", "srv_x")...)
		r.state("one liar", false, "a")
	}
	r.hears("node_n2", now.Add(time.Minute), claims(7, "srv_b")...)
	r.state("a second one", true, "abc")
	r.end("olga", now.Add(time.Hour))
	r.state("after the end", false, "ab")
	for i := range int64(3) {
		at := now.Add(2*time.Hour + time.Duration(i))
		r.hears("node_n1", at, claims(50+i, "srv_a", "srv_x")...)
		r.state("the liar is louder", false, "ab")
		r.hears("node_n2", at, claims(7, "srv_b")...)
		r.state("the other says what it said", false, "ab")
	}
	r.hears("node_n2", now.Add(3*time.Hour), claims(70, "srv_b")...)
	r.state("both have something new to say", true, "abc")
}

// TestF25TheOnlyNodeIsBelieved: with nobody else to ask, an old store is noticed by what its one node has.
func TestF25TheOnlyNodeIsBelieved(t *testing.T) {
	r := lone(t)
	r.revoke("node_n2")
	r.hears("node_n1", now, claims(5, "srv_a")...)
	r.state("the only node", true, "abc")
}

// TestF25ProofOpens: what a controller has vouched for opens the mode by one node's word, once; without it the node's servers wait.
func TestF25ProofOpens(t *testing.T) {
	n1 := fleet.Node{ID: "node_n1", Name: "n1"}
	for sign, notice := range map[fleet.Sign]func(tx store.Tx, r rig, vouched, at time.Time) error{
		fleet.SignReports: func(tx store.Tx, r rig, vouched, at time.Time) error {
			return fleet.NoticeLost(tx, r.log, n1, 2, 40, vouched, at)
		},
		fleet.SignTerm: func(tx store.Tx, r rig, vouched, at time.Time) error {
			return fleet.NoticeTerm(tx, r.log, n1, at.Unix(), at.Unix()-5, vouched, at)
		},
	} {
		t.Run(string(sign), func(t *testing.T) {
			r := lone(t)
			say := func(vouched, at time.Time) {
				t.Helper()
				r.do(func(tx store.Tx) error { return notice(tx, r, vouched, at) })
			}
			say(time.Time{}, now)
			if rec := r.state("no proof", false, "a"); rec.Undecided != 1 {
				t.Errorf("%+v", rec)
			}
			// Its servers are looked at as in the mode: what the store believes there and is not, waits too and by itself.
			r.do(func(tx store.Tx) error {
				did, err := fleet.KeepNode(tx, "node_n1", "olga", now)
				again, failed := fleet.KeepNode(tx, "node_n1", "olga", now)
				if !did || again {
					t.Errorf("kept %t, again %t", did, again)
				}
				return errors.Join(err, failed)
			})
			r.state("the store is believed", false, "")
			say(now.Add(time.Minute), now.Add(2*time.Minute))
			rec := r.state("a proof", true, "abc")
			if sign == fleet.SignReports && rec.Undecided != 0 {
				t.Errorf("lost reports leave nothing to choose: %+v", rec)
			}
			r.end("olga", now.Add(time.Hour))
			say(now.Add(59*time.Minute), now.Add(2*time.Hour))
			r.state("a proof of before the end", false, "a")
			say(now.Add(61*time.Minute), now.Add(3*time.Hour))
			r.state("a proof of after it", true, "abc")
		})
	}
}

// TestF25NobodyHasLooked: what comes late after a mode that ended by itself opens it: no operator has seen it.
func TestF25NobodyHasLooked(t *testing.T) {
	r := lone(t)
	r.do(func(tx store.Tx) error {
		return fleet.NoticeLost(tx, r.log, fleet.Node{ID: "node_n1"}, 2, 40, now, now)
	})
	r.end(fleet.ByItself, now.Add(time.Hour))
	r.do(func(tx store.Tx) error {
		return fleet.NoticeLost(tx, r.log, fleet.Node{ID: "node_n1"}, 2, 50, now, now.Add(2*time.Hour))
	})
	r.state("late", true, "abc")
}

// TestF25ASuspectMissesItsServers: while one node is not believed alone, a server that the store has there and that is not there waits:
// it may have gone to a node that has not come yet.
func TestF25ASuspectMissesItsServers(t *testing.T) {
	r := lone(t)
	r.do(func(tx store.Tx) error {
		s, err := fleet.Servers.Get(tx, "srv_a")
		s.Ordered, s.RanEpoch, s.Desired = true, s.Epoch, fleet.Running
		return errors.Join(err, fleet.Servers.Put(tx, s))
	})
	r.hears("node_n1", now, claims(3, "srv_x")...)
	r.state("it has another one instead", false, "a")
}
