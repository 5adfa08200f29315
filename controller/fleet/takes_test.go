package fleet_test

import (
	"testing"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
)

// TestAssignLooksOnceMore: a node that was closed after it was chosen takes no server; what is there already may start again.
func TestAssignLooksOnceMore(t *testing.T) {
	r := newRig(t)
	r.add("srv_a", nil)
	r.add("srv_b", nil)
	r.assign("srv_a", "node_n1")
	for _, shut := range []func(*fleet.Node){func(n *fleet.Node) { n.Cordoned = true }, func(n *fleet.Node) { n.Cordoned, n.Proving = false, true }} {
		r.do(func(tx store.Tx) error {
			n, err := fleet.Nodes.Get(tx, "node_n1")
			shut(&n)
			if err != nil {
				return err
			}
			return fleet.Nodes.Put(tx, n)
		})
		err := r.db.Update(t.Context(), func(tx store.Tx) error {
			_, err := fleet.Assign(tx, "srv_b", "node_n1", now)
			return err
		})
		if fault.KindOf(err) != fault.Exhausted {
			t.Errorf("assigned: %v", err)
		}
		r.do(func(tx store.Tx) error { return fleet.Book(tx, "srv_a", now) })
	}
}
