package fakehetzner

import (
	"net/http"
	"slices"
)

// onServer wraps what is done to a machine that must be there and not be locked.
func (c *Cloud) onServer(do func(*call, *server) (reply, error)) work {
	return func(r *call) (reply, error) {
		s, err := c.servers.get(r.id)
		if err != nil {
			return reply{}, err
		}
		if c.busy(s.target()) {
			return reply{}, isLocked()
		}
		return do(r, s)
	}
}

// switchOn begins a boot.
func (c *Cloud) switchOn(s *server) {
	if !c.alive(s) {
		return
	}
	s.status, s.on = "running", true
	s.boots++
	s.bootsAt = c.now().Add(s.slow)
}

func (c *Cloud) switchOff(s *server) {
	if c.alive(s) {
		s.status, s.on = "off", false
	}
}

// powerOf holds an action until the power that a machine has now is really cut: that it is off must be true when it is said.
func (c *Cloud) powerOf(s *server) func() bool {
	boots, on := c.powered[s.ID]
	return func() bool {
		now, still := c.powered[s.ID]
		return on && still && now == boots
	}
}

func (c *Cloud) powerOn(r *call, s *server) (reply, error) {
	if s.on {
		return c.started(c.start(r, "start_server", c.opt.Timing.Start, nil, s.target()))
	}
	a := c.start(r, "start_server", c.opt.Timing.Start, func() { c.switchOn(s) }, s.target())
	if a.failCode == "" {
		s.status = "starting"
	}
	return c.started(a)
}

// powerOff answers poweroff and shutdown: the machines here always obey.
func (c *Cloud) powerOff(command string) func(*call, *server) (reply, error) {
	return func(r *call, s *server) (reply, error) {
		a := c.start(r, command, c.opt.Timing.Stop, func() { c.switchOff(s) }, s.target())
		if a.failCode == "" && s.on {
			s.status, s.on = "stopping", false
			a.held = c.powerOf(s)
		}
		return c.started(a)
	}
}

// restart answers reset and reboot.
func (c *Cloud) restart(command string) func(*call, *server) (reply, error) {
	return func(r *call, s *server) (reply, error) {
		a := c.start(r, command, c.opt.Timing.Start, func() { c.switchOn(s) }, s.target())
		if a.failCode == "" {
			s.on = false
			a.held = c.powerOf(s)
		}
		return c.started(a)
	}
}

func (c *Cloud) createImage(r *call, s *server) (reply, error) {
	var in struct {
		Description string            `json:"description"`
		Labels      map[string]string `json:"labels"`
		Type        string            `json:"type"`
	}
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	if in.Type != "" && in.Type != "snapshot" {
		return reply{}, invalid("type", "only snapshots are made here")
	}
	if err := checkLabels(in.Labels); err != nil {
		return reply{}, err
	}
	if c.snapshots() >= c.opt.Limits.Images {
		return reply{}, limited("snapshot")
	}
	i := &image{
		kind: "snapshot", description: in.Description, status: "creating", arm: s.kind.Arm, flavor: s.image.flavor, version: s.image.version,
		diskGB: s.kind.DiskGB, from: s.ID, fromName: s.Name,
	}
	enter(c, c.images, i, "", in.Labels)
	a := c.start(r, "create_image", c.opt.Timing.Snapshot, func() { i.status, i.sizeGB = "available", 1.5 }, s.target(), target{"image", i.ID})
	a.undo = func() { drop(c, c.images, i) }
	return reply{status: http.StatusCreated, body: obj{"action": c.viewAction(a), "image": i.view(c)}}, nil
}

func (c *Cloud) attachToNetwork(r *call, s *server) (reply, error) {
	var in struct {
		Network int64    `json:"network"`
		IP      string   `json:"ip"`
		Aliases []string `json:"alias_ips"`
	}
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	n, err := c.networks.get(in.Network)
	if err != nil {
		return reply{}, err
	}
	if slices.ContainsFunc(s.nets, func(a attachment) bool { return a.network == n.ID }) {
		return reply{}, refuse(http.StatusConflict, "server_already_attached", "the server is in that network")
	}
	ip, err := c.freeIP(n, s.at.zone)
	if in.IP != "" {
		ip, err = c.wantedIP(n, in.IP)
	}
	if err != nil {
		return reply{}, err
	}
	done := func() { s.nets = append(s.nets, attachment{network: n.ID, ip: ip, aliases: in.Aliases}) }
	return c.started(c.start(r, "attach_to_network", c.opt.Timing.Attach, done, s.target(), target{"network", n.ID}))
}

func (c *Cloud) detachFromNetwork(r *call, s *server) (reply, error) {
	var in struct {
		Network int64 `json:"network"`
	}
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	if !slices.ContainsFunc(s.nets, func(a attachment) bool { return a.network == in.Network }) {
		return reply{}, notFound("network", in.Network)
	}
	done := func() { s.nets = slices.DeleteFunc(s.nets, func(a attachment) bool { return a.network == in.Network }) }
	return c.started(c.start(r, "detach_from_network", c.opt.Timing.Attach, done, s.target(), target{"network", in.Network}))
}

func (c *Cloud) protectServer(r *call, s *server) (reply, error) {
	var in struct {
		Delete  *bool `json:"delete"`
		Rebuild *bool `json:"rebuild"`
	}
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	done := func() {
		if in.Delete != nil {
			s.protected = *in.Delete
		}
		if in.Rebuild != nil {
			s.norebuild = *in.Rebuild
		}
	}
	return c.started(c.start(r, "change_protection", c.opt.Timing.Attach, done, s.target()))
}

func (c *Cloud) joinGroup(r *call, s *server) (reply, error) {
	var in struct {
		Group int64 `json:"placement_group"`
	}
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	g, err := c.groups.get(in.Group)
	switch {
	case err != nil:
		return reply{}, err
	case s.status != "off":
		return reply{}, refuse(http.StatusPreconditionFailed, "server_not_stopped", "the server must be off")
	case len(c.groupMembers(g.ID)) >= spreadMax:
		return reply{}, refuse(http.StatusPreconditionFailed, "placement_error", "the placement group is full")
	}
	return c.started(c.start(r, "add_to_placement_group", c.opt.Timing.Attach, func() { s.group = g.ID }, s.target(), target{"placement_group", g.ID}))
}

func (c *Cloud) leaveGroup(r *call, s *server) (reply, error) {
	id := s.group
	return c.started(c.start(r, "remove_from_placement_group", c.opt.Timing.Attach, func() { s.group = 0 }, s.target(), target{"placement_group", id}))
}
