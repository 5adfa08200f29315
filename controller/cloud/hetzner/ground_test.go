package hetzner_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/cloud/fakehetzner"
	"github.com/payperplay/payperplay/controller/cloud/hetzner"
)

// TestGroundIsRight looks at what Prepare has made.
func TestGroundIsRight(t *testing.T) {
	w := newWorld(t, fakehetzner.Options{})
	d := w.open(t, hetzner.Options{})
	want := cloud.Want{Network: "10.60.0.0/16", PortFrom: 25565, PortTo: 25665, Spread: true}
	f, err := d.Prepare(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	rules := func() (out []string) {
		t.Helper()
		fw, _, err := w.hand.Firewall.Get(t.Context(), f.Firewall)
		if err != nil || fw == nil {
			t.Fatal(err)
		}
		for _, r := range fw.Rules {
			out = append(out, fmt.Sprint(r.Direction, " ", r.Protocol, " ", *r.Port, " ", r.SourceIPs))
		}
		return out
	}
	const anybody = "[{0.0.0.0 00000000} {:: 00000000000000000000000000000000}]"
	if diff := cmp.Diff([]string{"in tcp 25565-25665 " + anybody, "in udp 25565-25665 " + anybody}, rules()); diff != "" {
		t.Error(diff)
	}
	// Somebody opens the SSH port by hand: it is closed again.
	fw, _, _ := w.hand.Firewall.Get(t.Context(), f.Firewall)
	if _, _, err := w.hand.Firewall.SetRules(t.Context(), fw, hcloud.FirewallSetRulesOpts{Rules: append(fw.Rules, hcloud.FirewallRule{
		Direction: "in", Protocol: "tcp", Port: new("22"), SourceIPs: fw.Rules[0].SourceIPs,
	})}); err != nil {
		t.Fatal(err)
	}
	want.PortFrom, want.PortTo = 25565, 25565
	if _, err := d.Prepare(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"in tcp 25565 " + anybody, "in udp 25565 " + anybody}, rules()); diff != "" {
		t.Error(diff)
	}
	want.PortFrom, want.PortTo = 0, 0
	if _, err := d.Prepare(t.Context(), want); err != nil || len(rules()) != 0 {
		t.Errorf("without ports it lets in %v, %v", rules(), err)
	}

	for _, zone := range []string{"us-east", "us-west", "eu-central", "ap-southeast"} { // the first location's is eu-central
		want.Zone = zone
		if again, err := d.Prepare(t.Context(), want); err != nil || again != f {
			t.Errorf("zone %s: %+v, %v", zone, again, err)
		}
	}
	n, _, err := w.hand.Network.Get(t.Context(), f.Network)
	if err != nil {
		t.Fatal(err)
	}
	var subnets []string
	for _, s := range n.Subnets {
		subnets = append(subnets, string(s.NetworkZone)+" "+s.IPRange.String())
	}
	if diff := cmp.Diff([]string{"eu-central 10.60.0.0/18", "us-east 10.60.64.0/18", "us-west 10.60.128.0/18", "ap-southeast 10.60.192.0/18"}, subnets); diff != "" {
		t.Error(diff)
	}
}

// TestGroundRace: another driver makes each thing between our look and our order. Then theirs is taken.
func TestGroundRace(t *testing.T) {
	w := newWorld(t, fakehetzner.Options{})
	want := cloud.Want{Network: "10.60.0.0/16", PortFrom: 1, PortTo: 2, Spread: true}
	var theirs cloud.Fixtures
	for _, path := range []string{"/v1/networks", "/v1/firewalls", "/v1/placement_groups"} {
		first := true
		d := w.open(t, hetzner.Options{HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPost && r.URL.Path == path && first {
				first = false
				var err error
				if theirs, err = w.open(t, hetzner.Options{}).Prepare(t.Context(), want); err != nil {
					t.Error(err)
				}
			}
			return http.DefaultTransport.RoundTrip(r)
		})}})
		if got, err := d.Prepare(t.Context(), want); err != nil || got != theirs {
			t.Errorf("%s: got %+v, %v, want %+v", path, got, err, theirs)
		}
		for _, th := range w.Things() { // the next round begins without
			if err := d.Remove(t.Context(), th); err != nil && th.Kind != cloud.ThingAddress {
				t.Error(err)
			}
		}
	}
	// The provider lists what is there too late: that passes.
	if _, err := w.open(t, hetzner.Options{}).Prepare(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	w.inject(t, fakehetzner.Rule{Fault: fakehetzner.Lag, Delay: time.Hour, Names: true})
	if _, err := w.open(t, hetzner.Options{}).Prepare(t.Context(), want); cloud.KindOf(err) != cloud.Busy {
		t.Errorf("got error %v, want %s", err, cloud.Busy)
	}
}

// TestGroundOfOthers: a name of ours that somebody else has is left alone.
func TestGroundOfOthers(t *testing.T) {
	w := newWorld(t, fakehetzner.Options{})
	w.Plant(t, cloud.Thing{Kind: cloud.ThingFirewall, Name: "ppp-" + cluster + "-firewall"})
	_, err := w.open(t, hetzner.Options{}).Prepare(t.Context(), cloud.Want{PortFrom: 1, PortTo: 2})
	if cloud.KindOf(err) != cloud.Denied || !strings.Contains(err.Error(), "ppp-") {
		t.Errorf("got error %v, want %s that names it", err, cloud.Denied)
	}
}

// TestFullGroup: a group that is full is no stock; Prepare gives another.
func TestFullGroup(t *testing.T) {
	w := newWorld(t, fakehetzner.Options{})
	d := w.open(t, hetzner.Options{})
	f, err := d.Prepare(t.Context(), cloud.Want{Spread: true})
	if err != nil {
		t.Fatal(err)
	}
	o := anOrder()
	o.Fixtures = f
	for i := range 10 {
		o.Name = fmt.Sprintf("m-%d", i)
		if _, err := d.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	o.Name = "m-10"
	if _, err := d.Create(t.Context(), o); cloud.KindOf(err) != cloud.NoStock {
		t.Errorf("got error %v, want %s", err, cloud.NoStock)
	}
	next, err := d.Prepare(t.Context(), cloud.Want{Spread: true})
	if err != nil || next.Spread == f.Spread || next.Firewall != f.Firewall {
		t.Errorf("Prepare: %+v, %v", next, err)
	}
}

func mustNet(text string) *net.IPNet {
	_, n, err := net.ParseCIDR(text)
	if err != nil {
		panic(err)
	}
	return n
}
