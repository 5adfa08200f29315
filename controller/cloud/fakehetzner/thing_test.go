package fakehetzner_test

import (
	"fmt"
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/payperplay/payperplay/controller/cloud/fakehetzner"
	"github.com/payperplay/payperplay/controller/cloud/fakehetzner/check"
)

func serve(t *testing.T, c *fakehetzner.Cloud) string {
	t.Helper()
	srv := httptest.NewServer(check.Wrap(t, c.Handler()))
	t.Cleanup(srv.Close)
	return srv.URL
}

func cidr(t *testing.T, text string) *net.IPNet {
	t.Helper()
	_, n, err := net.ParseCIDR(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestGroundOfACluster(t *testing.T) {
	fake, c := start(t, fakehetzner.Options{})
	ctx := t.Context()
	labels := map[string]string{"managed-by": "payperplay", "cluster": "c1"}
	net1, _, err := c.Network.Create(ctx, hcloud.NetworkCreateOpts{Name: "n", IPRange: cidr(t, "10.7.0.0/16"), Labels: labels, Subnets: []hcloud.NetworkSubnet{
		{Type: hcloud.NetworkSubnetTypeCloud, NetworkZone: hcloud.NetworkZoneEUCentral, IPRange: cidr(t, "10.7.0.0/24")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = c.Network.Create(ctx, hcloud.NetworkCreateOpts{Name: "n", IPRange: cidr(t, "10.8.0.0/16")})
	code(t, err, hcloud.ErrorCodeUniquenessError)
	a, _, err := c.Network.AddSubnet(ctx, net1, hcloud.NetworkAddSubnetOpts{Subnet: hcloud.NetworkSubnet{Type: hcloud.NetworkSubnetTypeCloud, NetworkZone: hcloud.NetworkZoneUSEast, IPRange: cidr(t, "10.7.1.0/24")}})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, c, a)
	wall, _, err := c.Firewall.Create(ctx, hcloud.FirewallCreateOpts{Name: "f", Labels: labels, Rules: []hcloud.FirewallRule{
		{Direction: hcloud.FirewallRuleDirectionIn, Protocol: hcloud.FirewallRuleProtocolTCP, Port: new("25500-26499"), SourceIPs: []net.IPNet{*cidr(t, "0.0.0.0/0"), *cidr(t, "::/0")}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, c, wall.Actions...)
	group, _, err := c.PlacementGroup.Create(ctx, hcloud.PlacementGroupCreateOpts{Name: "g", Labels: labels, Type: hcloud.PlacementGroupTypeSpread})
	if err != nil {
		t.Fatal(err)
	}
	o := order("m")
	o.Networks, o.PlacementGroup = []*hcloud.Network{net1}, group.PlacementGroup
	o.Firewalls = []*hcloud.ServerCreateFirewall{{Firewall: hcloud.Firewall{ID: wall.Firewall.ID}}}
	s := create(t, c, o)
	s, _, _ = c.Server.GetByID(ctx, s.ID)
	if len(s.PrivateNet) != 1 || s.PrivateNet[0].IP.String() != "10.7.0.2" || s.PlacementGroup == nil || len(s.PublicNet.Firewalls) != 1 {
		t.Fatalf("equipped with %+v, %+v, %+v", s.PrivateNet, s.PlacementGroup, s.PublicNet.Firewalls)
	}
	_, err = c.Network.Delete(ctx, net1)
	code(t, err, hcloud.ErrorCodeResourceInUse)
	_, err = c.Firewall.Delete(ctx, wall.Firewall)
	code(t, err, hcloud.ErrorCodeResourceInUse)
	_, err = c.PlacementGroup.Delete(ctx, group.PlacementGroup)
	code(t, err, hcloud.ErrorCodeResourceInUse)
	acts, _, err := c.Firewall.SetRules(ctx, wall.Firewall, hcloud.FirewallSetRulesOpts{Rules: wall.Firewall.Rules})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, c, acts...)
	about := []hcloud.FirewallResource{{Type: hcloud.FirewallResourceTypeServer, Server: &hcloud.FirewallResourceServer{ID: s.ID}}}
	if acts, _, err = c.Firewall.RemoveResources(ctx, wall.Firewall, about); err != nil {
		t.Fatal(err)
	}
	wait(t, c, acts...)
	byLabel := []hcloud.FirewallResource{{Type: hcloud.FirewallResourceTypeLabelSelector, LabelSelector: &hcloud.FirewallResourceLabelSelector{Selector: "role=worker"}}}
	if acts, _, err = c.Firewall.ApplyResources(ctx, wall.Firewall, append(about, byLabel...)); err != nil {
		t.Fatal(err)
	}
	wait(t, c, acts...)
	if _, _, err = c.Firewall.ApplyResources(ctx, wall.Firewall, about); !hcloud.IsError(err, hcloud.ErrorCodeFirewallAlreadyApplied) {
		t.Error(err)
	}
	if acts, _, err = c.Firewall.RemoveResources(ctx, wall.Firewall, byLabel); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Server.DeleteWithResult(ctx, s); err != nil {
		t.Fatal(err)
	}
	wait(t, c, acts...)
	for _, err := range []error{
		second(c.Network.Delete(ctx, net1)), second(c.Firewall.Delete(ctx, wall.Firewall)), second(c.PlacementGroup.Delete(ctx, group.PlacementGroup)),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if inv := fake.Inventory(); len(inv.Things)+len(inv.Machines) != 0 {
		t.Errorf("left over: %+v", inv)
	}
}

func second[T any](_ T, err error) error { return err }

func TestSpreadHoldsTen(t *testing.T) {
	_, c := start(t, fakehetzner.Options{Limits: fakehetzner.Limits{Servers: 20}})
	group, _, err := c.PlacementGroup.Create(t.Context(), hcloud.PlacementGroupCreateOpts{Name: "g", Type: hcloud.PlacementGroupTypeSpread})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 11 {
		o := order(fmt.Sprintf("m-%d", i))
		o.PlacementGroup = group.PlacementGroup
		_, _, err = c.Server.Create(t.Context(), o)
	}
	code(t, err, hcloud.ErrorCodePlacementError)
}

func TestSnapshots(t *testing.T) {
	clk := newClock()
	_, c := start(t, fakehetzner.Options{Clock: clk.Now, Timing: fakehetzner.Timing{Snapshot: time.Minute}})
	ctx := t.Context()
	s := create(t, c, order("builder"))
	got, _, err := c.Server.CreateImage(ctx, s, &hcloud.ServerCreateImageOpts{Type: hcloud.ImageTypeSnapshot, Description: new("spare"), Labels: map[string]string{"role": "image"}})
	if err != nil || got.Image.Status != hcloud.ImageStatusCreating {
		t.Fatalf("%+v, %v", got.Image, err)
	}
	o := order("spare")
	o.Image = &hcloud.Image{ID: got.Image.ID}
	_, _, err = c.Server.Create(ctx, o)
	code(t, err, hcloud.ErrorCodeInvalidInput)
	_, _, err = c.Server.DeleteWithResult(ctx, s)
	code(t, err, hcloud.ErrorCodeLocked)
	clk.Pass(time.Minute)
	wait(t, c, got.Action)
	list, err := c.Image.AllWithOpts(ctx, hcloud.ImageListOpts{Type: []hcloud.ImageType{hcloud.ImageTypeSnapshot}, ListOpts: hcloud.ListOpts{LabelSelector: "role in (image,other)"}, Sort: []string{"created:desc"}})
	if err != nil || len(list) != 1 || list[0].Status != hcloud.ImageStatusAvailable || list[0].Description != "spare" || list[0].CreatedFrom.ID != s.ID {
		t.Fatalf("listed %+v, %v", list, err)
	}
	if i, _, err := c.Image.Update(ctx, list[0], hcloud.ImageUpdateOpts{Description: new("better"), Labels: map[string]string{"role": "image"}}); err != nil || i.Description != "better" {
		t.Errorf("%+v, %v", i, err)
	}
	create(t, c, o)
	if _, err := c.Image.Delete(ctx, list[0]); err != nil {
		t.Error(err)
	}
	debian, _, err := c.Image.GetForArchitecture(ctx, "debian-12", hcloud.ArchitectureARM)
	if err != nil || debian == nil || debian.Architecture != hcloud.ArchitectureARM {
		t.Fatalf("%+v, %v", debian, err)
	}
	_, err = c.Image.Delete(ctx, debian)
	code(t, err, hcloud.ErrorCodeForbidden)
}

func TestCatalogueSaysStockAndPrices(t *testing.T) {
	fake, c := start(t, fakehetzner.Options{})
	ctx := t.Context()
	if err := fake.SetStock("cx23", "fsn1", 1); err != nil {
		t.Fatal(err)
	}
	create(t, c, order("last"))
	types, err := c.ServerType.All(ctx)
	if err != nil || len(types) != len(fakehetzner.DefaultTypes())-1 {
		t.Fatalf("%d types, %v", len(types), err)
	}
	for _, st := range types {
		if st.Name == "cx22" && !st.IsDeprecated() {
			t.Error("cx22 stays")
		}
		if st.Name != "cx23" {
			continue
		}
		if st.Pricings[0].Hourly.Net != "0.0060000000" || st.Pricings[0].Hourly.Gross != "0.0071400000" || st.Pricings[0].Monthly.Net != "3.7500000000" {
			t.Errorf("it costs %+v", st.Pricings[0])
		}
		for _, l := range st.Locations {
			if l.Available == (l.Location.Name == "fsn1") {
				t.Errorf("at %s it is in stock: %v", l.Location.Name, l.Available)
			}
		}
	}
	p, _, err := c.Pricing.Get(ctx)
	if err != nil || p.Image.PerGBMonth.Net != "0.0119000000" || len(p.PrimaryIPs) != 2 {
		t.Errorf("%+v, %v", p, err)
	}
	if l, _, err := c.Location.GetByName(ctx, "hel1"); err != nil || l.NetworkZone != hcloud.NetworkZoneEUCentral {
		t.Errorf("%+v, %v", l, err)
	}
	if d, _, err := c.Datacenter.GetByName(ctx, "fsn1-dc14"); err != nil || d == nil { //nolint:staticcheck // the description has it still
		t.Errorf("%+v, %v", d, err)
	}
}

func TestVolumesAddressesAndKeys(t *testing.T) {
	fake, c := start(t, fakehetzner.Options{})
	ctx := t.Context()
	s := create(t, c, order("m"))
	v, _, err := c.Volume.Create(ctx, hcloud.VolumeCreateOpts{Name: "v", Size: 10, Server: s})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, c, append(v.NextActions, v.Action)...)
	_, err = c.Volume.Delete(ctx, v.Volume)
	code(t, err, hcloud.ErrorCodeResourceInUse)
	a, _, err := c.Volume.Detach(ctx, v.Volume)
	if err != nil {
		t.Fatal(err)
	}
	wait(t, c, a)
	if a, _, err = c.Volume.Attach(ctx, v.Volume, s); err != nil {
		t.Fatal(err)
	}
	wait(t, c, a)
	ip, _, err := c.PrimaryIP.Create(ctx, hcloud.PrimaryIPCreateOpts{Name: "ip", Type: hcloud.PrimaryIPTypeIPv4, AssigneeType: "server", Location: "fsn1", Labels: map[string]string{"x": "y"}})
	if err != nil {
		t.Fatal(err)
	}
	o := order("with-ip")
	o.PublicNet = &hcloud.ServerCreatePublicNet{EnableIPv4: true, IPv4: ip.PrimaryIP}
	s2 := create(t, c, o)
	if !s2.PublicNet.IPv4.IP.Equal(ip.PrimaryIP.IP) || s2.PublicNet.IPv6.IP != nil {
		t.Errorf("addresses: %+v", s2.PublicNet)
	}
	key, _, err := c.SSHKey.Create(ctx, hcloud.SSHKeyCreateOpts{Name: "k", PublicKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVGbGc5 me"})
	if err != nil {
		t.Fatal(err)
	}
	if k, _, err := c.SSHKey.GetByFingerprint(ctx, key.Fingerprint); err != nil || k == nil || k.ID != key.ID {
		t.Errorf("%+v, %v", k, err)
	}
	for _, s := range []*hcloud.Server{s, s2} {
		if _, _, err := c.Server.DeleteWithResult(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.SSHKey.Delete(ctx, key); err != nil {
		t.Error(err)
	}
	// The volume and the address that was ordered by itself outlive their machines: that is what garbage collection is for.
	inv := fake.Inventory()
	if len(inv.Machines) != 0 || len(inv.Things) != 2 || inv.Things[0].InUse || inv.Things[1].InUse {
		t.Fatalf("left over: %+v", inv)
	}
	if _, err := c.Volume.Delete(ctx, v.Volume); err != nil {
		t.Error(err)
	}
	if _, err := c.PrimaryIP.Delete(ctx, ip.PrimaryIP); err != nil {
		t.Error(err)
	}
}

func TestPagesOrderAndSelectors(t *testing.T) {
	_, c := start(t, fakehetzner.Options{Limits: fakehetzner.Limits{Servers: 100}})
	ctx := t.Context()
	for i := range 57 {
		o := order(fmt.Sprintf("m-%02d", i))
		o.Labels["third"] = fmt.Sprint(i % 3)
		if _, _, err := c.Server.Create(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	for selector, want := range map[string]int{
		"": 57, "third=1": 19, "third==1": 19, "third!=1": 38, "third": 57, "!third": 0, "third in (0,2)": 38, "third notin (0,2)": 19,
		"role=worker,third=1": 19, "role=edge": 0, "third in (0,1),role": 38,
	} {
		got, err := c.Server.AllWithOpts(ctx, hcloud.ServerListOpts{ListOpts: hcloud.ListOpts{LabelSelector: selector, PerPage: 10}, Sort: []string{"name:desc"}})
		if err != nil || len(got) != want {
			t.Errorf("%q selects %d, want %d: %v", selector, len(got), want, err)
		}
		for i := 1; i < len(got); i++ {
			if got[i].Name >= got[i-1].Name {
				t.Errorf("%s comes after %s", got[i].Name, got[i-1].Name)
			}
		}
	}
	_, _, err := c.Server.List(ctx, hcloud.ServerListOpts{ListOpts: hcloud.ListOpts{LabelSelector: "a b"}})
	code(t, err, hcloud.ErrorCodeInvalidInput)
}
