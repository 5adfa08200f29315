package fleet_test

import (
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// TestF09RowsHaveTheControllersTime: a node's clock is years ahead or an hour behind. What a report changes carries the controller's time, and
// nothing that has an age is cleared away early; only the event may say the node's time, and never one that is still to come.
func TestF09RowsHaveTheControllersTime(t *testing.T) {
	for _, off := range []time.Duration{0, 3 * 365 * 24 * time.Hour, time.Minute, -time.Hour} {
		r := newRig(t)
		seen := time.Now().UTC().Truncate(time.Microsecond)
		r.add("srv_a", func(s *fleet.Server) { s.Desired = fleet.Deleted })
		r.assign("srv_a", "node_n1")
		r.do(func(tx store.Tx) error {
			return fleet.Tombstones.Put(tx, fleet.Tombstone{Server: "srv_old", Floor: 7, At: seen.Add(-100 * 24 * time.Hour)})
		})
		tell := func(f protocol.Fact) {
			r.do(func(tx store.Tx) error {
				return fleet.Fact(tx, r.log, "node_n1", protocol.Report{At: seen.Add(off), Fact: f}, seen)
			})
		}
		tell(protocol.Fact{Observed: &protocol.Observed{Server: "srv_a", Epoch: 1, State: protocol.StateStopped, Since: seen.Add(off)}})
		if s, _ := r.get("srv_a"); !s.ObservedAt.Equal(seen) || !s.Observed.Since.Equal(seen.Add(off)) {
			t.Errorf("off by %s: observed at %s, want %s; since %s as the node says", off, s.ObservedAt, seen, s.Observed.Since)
		}
		tell(protocol.Fact{Removed: &protocol.RemovedFact{Server: "srv_a", Epoch: 1}})
		r.do(func(tx store.Tx) error {
			if stone, err := fleet.Tombstones.Get(tx, "srv_a"); err != nil || !stone.At.Equal(seen) {
				t.Errorf("off by %s: buried at %s, want %s (%v)", off, stone.At, seen, err)
			}
			if _, err := fleet.Tombstones.Get(tx, "srv_old"); err != nil {
				t.Errorf("off by %s: a grave of 100 days was cleared away: %v", off, err)
			}
			return nil
		})
		page, _, err := r.log.Query(t.Context(), event.Filter{})
		if err != nil || len(page) == 0 {
			t.Fatal(page, err)
		}
		for _, e := range page {
			if e.At.After(time.Now()) || off <= 0 && !e.At.Equal(seen.Add(off)) {
				t.Errorf("off by %s: event %s is of %s", off, e.Type, e.At)
			}
		}
	}
}
