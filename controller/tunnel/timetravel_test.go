package tunnel_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	agent "github.com/payperplay/payperplay/agent/tunnel"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/tunnel"
	"github.com/payperplay/payperplay/protocol"
)

// rewind stops the controller and starts it on the store as it was in saved.
func (c *cluster) rewind(saved []byte) {
	c.t.Helper()
	c.stop()
	must(c.t, os.WriteFile(filepath.Join(c.dir, "store.db"), saved, 0o600))
	c.start()
	c.t.Cleanup(func() { c.stop() })
}

// saved is the store as it is now.
func (c *cluster) saved() []byte {
	c.t.Helper()
	var b bytes.Buffer
	_, err := c.db.Backup(c.t.Context(), &b)
	must(c.t, err)
	return b.Bytes()
}

func (c *cluster) do(fn func(store.Tx) error) {
	c.t.Helper()
	must(c.t, c.db.Update(c.t.Context(), fn))
}

func (c *cluster) recovery() (r fleet.Recovery, all map[fleet.Sign]fleet.Finding) {
	c.t.Helper()
	must(c.t, c.db.View(c.t.Context(), func(tx store.Tx) (err error) {
		all = map[fleet.Sign]fleet.Finding{}
		for f, err := range fleet.Findings.Range(tx, "", nil, nil, 0, false) {
			if err != nil {
				return err
			}
			all[f.Sign] = f
		}
		r, err = fleet.ReadRecovery(tx)
		return err
	}))
	return r, all
}

// TestF25UnknownNode: a node that joined after the backup is not told to stay away for ever. It is shown, and comes in when an
// operator says so, with its own id, its key, and what it has.
func TestF25UnknownNode(t *testing.T) {
	c := newCluster(t)
	saved := c.saved()
	old := c.token("left-over") // made in the time that is forgotten
	m := c.enrolled("attic", func(o *agent.Options) { o.BackoffTo = 100 * time.Millisecond })
	id := m.agent.Status().Node
	m.games.mu.Lock()
	m.games.inventory = []protocol.Observed{{Server: "srv_new", Epoch: 1, State: protocol.StateRunning}}
	m.games.mu.Unlock()
	c.rewind(saved)
	eventually(t, 10*time.Second, "the node is shown", func() bool {
		_, all := c.recovery()
		return all[fleet.SignNode].Node == id
	})
	r, all := c.recovery()
	if f := all[fleet.SignNode]; !r.Open || r.Undecided != 1 || len(f.BoundKey) == 0 || f.Remote != "127.0.0.1" || c.happened("node.unknown") != 1 {
		t.Fatalf("%+v %+v", r, f)
	}
	if m.agent.Status().Parked {
		t.Fatal("the agent will never come again")
	}
	if _, err := c.tun.AdoptNode(t.Context(), operator, "nobody", ""); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a node that never came: %v", err)
	}
	for range 2 {
		n, err := c.tun.AdoptNode(t.Context(), operator, id, "attic")
		must(t, err)
		if n.ID != id || n.Name != "attic" {
			t.Errorf("adopted %+v", n)
		}
	}
	if err := c.tun.ForgetNode(t.Context(), operator, id); fault.KindOf(err) != fault.Conflict {
		t.Errorf("forgotten after it was adopted: %v", err)
	}
	m.connected()
	eventually(t, 10*time.Second, "what it has is found", func() bool {
		_, all := c.recovery()
		return all[fleet.SignUnknown].Server == "srv_new"
	})
	if n := c.node("attic"); n.InventoryAt.IsZero() || n.Session == nil {
		t.Errorf("%+v", n)
	}
	// A token of the forgotten time would be unused in the old store: it is worth nothing.
	s := c.stranger()
	if _, err := s.join(old.Secret); protocol.CodeOf(err) != protocol.Unauthorized {
		t.Errorf("joined with it: %v", err)
	}
}

// TestF25NothingIsToldInRecoveryMode: no epoch that a person has not decided on reaches an agent, so nothing is set aside.
func TestF25NothingIsToldInRecoveryMode(t *testing.T) {
	c := newCluster(t)
	s := c.joined("alpha")
	other := c.joined("beta")
	c.put(fleet.Server{ID: "srv_stale", Name: "stale", Node: other.node, Epoch: 9, Desired: fleet.Running})
	c.put(fleet.Server{ID: "srv_own", Name: "own", Node: s.node, Epoch: 4, Desired: fleet.Running, Observed: protocol.Observed{State: protocol.StateRunning, Epoch: 4}})
	c.put(fleet.Server{ID: "srv_ahead", Name: "ahead", Node: other.node, Epoch: 3, Desired: fleet.Running})
	inventory := []protocol.Observed{{Server: "srv_stale", Epoch: 8, State: protocol.StateRunning}, {Server: "srv_own", Epoch: 4, State: protocol.StateRunning},
		{Server: "srv_ahead", Epoch: 5, State: protocol.StateRunning}}
	c.do(func(tx store.Tx) error { // a controller vouches for it
		return fleet.NoticeLost(tx, c.events, fleet.Node{ID: other.node}, 1, 2, time.Now(), time.Now())
	})
	generation := int64(0)
	hello := func() map[string]int64 {
		t.Helper()
		generation++
		req := greeting("run", generation)
		req.Inventory, req.InventoryHash = inventory, "h"
		w, err := s.session().Hello(t.Context(), req)
		must(t, err)
		return w.Epochs
	}
	if told := hello(); len(told) != 0 {
		t.Errorf("told %v", told)
	}
	var f fleet.Finding
	if _, all := c.recovery(); all[fleet.SignAhead].Server != "srv_ahead" {
		t.Fatalf("%+v", all)
	} else {
		f = all[fleet.SignAhead]
	}
	must(t, c.db.Update(t.Context(), func(tx store.Tx) error { // the store's word is kept
		srv, err := fleet.Servers.Get(tx, "srv_ahead")
		if err != nil {
			return err
		}
		if _, err := fleet.Overrule(tx, srv, f); err != nil {
			return err
		}
		_, err = fleet.Decide(tx, "srv_ahead", fleet.Kept, operator, time.Now())
		return err
	}))
	if told := hello(); len(told) != 1 || told["srv_ahead"] != 6 {
		t.Errorf("after keep it is told %v", told)
	}
	must(t, c.db.Update(t.Context(), func(tx store.Tx) error { return fleet.EndRecovery(tx, c.events, operator, time.Now()) }))
	if told := hello(); told["srv_stale"] != 9 || told["srv_own"] != 4 || told["srv_ahead"] != 6 {
		t.Errorf("after the end it is told %v", told)
	}
	if r, _ := c.recovery(); r.Open {
		t.Error("a decided claim opened it again")
	}
}

// TestF25LostReports: a gap in the reports is the surest sign, is written down, and stops nothing behind it.
func TestF25LostReports(t *testing.T) {
	c := newCluster(t)
	s := c.joined("alpha")
	c.put(fleet.Server{ID: "srv_1", Name: "one", Node: s.node, Epoch: 1, Desired: fleet.Running})
	first := s.session()
	_, err := first.hello("run", 1)
	must(t, err)
	_, err = first.Report(t.Context(), reports(observed("srv_1", 1, 1, protocol.StateStarting)))
	must(t, err)
	call := s.session()
	req := greeting("run", 2)
	req.NextSeq = 41
	w, err := call.Hello(t.Context(), req)
	must(t, err)
	ack, err := call.Report(t.Context(), reports(observed("srv_1", 1, 41, protocol.StateRunning), observed("srv_1", 1, 42, protocol.StateStopped)))
	must(t, err)
	again, err := call.Report(t.Context(), reports(observed("srv_1", 1, 41, protocol.StateRunning)))
	must(t, err)
	if w.AckSeq != 40 || ack.Seq != 42 || again.Seq != 42 || c.server("srv_1").Observed.State != protocol.StateStopped || c.server("srv_1").ObservedSeq != 3 {
		t.Errorf("ack %d, %+v, %+v, %+v", w.AckSeq, ack, again, c.server("srv_1").Observed)
	}
	r, all := c.recovery()
	if f := all[fleet.SignReports]; !r.Open || r.Undecided != 0 || f.From != 2 || f.To != 40 {
		t.Errorf("%+v %+v", r, f)
	}
}

// TestF25JournalOfBefore: a machine that was enrolled anew and kept its journal counts on; its new row has forgotten nothing.
func TestF25JournalOfBefore(t *testing.T) {
	c := newCluster(t)
	s := c.joined("alpha")
	req := greeting("run", 1)
	req.NextSeq = 41
	w, err := s.session().Hello(t.Context(), req)
	must(t, err)
	if r, _ := c.recovery(); r.Open || w.AckSeq != 40 {
		t.Errorf("%+v, acknowledged %d", r, w.AckSeq)
	}
}

// TestF25TermOfALiar: a term that no controller can have had opens nothing; a possible one is found, and goes with the node that says it.
func TestF25TermOfALiar(t *testing.T) {
	c := newCluster(t)
	s := c.joined("alpha")
	req := greeting("run", 1)
	req.Term = 1 << 50
	_, err := s.session().Hello(t.Context(), req)
	wantCode(t, err, protocol.Invalid)
	if r, _ := c.recovery(); r.Open {
		t.Fatal("a lie opened the recovery mode")
	}
	req.Term, req.Generation = c.db.Term()+3, 2
	_, err = s.session().Hello(t.Context(), req)
	wantCode(t, err, protocol.Stale)
	if r, all := c.recovery(); !r.Open || r.Undecided != 1 || all[fleet.SignTerm].Term != req.Term {
		t.Fatalf("%+v %+v", r, all)
	}
	must(t, c.tun.Revoke(t.Context(), operator, "alpha"))
	if r, _ := c.recovery(); r.Undecided != 0 {
		t.Errorf("the word of a revoked node still counts: %+v", r)
	}
}

// TestF25MarksAreProof: a liar beside another node opens nothing, whatever it says of reports and terms, with no mark, one of its own making
// or another node's. The mark of a controller whose store went back opens the mode by one node's word.
func TestF25MarksAreProof(t *testing.T) {
	c := newCluster(t)
	s, other := c.joined("alpha"), c.joined("beta")
	c.put(fleet.Server{ID: "srv_1", Name: "one", Node: s.node, Epoch: 1, Desired: fleet.Running})
	c.put(fleet.Server{ID: "srv_2", Name: "two", Node: other.node, Epoch: 1, Desired: fleet.Running})
	tell := func(s *stranger, server string, seq int64) []byte {
		t.Helper()
		call := s.session()
		req := greeting("run", seq)
		req.NextSeq = seq
		_, err := call.Hello(t.Context(), req)
		must(t, err)
		ack, err := call.Report(t.Context(), reports(observed(server, 1, seq, protocol.StateRunning)))
		must(t, err)
		if ack.Seq != seq || len(ack.Mark) == 0 {
			t.Fatalf("%+v", ack)
		}
		must(t, call.Close(nil))
		return ack.Mark
	}
	tell(s, "srv_1", 1)
	saved := c.saved()
	mine, theirs := tell(s, "srv_1", 2), tell(other, "srv_2", 1)
	c.rewind(saved)

	generation, next := int64(10), int64(2)
	hello := func(mark []byte, ahead int64) (protocol.Welcome, error) {
		t.Helper()
		generation++
		req := greeting("run", generation)
		next++
		req.NextSeq, req.Mark, req.Term = next, mark, c.db.Term()+ahead
		return s.session().Hello(t.Context(), req)
	}
	forged := bytes.Clone(mine)
	forged[16]++ // the last byte of what was acknowledged
	for name, mark := range map[string][]byte{"none": nil, "short": mine[:20], "another node's": theirs, "forged": forged} {
		_, err := hello(mark, 0)
		must(t, err)
		_, err = hello(mark, 3)
		wantCode(t, err, protocol.Stale)
		if r, all := c.recovery(); r.Open || all[fleet.SignReports].Proven || all[fleet.SignTerm].Proven || r.Undecided != 2 {
			t.Fatalf("%s: %+v %+v", name, r, all)
		}
		c.do(func(tx store.Tx) error {
			for server, frozen := range map[string]bool{"srv_1": true, "srv_2": false} {
				row, err := fleet.Servers.Get(tx, server)
				must(t, err)
				if g, err := fleet.ReadGate(tx, row); err != nil || g.Frozen() != frozen {
					t.Errorf("%s: %s %+v, %v", name, server, g, err)
				}
			}
			return nil
		})
	}
	// Its own jumps have used its numbers up: the true mark comes to a store that has not heard the lies.
	c.rewind(saved)
	next = 2
	w, err := hello(mine, 0)
	must(t, err)
	if r, all := c.recovery(); !r.Open || !all[fleet.SignReports].Proven || r.Undecided != 0 {
		t.Errorf("%+v %+v", r, all)
	}
	// The same again, after the operator has ended it, is known.
	c.do(func(tx store.Tx) error { return fleet.EndRecovery(tx, c.events, operator, time.Now()) })
	for _, mark := range [][]byte{mine, w.Mark} {
		if _, err := hello(mark, 0); err != nil {
			t.Error(err)
		}
		if r, _ := c.recovery(); r.Open {
			t.Errorf("opened again: %+v", r)
		}
	}
}

// TestF25MarksOutliveARotation: while a CA is trusted, what its controllers vouched for counts.
func TestF25MarksOutliveARotation(t *testing.T) {
	c := newCluster(t)
	s := c.joined("alpha")
	w, err := s.session().hello("run", 1)
	must(t, err)
	reads := func(want bool) {
		t.Helper()
		if got := tunnel.ReadsMark(c.ca, s.node, w.Mark); got != want {
			t.Errorf("read %t, want %t", got, want)
		}
	}
	_, err = c.ca.Prepare()
	must(t, err)
	must(t, c.ca.Activate())
	reads(true)
	must(t, c.ca.Retire())
	reads(false)
}
