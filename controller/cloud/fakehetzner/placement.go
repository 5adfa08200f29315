package fakehetzner

import "net/http"

// spreadMax is how many machines the provider keeps apart in one group.
const spreadMax = 10

type placementGroup struct{ head }

func (g *placementGroup) view(c *Cloud) obj {
	return obj{"id": g.ID, "name": g.Name, "labels": g.Labels, "created": g.Created, "type": "spread", "servers": c.groupMembers(g.ID)}
}

func (c *Cloud) groupMembers(id int64) []int64 {
	in := []int64{}
	for _, s := range c.servers.all() {
		if s.group == id {
			in = append(in, s.ID)
		}
	}
	return in
}

func (c *Cloud) createGroup(r *call) (reply, error) {
	var in struct {
		Name   string            `json:"name"`
		Type   string            `json:"type"`
		Labels map[string]string `json:"labels"`
	}
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	if in.Type != "spread" {
		return reply{}, invalid("type", "must be spread")
	}
	if len(c.groups.rows) >= c.opt.Limits.PlacementGroups {
		return reply{}, limited("placement group")
	}
	g := &placementGroup{}
	if err := put(c, c.groups, g, in.Name, in.Labels); err != nil {
		return reply{}, err
	}
	return shown(c, c.groups, g, http.StatusCreated)
}

func (c *Cloud) groupFree(g *placementGroup) error {
	if len(c.groupMembers(g.ID)) > 0 {
		return refuse(http.StatusConflict, "resource_in_use", "servers are in the placement group")
	}
	return nil
}
