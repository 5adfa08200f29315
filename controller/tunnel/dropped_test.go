package tunnel_test

import (
	"testing"

	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// TestF05DroppedReportsAreNoTimeTravel: a node that had no room for all its reports says so: they are noted as lost, and the store is
// not taken for an old one. A node that was told to forget one more is another matter.
func TestF05DroppedReportsAreNoTimeTravel(t *testing.T) {
	for _, test := range []struct {
		name    string
		dropped int64
		open    bool
	}{{"alpha", 100, false}, {"beta", 150, false}, {"gamma", 99, true}} {
		c := newCluster(t)
		s := c.joined(test.name)
		first := s.session()
		_, err := first.hello("run", 1)
		must(t, err)
		_, err = first.Report(t.Context(), reports(observed("srv_1", 1, 1, protocol.StateStarting))) // a row that has taken one
		must(t, err)
		req := greeting("run", 2)
		req.NextSeq, req.DroppedSeq = 101, test.dropped
		w, err := s.session().Hello(t.Context(), req)
		must(t, err)
		if w.AckSeq != 100 || c.happened("node.reports_lost") != 1 {
			t.Errorf("dropped up to %d: AckSeq %d, %d events", test.dropped, w.AckSeq, c.happened("node.reports_lost"))
		}
		must(t, c.db.View(t.Context(), func(tx store.Tx) error {
			r, err := fleet.ReadRecovery(tx)
			if r.Open != test.open {
				t.Errorf("dropped up to %d: recovery mode %v", test.dropped, r.Open)
			}
			return err
		}))
	}
}
