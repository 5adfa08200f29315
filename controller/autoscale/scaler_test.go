package autoscale_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/payperplay/payperplay/controller/autoscale"
	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/provision"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/bolt"
	"github.com/payperplay/payperplay/protocol"
)

const gib = 1 << 30

// rig is a Scaler on a real store, above rooms that only write down what they were asked for.
type rig struct {
	t        *testing.T
	db       store.DB
	log      *event.Log
	s        *autoscale.Scaler
	orders   []provision.Request
	released []string
	drained  []string
	refuse   error
	broken   error // of the market
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t}
	db, err := bolt.Open(context.Background(), filepath.Join(t.TempDir(), "db"), bolt.Options{
		Tables: slices.Concat(fleet.Tables(), event.Tables(), provision.Tables(), autoscale.Tables()), DoubleRun: true,
	})
	r.must(err)
	t.Cleanup(func() { _ = db.Close() })
	r.db = db
	r.log, err = event.New(event.Options{DB: db})
	r.must(err)
	r.s, err = autoscale.New(autoscale.Options{DB: db, Events: r.log, Machines: r, Market: r, Settings: autoscale.Default()})
	r.must(err)
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) Order(ctx context.Context, actor string, q provision.Request) (provision.Machine, error) {
	if r.refuse != nil {
		return provision.Machine{}, r.refuse
	}
	r.orders = append(r.orders, q)
	c := q.Candidates[0]
	m := provision.Machine{ID: fleet.NewID(provision.MachinePrefix), Role: cloud.RoleWorker, Type: c.Type, At: c.Location, Arch: c.Arch, Size: c.Size, Hourly: c.Hourly, Phase: provision.Ordering, By: actor, OrderedAt: time.Now().UTC()}
	m.Name = "ppp-" + m.ID[len(provision.MachinePrefix):]
	return m, r.db.Update(ctx, func(tx store.Tx) error { return provision.Machines.Put(tx, m) })
}

func (r *rig) Release(_ context.Context, _, machine, _ string) error {
	r.released = append(r.released, machine)
	return r.refuse
}

func (r *rig) Drain(_ context.Context, _, node string, _ time.Duration) (provision.DrainStatus, error) {
	r.drained = append(r.drained, node)
	return provision.DrainStatus{}, r.refuse
}

func (r *rig) Catalogue(context.Context) (cloud.Catalogue, error) {
	return cloud.Catalogue{At: time.Now(), Types: []cloud.Type{{
		Name: "cx23", Arch: "amd64", CPUs: 2, MemoryBytes: 4 * gib, DiskBytes: 40 * gib, Offers: []cloud.Offer{{Location: "nbg1", Hourly: 6000, InStock: true}},
	}}}, r.broken
}

// wait adds a server that waits for room.
func (r *rig) wait(name string, memory int64) {
	r.t.Helper()
	s := fleet.Server{ID: "srv_" + name, Name: name, Owner: "o", MemoryBytes: memory, DiskBytes: gib, Desired: fleet.Running,
		Waiting: &fleet.Waiting{Need: fleet.Resources{MemoryBytes: memory, DiskBytes: gib, Ports: 1}, Reason: "no room", Since: time.Now().UTC()}}
	r.must(r.db.Update(r.t.Context(), func(tx store.Tx) error { return fleet.Servers.Put(tx, s) }))
}

func (r *rig) sweep() {
	r.t.Helper()
	r.must(r.s.Sweep(r.t.Context()))
}

func (r *rig) history() []autoscale.Entry {
	r.t.Helper()
	h, err := r.s.History(r.t.Context(), time.Time{}, 100)
	r.must(err)
	return h
}

func (r *rig) happened(kind string) int {
	r.t.Helper()
	list, _, err := r.log.Query(r.t.Context(), event.Filter{Types: []string{kind}, Limit: 1000})
	r.must(err)
	return len(list)
}

// TestWaitingServerBuysOnce: nothing while scaling is off; then one machine at once, with an entry that tells why, and not a second one.
func TestWaitingServerBuysOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.wait("alpha", 2*gib)
		r.sweep()
		if len(r.orders) != 0 || len(r.history()) != 0 {
			t.Fatalf("ordered while off: %+v", r.orders)
		}
		_, err := r.s.Enable(t.Context(), "alice", true)
		r.must(err)
		for range 5 {
			r.sweep()
			time.Sleep(time.Minute)
		}
		if len(r.orders) != 1 || r.orders[0].Candidates[0].Type != "cx23" || r.orders[0].For == "" {
			t.Fatalf("orders: %+v", r.orders)
		}
		h := r.history()
		if len(h) != 1 || h[0].Decision.Inputs.Waiting != 1 || !strings.HasPrefix(h[0].Results[0], "ordered as ppp-") {
			t.Errorf("history: %+v", h)
		}
		if r.happened("scaling.enabled") != 1 || r.happened("scaling.decided") != 1 {
			t.Error("each is one event")
		}
	})
}

// TestRefusalIsTold: what could not be done is in the history with its reason, is not told again each time, and is tried again.
func TestRefusalIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		_, err := r.s.Enable(t.Context(), "alice", true)
		r.must(err)
		r.wait("alpha", 2*gib)
		r.refuse = fault.New(fault.Exhausted, "the cap is reached", "raise it")
		r.sweep()
		if h := r.history(); len(h) != 1 || h[0].Results[0] != "not done: the cap is reached" {
			t.Fatalf("history: %+v", h)
		}
		r.refuse = nil
		time.Sleep(time.Minute)
		r.sweep()
		if len(r.orders) != 1 {
			t.Errorf("orders: %+v", r.orders)
		}
	})
}

func TestNeedThatCannotBeMetIsWrittenNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		_, err := r.s.Enable(t.Context(), "alice", true)
		r.must(err)
		r.broken = errors.New("the API is down")
		r.wait("alpha", 2*gib)
		for range 60 { // a quarter of an hour
			r.sweep()
			time.Sleep(15 * time.Second)
		}
		if n := len(r.history()); n < 1 || n > 3 || len(r.orders) != 0 {
			t.Errorf("%d entries, %d orders", n, len(r.orders))
		}
		st, err := r.s.Status(t.Context())
		r.must(err)
		if st.Available || !strings.Contains(st.Problem, "the API is down") {
			t.Errorf("%+v", st)
		}
	})
}

func TestSettingsAreKept(t *testing.T) {
	r := newRig(t)
	for patch, want := range map[string]fault.Kind{`{"max_cloud_nodes":-1}`: fault.Invalid, `{"nonsense":1}`: fault.Invalid, `[]`: fault.Invalid} {
		if _, err := r.s.Set(t.Context(), "alice", []byte(patch)); fault.KindOf(err) != want {
			t.Errorf("%s: %v", patch, err)
		}
	}
	for range 2 {
		set, err := r.s.Set(t.Context(), "alice", []byte(`{"max_cloud_nodes":3,"spares":{"zone":"Europe/Berlin"}}`))
		r.must(err)
		if set.MaxNodes != 3 || set.Spares.Zone.Name != "Europe/Berlin" || set.Spares.String() != autoscale.Default().Spares.String() {
			t.Errorf("%+v", set)
		}
	}
	if r.happened("scaling.settings_changed") != 1 {
		t.Error("the same again is no news")
	}
	st, err := r.s.Status(t.Context())
	r.must(err)
	if st.Settings.MaxNodes != 3 || st.Settings.Enabled {
		t.Errorf("%+v", st.Settings)
	}
}

func TestParseSpares(t *testing.T) {
	for _, text := range []string{"0", "1; fri,sat 17-24 = 3", "2; 0-6 = 1; sun = 4"} {
		p, err := autoscale.ParseSpares(text)
		if err != nil || p.String() != text {
			t.Errorf("%q: %q, %v", text, p.String(), err)
		}
	}
	for _, text := range []string{"x", "1; fri", "1; 5-3 = 2", "-1", "1; xyz 1-2 = 1"} {
		if _, err := autoscale.ParseSpares(text); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestRefusedOffersAreLeftAlone: what the cloud would not give is in the machine's row, and is not asked for again at once.
func TestRefusedOffersAreLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		_, err := r.s.Enable(t.Context(), "alice", true)
		r.must(err)
		r.wait("alpha", 2*gib)
		gone := provision.Machine{ID: "mach_x", Name: "ppp-x", Role: cloud.RoleWorker, Phase: provision.Gone, OrderedAt: time.Now(), DeletedAt: time.Now(),
			Refused: []provision.Refusal{{Type: "cx23", Location: "nbg1", Kind: cloud.NoStock, At: time.Now()}}, Problem: &protocol.Fault{Code: protocol.Exhausted, Message: "none", Next: "wait"}}
		r.must(r.db.Update(t.Context(), func(tx store.Tx) error { return provision.Machines.Put(tx, gone) }))
		r.sweep()
		if len(r.orders) != 0 {
			t.Fatalf("asked again at once: %+v", r.orders)
		}
		time.Sleep(11 * time.Minute)
		r.sweep()
		if len(r.orders) != 1 {
			t.Errorf("not asked again after a while: %+v", r.orders)
		}
	})
}
