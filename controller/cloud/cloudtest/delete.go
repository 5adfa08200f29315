package cloudtest

import (
	"testing"

	"github.com/payperplay/payperplay/controller/cloud"
)

func testDelete(t *testing.T, r Rig) {
	m := r.on(t, r.Provider, r.order("one"))
	stays := r.on(t, r.Provider, r.order("two"))
	for range 2 { // the second time it may be under way, or gone
		if err := r.Provider.Delete(t.Context(), m.ID); err != nil {
			t.Fatal(err)
		}
	}
	r.gone(t, m.ID)
	for _, id := range []string{m.ID, "", "4711", "no-number"} {
		if err := r.Provider.Delete(t.Context(), id); err != nil {
			t.Errorf("Delete(%q), which is not there: %v", id, err)
		}
	}
	_, err := r.Provider.ByName(t.Context(), "one")
	r.fails(t, "ByName of a machine that was deleted", err, cloud.NotFound)
	if list, err := r.Provider.List(t.Context()); err != nil || len(list) != 1 || list[0].ID != stays.ID {
		t.Errorf("List: %v, %v: want the other one", list, err)
	}
}

func testDeleteFaults(t *testing.T, r Rig) {
	for f, kinds := range map[Fault][]cloud.Kind{
		Locked: {cloud.Busy}, Conflict: {cloud.Busy}, TooMany: {cloud.RateLimited}, LoseRequest: {cloud.Uncertain, cloud.Unavailable}, FailBefore: {cloud.Uncertain, cloud.Unavailable},
		LoseReply: {cloud.Uncertain}, FailAfter: {cloud.Uncertain},
	} {
		m := r.on(t, r.Provider, r.order(string(f)))
		p := r.Open(t, Who{Cluster: r.Cluster}) // a driver that is told to slow down may do so
		r.World.Inject(t, f, OnDelete)
		err := p.Delete(t.Context(), m.ID)
		r.fails(t, string(f), err, kinds...)
		if err := r.Provider.Delete(t.Context(), m.ID); err != nil {
			t.Errorf("%s: deleting it again: %v", f, err)
		}
		r.gone(t, m.ID)
	}
	r.machines(t, 0, "all were deleted")
}

func testVanished(t *testing.T, r Rig) {
	m := r.on(t, r.Provider, r.order("one"))
	r.World.Vanish(t, m.ID)
	_, err := r.Provider.Get(t.Context(), m.ID)
	r.fails(t, "Get", err, cloud.NotFound)
	_, err = r.Provider.ByName(t.Context(), "one")
	r.fails(t, "ByName", err, cloud.NotFound)
	r.fails(t, "Off", r.Provider.Off(t.Context(), m.ID), cloud.NotFound)
	r.fails(t, "Reset", r.Provider.Reset(t.Context(), m.ID), cloud.NotFound)
	_, err = r.Provider.Snapshot(t.Context(), m.ID, "x", nil)
	r.fails(t, "Snapshot", err, cloud.NotFound)
	if err := r.Provider.Delete(t.Context(), m.ID); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if list, err := r.Provider.List(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("List: %v, %v", list, err)
	}
}

// testForeign: what another cluster, or somebody by hand, has in the same project is not seen in lists and never touched.
func testForeign(t *testing.T, r Rig) {
	other := r.Open(t, Who{Cluster: "another-cluster"})
	theirs := r.on(t, other, r.order("theirs"))
	image, err := other.Snapshot(t.Context(), theirs.ID, "theirs", nil)
	if err != nil {
		t.Fatal(err)
	}
	machines := map[string]string{
		"another cluster's": theirs.ID,
		"nobody's":          r.World.Plant(t, cloud.Thing{Kind: cloud.ThingMachine, Name: "plain"}),
		"half labelled":     r.World.Plant(t, cloud.Thing{Kind: cloud.ThingMachine, Name: "half", Labels: map[string]string{cloud.LabelCluster: cloud.LabelValue(r.Cluster)}}),
	}
	for what, id := range machines {
		r.until(t, id, cloud.On)
		r.fails(t, "Delete of "+what, r.Provider.Delete(t.Context(), id), cloud.Denied)
		r.fails(t, "Off of "+what, r.Provider.Off(t.Context(), id), cloud.Denied)
		r.fails(t, "Reset of "+what, r.Provider.Reset(t.Context(), id), cloud.Denied)
		_, err := r.Provider.Snapshot(t.Context(), id, "mine", nil)
		r.fails(t, "Snapshot of "+what, err, cloud.Denied)
		if m, err := r.Provider.Get(t.Context(), id); err != nil || m.State != cloud.On || cloud.Ours(m.Labels, r.Cluster) {
			t.Errorf("%s: Get: %+v, %v: it was not to be touched", what, m, err)
		}
	}
	r.fails(t, "DeleteImage of another cluster's", r.Provider.DeleteImage(t.Context(), image.ID), cloud.Denied)
	r.fails(t, "Remove of another cluster's image", r.Provider.Remove(t.Context(), cloud.Thing{Kind: cloud.ThingImage, ID: image.ID}), cloud.Denied)
	r.fails(t, "DeleteImage of the provider's", r.Provider.DeleteImage(t.Context(), r.SystemImage), cloud.Denied)
	for _, kind := range []cloud.ThingKind{cloud.ThingVolume, cloud.ThingNetwork, cloud.ThingFirewall, cloud.ThingSpread, cloud.ThingAddress} {
		// The labels that a caller holds count for nothing.
		thing := cloud.Thing{Kind: kind, ID: r.World.Plant(t, cloud.Thing{Kind: kind, Name: "plain-" + string(kind[:3])}), Labels: map[string]string{
			cloud.LabelManagedBy: cloud.ManagedBy, cloud.LabelCluster: cloud.LabelValue(r.Cluster),
		}}
		r.fails(t, "Remove of a foreign "+string(kind), r.Provider.Remove(t.Context(), thing), cloud.Denied)
		if r.count(kind) == 0 {
			t.Errorf("a foreign %s is gone", kind)
		}
	}
	if list, err := r.Provider.List(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("List: %v, %v: want none", list, err)
	}
	if list, err := r.Provider.Images(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("Images: %v, %v: want none", list, err)
	}
	if list, err := r.Provider.Leftovers(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("Leftovers: %v, %v: want none", list, err)
	}
}
