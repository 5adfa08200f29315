package fleet_test

import (
	"testing"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
)

func TestNamesAreUniqueUntilDeleted(t *testing.T) {
	r := newRig(t)
	r.add("srv_a", func(s *fleet.Server) { s.Name = "alpha" })
	r.fails(fault.Conflict, "name", func(tx store.Tx) error {
		return fleet.Servers.Put(tx, fleet.Server{ID: "srv_b", Name: "alpha", Desired: fleet.Stopped})
	})
	r.add("srv_a", func(s *fleet.Server) { s.Name, s.Desired = "alpha", fleet.Deleted })
	r.add("srv_b", func(s *fleet.Server) { s.Name = "alpha" })
	r.do(func(tx store.Tx) error {
		for ref, want := range map[string]string{"alpha": "srv_b", "srv_a": "srv_a"} {
			if s, err := fleet.FindServer(tx, ref); err != nil || s.ID != want {
				t.Errorf("%s is %s, %v", ref, s.ID, err)
			}
		}
		_, err := fleet.FindServer(tx, "beta")
		if fault.KindOf(err) != fault.NotFound || fault.Message(err) != `there is no server "beta"` {
			t.Errorf("%v", err)
		}
		return nil
	})
}
