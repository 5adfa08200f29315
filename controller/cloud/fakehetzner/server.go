package fakehetzner

import (
	"maps"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// server is a machine, in the API's word.
type server struct {
	head
	n         int // counts machines
	kind      *serverType
	at        location
	image     *image
	userData  []byte
	status    string
	ip4, ip6  *primaryIP // nil = none
	nets      []attachment
	group     int64 // placement group, 0 = none
	norebuild bool

	on        bool // what power.go makes true
	boots     int
	bootsAt   time.Time // nothing runs before
	slow      time.Duration
	neverJoin bool
	vanishAt  time.Time // zero = it does not
}

type attachment struct {
	network int64
	ip      netip.Addr
	aliases []string
}

func (s *server) target() target { return target{"server", s.ID} }

func (s *server) address() netip.Addr {
	if s.ip4 == nil {
		return netip.Addr{}
	}
	return s.ip4.ip
}

func (s *server) private() netip.Addr {
	if len(s.nets) == 0 {
		return netip.Addr{}
	}
	return s.nets[0].ip
}

func text(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func (s *server) info() MachineInfo {
	m := MachineInfo{
		ID: strconv.FormatInt(s.ID, 10), Name: s.Name, Labels: maps.Clone(s.Labels), Type: s.kind.Type.Name, Location: s.at.name,
		Image: strconv.FormatInt(s.image.ID, 10), Status: s.status, Address: text(s.address()), Private: text(s.private()), Created: s.born,
		Boots: s.boots, NeverJoin: s.neverJoin,
	}
	if s.slow > 0 {
		m.BootsAt = s.bootsAt
	}
	return m
}

func (s *server) view(c *Cloud) obj {
	walls, volumes, nets := []obj{}, []int64{}, []obj{}
	for _, f := range c.firewalls.all() {
		if slices.Contains(f.reaches(c), s.ID) {
			walls = append(walls, obj{"id": f.ID, "status": "applied"})
		}
	}
	for _, v := range c.volumes.all() {
		if v.server == s.ID {
			volumes = append(volumes, v.ID)
		}
	}
	for _, n := range s.nets {
		nets = append(nets, obj{"network": n.network, "ip": n.ip.String(), "alias_ips": append([]string{}, n.aliases...), "mac_address": macAddress(s.ID)})
	}
	public := obj{"floating_ips": []int64{}, "firewalls": walls, "ipv4": nil, "ipv6": nil}
	if s.ip4 != nil {
		public["ipv4"] = obj{"id": s.ip4.ID, "ip": s.ip4.ip.String(), "blocked": false, "dns_ptr": "static." + s.ip4.ip.String() + ".fake.example"}
	}
	if s.ip6 != nil {
		public["ipv6"] = obj{"id": s.ip6.ID, "ip": s.ip6.text(), "blocked": false, "dns_ptr": []obj{}}
	}
	var group any
	if g, ok := c.groups.rows[s.group]; ok {
		group = g.view(c)
	}
	return obj{
		"id": s.ID, "name": s.Name, "labels": s.Labels, "created": s.Created, "status": s.status, "locked": c.busy(s.target()),
		"server_type": s.kind.view(c), "location": s.at.view(), "datacenter": c.viewCentre(s.at), "image": s.image.view(c),
		"public_net": public, "private_net": nets, "volumes": volumes, "placement_group": group, "load_balancers": []int64{},
		"protection": obj{"delete": s.protected, "rebuild": s.norebuild}, "primary_disk_size": s.kind.DiskGB, "iso": nil, "rescue_enabled": false,
		"backup_window": nil, "included_traffic": int64(20 * terabyte), "ingoing_traffic": 0, "outgoing_traffic": 0,
	}
}

func (c *Cloud) listServers(r *call) (reply, error) {
	status := r.query["status"]
	return listed(c, r, c.servers, func(s *server) bool { return len(status) == 0 || slices.Contains(status, s.status) })
}

var hostname = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9.-]{0,61}[a-zA-Z0-9])?$`)

func (c *Cloud) updateServer(r *call) (reply, error) {
	s, err := c.servers.get(r.id)
	if err != nil {
		return reply{}, err
	}
	return changed(c, r, c.servers, s, func(name string) error {
		if !hostname.MatchString(name) {
			return invalid("name", "must be a valid hostname")
		}
		return nil
	})
}

func (c *Cloud) deleteServer(r *call) (reply, error) {
	s, err := c.servers.get(r.id)
	switch {
	case err != nil:
		return reply{}, err
	case s.protected:
		return reply{}, isProtected("server")
	case c.busy(s.target()):
		return reply{}, isLocked()
	}
	a := c.start(r, "delete_server", c.opt.Timing.Delete, nil, s.target())
	a.done = func() { c.remove(s, "deleted", a.finished) }
	if a.failCode == "" {
		s.status, s.on = "deleting", false
		a.held = c.powerOf(s)
	}
	return reply{status: http.StatusOK, body: obj{"action": c.viewAction(a)}}, nil
}

// alive tells whether a machine is still there: it may have vanished while something was done to it.
func (c *Cloud) alive(s *server) bool { return c.servers.rows[s.ID] == s }

// remove ends a machine for good, and the hours that it is paid for.
func (c *Cloud) remove(s *server, why string, when time.Time) {
	if !c.alive(s) {
		return
	}
	dropAt(c, c.servers, s, when)
	s.on, s.status = false, why
	for _, ip := range []*primaryIP{s.ip4, s.ip6} {
		switch {
		case ip == nil:
		case ip.autoDelete:
			drop(c, c.primaryIPs, ip)
		default:
			ip.server = 0
		}
	}
	for _, v := range c.volumes.rows {
		if v.server == s.ID {
			v.server = 0
		}
	}
	for _, f := range c.firewalls.rows {
		f.servers = slices.DeleteFunc(f.servers, func(id int64) bool { return id == s.ID })
	}
	c.restock(s.kind.Type.Name, s.at.name, 1)
	m := s.info()
	m.Deleted = s.gone
	c.past = append(c.past, m)
	c.log.Info("a machine is gone", "machine", s.Name, "id", s.ID, "why", why)
}

// Vanish makes a machine disappear without a word, as hardware does. It tells whether there was one.
func (c *Cloud) Vanish(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, _ := strconv.ParseInt(id, 10, 64)
	s, err := c.servers.get(n)
	if err != nil {
		return false
	}
	c.remove(s, "vanished", c.now())
	c.kick()
	return true
}

// vanish does so with those whose time has come.
func (c *Cloud) vanish(now time.Time) {
	for _, s := range c.servers.all() {
		if !s.vanishAt.IsZero() && !s.vanishAt.After(now) {
			c.remove(s, "vanished", s.vanishAt)
		}
	}
}
