package hetzner

import (
	"context"
	"net"
	"net/netip"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/payperplay/payperplay/controller/cloud"
)

// parts is how many subnets a network is cut into: one for each zone that machines may be in; the provider has four.
const parts = 4

func (d *Driver) prepareNetwork(ctx context.Context, w cloud.Want) (string, error) {
	const doing = "prepare the private network"
	zone, err := d.zone(ctx, w.Zone)
	if err != nil {
		return "", err
	}
	ips := netip.MustParsePrefix(w.Network) // checked before
	n, err := ensure(doing,
		func() (*hcloud.Network, error) { return d.findNetwork(ctx, doing) },
		func() (*hcloud.Network, error) { return d.createNetwork(ctx, doing, ips, zone) })
	if err != nil {
		return "", err
	}
	if n.IPRange == nil || n.IPRange.String() != ips.String() {
		return "", wrong(doing, "it is there with the range "+n.IPRange.String(), "use that range, or delete the network when no machine is in it")
	}
	for _, s := range n.Subnets {
		if s.NetworkZone == zone {
			return text(n.ID), nil
		}
	}
	return text(n.ID), d.addSubnet(ctx, doing, n, ips, zone)
}

// zone is the wanted one, or that of the first location.
func (d *Driver) zone(ctx context.Context, wanted string) (hcloud.NetworkZone, error) {
	if wanted != "" {
		return hcloud.NetworkZone(wanted), nil
	}
	list, err := d.prices(ctx)
	switch {
	case list != nil && len(list.zones) > 0:
		return hcloud.NetworkZone(list.zones[0].name), nil
	case err != nil:
		return "", err
	}
	return "", wrong("prepare the private network", "the provider names no location", "set the network zone")
}

func (d *Driver) findNetwork(ctx context.Context, doing string) (*hcloud.Network, error) {
	name := d.fixture("net")
	list, err := all(ctx, d, before("find_network", doing), hcloud.ListOpts{}, func(ctx context.Context, o hcloud.ListOpts) ([]*hcloud.Network, *hcloud.Response, error) {
		return d.client.Network.List(ctx, hcloud.NetworkListOpts{ListOpts: o, Name: name})
	})
	if err != nil {
		return nil, err
	}
	return named(d, doing, name, list, func(n *hcloud.Network) (string, map[string]string) { return n.Name, n.Labels })
}

func (d *Driver) createNetwork(ctx context.Context, doing string, ips netip.Prefix, zone hcloud.NetworkZone) (*hcloud.Network, error) {
	return ask(ctx, d, changing("create_network", doing), func(ctx context.Context) (*hcloud.Network, *hcloud.Response, error) {
		return d.client.Network.Create(ctx, hcloud.NetworkCreateOpts{
			Name: d.fixture("net"), IPRange: ipNet(ips), Labels: d.labels(nil, cloud.RoleFixture),
			Subnets: []hcloud.NetworkSubnet{{Type: hcloud.NetworkSubnetTypeCloud, IPRange: ipNet(part(ips, 0)), NetworkZone: zone}},
		})
	})
}

// addSubnet gives a zone its part of the network, the first one that nothing overlaps with.
func (d *Driver) addSubnet(ctx context.Context, doing string, n *hcloud.Network, ips netip.Prefix, zone hcloud.NetworkZone) error {
	for i := range parts {
		p := part(ips, i)
		if taken(n.Subnets, p) {
			continue
		}
		c := changing("add_subnet", doing)
		action, err := ask(ctx, d, c, func(ctx context.Context) (*hcloud.Action, *hcloud.Response, error) {
			return d.client.Network.AddSubnet(ctx, n, hcloud.NetworkAddSubnetOpts{Subnet: hcloud.NetworkSubnet{Type: hcloud.NetworkSubnetTypeCloud, IPRange: ipNet(p), NetworkZone: zone}})
		})
		if err != nil {
			return err
		}
		return d.await(ctx, c, action)
	}
	return wrong(doing, "no part of it is left for zone "+string(zone), "delete a subnet that no machine is in")
}

func taken(subnets []hcloud.NetworkSubnet, p netip.Prefix) bool {
	for _, s := range subnets {
		if s.IPRange == nil {
			continue
		}
		other, err := netip.ParsePrefix(s.IPRange.String())
		if err != nil || other.Overlaps(p) {
			return true
		}
	}
	return false
}

// part is the nth quarter of an IPv4 network.
func part(ips netip.Prefix, n int) netip.Prefix {
	bits := ips.Bits() + 2
	a := ips.Addr().As4()
	v := uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3])
	v += uint32(n) << (32 - bits)
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}), bits)
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
