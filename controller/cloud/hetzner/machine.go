package hetzner

import (
	"context"
	"maps"
	"net"
	"strconv"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/payperplay/payperplay/controller/cloud"
)

// Get reads a machine by its id, whosesoever it is: its labels tell.
func (d *Driver) Get(ctx context.Context, id string) (cloud.Machine, error) {
	s, err := d.server(ctx, id, reading("get_server", "read machine "+id))
	if err != nil {
		return cloud.Machine{}, err
	}
	return machine(s), nil
}

// ByName reads a machine by its name, whosesoever it is: its labels tell.
func (d *Driver) ByName(ctx context.Context, name string) (cloud.Machine, error) {
	if name == "" { // the API takes an empty name for no filter
		return cloud.Machine{}, missing("a machine without a name")
	}
	list, err := all(ctx, d, reading("find_server", "find machine "+name), hcloud.ListOpts{}, func(ctx context.Context, o hcloud.ListOpts) ([]*hcloud.Server, *hcloud.Response, error) {
		return d.client.Server.List(ctx, hcloud.ServerListOpts{ListOpts: o, Name: name})
	})
	if err != nil {
		return cloud.Machine{}, err
	}
	for _, s := range list {
		if s.Name == name {
			return machine(s), nil
		}
	}
	return cloud.Machine{}, missing("machine " + name)
}

// List gives the cluster's machines.
func (d *Driver) List(ctx context.Context) ([]cloud.Machine, error) {
	list, err := d.servers(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]cloud.Machine, 0, len(list))
	for _, s := range list {
		out = append(out, machine(s))
	}
	return out, nil
}

func (d *Driver) servers(ctx context.Context) ([]*hcloud.Server, error) {
	list, err := all(ctx, d, reading("list_servers", "list the machines"), hcloud.ListOpts{LabelSelector: d.selector()}, func(ctx context.Context, o hcloud.ListOpts) ([]*hcloud.Server, *hcloud.Response, error) {
		return d.client.Server.List(ctx, hcloud.ServerListOpts{ListOpts: o, Sort: []string{"id:asc"}})
	})
	return d.own(list), err
}

// own keeps what is ours once more (the selector is the provider's promise), and of each once.
func (d *Driver) own(list []*hcloud.Server) []*hcloud.Server {
	return kept(d, list, func(s *hcloud.Server) (int64, map[string]string) { return s.ID, s.Labels })
}

func kept[T any](d *Driver, list []*T, of func(*T) (int64, map[string]string)) []*T {
	seen := map[int64]bool{}
	out := list[:0]
	for _, t := range list {
		id, labels := of(t)
		if d.ours(labels) && !seen[id] {
			seen[id] = true
			out = append(out, t)
		}
	}
	return out
}

// server reads one past any list.
func (d *Driver) server(ctx context.Context, id string, c call) (*hcloud.Server, error) {
	n, ok := number(id)
	if !ok {
		return nil, missing("machine " + id)
	}
	s, err := ask(ctx, d, c, func(ctx context.Context) (*hcloud.Server, *hcloud.Response, error) {
		return d.client.Server.GetByID(ctx, n)
	})
	if err == nil && s == nil {
		err = missing("machine " + id)
	}
	return s, err
}

// ownServer reads one that is about to be changed, as urgently as that.
func (d *Driver) ownServer(ctx context.Context, id, doing string) (*hcloud.Server, error) {
	s, err := d.server(ctx, id, before("get_server", doing))
	if err == nil && !d.ours(s.Labels) {
		return nil, foreign(doing)
	}
	return s, err
}

// number reads an id; what is no number is nobody's.
func number(id string) (int64, bool) {
	n, err := strconv.ParseInt(id, 10, 64)
	return n, err == nil && n > 0
}

func text(id int64) string { return strconv.FormatInt(id, 10) }

func machine(s *hcloud.Server) cloud.Machine {
	m := cloud.Machine{ID: text(s.ID), Name: s.Name, Labels: maps.Clone(s.Labels), State: state(s.Status), Created: s.Created.UTC()}
	if s.ServerType != nil {
		m.Type = s.ServerType.Name
	}
	if s.Location != nil {
		m.Location = s.Location.Name
	}
	if s.Image != nil { // nil when it was deleted since
		m.Image = text(s.Image.ID)
	}
	if !s.PublicNet.IPv4.IsUnspecified() {
		m.IPv4 = s.PublicNet.IPv4.IP.String()
	}
	if !s.PublicNet.IPv6.IsUnspecified() {
		m.IPv6 = first(s.PublicNet.IPv6.IP)
	}
	for _, p := range s.PrivateNet {
		if p.IP != nil {
			m.Private = p.IP.String()
			break
		}
	}
	return m
}

// first is the address that a machine has in the network that the provider gave it.
func first(network net.IP) string {
	ip := network.To16()
	if ip == nil {
		return ""
	}
	ip = append(net.IP{}, ip...)
	ip[len(ip)-1] |= 1
	return ip.String()
}

// state: only "off" is Off, since that is what a world may be started elsewhere on (design.md §6.3).
func state(s hcloud.ServerStatus) cloud.State {
	switch s {
	case hcloud.ServerStatusInitializing, hcloud.ServerStatusStarting:
		return cloud.Starting
	case hcloud.ServerStatusRunning, hcloud.ServerStatusStopping:
		return cloud.On
	case hcloud.ServerStatusOff:
		return cloud.Off
	case hcloud.ServerStatusDeleting:
		return cloud.Leaving
	case hcloud.ServerStatusMigrating, hcloud.ServerStatusRebuilding, hcloud.ServerStatusUnknown:
	}
	return cloud.Unclear
}
