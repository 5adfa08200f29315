package cloudtest

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"github.com/payperplay/payperplay/controller/cloud"
)

func want() cloud.Want {
	return cloud.Want{Network: "10.60.0.0/16", PortFrom: 25565, PortTo: 25665, Spread: true}
}

// fixtures counts them: each kind once a cluster.
func (r Rig) fixtures(t *testing.T, clusters int) {
	t.Helper()
	for _, kind := range []cloud.ThingKind{cloud.ThingNetwork, cloud.ThingFirewall, cloud.ThingSpread} {
		if n := r.count(kind); n != clusters {
			t.Errorf("there are %d of %s, want %d", n, kind, clusters)
		}
	}
}

func testGround(t *testing.T, r Rig) {
	f, err := r.Provider.Prepare(t.Context(), want())
	if err != nil || f.Network == "" || f.Firewall == "" || f.Spread == "" {
		t.Fatalf("Prepare: %+v, %v", f, err)
	}
	r.fixtures(t, 1)
	for what, change := range map[string]func(*cloud.Want){
		"the same": func(*cloud.Want) {}, "other ports": func(w *cloud.Want) { w.PortTo++ }, "no port": func(w *cloud.Want) { w.PortFrom, w.PortTo = 0, 0 },
	} {
		w := want()
		change(&w)
		if again, err := r.Open(t, Who{Cluster: r.Cluster}).Prepare(t.Context(), w); err != nil || again != f {
			t.Errorf("Prepare, %s: %+v, %v, want %+v", what, again, err, f)
		}
	}
	r.fixtures(t, 1)
	o := r.order("one")
	o.Fixtures = f
	m := r.on(t, r.Provider, o)
	if ip, err := netip.ParseAddr(m.Private); err != nil || !netip.MustParsePrefix(want().Network).Contains(ip) {
		t.Errorf("its private address is %q", m.Private)
	}
	if other, err := r.Open(t, Who{Cluster: "another-cluster"}).Prepare(t.Context(), want()); err != nil || other.Network == f.Network || other.Firewall == f.Firewall || other.Spread == f.Spread {
		t.Errorf("Prepare of another cluster: %+v, %v", other, err)
	}
	r.fixtures(t, 2)
	for what, change := range map[string]func(*cloud.Want){
		"a public network": func(w *cloud.Want) { w.Network = "8.8.0.0/16" }, "no network": func(w *cloud.Want) { w.Network = "x" },
		"a network of its own": func(w *cloud.Want) { w.Network = "10.61.0.0/16" }, "ports from above": func(w *cloud.Want) { w.PortFrom, w.PortTo = 9, 8 },
		"a port too high": func(w *cloud.Want) { w.PortTo = 70000 },
	} {
		w := want()
		change(&w)
		_, err := r.Provider.Prepare(t.Context(), w)
		r.fails(t, "Prepare with "+what, err, cloud.Invalid)
	}
	r.fixtures(t, 2)
}

func testGroundAtOnce(t *testing.T, r Rig) {
	const callers = 8
	drivers := []cloud.Provider{r.Provider, r.Open(t, Who{Cluster: r.Cluster}), r.Open(t, Who{Cluster: r.Cluster})}
	got, errs := [callers]cloud.Fixtures{}, [callers]error{}
	var wg sync.WaitGroup
	for i := range callers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			got[i], errs[i] = drivers[i%len(drivers)].Prepare(t.Context(), want())
		}()
	}
	wg.Wait()
	for i := range callers {
		if errs[i] != nil || got[i] != got[0] {
			t.Errorf("caller %d: %+v, %v, want %+v", i, got[i], errs[i], got[0])
		}
	}
	r.fixtures(t, 1)
}

// testGroundFaults loses the replies to the things that are made: the next Prepare finds them.
func testGroundFaults(t *testing.T, r Rig) {
	for range 3 {
		r.World.Inject(t, LoseReply, OnGround)
		_, err := r.Provider.Prepare(t.Context(), want())
		r.fails(t, "Prepare, a reply lost", err, cloud.Uncertain)
	}
	if _, err := r.Provider.Prepare(t.Context(), want()); err != nil {
		t.Errorf("Prepare: %v", err)
	}
	r.fixtures(t, 1)
}

// testGroundHasRoom: a provider keeps few machines apart in one group, and the fleet may be larger.
func testGroundHasRoom(t *testing.T, r Rig) {
	for i := range 23 {
		f, err := r.Provider.Prepare(t.Context(), want())
		if err != nil {
			t.Fatal(err)
		}
		o := r.order(fmt.Sprintf("m-%d", i))
		o.Fixtures = f
		r.create(t, r.Provider, o)
	}
	if n, f := r.count(cloud.ThingNetwork), r.count(cloud.ThingFirewall); n != 1 || f != 1 {
		t.Errorf("there are %d networks and %d firewalls", n, f)
	}
}
