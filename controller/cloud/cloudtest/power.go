package cloudtest

import (
	"testing"

	"github.com/payperplay/payperplay/controller/cloud"
)

// testPower: what a world may be started elsewhere on must be true when it is said.
func testPower(t *testing.T, r Rig) {
	m := r.on(t, r.Provider, r.order("one"))
	state := func(want cloud.State) {
		t.Helper()
		if got, err := r.Provider.Get(t.Context(), m.ID); err != nil || got.State != want {
			t.Errorf("the machine is %s, %v, want %s", got.State, err, want)
		}
	}
	for range 2 { // one that is off is no error
		if err := r.Provider.Off(t.Context(), m.ID); err != nil {
			t.Fatalf("Off: %v", err)
		}
		state(cloud.Off)
	}
	if err := r.Provider.Reset(t.Context(), m.ID); err != nil {
		t.Fatalf("Reset: %v", err)
	}
	state(cloud.On)

	for f, kinds := range map[Fault][]cloud.Kind{
		Locked: {cloud.Busy}, TooMany: {cloud.RateLimited}, LoseRequest: {cloud.Uncertain, cloud.Unavailable}, ActionFails: {cloud.Unavailable, cloud.Busy},
	} {
		p := r.Open(t, Who{Cluster: r.Cluster}) // a driver that is told to slow down may do so
		r.World.Inject(t, f, OnPower)
		r.fails(t, "Off, "+string(f), p.Off(t.Context(), m.ID), kinds...)
		state(cloud.On)
	}
	r.World.Inject(t, LoseReply, OnPower)
	r.fails(t, "Off, its reply lost", r.Provider.Off(t.Context(), m.ID), cloud.Uncertain)
	r.until(t, m.ID, cloud.Off)
	r.fails(t, "Off of nothing", r.Provider.Off(t.Context(), "4711"), cloud.NotFound)
}
