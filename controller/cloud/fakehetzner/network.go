package fakehetzner

import (
	"net/http"
	"net/netip"
	"slices"
)

type subnet struct {
	kind   string
	ips    netip.Prefix
	zone   string
	vlanID *int64
}

type route struct {
	Destination string `json:"destination"`
	Gateway     string `json:"gateway"`
}

type network struct {
	head
	ips     netip.Prefix
	subnets []subnet
	routes  []route
	expose  bool
}

type subnetOrder struct {
	Type    string `json:"type"`
	IPRange string `json:"ip_range"`
	Zone    string `json:"network_zone"`
	VSwitch *int64 `json:"vswitch_id"`
}

func (n *network) view(c *Cloud) obj {
	subnets := []obj{}
	for _, s := range n.subnets {
		subnets = append(subnets, obj{"type": s.kind, "ip_range": s.ips.String(), "network_zone": s.zone, "gateway": n.ips.Addr().Next().String(), "vswitch_id": s.vlanID})
	}
	return obj{
		"id": n.ID, "name": n.Name, "labels": n.Labels, "created": n.Created, "ip_range": n.ips.String(), "subnets": subnets,
		"routes": append([]route{}, n.routes...), "servers": c.serversIn(n.ID), "load_balancers": []int64{}, "protection": obj{"delete": n.protected},
		"expose_routes_to_vswitch": n.expose,
	}
}

func (c *Cloud) serversIn(id int64) []int64 {
	in := []int64{}
	for _, s := range c.servers.all() {
		if slices.ContainsFunc(s.nets, func(a attachment) bool { return a.network == id }) {
			in = append(in, s.ID)
		}
	}
	return in
}

func (c *Cloud) createNetwork(r *call) (reply, error) {
	var in struct {
		Name    string            `json:"name"`
		IPRange string            `json:"ip_range"`
		Labels  map[string]string `json:"labels"`
		Subnets []subnetOrder     `json:"subnets"`
		Routes  []route           `json:"routes"`
		Expose  bool              `json:"expose_routes_to_vswitch"`
	}
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	ips, err := netip.ParsePrefix(in.IPRange)
	if err != nil || !ips.Addr().Is4() || !ips.Addr().IsPrivate() || ips != ips.Masked() || ips.Bits() > 24 {
		return reply{}, invalid("ip_range", "must be a private network of at least /24")
	}
	n := &network{ips: ips, routes: in.Routes, expose: in.Expose}
	for _, s := range in.Subnets {
		if err := n.add(s); err != nil {
			return reply{}, err
		}
	}
	if len(c.networks.rows) >= c.opt.Limits.Networks {
		return reply{}, limited("network")
	}
	if err := put(c, c.networks, n, in.Name, in.Labels); err != nil {
		return reply{}, err
	}
	return shown(c, c.networks, n, http.StatusCreated)
}

// add gives a network another part. Without a range it is the first /24 that is free.
func (n *network) add(in subnetOrder) error {
	switch in.Type {
	case "cloud", "server", "vswitch":
	default:
		return invalid("type", "must be cloud")
	}
	known := slices.ContainsFunc(locations(), func(l location) bool { return l.zone == in.Zone })
	if !known {
		return invalid("network_zone", "%q is no zone", in.Zone)
	}
	var ips netip.Prefix
	taken := func(p netip.Prefix) bool {
		return slices.ContainsFunc(n.subnets, func(s subnet) bool { return s.ips.Overlaps(p) })
	}
	if in.IPRange == "" {
		ips = netip.PrefixFrom(n.ips.Addr(), 24)
		for taken(ips) {
			b := ips.Addr().As4()
			if b[2]++; b[2] == 0 {
				b[1]++
			}
			ips = netip.PrefixFrom(netip.AddrFrom4(b), 24)
		}
	} else {
		var err error
		if ips, err = netip.ParsePrefix(in.IPRange); err != nil || !ips.Addr().Is4() || ips != ips.Masked() {
			return invalid("ip_range", "%q is not a network", in.IPRange)
		}
	}
	switch {
	case !n.ips.Contains(ips.Addr()) || ips.Bits() < n.ips.Bits():
		return invalid("ip_range", "is not within the network")
	case taken(ips):
		return invalid("ip_range", "overlaps with another subnet")
	}
	n.subnets = append(n.subnets, subnet{kind: in.Type, ips: ips, zone: in.Zone, vlanID: in.VSwitch})
	return nil
}

func (c *Cloud) addSubnet(r *call) (reply, error) {
	n, err := c.networks.get(r.id)
	if err != nil {
		return reply{}, err
	}
	var in subnetOrder
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	if err := n.add(in); err != nil {
		return reply{}, err
	}
	return c.started(c.start(r, "add_subnet", c.opt.Timing.Attach, nil, target{"network", n.ID}))
}

// freeIP is the first address of a network that nobody in a zone has.
func (c *Cloud) freeIP(n *network, zone string) (netip.Addr, error) {
	for _, s := range n.subnets {
		if s.zone != zone || s.kind == "vswitch" {
			continue
		}
		for ip := s.ips.Addr().Next(); s.ips.Contains(ip.Next()); ip = ip.Next() {
			if ip != n.ips.Addr().Next() && !c.takenIP(n.ID, ip) {
				return ip, nil
			}
		}
	}
	return netip.Addr{}, refuse(http.StatusConflict, "no_subnet_available", "the network has no free address in zone %s", zone)
}

func (c *Cloud) wantedIP(n *network, text string) (netip.Addr, error) {
	ip, err := netip.ParseAddr(text)
	if err != nil || !slices.ContainsFunc(n.subnets, func(s subnet) bool { return s.ips.Contains(ip) }) || c.takenIP(n.ID, ip) {
		return ip, refuse(http.StatusConflict, "ip_not_available", "the address %s is not available", text)
	}
	return ip, nil
}

func (c *Cloud) takenIP(network int64, ip netip.Addr) bool {
	for _, s := range c.servers.rows {
		if slices.ContainsFunc(s.nets, func(a attachment) bool { return a.network == network && a.ip == ip }) {
			return true
		}
	}
	return false
}

// networkFree refuses to delete a network that machines are in.
func (c *Cloud) networkFree(n *network) error {
	if len(c.serversIn(n.ID)) > 0 {
		return refuse(http.StatusConflict, "resource_in_use", "servers are attached to the network")
	}
	return nil
}
