package fakehetzner

import (
	"net/http"
	"slices"
	"strconv"
)

// volume is block storage, apart from any machine's own disk.
type volume struct {
	head
	at     location
	sizeGB int
	format *string
	status string
	server int64 // 0 = attached to none
}

func (v *volume) view(*Cloud) obj {
	var server any
	if v.server != 0 {
		server = v.server
	}
	return obj{
		"id": v.ID, "name": v.Name, "labels": v.Labels, "created": v.Created, "location": v.at.view(), "size": v.sizeGB, "format": v.format,
		"status": v.status, "server": server, "linux_device": "/dev/disk/by-id/scsi-0HC_Volume_" + strconv.FormatInt(v.ID, 10),
		"protection": obj{"delete": v.protected},
	}
}

func (c *Cloud) listVolumes(r *call) (reply, error) {
	status := r.query["status"]
	return listed(c, r, c.volumes, func(v *volume) bool { return len(status) == 0 || slices.Contains(status, v.status) })
}

func (c *Cloud) createVolume(r *call) (reply, error) {
	var in struct {
		Name     string            `json:"name"`
		Size     int               `json:"size"`
		Location nameOrID          `json:"location"`
		Server   int64             `json:"server"`
		Format   *string           `json:"format"`
		Labels   map[string]string `json:"labels"`
	}
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	at, ok := locate(string(in.Location), false)
	if s, there := c.servers.rows[in.Server]; in.Server != 0 {
		if !there {
			return reply{}, notFound("server", in.Server)
		}
		at, ok = s.at, true
	}
	switch {
	case !ok:
		return reply{}, invalid("location", "location or server is needed")
	case in.Size < 10 || in.Size > 10240:
		return reply{}, invalid("size", "must be between 10 and 10240")
	case len(c.volumes.rows) >= c.opt.Limits.Volumes:
		return reply{}, limited("volume")
	}
	v := &volume{at: at, sizeGB: in.Size, format: in.Format, status: "creating", server: in.Server}
	if err := put(c, c.volumes, v, in.Name, in.Labels); err != nil {
		return reply{}, err
	}
	a := c.start(r, "create_volume", c.opt.Timing.Create, func() { v.status = "available" }, target{"volume", v.ID})
	a.undo = func() { drop(c, c.volumes, v) }
	following := []*action{}
	if v.server != 0 {
		following = append(following, c.next(a, "attach_volume", c.opt.Timing.Attach, nil, target{"volume", v.ID}, target{"server", v.server}))
	}
	return reply{status: http.StatusCreated, body: obj{"volume": v.view(c), "action": c.viewAction(a), "next_actions": c.viewActions(following)}}, nil
}

func (c *Cloud) attachVolume(r *call) (reply, error) {
	v, err := c.volumes.get(r.id)
	if err != nil {
		return reply{}, err
	}
	var in struct {
		Server int64 `json:"server"`
	}
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	s, err := c.servers.get(in.Server)
	switch {
	case err != nil:
		return reply{}, err
	case c.busy(target{"volume", v.ID}):
		return reply{}, isLocked()
	case v.server != 0:
		return reply{}, refuse(http.StatusUnprocessableEntity, "volume_already_attached", "the volume is attached")
	case v.at.name != s.at.name:
		return reply{}, invalid("server", "is at another location")
	}
	done := func() {
		if c.alive(s) {
			v.server = s.ID
		}
	}
	return c.started(c.start(r, "attach_volume", c.opt.Timing.Attach, done, target{"volume", v.ID}, s.target()))
}

func (c *Cloud) detachVolume(r *call) (reply, error) {
	v, err := c.volumes.get(r.id)
	if err != nil {
		return reply{}, err
	}
	if c.busy(target{"volume", v.ID}) {
		return reply{}, isLocked()
	}
	return c.started(c.start(r, "detach_volume", c.opt.Timing.Attach, func() { v.server = 0 }, target{"volume", v.ID}))
}

func (c *Cloud) volumeFree(v *volume) error {
	if v.server != 0 {
		return refuse(http.StatusConflict, "resource_in_use", "the volume is attached to a server")
	}
	return nil
}
