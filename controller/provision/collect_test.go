package provision_test

import (
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/provision"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// TestF19GarbageCollection: of everything in the cloud only that goes which is ours, older than 10 minutes and known to nobody.
func TestF19GarbageCollection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0, func(o *provision.Options) {
			o.Keep = func(t cloud.Thing) string {
				if t.ID == "kept" {
					return "the settings name it"
				}
				return ""
			}
		})
		m := w.order(offer("small", "fsn1"))
		w.pass(time.Minute)
		m = w.phase(m.ID, provision.Serving)
		with := func(more map[string]string) map[string]string {
			l := w.labels()
			maps.Copy(l, more)
			return l
		}
		hand := func(name string, labels map[string]string) {
			w.cloud.byHand(func() { w.cloud.add(cloud.Order{Name: name, Labels: labels}, true) })
		}
		own := map[string]string{cloud.LabelMachine: "mach-" + m.ID[5:]}
		hand("orphan", w.labels())
		hand("double", with(own))
		hand("unlabelled", nil)
		hand("other cluster", map[string]string{cloud.LabelManagedBy: cloud.ManagedBy, cloud.LabelCluster: "another"})
		hand("not managed", map[string]string{cloud.LabelCluster: w.db.ClusterID()})
		hand("builder", with(map[string]string{cloud.LabelRole: string(cloud.RoleBuilder)}))
		w.cloud.byHand(func() {
			old := time.Now()
			fix := with(map[string]string{cloud.LabelRole: string(cloud.RoleFixture)})
			w.cloud.things = []cloud.Thing{
				{Kind: cloud.ThingVolume, ID: "v", Labels: w.labels(), Created: old},
				{Kind: cloud.ThingVolume, ID: "v-used", Labels: w.labels(), Created: old, InUse: true},
				{Kind: cloud.ThingVolume, ID: "v-other", Created: old},
				{Kind: cloud.ThingAddress, ID: "ip", Labels: w.labels(), Created: old},
				{Kind: cloud.ThingImage, ID: "kept", Labels: w.labels(), Created: old},
				{Kind: cloud.ThingImage, ID: m.Image, Labels: w.labels(), Created: old},
				{Kind: cloud.ThingImage, ID: "stale", Labels: w.labels(), Created: old},
				{Kind: cloud.ThingNetwork, ID: "n", Labels: fix, Created: old},
				{Kind: cloud.ThingFirewall, ID: "f1", Labels: fix, Created: old},
				{Kind: cloud.ThingFirewall, ID: "f2", Labels: fix, Created: old},
			}
		})
		look := func(dry bool) map[string]string {
			r, err := w.p.Collect(t.Context(), "olga", dry)
			must(t, err)
			out := map[string]string{}
			for _, g := range r.Things {
				if name := g.Name; g.Why == "" || (g.Result != "") != (!dry && g.Do != provision.GarbageLeave) {
					t.Errorf("%s: %+v", name, g)
				}
				if out[g.ID] = g.Do; g.Name != "" {
					delete(out, g.ID)
					out[g.Name] = g.Do
				}
			}
			return out
		}
		for id, do := range look(true) {
			if do != provision.GarbageLeave {
				t.Errorf("%s is younger than 10 minutes: %s", id, do)
			}
		}
		w.pass(11 * time.Minute)
		hand("young", w.labels())
		want := map[string]string{"orphan": "delete", "double": "delete", "not managed": "leave", "builder": "leave", "young": "leave",
			"v": "delete", "v-other": "leave", "ip": "delete", "stale": "delete", "f1": "leave", "f2": "leave"}
		if got := look(true); !maps.Equal(got, want) {
			t.Errorf("found %v\nwant  %v", got, want)
		}
		if n := len(w.cloud.alive()); n != 8 {
			t.Errorf("a dry run left %d machines", n)
		}
		look(false)
		w.pass(time.Hour)
		look(false)
		var left []string
		for _, r := range w.cloud.alive() {
			left = append(left, r.m.Name)
		}
		if fmt.Sprint(left) != fmt.Sprint([]string{m.Name, "unlabelled", "other cluster", "not managed"}) || len(w.cloud.things) != 7 {
			t.Errorf("left are %v, %v", left, w.cloud.things)
		}
		w.phase(m.ID, provision.Serving)
		if w.happened("scaling.garbage_found") != 4 || w.happened("scaling.garbage_collected") != 2 {
			t.Error("it was not told")
		}
	})
}

// TestGarbageAtNight: it is collected once a night, by itself; what a busy node runs on is never taken away, whatever rows say.
func TestGarbageAtNight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0, func(o *provision.Options) { o.Night = 4 * time.Hour })
		m := w.order(offer("small", "fsn1"))
		w.pass(time.Minute)
		m = w.phase(m.ID, provision.Serving)
		must(t, w.place("a", m.Node))
		must(t, w.update(func(tx store.Tx) error { return provision.Machines.Delete(tx, m.ID) })) // as nothing in the product does
		w.cloud.byHand(func() { w.cloud.add(cloud.Order{Name: "orphan", Labels: w.labels()}, true) })
		var again cloud.Machine
		w.cloud.byHand(func() { again = w.cloud.add(cloud.Order{Name: "joined by hand", Labels: w.labels()}, true) })
		must(t, w.update(func(tx store.Tx) error {
			return fleet.Nodes.Put(tx, fleet.Node{ID: "node_hand", Name: "hand", Facts: protocol.NodeFacts{MachineID: again.ID}})
		}))
		w.pass(4 * time.Hour)
		if left := w.cloud.alive(); len(left) != 2 || left[0].m.Name != m.Name || left[1].m.Name != again.Name {
			t.Errorf("left are %+v", left)
		}
		if w.happened("scaling.garbage_found") != 1 {
			t.Error("not once a night")
		}
	})
}

// TestF19Adopted: garbage collection gives an open order the machine that its row lacks.
func TestF19Adopted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		w.cloud.next("create", fate{kind: cloud.Uncertain, done: true})
		for range 200 {
			w.cloud.next("byname", fate{kind: cloud.Unavailable})
		}
		m := w.order(offer("small", "fsn1"))
		w.pass(11 * time.Minute)
		w.phase(m.ID, provision.Ordering)
		r, err := w.p.Collect(t.Context(), "olga", false)
		if must(t, err); len(r.Things) != 1 || r.Things[0].Do != provision.GarbageAdopt {
			t.Errorf("%+v", r)
		}
		w.pass(time.Minute)
		if w.phase(m.ID, provision.Serving); w.cloud.made() != 1 {
			t.Error("a second machine was made")
		}
	})
}
