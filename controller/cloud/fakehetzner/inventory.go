package fakehetzner

import (
	"maps"
	"slices"
	"strconv"
	"time"
)

// Inventory is everything that exists, for tests that look for leaks. Machines are ordered by id, things by kind and id.
type Inventory struct {
	Machines []MachineInfo `json:"machines"`
	Past     []MachineInfo `json:"past"` // machines that were, in the order of their end
	Things   []Thing       `json:"things"`
	Counters Counters      `json:"counters"`
}

// Thing is one resource that is not a machine.
type Thing struct {
	Kind    string            `json:"kind"` // image, volume, network, firewall, placement_group, primary_ip, ssh_key
	ID      string            `json:"id"`
	Name    string            `json:"name"`
	Labels  map[string]string `json:"labels"`
	Created time.Time         `json:"created"`
	InUse   bool              `json:"in_use"`
}

// Counters count requests since the beginning.
type Counters struct {
	Requests    int            `json:"requests"`     // all that came, also those refused
	Done        map[string]int `json:"done"`         // requests that changed something, by pattern: "POST /servers"
	Duplicates  int            `json:"duplicates"`   // POSTs refused because the name was there: somebody asked twice
	Cut         int            `json:"cut"`          // replies lost after the work
	RateLimited int            `json:"rate_limited"` // 429
	MostAtOnce  int            `json:"most_at_once"` // machines that existed at the same time
}

// Inventory gives a copy of what exists now.
func (c *Cloud) Inventory() Inventory {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	inv := Inventory{Machines: []MachineInfo{}, Past: slices.Clone(c.past), Things: []Thing{}, Counters: c.counters}
	inv.Counters.Done = maps.Clone(c.counters.Done)
	for _, s := range c.servers.all() {
		inv.Machines = append(inv.Machines, s.info())
	}
	for _, t := range c.images.all() {
		if t.kind == "snapshot" {
			inv.Things = append(inv.Things, thingOf("image", &t.head, false))
		}
	}
	for _, t := range c.volumes.all() {
		inv.Things = append(inv.Things, thingOf("volume", &t.head, t.server != 0))
	}
	for _, t := range c.networks.all() {
		inv.Things = append(inv.Things, thingOf("network", &t.head, len(c.serversIn(t.ID)) > 0))
	}
	for _, t := range c.firewalls.all() {
		inv.Things = append(inv.Things, thingOf("firewall", &t.head, len(t.servers) > 0))
	}
	for _, t := range c.groups.all() {
		inv.Things = append(inv.Things, thingOf("placement_group", &t.head, len(c.groupMembers(t.ID)) > 0))
	}
	for _, t := range c.primaryIPs.all() {
		inv.Things = append(inv.Things, thingOf("primary_ip", &t.head, t.server != 0))
	}
	for _, t := range c.sshKeys.all() {
		inv.Things = append(inv.Things, thingOf("ssh_key", &t.head, false))
	}
	return inv
}

func thingOf(kind string, h *head, used bool) Thing {
	return Thing{Kind: kind, ID: strconv.FormatInt(h.ID, 10), Name: h.Name, Labels: maps.Clone(h.Labels), Created: h.Created, InUse: used}
}
