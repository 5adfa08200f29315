package fleet_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// TestF25AdoptBooks: what is adopted is booked as its node has it, a taken port is named, and no other node's copy counts any more.
func TestF25AdoptBooks(t *testing.T) {
	r := newRig(t)
	r.add("srv_a", nil)
	r.assign("srv_a", "node_n1") // port 25565, epoch 1
	runs := protocol.Observed{Server: "srv_b", Epoch: 4, State: protocol.StateRunning, Container: "c"}
	f := fleet.Finding{Node: "node_n1", Server: "srv_b", Agent: runs, Detail: &protocol.Detail{Spec: protocol.Spec{Server: "srv_b", Image: "x", HostPort: 25565, MemoryBytes: gib}}}
	r.fails(fault.Conflict, "server a", func(tx store.Tx) error {
		_, err := fleet.Adopt(tx, fleet.Server{ID: "srv_b", Name: "b"}, f, now)
		return err
	})
	f.Detail.Spec.HostPort = 25566
	r.do(func(tx store.Tx) error {
		_, err := fleet.Adopt(tx, fleet.Server{ID: "srv_b", Name: "b"}, f, now)
		return err
	})
	s, b := r.get("srv_b")
	if s.Node != "node_n1" || s.Epoch != 4 || s.Floor != 5 || s.Fresh() || b.Port != 25566 || b.MemoryBytes != gib || !b.Confirmed {
		t.Errorf("%+v\n%+v", s, b)
	}
	r.do(func(tx store.Tx) error {
		for node, want := range map[string]int64{"node_n1": 4, "node_n2": 5} {
			if told, err := fleet.Told(tx, node, "srv_b", fleet.Recovery{Open: true}); err != nil || told != want {
				t.Errorf("%s is told %d, %v; want %d", node, told, err, want)
			}
		}
		return nil
	})
	if s := r.assign("srv_b", "node_n2"); s.Epoch != 6 {
		t.Errorf("the next epoch is %d", s.Epoch)
	}
}

// TestF25AdoptBooksTheContainer: the booking of what is adopted follows the container's own limits.
func TestF25AdoptBooksTheContainer(t *testing.T) {
	r := newRig(t)
	runs := protocol.Observed{Server: "srv_b", Epoch: 4, State: protocol.StateRunning, Container: "c", MemoryBytes: 3 * gib, CPUMillis: 700}
	f := fleet.Finding{Node: "node_n1", Server: "srv_b", Agent: runs, Detail: &protocol.Detail{Spec: protocol.Spec{Server: "srv_b", Image: "x", HostPort: 25566, MemoryBytes: gib}}}
	r.do(func(tx store.Tx) error {
		_, err := fleet.Adopt(tx, fleet.Server{ID: "srv_b", Name: "b"}, f, now)
		return err
	})
	if _, b := r.get("srv_b"); b.MemoryBytes != 3*gib || b.CPUMillis != 700 {
		t.Errorf("%+v", b)
	}
}

// hears takes an inventory and gives the recovery and the row after it.
func (r rig) hears(node string, at time.Time, inv ...protocol.Observed) (rec fleet.Recovery, silent []string) {
	r.t.Helper()
	r.do(func(tx store.Tx) error {
		if err := fleet.Inventory(tx, r.log, node, inv, at); err != nil {
			return err
		}
		n, err := fleet.Nodes.Get(tx, node)
		if err != nil {
			return err
		}
		rec, err = fleet.ReadRecovery(tx)
		silent = rec.Heard(map[string]fleet.Node{node: n})
		return err
	})
	return rec, silent
}

func (r rig) revoke(node string) {
	r.t.Helper()
	r.do(func(tx store.Tx) error {
		n, err := fleet.Nodes.Get(tx, node)
		if err != nil {
			return err
		}
		n.Revoked = true
		if err := fleet.DropFindings(tx, node); err != nil {
			return err
		}
		return fleet.Nodes.Put(tx, n)
	})
}

// TestF25EnrolledAnew: a machine that was enrolled again names the servers of its revoked self at the epochs that the store gave.
// Each waits for a choice, the cluster does not. While the old node counts it is one node's word against the store, which costs that server
// only; a higher epoch said by the only node that is left is a sign.
func TestF25EnrolledAnew(t *testing.T) {
	for name, c := range map[string]struct {
		revoked bool
		epoch   int64
		open    bool
	}{"revoked": {true, 1, false}, "not revoked": {false, 1, false}, "revoked, higher": {true, 2, true}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.add("srv_a", nil)
			r.assign("srv_a", "node_n1")
			if c.revoked {
				r.revoke("node_n1")
			}
			for range 2 {
				rec, silent := r.hears("node_n2", now, protocol.Observed{Server: "srv_a", Epoch: c.epoch, State: protocol.StateRunning, Container: "c"})
				if rec.Open != c.open || rec.Undecided != 1 || len(silent) != 0 {
					t.Fatalf("%+v, silent %v", rec, silent)
				}
			}
			r.do(func(tx store.Tx) error {
				g, err := fleet.ReadGate(tx, fleet.Server{ID: "srv_a"})
				other, failed := fleet.ReadGate(tx, fleet.Server{ID: "srv_other"})
				if !g.Frozen() || other.Frozen() != c.open {
					t.Errorf("%+v, another server %+v", g, other)
				}
				return errors.Join(err, failed)
			})
		})
	}
}

// TestF25RevokedInTheMode: the epoch that a revoked node had is never given again: its copy may still run.
func TestF25RevokedInTheMode(t *testing.T) {
	r := newRig(t)
	r.add("srv_a", nil)
	r.hears("node_n1", now, protocol.Observed{Server: "srv_a", Epoch: 7, State: protocol.StateRunning, Container: "c"})
	r.revoke("node_n1")
	if s := r.assign("srv_a", "node_n2"); s.Epoch <= 7 {
		t.Errorf("epoch %d is given a second time", s.Epoch)
	}
}

// TestF25BuriedCopyIsSetAside: a copy of a deleted server that comes back is not left to run for nobody.
func TestF25BuriedCopyIsSetAside(t *testing.T) {
	r := newRig(t)
	r.add("srv_a", nil)
	s := r.assign("srv_a", "node_n1")
	r.do(func(tx store.Tx) error { return fleet.Gone(tx, r.log, s, now) })
	rec, _ := r.hears("node_n1", now, protocol.Observed{Server: "srv_a", Epoch: s.Epoch, State: protocol.StateRunning, Container: "c"})
	r.do(func(tx store.Tx) error {
		told, err := fleet.Told(tx, "node_n1", "srv_a", fleet.Recovery{})
		if told != s.Epoch+1 || rec.Open {
			t.Errorf("told %d of epoch %d; %+v", told, s.Epoch, rec)
		}
		return err
	})
}

// TestF25TombstonesAreBounded: a deleted server is remembered, and those of long ago go.
func TestF25TombstonesAreBounded(t *testing.T) {
	r := newRig(t)
	for i := range 12 {
		at := now.Add(time.Duration(i) * 100 * 24 * time.Hour)
		r.add(fmt.Sprint("srv_", i), nil)
		s, _ := r.get(fmt.Sprint("srv_", i))
		r.do(func(tx store.Tx) error { return fleet.Gone(tx, r.log, s, at) })
	}
	r.do(func(tx store.Tx) error {
		n, err := fleet.Tombstones.Count(tx)
		if n != 2 {
			t.Errorf("%d tombstones, want those of the last 180 days", n)
		}
		return err
	})
	// One that its node still mentions is no sign, an unknown one is.
	for _, c := range []struct {
		server string
		open   bool
	}{{"srv_11", false}, {"srv_never", true}} {
		server, open := c.server, c.open
		r.do(func(tx store.Tx) error {
			if err := fleet.Inventory(tx, r.log, "node_n1", []protocol.Observed{{Server: server, Epoch: 1, State: protocol.StateStopped}}, now); err != nil {
				return err
			}
			rec, err := fleet.ReadRecovery(tx)
			if rec.Open != open {
				t.Errorf("%s: recovery %+v", server, rec)
			}
			return err
		})
		if !open {
			r.revoke("node_n2") // what the only node says needs no second one
			continue
		}
		// Its cause goes: the finding goes too, the mode stays until somebody ends it.
		r.do(func(tx store.Tx) error {
			if err := fleet.Inventory(tx, r.log, "node_n1", nil, now); err != nil {
				return err
			}
			if rec, err := fleet.ReadRecovery(tx); err != nil || !rec.Open || rec.Undecided != 0 {
				t.Errorf("%+v, %v", rec, err)
			}
			return fleet.EndRecovery(tx, r.log, "olga", now)
		})
	}
}
