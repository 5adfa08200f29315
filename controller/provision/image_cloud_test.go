package provision_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/provision"
	"github.com/payperplay/payperplay/controller/store"
)

// gallery keeps the snapshots of a provider in memory.
type gallery struct {
	*provider
	shots   []cloud.Image
	takes   time.Duration // until a snapshot is complete
	lists   time.Duration // by which a list is late
	used    []string      // what the settings name
	stuck   bool          // builders never power off
	deleted int
}

func (g *gallery) Snapshot(ctx context.Context, machine, description string, labels map[string]string) (out cloud.Image, err error) {
	err = g.call(ctx, "snapshot", func() error {
		r := g.of(machine)
		if r == nil || !r.ended.IsZero() {
			return &cloud.Error{Kind: cloud.NotFound, Message: "no such machine"}
		}
		if r.m.State != cloud.Off {
			g.fault("a snapshot of %s was taken while it is %s", r.m.Name, r.m.State)
		}
		g.seq++
		out = cloud.Image{ID: fmt.Sprint(1000 + g.seq), Name: description, Arch: "amd64", Labels: labels, Created: time.Now(), Bytes: 2 << 30}
		g.shots = append(g.shots, out)
		return nil
	})
	return out, err
}

func (g *gallery) seen(i cloud.Image) cloud.Image {
	i.Ready = time.Since(i.Created) >= g.takes
	return i
}

func (g *gallery) Image(ctx context.Context, id string) (out cloud.Image, err error) {
	err = g.call(ctx, "image", func() error {
		for _, i := range g.shots {
			if i.ID == id {
				out = g.seen(i)
				return nil
			}
		}
		return &cloud.Error{Kind: cloud.NotFound, Message: "no such image"}
	})
	return out, err
}

func (g *gallery) Images(ctx context.Context) (out []cloud.Image, err error) {
	err = g.call(ctx, "images", func() error {
		out = nil
		for _, i := range g.shots {
			if time.Since(i.Created) >= g.lists {
				out = append([]cloud.Image{g.seen(i)}, out...)
			}
		}
		return nil
	})
	return out, err
}

func (g *gallery) DeleteImage(ctx context.Context, id string) error {
	return g.call(ctx, "deleteimage", func() error {
		for n, i := range g.shots {
			if i.ID == id {
				if !cloud.Ours(i.Labels, g.cluster) {
					g.fault("image %s is not ours", id)
				}
				g.shots = slices.Delete(g.shots, n, n+1)
				g.deleted++
				return nil
			}
		}
		return nil
	})
}

func (g *gallery) Catalogue(context.Context) (cloud.Catalogue, error) {
	at := func(price fleet.MicroEuro, locations ...string) (out []cloud.Offer) {
		for _, l := range locations {
			out = append(out, cloud.Offer{Location: l, Hourly: price, InStock: true})
		}
		return out
	}
	return cloud.Catalogue{At: time.Now(), Types: []cloud.Type{
		{Name: "big", Arch: "amd64", CPUs: 4, DiskBytes: 80e9, Offers: at(prices["big"], "fsn1")},
		{Name: "small", Arch: "amd64", CPUs: 2, DiskBytes: 40e9, Offers: at(prices["small"], "fsn1", "nbg1")},
		{Name: "old", Arch: "amd64", DiskBytes: 20e9, Retired: true, Offers: at(1, "fsn1")},
		{Name: "arm", Arch: "arm64", CPUs: 2, DiskBytes: 40e9, Offers: []cloud.Offer{{Location: "fsn1", Hourly: 7_000}}},
	}}, nil
}

// Leftovers are machines and snapshots.
func (g *gallery) Leftovers(ctx context.Context) ([]cloud.Thing, error) {
	out, err := g.provider.Leftovers(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, i := range g.shots {
		out = append(out, cloud.Thing{Kind: cloud.ThingImage, ID: i.ID, Name: i.Name, Labels: i.Labels, Created: i.Created})
	}
	return out, err
}

func (g *gallery) Remove(ctx context.Context, t cloud.Thing) error { return g.DeleteImage(ctx, t.ID) }

// livelyGallery is the gallery as a killed controller reaches it: not any more.
type livelyGallery struct {
	*gallery
	*life
}

func (l livelyGallery) Snapshot(ctx context.Context, machine, description string, labels map[string]string) (cloud.Image, error) {
	if l.isDead() {
		return cloud.Image{}, context.Canceled
	}
	return l.gallery.Snapshot(ctx, machine, description, labels)
}

func (l livelyGallery) DeleteImage(ctx context.Context, id string) error {
	if l.isDead() {
		return context.Canceled
	}
	return l.gallery.DeleteImage(ctx, id)
}

// imaging gives a world a provider that keeps images.
func imaging(g *gallery) func(*provision.Options) {
	return func(o *provision.Options) {
		l := o.Cloud.(lively)
		g.provider = l.provider
		o.Images, o.Market, o.Ground = livelyGallery{g, l.life}, g, g
		o.BuilderData = func(i provision.Image) ([]byte, error) { return []byte("builder " + i.Name), nil }
		o.ImageSettings = func(store.Tx) (provision.ImageSettings, error) {
			g.mu.Lock()
			defer g.mu.Unlock()
			return provision.ImageSettings{Base: "debian-13", Used: slices.Clone(g.used)}, nil
		}
	}
}

// builders powers off those that have worked for a minute.
func (g *gallery) builders() {
	g.byHand(func() {
		for _, r := range g.all {
			if r.m.Labels[cloud.LabelRole] == string(cloud.RoleBuilder) && r.ended.IsZero() && !g.stuck && time.Since(r.m.Created) > time.Minute {
				r.m.State = cloud.Off
			}
		}
	})
}

// passImages lets time go by, and builders work.
func (w *world) passImages(g *gallery, d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(min(5*time.Second, time.Until(end)))
		w.agents()
		g.builders()
	}
}
