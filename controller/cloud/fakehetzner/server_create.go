package fakehetzner

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
)

// nameOrID is a JSON string or number.
type nameOrID string

// UnmarshalJSON reads either.
func (n *nameOrID) UnmarshalJSON(b []byte) error {
	var number json.Number
	if json.Unmarshal(b, &number) == nil {
		*n = nameOrID(number)
		return nil
	}
	var s string
	err := json.Unmarshal(b, &s)
	*n = nameOrID(s)
	return err
}

type serverOrder struct {
	Name       string            `json:"name"`
	Type       nameOrID          `json:"server_type"`
	Image      nameOrID          `json:"image"`
	Location   string            `json:"location"`
	Datacenter string            `json:"datacenter"`
	UserData   string            `json:"user_data"`
	Start      *bool             `json:"start_after_create"`
	Labels     map[string]string `json:"labels"`
	SSHKeys    []nameOrID        `json:"ssh_keys"`
	Networks   []int64           `json:"networks"`
	Volumes    []int64           `json:"volumes"`
	Group      int64             `json:"placement_group"`
	Firewalls  []struct {
		Firewall int64 `json:"firewall"`
	} `json:"firewalls"`
	Public *struct {
		IPv4   *bool  `json:"enable_ipv4"`
		IPv6   *bool  `json:"enable_ipv6"`
		IPv4ID *int64 `json:"ipv4"`
		IPv6ID *int64 `json:"ipv6"`
	} `json:"public_net"`
}

func (c *Cloud) createServer(r *call) (reply, error) {
	var in serverOrder
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	s, err := c.checkOrder(in)
	if err != nil {
		return reply{}, err
	}
	if err := c.room(r, s, in); err != nil {
		return reply{}, err
	}
	c.machines++
	s.n, s.status, s.userData, s.group = c.machines, "initializing", []byte(in.UserData), in.Group
	enter(c, c.servers, s, in.Name, in.Labels)
	c.counters.MostAtOnce = max(c.counters.MostAtOnce, len(c.servers.rows))
	c.restock(s.kind.Type.Name, s.at.name, -1)
	c.equip(s, in)
	c.curse(r, s)

	create := c.start(r, "create_server", c.opt.Timing.Create, func() {
		if s.status == "initializing" {
			s.status = "off"
		}
	}, s.target())
	create.undo = func() { c.remove(s, "deleted", c.now()) }
	following := c.afterCreate(s, create, in)
	c.log.Info("a machine is ordered", "machine", s.Name, "id", s.ID, "type", s.kind.Type.Name, "location", s.at.name)
	return reply{status: http.StatusCreated, body: obj{
		"server": s.view(c), "action": c.viewAction(create), "next_actions": c.viewActions(following), "root_password": rootPassword(s, in),
	}}, nil
}

// rootPassword is what the API sends by mail and in the reply, unless a key is given.
func rootPassword(s *server, in serverOrder) any {
	if len(in.SSHKeys) > 0 {
		return nil
	}
	return "not-a-password-" + strconv.FormatInt(s.ID, 10)
}

// afterCreate starts what follows the creation by itself.
func (c *Cloud) afterCreate(s *server, create *action, in serverOrder) []*action {
	var following []*action
	for _, n := range s.nets {
		following = append(following, c.next(create, "attach_to_network", c.opt.Timing.Attach, nil, s.target(), target{"network", n.network}))
	}
	if in.Start == nil || *in.Start {
		a := c.next(create, "start_server", c.opt.Timing.Start, func() { c.switchOn(s) }, s.target())
		following = append(following, a)
	}
	return following
}

// checkOrder finds everything that an order names.
func (c *Cloud) checkOrder(in serverOrder) (*server, error) {
	s := &server{}
	if !hostname.MatchString(in.Name) {
		return nil, invalid("name", "must be a valid hostname")
	}
	if err := checkLabels(in.Labels); err != nil {
		return nil, err
	}
	if len(in.UserData) > cloud.UserDataMax {
		return nil, invalid("user_data", "must be at most %d bytes", cloud.UserDataMax)
	}
	var ok bool
	if s.kind, ok = c.typeOf(string(in.Type)); !ok {
		return nil, refuse(http.StatusUnprocessableEntity, "invalid_input", "server type %s not found", in.Type)
	}
	if s.image = c.imageFor(string(in.Image), s.kind.Arm); s.image == nil {
		return nil, refuse(http.StatusUnprocessableEntity, "invalid_input", "image not found")
	}
	switch {
	case in.Location != "":
		s.at, ok = locate(in.Location, false)
	case in.Datacenter != "":
		s.at, ok = locate(in.Datacenter, true)
	default:
		s.at, ok = locate(s.kind.Offers[0].Location, false)
	}
	if !ok {
		return nil, invalid("location", "there is no such location")
	}
	offer, offered := s.kind.offer(s.at.name)
	switch {
	case !offered:
		return nil, refuse(http.StatusUnprocessableEntity, "invalid_input", "unsupported location for server type")
	case offer.over(c.now()):
		return nil, refuse(http.StatusUnprocessableEntity, "invalid_server_type", "server type %s is deprecated", s.kind.Type.Name)
	case s.image.status != "available":
		return nil, refuse(http.StatusUnprocessableEntity, "invalid_input", "image is not available")
	case s.image.arm != s.kind.Arm:
		return nil, refuse(http.StatusUnprocessableEntity, "invalid_input", "image architecture does not fit the server type")
	case s.image.diskGB > s.kind.DiskGB:
		return nil, refuse(http.StatusUnprocessableEntity, "invalid_input", "image disk is bigger than server type disk")
	}
	return s, c.checkParts(s, in)
}

// checkParts finds the other things that an order names.
func (c *Cloud) checkParts(s *server, in serverOrder) error {
	for _, id := range in.Networks {
		n, err := c.networks.get(id)
		if err != nil {
			return err
		}
		if _, err := c.freeIP(n, s.at.zone); err != nil {
			return err
		}
	}
	for _, f := range in.Firewalls {
		if _, err := c.firewalls.get(f.Firewall); err != nil {
			return err
		}
	}
	for _, id := range in.Volumes {
		v, err := c.volumes.get(id)
		if err != nil {
			return err
		}
		if v.server != 0 || v.at.name != s.at.name {
			return refuse(http.StatusUnprocessableEntity, "volume_already_attached", "volume %d cannot be attached", id)
		}
	}
	for _, k := range in.SSHKeys {
		if _, ok := c.keyOf(string(k)); !ok {
			return refuse(http.StatusUnprocessableEntity, "invalid_input", "SSH key %s not found", k)
		}
	}
	if in.Group != 0 {
		if _, err := c.groups.get(in.Group); err != nil {
			return err
		}
	}
	if in.Public != nil {
		for _, id := range []*int64{in.Public.IPv4ID, in.Public.IPv6ID} {
			if id == nil || *id == 0 {
				continue
			}
			ip, err := c.primaryIPs.get(*id)
			if err != nil {
				return err
			}
			if ip.server != 0 {
				return refuse(http.StatusUnprocessableEntity, "primary_ip_assigned", "primary IP is already assigned")
			}
			if ip.at.name != s.at.name {
				return refuse(http.StatusUnprocessableEntity, "primary_ip_datacenter_mismatch", "primary IP is elsewhere")
			}
		}
	}
	return nil
}

// room tells whether there is any for a machine: its name, the project's limit, the group and the stock.
func (c *Cloud) room(r *call, s *server, in serverOrder) error {
	if _, there := c.servers.named(in.Name); there {
		c.counters.Duplicates++
		return notUnique("name")
	}
	if len(c.servers.rows) >= c.opt.Limits.Servers {
		return limited("server")
	}
	if in.Group != 0 && len(c.groupMembers(in.Group)) >= spreadMax {
		return refuse(http.StatusPreconditionFailed, "placement_error", "the placement group is full: a spread group holds at most %d servers", spreadMax)
	}
	about := func(rule Rule) bool {
		return (rule.Type == "" || rule.Type == s.kind.Type.Name) && (rule.Location == "" || rule.Location == s.at.name) && rule.named(in.Name)
	}
	if !c.inStock(s.kind.Type.Name, s.at.name) || c.first(r.method, r.path, about, NoStock) != nil {
		return refuse(http.StatusPreconditionFailed, "resource_unavailable", "error during placement: server type %s is unavailable in %s", s.kind.Type.Name, s.at.name)
	}
	return nil
}

// equip gives a new machine its addresses and all that it was ordered with.
func (c *Cloud) equip(s *server, in serverOrder) {
	want := func(enabled *bool) bool { return in.Public == nil || enabled == nil || *enabled }
	given := func(id *int64) *primaryIP {
		if id == nil {
			return nil
		}
		return c.primaryIPs.rows[*id]
	}
	var on4, on6 *bool
	var id4, id6 *int64
	if in.Public != nil {
		on4, on6, id4, id6 = in.Public.IPv4, in.Public.IPv6, in.Public.IPv4ID, in.Public.IPv6ID
	}
	if want(on4) {
		if s.ip4 = given(id4); s.ip4 == nil {
			s.ip4 = c.newAddress(s.at, false, true)
		}
		s.ip4.server = s.ID
	}
	if want(on6) {
		if s.ip6 = given(id6); s.ip6 == nil {
			s.ip6 = c.newAddress(s.at, true, true)
		}
		s.ip6.server = s.ID
	}
	for _, id := range in.Networks {
		ip, _ := c.freeIP(c.networks.rows[id], s.at.zone)
		s.nets = append(s.nets, attachment{network: id, ip: ip})
	}
	for _, f := range in.Firewalls {
		c.firewalls.rows[f.Firewall].add(s.ID)
	}
	for _, id := range in.Volumes {
		c.volumes.rows[id].server = s.ID
	}
}

// curse draws what will go wrong with a new machine.
func (c *Cloud) curse(r *call, s *server) {
	about := func(rule Rule) bool { return rule.named(s.Name) }
	if rule := c.first(r.method, r.path, about, SlowBoot); rule != nil {
		s.slow = rule.Delay
	}
	s.neverJoin = c.first(r.method, r.path, about, NeverJoin) != nil
	if rule := c.first(r.method, r.path, about, Vanish); rule != nil {
		s.vanishAt = c.now().Add(max(rule.Delay, time.Nanosecond))
	}
	if s.slow > 0 || s.neverJoin || !s.vanishAt.IsZero() {
		c.log.Info("a machine is cursed", "machine", s.Name, "slow", s.slow, "silent", s.neverJoin, "vanishes", !s.vanishAt.IsZero())
	}
}
