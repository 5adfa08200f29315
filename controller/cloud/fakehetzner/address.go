package fakehetzner

import (
	"net/http"
	"net/netip"
	"strconv"
)

// primaryIP is a public address. The one that comes with a machine goes with it.
type primaryIP struct {
	head
	ip         netip.Addr
	six        bool
	at         location
	server     int64 // 0 = unassigned, and still paid for
	autoDelete bool
}

func (p *primaryIP) text() string {
	if p.six {
		return netip.PrefixFrom(p.ip, 64).String()
	}
	return p.ip.String()
}

func (p *primaryIP) view(c *Cloud) obj {
	kind := "ipv4"
	if p.six {
		kind = "ipv6"
	}
	var assignee any
	if p.server != 0 {
		assignee = p.server
	}
	return obj{
		"id": p.ID, "name": p.Name, "labels": p.Labels, "created": p.Created, "ip": p.text(), "type": kind, "assignee_id": assignee, "assignee_type": "server",
		"auto_delete": p.autoDelete, "blocked": false, "dns_ptr": []obj{}, "location": p.at.view(), "datacenter": c.viewCentre(p.at),
		"protection": obj{"delete": p.protected},
	}
}

// newAddress takes the next one of the provider's.
func (c *Cloud) newAddress(at location, six, autoDelete bool) *primaryIP {
	p := &primaryIP{at: at, six: six, autoDelete: autoDelete}
	enter(c, c.primaryIPs, p, "", nil)
	p.Name = "primary_ip-" + strconv.FormatInt(p.ID, 10)
	if six {
		p.ip = netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, byte(p.ID >> 24), byte(p.ID >> 16), byte(p.ID >> 8), byte(p.ID)})
		return p
	}
	c.addresses++
	p.ip = c.opt.Address(c.addresses)
	return p
}

func (c *Cloud) listPrimaryIPs(r *call) (reply, error) {
	ip := r.query.Get("ip")
	return listed(c, r, c.primaryIPs, func(p *primaryIP) bool { return ip == "" || p.ip.String() == ip })
}

func (c *Cloud) createPrimaryIP(r *call) (reply, error) {
	var in struct {
		Name       string            `json:"name"`
		Type       string            `json:"type"`
		Location   string            `json:"location"`
		Datacenter string            `json:"datacenter"`
		Labels     map[string]string `json:"labels"`
		AutoDelete bool              `json:"auto_delete"`
		Assignee   int64             `json:"assignee_id"`
	}
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	at, ok := locate(in.Location, false)
	if !ok {
		at, ok = locate(in.Datacenter, true)
	}
	if s, there := c.servers.rows[in.Assignee]; in.Assignee != 0 {
		if !there {
			return reply{}, notFound("server", in.Assignee)
		}
		at, ok = s.at, true
	}
	if !ok {
		return reply{}, invalid("location", "is needed")
	}
	if in.Type != "ipv4" && in.Type != "ipv6" {
		return reply{}, invalid("type", "must be ipv4 or ipv6")
	}
	if len(c.primaryIPs.rows) >= c.opt.Limits.PrimaryIPs {
		return reply{}, limited("primary IP")
	}
	if err := checkLabels(in.Labels); err != nil {
		return reply{}, err
	}
	if _, there := c.primaryIPs.named(in.Name); there || in.Name == "" {
		c.counters.Duplicates++
		return reply{}, notUnique("name")
	}
	p := c.newAddress(at, in.Type == "ipv6", in.AutoDelete)
	p.Name, p.server = in.Name, in.Assignee
	for k, v := range in.Labels {
		p.Labels[k] = v
	}
	return shown(c, c.primaryIPs, p, http.StatusCreated)
}

func (c *Cloud) assignPrimaryIP(r *call) (reply, error) {
	p, err := c.primaryIPs.get(r.id)
	if err != nil {
		return reply{}, err
	}
	var in struct {
		Assignee int64 `json:"assignee_id"`
	}
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	s, err := c.servers.get(in.Assignee)
	switch {
	case err != nil:
		return reply{}, err
	case p.server != 0:
		return reply{}, refuse(http.StatusConflict, "primary_ip_already_assigned", "the primary IP is assigned")
	case s.status != "off":
		return reply{}, refuse(http.StatusPreconditionFailed, "server_not_stopped", "the server must be off")
	case p.six && s.ip6 != nil:
		return reply{}, refuse(http.StatusConflict, "server_has_ipv6", "the server has an IPv6 address")
	case !p.six && s.ip4 != nil:
		return reply{}, refuse(http.StatusConflict, "server_has_ipv4", "the server has an IPv4 address")
	}
	p.server = s.ID
	if p.six {
		s.ip6 = p
	} else {
		s.ip4 = p
	}
	return c.started(c.start(r, "assign_primary_ip", c.opt.Timing.Attach, nil, target{"primary_ip", p.ID}, s.target()))
}

func (c *Cloud) unassignPrimaryIP(r *call) (reply, error) {
	p, err := c.primaryIPs.get(r.id)
	if err != nil {
		return reply{}, err
	}
	if s, ok := c.servers.rows[p.server]; ok {
		if s.status != "off" {
			return reply{}, refuse(http.StatusPreconditionFailed, "server_not_stopped", "the server must be off")
		}
		if s.ip4 == p {
			s.ip4 = nil
		}
		if s.ip6 == p {
			s.ip6 = nil
		}
	}
	p.server = 0
	return c.started(c.start(r, "unassign_primary_ip", c.opt.Timing.Attach, nil, target{"primary_ip", p.ID}))
}

func (c *Cloud) addressFree(p *primaryIP) error {
	if p.server != 0 {
		return refuse(http.StatusConflict, "resource_in_use", "the primary IP is assigned to a server")
	}
	return nil
}
