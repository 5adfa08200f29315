package fakehetzner

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// image is one of the provider's systems, or a snapshot of a machine.
type image struct {
	head
	kind        string // system, snapshot
	description string
	status      string // available, creating
	arm         bool
	flavor      string
	version     string
	diskGB      int
	sizeGB      float64 // 0 = not known yet, or a system's
	from        int64   // server, 0 for a system
	fromName    string
}

// stockImages puts the provider's own systems there, for both architectures under the same names.
func (c *Cloud) stockImages() {
	day := time.Date(2025, 8, 9, 0, 0, 0, 0, time.UTC)
	for _, arm := range []bool{false, true} {
		for _, s := range []image{
			{flavor: "debian", version: "12", description: "Debian 12"}, {flavor: "debian", version: "13", description: "Debian 13"},
			{flavor: "ubuntu", version: "22.04", description: "Ubuntu 22.04"}, {flavor: "ubuntu", version: "24.04", description: "Ubuntu 24.04"},
		} {
			s.kind, s.status, s.arm, s.diskGB = "system", "available", arm, 5
			enter(c, c.images, &s, s.flavor+"-"+s.version, nil)
			s.Created, s.born = day, day
		}
	}
}

func (i *image) arch() string {
	if i.arm {
		return "arm"
	}
	return "x86"
}

func (i *image) view(*Cloud) obj {
	var name, size, from any
	if i.kind == "system" {
		name = i.Name
	}
	if i.sizeGB > 0 {
		size = i.sizeGB
	}
	if i.from != 0 {
		from = obj{"id": i.from, "name": i.fromName}
	}
	return obj{
		"id": i.ID, "name": name, "description": i.description, "type": i.kind, "status": i.status, "architecture": i.arch(), "os_flavor": i.flavor,
		"os_version": i.version, "rapid_deploy": i.kind == "system", "disk_size": i.diskGB, "image_size": size, "created": i.Created, "created_from": from,
		"bound_to": nil, "deprecated": nil, "deleted": nil, "labels": i.Labels, "protection": obj{"delete": i.protected},
	}
}

// imageFor finds an image by id, or one of the systems by its name for an architecture.
func (c *Cloud) imageFor(text string, arm bool) *image {
	if id, err := strconv.ParseInt(text, 10, 64); err == nil {
		return c.images.rows[id]
	}
	for _, i := range c.images.all() {
		if i.kind == "system" && i.Name == text && i.arm == arm {
			return i
		}
	}
	return nil
}

func (c *Cloud) snapshots() int {
	n := 0
	for _, i := range c.images.rows {
		if i.kind == "snapshot" {
			n++
		}
	}
	return n
}

func (c *Cloud) listImages(r *call) (reply, error) {
	kind, status, arch := r.query["type"], r.query["status"], r.query["architecture"]
	return listed(c, r, c.images, func(i *image) bool {
		fits := func(wanted []string, is string) bool { return len(wanted) == 0 || slices.Contains(wanted, is) }
		return fits(kind, i.kind) && fits(status, i.status) && fits(arch, i.arch())
	})
}

func (c *Cloud) updateImage(r *call) (reply, error) {
	i, err := c.images.get(r.id)
	if err != nil {
		return reply{}, err
	}
	var in struct {
		Description *string `json:"description"`
	}
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	if i.kind != "snapshot" {
		return reply{}, refuse(http.StatusForbidden, "forbidden", "only snapshots can be changed")
	}
	out, err := changed(c, r, c.images, i, nil)
	if err == nil && in.Description != nil {
		i.description = *in.Description
		return shown(c, c.images, i, http.StatusOK)
	}
	return out, err
}

func (c *Cloud) keepSystems(i *image) error {
	if i.kind != "snapshot" {
		return refuse(http.StatusForbidden, "forbidden", "only snapshots can be deleted")
	}
	return nil
}
