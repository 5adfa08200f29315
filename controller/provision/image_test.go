package provision_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/provision"
	"github.com/payperplay/payperplay/controller/store"
)

func (w *world) build(wish provision.Wish) provision.Image {
	w.t.Helper()
	i, err := w.p.BuildImage(context.Background(), "olga", wish)
	must(w.t, err)
	return i
}

func (w *world) image(id string, want provision.ImagePhase) provision.Image {
	w.t.Helper()
	i, err := w.p.Image(context.Background(), id)
	must(w.t, err)
	if i.Phase != want {
		w.t.Fatalf("image is %s (%s), want %s; %+v", i.Phase, i.Explain(), want, i)
	}
	return i
}

// imagesSane says that nothing is left at the provider but the snapshots of images that are ready.
func (w *world) imagesSane(g *gallery) {
	w.t.Helper()
	all, err := w.p.Images(context.Background(), true)
	must(w.t, err)
	ready := map[string]bool{}
	for _, i := range all {
		if i.Phase == provision.ImageReady {
			ready[i.Image] = true
		}
	}
	for _, r := range w.cloud.alive() {
		w.t.Errorf("machine %s is left", r.m.Name)
	}
	for _, s := range g.shots {
		if !ready[s.ID] {
			w.t.Errorf("snapshot %s (%s) is left", s.ID, s.Name)
		}
		delete(ready, s.ID)
	}
	for id := range ready {
		w.t.Errorf("snapshot %s of a ready image is not there", id)
	}
}

// TestImage: from the request to an image without a builder, and its deletion.
func TestImage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gallery{takes: time.Minute}
		w := newWorld(t, 0, imaging(g))
		i := w.build(provision.Wish{Games: []string{"itzg/minecraft-server"}})
		if i.Type != "small" || i.At != "fsn1" || i.Disk != 40e9 || len(i.Others) != 2 {
			t.Errorf("the smallest disk is not first: %+v", i)
		}
		_, err := w.p.BuildImage(t.Context(), "olga", provision.Wish{})
		if fault.KindOf(err) != fault.Conflict {
			t.Errorf("a second build: %v", err)
		}
		w.passImages(g, 30*time.Second)
		i = w.image(i.ID, provision.ImageBuilding)
		if b := w.cloud.alive()[0]; b.m.Labels[cloud.LabelRole] != "builder" || b.m.Name != i.Name || b.data != "builder "+i.Name {
			t.Errorf("%+v", b)
		}
		if list, err := w.p.Machines(t.Context(), true); err != nil || len(list) != 0 {
			t.Errorf("the builder is among the machines that serve: %v, %v", list, err)
		}
		w.passImages(g, time.Minute)
		w.image(i.ID, provision.ImageSnapshotting)
		w.passImages(g, 3*time.Minute)
		i = w.image(i.ID, provision.ImageReady)
		if i.Image == "" || i.Bytes == 0 || i.Problem != nil || g.shots[0].Labels[cloud.LabelRole] != "image" {
			t.Errorf("%+v", i)
		}
		w.imagesSane(g)
		var spent fleet.MicroEuro
		must(t, w.db.View(t.Context(), func(tx store.Tx) (err error) { spent, err = provision.SpentToday(tx, time.Now()); return err }))
		if spent != prices["small"] {
			t.Errorf("%s was spent", spent)
		}
		r, err := w.p.Collect(t.Context(), "olga", false)
		if must(t, err); len(r.Things) != 0 {
			t.Errorf("%+v", r.Things)
		}

		g.byHand(func() { g.used = []string{i.Image} })
		if _, err := w.p.DeleteImage(t.Context(), "olga", i.Image); fault.KindOf(err) != fault.Conflict || fault.Next(err) == "" {
			t.Errorf("an image in use: %v", err)
		}
		g.byHand(func() { g.used = nil })
		g.next("deleteimage", fate{kind: cloud.Uncertain}, fate{kind: cloud.Busy})
		_, err = w.p.DeleteImage(t.Context(), "olga", i.Image)
		must(t, err)
		w.passImages(g, time.Minute)
		w.image(i.ID, provision.ImageDeleted)
		_, err = w.p.DeleteImage(t.Context(), "olga", i.ID)
		must(t, err)
		w.imagesSane(g)
		if list, err := w.p.Images(t.Context(), false); err != nil || len(list) != 0 {
			t.Errorf("%v, %v", list, err)
		}
		for _, kind := range []string{"requested", "ready", "deleted"} {
			if n := w.happened("scaling.image_" + kind); n != 1 {
				t.Errorf("%d events %s", n, kind)
			}
		}
		must(t, w.update(func(tx store.Tx) error {
			n, err := provision.TrimImages(tx, time.Now().Add(41*24*time.Hour), 10)
			if n != 1 {
				t.Errorf("%d rows were trimmed", n)
			}
			return err
		}))
	})
}

// TestF18ImageRepliesLost: each answer is lost, whether the call arrived or not: there is one builder, one image, and nothing is left.
func TestF18ImageRepliesLost(t *testing.T) {
	for _, call := range []string{"create", "snapshot", "delete", "image", "get", "images", "byname"} {
		for _, done := range []bool{true, false} {
			t.Run(fmt.Sprint(call, done), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					g := &gallery{takes: 20 * time.Second, lists: 40 * time.Second}
					w := newWorld(t, 0, imaging(g))
					g.next(call, fate{kind: cloud.Uncertain, done: done})
					i := w.build(provision.Wish{})
					w.passImages(g, 10*time.Minute)
					w.image(i.ID, provision.ImageReady)
					w.imagesSane(g)
					if n := w.cloud.made(); n != 1 {
						t.Errorf("%d builders", n)
					}
				})
			})
		}
	}
}

// TestF18ImageListLate: a snapshot whose answer was lost and that no list shows for long is taken twice; the one that is not wanted is garbage.
func TestF18ImageListLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gallery{takes: 20 * time.Second, lists: 4 * time.Minute}
		w := newWorld(t, 0, imaging(g))
		g.next("snapshot", fate{kind: cloud.Uncertain, done: true})
		i := w.build(provision.Wish{})
		w.passImages(g, 20*time.Minute)
		w.image(i.ID, provision.ImageReady)
		if len(g.shots) != 2 {
			t.Errorf("%d snapshots", len(g.shots))
		}
		_, err := w.p.Collect(t.Context(), "olga", false)
		must(t, err)
		w.imagesSane(g)
	})
}

// TestF01ImageKilledAnywhere: the controller is killed at each call to the provider and at each commit, before and after it; the next one goes on.
func TestF01ImageKilledAnywhere(t *testing.T) {
	for _, after := range []bool{false, true} {
		for n := 1; n <= 40; n++ {
			t.Run(fmt.Sprint("call", n, after), func(t *testing.T) { killedImage(t, n, 0, after) })
		}
		for n := 1; n <= 16; n++ {
			t.Run(fmt.Sprint("commit", n, after), func(t *testing.T) { killedImage(t, 0, n, after) })
		}
	}
}

func killedImage(t *testing.T, call, commit int, after bool) {
	synctest.Test(t, func(t *testing.T) {
		g := &gallery{takes: 30 * time.Second}
		w := newWorld(t, 0, imaging(g))
		if w.crash(); after {
			w.cloud.byHand(func() { w.cloud.dieAfter = true })
		}
		w.start()
		i := w.build(provision.Wish{})
		w.cloud.byHand(func() { w.cloud.dieAt = call })
		w.dieAt.Store(int64(commit))
		deleted := false
		for range 60 {
			w.passImages(g, 10*time.Second)
			if w.life.isDead() {
				w.crash()
				w.start()
			}
			if now, err := w.p.Image(t.Context(), i.ID); err == nil && now.Phase == provision.ImageReady && !deleted {
				deleted = true
				w.imagesSane(g)
				if _, err := w.p.DeleteImage(context.Background(), "olga", i.ID); err != nil {
					deleted = false // killed just now
				}
			}
		}
		w.image(i.ID, provision.ImageDeleted)
		w.imagesSane(g)
		if n := w.cloud.made(); n != 1 {
			t.Errorf("%d builders", n)
		}
	})
}

// TestImageNeverPowersOff: a builder that does not end is deleted after 20 minutes, and the failure says what to do.
func TestImageNeverPowersOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gallery{stuck: true}
		w := newWorld(t, 0, imaging(g))
		i := w.build(provision.Wish{})
		w.passImages(g, 19*time.Minute)
		w.image(i.ID, provision.ImageBuilding)
		w.passImages(g, 3*time.Minute)
		i = w.image(i.ID, provision.ImageFailed)
		if i.Problem == nil || i.Problem.Next == "" || w.happened("scaling.image_failed") != 1 {
			t.Errorf("%+v", i.Problem)
		}
		w.imagesSane(g)
	})
}

// TestImageEndings: what goes wrong on the way ends the image, and nothing is left.
func TestImageEndings(t *testing.T) {
	for name, c := range map[string]struct {
		at   time.Duration // of do
		do   func(w *world, g *gallery, i provision.Image)
		want provision.ImagePhase
	}{
		"no stock": {0, func(_ *world, g *gallery, _ provision.Image) {
			g.next("create", fate{kind: cloud.NoStock}, fate{kind: cloud.NoStock}, fate{kind: cloud.NoStock})
		}, provision.ImageFailed},
		"stock elsewhere":   {0, func(_ *world, g *gallery, _ provision.Image) { g.next("create", fate{kind: cloud.NoStock}) }, provision.ImageReady},
		"limit":             {0, func(_ *world, g *gallery, _ provision.Image) { g.next("create", fate{kind: cloud.Limit}) }, provision.ImageFailed},
		"busy":              {0, func(_ *world, g *gallery, _ provision.Image) { g.next("create", fate{kind: cloud.Busy}) }, provision.ImageReady},
		"builder vanishes":  {30 * time.Second, func(_ *world, g *gallery, _ provision.Image) { g.byHand(func() { g.all[0].ended = time.Now() }) }, provision.ImageFailed},
		"snapshot limit":    {30 * time.Second, func(_ *world, g *gallery, _ provision.Image) { g.next("snapshot", fate{kind: cloud.Limit}) }, provision.ImageFailed},
		"snapshot busy":     {30 * time.Second, func(_ *world, g *gallery, _ provision.Image) { g.next("snapshot", fate{kind: cloud.Busy}) }, provision.ImageReady},
		"snapshot vanishes": {110 * time.Second, func(_ *world, g *gallery, _ provision.Image) { g.byHand(func() { g.shots = nil }) }, provision.ImageFailed},
		"snapshot too long": {0, func(_ *world, g *gallery, _ provision.Image) { g.byHand(func() { g.takes = time.Hour }) }, provision.ImageFailed},
		"cancelled at once": {0, func(w *world, _ *gallery, i provision.Image) {
			_, err := w.p.DeleteImage(w.t.Context(), "olga", i.ID)
			must(w.t, err)
		}, provision.ImageFailed},
		"cancelled": {30 * time.Second, func(w *world, _ *gallery, i provision.Image) {
			_, err := w.p.DeleteImage(w.t.Context(), "olga", i.ID)
			must(w.t, err)
		}, provision.ImageFailed},
		"cancelled late": {110 * time.Second, func(w *world, _ *gallery, i provision.Image) {
			_, err := w.p.DeleteImage(w.t.Context(), "olga", i.ID)
			must(w.t, err)
		}, provision.ImageFailed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &gallery{takes: time.Minute}
				w := newWorld(t, 0, imaging(g))
				i := w.build(provision.Wish{})
				w.passImages(g, c.at)
				c.do(w, g, i)
				w.passImages(g, 30*time.Minute)
				i = w.image(i.ID, c.want)
				if (i.Problem != nil) != (c.want == provision.ImageFailed) || i.Problem != nil && i.Problem.Next == "" {
					t.Errorf("%+v", i.Problem)
				}
				w.imagesSane(g)
			})
		})
	}
}
