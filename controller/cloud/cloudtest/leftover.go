package cloudtest

import (
	"testing"

	"github.com/payperplay/payperplay/controller/cloud"
)

func testLeftovers(t *testing.T, r Rig) {
	labels := map[string]string{cloud.LabelManagedBy: cloud.ManagedBy, cloud.LabelCluster: cloud.LabelValue(r.Cluster), "left": "over"}
	things := map[string]cloud.Thing{} // by kind and id
	key := func(th cloud.Thing) string { return string(th.Kind) + " " + th.ID }
	plant := func(kind cloud.ThingKind) cloud.Thing {
		th := cloud.Thing{Kind: kind, Name: "left-" + string(kind[:3]), Labels: labels}
		th.ID = r.World.Plant(t, th)
		things[key(th)] = th
		return th
	}
	volume, free := plant(cloud.ThingVolume), plant(cloud.ThingNetwork)
	for _, kind := range []cloud.ThingKind{cloud.ThingFirewall, cloud.ThingSpread, cloud.ThingAddress} {
		plant(kind)
	}
	f, err := r.Provider.Prepare(t.Context(), want())
	if err != nil {
		t.Fatal(err)
	}
	o := r.order("one")
	o.Fixtures = f
	m := r.on(t, r.Provider, o)
	image, err := r.Provider.Snapshot(t.Context(), m.ID, "image", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.until(t, m.ID, cloud.On)
	r.World.Use(t, volume, m.ID)
	used := map[string]bool{key(volume): true}
	for kind, id := range map[cloud.ThingKind]string{cloud.ThingNetwork: f.Network, cloud.ThingFirewall: f.Firewall, cloud.ThingSpread: f.Spread} {
		th := cloud.Thing{Kind: kind, ID: id}
		things[key(th)], used[key(th)] = th, true
	}
	for _, th := range []cloud.Thing{{Kind: cloud.ThingMachine, ID: m.ID, Name: "one"}, {Kind: cloud.ThingImage, ID: image.ID, Name: "image"}} {
		things[key(th)] = th
	}

	list, err := r.Provider.Leftovers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, th := range list {
		k := key(th)
		want, ok := things[k]
		switch {
		case !ok || seen[k]:
			t.Errorf("%s is listed, and is none of ours or was listed before", k)
		case want.Name != "" && th.Name != want.Name, !cloud.Ours(th.Labels, r.Cluster), th.Created.IsZero(), want.Labels != nil && th.Labels["left"] != "over":
			t.Errorf("%s is listed as %+v", k, th)
		case th.InUse != used[k]:
			t.Errorf("%s: InUse is %v", k, th.InUse)
		}
		seen[k] = true
	}
	if len(seen) != len(things) {
		t.Errorf("%d of %d things are listed: %v", len(seen), len(things), seen)
	}

	r.fails(t, "Remove of a machine", r.Provider.Remove(t.Context(), cloud.Thing{Kind: cloud.ThingMachine, ID: m.ID}), cloud.Invalid)
	for k := range used {
		r.fails(t, "Remove of "+k+", which is in use", r.Provider.Remove(t.Context(), things[k]), cloud.Busy)
	}
	if err := r.Provider.Remove(t.Context(), free); err != nil {
		t.Errorf("Remove of what nobody uses: %v", err)
	}
	if err := r.Provider.Delete(t.Context(), m.ID); err != nil {
		t.Fatal(err)
	}
	r.gone(t, m.ID)
	for k, th := range things {
		for range 2 {
			if err := r.Provider.Remove(t.Context(), th); err != nil && th.Kind != cloud.ThingMachine {
				t.Errorf("Remove of %s: %v", k, err)
			}
		}
	}
	if list, err := r.Provider.Leftovers(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("Leftovers: %v, %v: want none", list, err)
	}
}
