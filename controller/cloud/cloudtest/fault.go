package cloudtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
)

func testTokens(t *testing.T, r Rig) {
	m := r.on(t, r.Provider, r.order("one"))
	wrong, reader := r.Open(t, Who{Cluster: r.Cluster, Token: Wrong}), r.Open(t, Who{Cluster: r.Cluster, Token: ReadOnly})
	reads := map[string]func(cloud.Provider) error{
		"Catalogue": func(p cloud.Provider) error { _, err := p.Catalogue(t.Context()); return err },
		"Get":       func(p cloud.Provider) error { _, err := p.Get(t.Context(), m.ID); return err },
		"ByName":    func(p cloud.Provider) error { _, err := p.ByName(t.Context(), "one"); return err },
		"List":      func(p cloud.Provider) error { _, err := p.List(t.Context()); return err },
		"Images":    func(p cloud.Provider) error { _, err := p.Images(t.Context()); return err },
		"Leftovers": func(p cloud.Provider) error { _, err := p.Leftovers(t.Context()); return err },
	}
	changes := map[string]func(cloud.Provider) error{
		"Create":   func(p cloud.Provider) error { _, err := p.Create(t.Context(), r.order("two")); return err },
		"Delete":   func(p cloud.Provider) error { return p.Delete(t.Context(), m.ID) },
		"Off":      func(p cloud.Provider) error { return p.Off(t.Context(), m.ID) },
		"Reset":    func(p cloud.Provider) error { return p.Reset(t.Context(), m.ID) },
		"Snapshot": func(p cloud.Provider) error { _, err := p.Snapshot(t.Context(), m.ID, "x", nil); return err },
		"Prepare":  func(p cloud.Provider) error { _, err := p.Prepare(t.Context(), want()); return err },
	}
	for name, read := range reads {
		r.fails(t, name+" with a wrong token", read(wrong), cloud.Denied)
		if err := read(reader); err != nil {
			t.Errorf("%s with a token that may read: %v", name, err)
		}
	}
	for name, change := range changes {
		r.fails(t, name+" with a wrong token", change(wrong), cloud.Denied)
		r.fails(t, name+" with a token that may only read", change(reader), cloud.Denied)
	}
	r.machines(t, 1, "nothing was done without a token for it")
	if got, err := r.Provider.Get(t.Context(), m.ID); err != nil || got.State != cloud.On {
		t.Errorf("Get: %+v, %v: nothing was to be done to it", got, err)
	}
}

// testContexts: every call ends by its context.
func testContexts(t *testing.T, r Rig) {
	m := r.on(t, r.Provider, r.order("one"))
	over, cancel := context.WithCancel(t.Context())
	cancel()
	before := r.World.Requests()
	calls := map[string]func(context.Context) error{
		"Catalogue":   func(ctx context.Context) error { _, err := r.Provider.Catalogue(ctx); return err },
		"Create":      func(ctx context.Context) error { _, err := r.Provider.Create(ctx, r.order("two")); return err },
		"Get":         func(ctx context.Context) error { _, err := r.Provider.Get(ctx, m.ID); return err },
		"ByName":      func(ctx context.Context) error { _, err := r.Provider.ByName(ctx, "one"); return err },
		"List":        func(ctx context.Context) error { _, err := r.Provider.List(ctx); return err },
		"Delete":      func(ctx context.Context) error { return r.Provider.Delete(ctx, m.ID) },
		"Off":         func(ctx context.Context) error { return r.Provider.Off(ctx, m.ID) },
		"Reset":       func(ctx context.Context) error { return r.Provider.Reset(ctx, m.ID) },
		"Snapshot":    func(ctx context.Context) error { _, err := r.Provider.Snapshot(ctx, m.ID, "x", nil); return err },
		"Image":       func(ctx context.Context) error { _, err := r.Provider.Image(ctx, r.SystemImage); return err },
		"Images":      func(ctx context.Context) error { _, err := r.Provider.Images(ctx); return err },
		"DeleteImage": func(ctx context.Context) error { return r.Provider.DeleteImage(ctx, r.SystemImage) },
		"Prepare":     func(ctx context.Context) error { _, err := r.Provider.Prepare(ctx, want()); return err },
		"Leftovers":   func(ctx context.Context) error { _, err := r.Provider.Leftovers(ctx); return err },
		"Remove": func(ctx context.Context) error {
			return r.Provider.Remove(ctx, cloud.Thing{Kind: cloud.ThingVolume, ID: "1"})
		},
	}
	for name, call := range calls {
		if name == "Catalogue" { // what is read for all who wait does not end with one of them
			continue
		}
		err := call(over)
		r.fails(t, name+" with a context that is over", err, cloud.Unavailable)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v does not tell that it was cancelled", name, err)
		}
	}
	if n := r.World.Requests() - before; n != 0 {
		t.Errorf("%d requests were made with a context that is over", n)
	}
	r.fails(t, "Catalogue with a context that is over", calls["Catalogue"](over), cloud.Unavailable)

	hang := func(name string, on On, kind cloud.Kind) {
		t.Helper()
		r.World.Inject(t, Hang, on)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		err := calls[name](ctx)
		r.fails(t, name+" that hangs", err, kind)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v does not tell that its time was over", name, err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s took %v with a deadline of 100 ms", name, took)
		}
	}
	hang("Create", OnCreate, cloud.Uncertain)
	hang("Delete", OnDelete, cloud.Uncertain)
	hang("Off", OnPower, cloud.Uncertain)
	hang("Get", OnRead, cloud.Unavailable)
	hang("List", OnList, cloud.Unavailable)
	r.World.Heal()
	r.machines(t, 1, "nothing was done")
}
