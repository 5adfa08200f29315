package provision_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/provision"
)

// TestI3ImageInCaps: a builder counts as a machine and as money, for builds and for orders.
func TestI3ImageInCaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gallery{stuck: true}
		w := newWorld(t, 0, imaging(g))
		w.limit(func(c *provision.Caps) { c.MaxNodes = 1 })
		w.order(offer("small", "fsn1"))
		if _, err := w.p.BuildImage(t.Context(), "olga", provision.Wish{}); fault.KindOf(err) != fault.Exhausted {
			t.Errorf("a build over the cap: %v", err)
		}
		w.limit(func(c *provision.Caps) { c.MaxNodes, c.MaxPerDay = 5, 2*24*prices["small"] })
		w.build(provision.Wish{})
		w.passImages(g, time.Minute)
		_, err := w.p.Order(t.Context(), "olga", provision.Request{Candidates: []provision.Candidate{offer("small", "fsn1")}})
		if fault.KindOf(err) != fault.Exhausted {
			t.Errorf("an order over the cap: %v", err)
		}
		w.passImages(g, 25*time.Minute)
		if _, err = w.p.Order(t.Context(), "olga", provision.Request{Candidates: []provision.Candidate{offer("small", "fsn1")}}); err != nil {
			t.Logf("the hour of the builder still counts: %v", err)
		}
	})
}

// TestImageGarbage: builders and snapshots that no row knows go, those of rows stay, and those that settings name.
func TestImageGarbage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gallery{stuck: true, takes: time.Second}
		w := newWorld(t, 0, imaging(g))
		w.build(provision.Wish{})
		w.passImages(g, time.Minute)
		labels := func(role cloud.Role, row string) map[string]string {
			return map[string]string{cloud.LabelManagedBy: cloud.ManagedBy, cloud.LabelCluster: cloud.LabelValue(w.db.ClusterID()), cloud.LabelRole: string(role), cloud.LabelMachine: row}
		}
		g.byHand(func() {
			g.add(cloud.Order{Name: "x", Type: "small", Labels: labels(cloud.RoleBuilder, "img-x")}, true)
			g.shots = []cloud.Image{{ID: "7", Labels: labels(cloud.RoleImage, "img-x"), Created: time.Now()}, {ID: "8", Labels: labels(cloud.RoleImage, "img-y"), Created: time.Now()}}
			g.used = []string{"8"}
		})
		time.Sleep(11 * time.Minute)
		r, err := w.p.Collect(t.Context(), "olga", false)
		must(t, err)
		if len(g.shots) != 1 || g.shots[0].ID != "8" || len(w.cloud.alive()) != 2 {
			t.Errorf("%+v", r.Things)
		}
	})
}

// TestImageRefusals: each kind of wish that cannot be is refused with what to do.
func TestImageRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0, imaging(&gallery{}))
		for name, c := range map[string]struct {
			wish provision.Wish
			want fault.Kind
		}{
			"arch":          {provision.Wish{Arch: "mips"}, fault.Invalid},
			"type":          {provision.Wish{Type: "none"}, fault.Invalid},
			"retired":       {provision.Wish{Type: "old"}, fault.Invalid},
			"location":      {provision.Wish{Location: "moon"}, fault.Invalid},
			"type of other": {provision.Wish{Type: "arm", Arch: "amd64"}, fault.Invalid},
			"stock":         {provision.Wish{Arch: "arm64"}, fault.Exhausted},
			"game":          {provision.Wish{Games: []string{"--all"}}, fault.Invalid},
		} {
			if _, err := w.p.BuildImage(t.Context(), "olga", c.wish); fault.KindOf(err) != c.want || fault.Next(err) == "" {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := w.p.DeleteImage(t.Context(), "olga", "12"); fault.KindOf(err) != fault.NotFound {
			t.Error(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		if _, err := w.p.BuildImage(t.Context(), "olga", provision.Wish{}); fault.KindOf(err) != fault.Precondition {
			t.Error(err)
		}
	})
}
