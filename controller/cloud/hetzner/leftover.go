package hetzner

import (
	"context"
	"errors"
	"maps"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/payperplay/payperplay/controller/cloud"
)

// Leftovers lists everything with the cluster's labels. All or nothing: a part that cannot be read makes no list.
func (d *Driver) Leftovers(ctx context.Context) ([]cloud.Thing, error) {
	servers, err := d.servers(ctx)
	if err != nil {
		return nil, err
	}
	images, err := d.snapshots(ctx)
	if err != nil {
		return nil, err
	}
	var out []cloud.Thing
	for _, s := range servers {
		out = append(out, cloud.Thing{Kind: cloud.ThingMachine, ID: text(s.ID), Name: s.Name, Labels: maps.Clone(s.Labels), Created: s.Created.UTC()})
	}
	for _, i := range images {
		out = append(out, cloud.Thing{Kind: cloud.ThingImage, ID: text(i.ID), Name: i.Description, Labels: maps.Clone(i.Labels), Created: i.Created.UTC()})
	}
	for _, s := range d.shelves() {
		things, err := s.list(ctx)
		if err != nil {
			return nil, err
		}
		out = append(out, things...)
	}
	return out, nil
}

// Remove ends a thing of the cluster that nothing uses. It looks itself: the provider would take a network from under its machines.
func (d *Driver) Remove(ctx context.Context, t cloud.Thing) error {
	doing := "remove " + string(t.Kind) + " " + t.ID
	switch t.Kind {
	case cloud.ThingMachine:
		return wrong(doing, "machines are deleted, not removed", "")
	case cloud.ThingImage:
		return d.DeleteImage(ctx, t.ID)
	case cloud.ThingVolume, cloud.ThingNetwork, cloud.ThingFirewall, cloud.ThingSpread, cloud.ThingAddress:
	}
	id, ok := number(t.ID)
	if !ok {
		return nil // nothing has such an id
	}
	for _, s := range d.shelves() {
		if s.kind == t.Kind {
			return s.remove(ctx, id, doing)
		}
	}
	return wrong(doing, "there is no such kind", "")
}

// shelf is what all kinds of things have alike.
type shelf struct {
	kind   cloud.ThingKind
	list   func(context.Context) ([]cloud.Thing, error)
	remove func(ctx context.Context, id int64, doing string) error
}

// room builds a shelf of what one of the client's parts can do.
func room[T any](d *Driver, kind cloud.ThingKind, view func(*T) cloud.Thing,
	list func(context.Context, hcloud.ListOpts) ([]*T, *hcloud.Response, error),
	get func(context.Context, int64) (*T, *hcloud.Response, error),
	del func(context.Context, *T) (*hcloud.Response, error),
) shelf {
	return shelf{
		kind: kind,
		list: func(ctx context.Context) ([]cloud.Thing, error) {
			found, err := all(ctx, d, reading("list_"+string(kind)+"s", "list each "+string(kind)), hcloud.ListOpts{LabelSelector: d.selector()}, list)
			if err != nil {
				return nil, err
			}
			var out []cloud.Thing
			seen := map[string]bool{}
			for _, f := range found {
				t := view(f)
				if t.Kind = kind; d.ours(t.Labels) && !seen[t.ID] {
					seen[t.ID] = true
					out = append(out, t)
				}
			}
			return out, nil
		},
		remove: func(ctx context.Context, id int64, doing string) error {
			found, err := ask(ctx, d, reading("get_"+string(kind), doing), func(ctx context.Context) (*T, *hcloud.Response, error) { return get(ctx, id) })
			if err != nil || found == nil {
				return unlessGone(err)
			}
			switch t := view(found); {
			case !d.ours(t.Labels):
				return foreign(doing)
			case t.InUse:
				return &cloud.Error{Kind: cloud.Busy, Message: "could not " + doing + ": something uses it"}
			}
			_, err = ask(ctx, d, changing("delete_"+string(kind), doing), func(ctx context.Context) (struct{}, *hcloud.Response, error) {
				resp, err := del(ctx, found)
				return struct{}{}, resp, err
			})
			var e *cloud.Error
			if errors.As(err, &e) && e.Kind == cloud.Invalid && kind == cloud.ThingAddress { // how the API says that it was assigned just now
				e.Kind = cloud.Busy
			}
			return unlessGone(err)
		},
	}
}

func (d *Driver) shelves() []shelf {
	c := d.client
	return []shelf{
		room(d, cloud.ThingVolume, func(v *hcloud.Volume) cloud.Thing {
			return cloud.Thing{ID: text(v.ID), Name: v.Name, Labels: v.Labels, Created: v.Created.UTC(), InUse: v.Server != nil}
		}, func(ctx context.Context, o hcloud.ListOpts) ([]*hcloud.Volume, *hcloud.Response, error) {
			return c.Volume.List(ctx, hcloud.VolumeListOpts{ListOpts: o})
		}, c.Volume.GetByID, c.Volume.Delete),
		room(d, cloud.ThingNetwork, func(n *hcloud.Network) cloud.Thing {
			return cloud.Thing{ID: text(n.ID), Name: n.Name, Labels: n.Labels, Created: n.Created.UTC(), InUse: len(n.Servers)+len(n.LoadBalancers) > 0}
		}, func(ctx context.Context, o hcloud.ListOpts) ([]*hcloud.Network, *hcloud.Response, error) {
			return c.Network.List(ctx, hcloud.NetworkListOpts{ListOpts: o})
		}, c.Network.GetByID, c.Network.Delete),
		room(d, cloud.ThingFirewall, func(f *hcloud.Firewall) cloud.Thing {
			return cloud.Thing{ID: text(f.ID), Name: f.Name, Labels: f.Labels, Created: f.Created.UTC(), InUse: len(f.AppliedTo) > 0}
		}, func(ctx context.Context, o hcloud.ListOpts) ([]*hcloud.Firewall, *hcloud.Response, error) {
			return c.Firewall.List(ctx, hcloud.FirewallListOpts{ListOpts: o})
		}, c.Firewall.GetByID, c.Firewall.Delete),
		room(d, cloud.ThingSpread, func(g *hcloud.PlacementGroup) cloud.Thing {
			return cloud.Thing{ID: text(g.ID), Name: g.Name, Labels: g.Labels, Created: g.Created.UTC(), InUse: len(g.Servers) > 0}
		}, func(ctx context.Context, o hcloud.ListOpts) ([]*hcloud.PlacementGroup, *hcloud.Response, error) {
			return c.PlacementGroup.List(ctx, hcloud.PlacementGroupListOpts{ListOpts: o})
		}, c.PlacementGroup.GetByID, c.PlacementGroup.Delete),
		room(d, cloud.ThingAddress, func(p *hcloud.PrimaryIP) cloud.Thing {
			return cloud.Thing{ID: text(p.ID), Name: p.Name, Labels: p.Labels, Created: p.Created.UTC(), InUse: p.AssigneeID != 0}
		}, func(ctx context.Context, o hcloud.ListOpts) ([]*hcloud.PrimaryIP, *hcloud.Response, error) {
			return c.PrimaryIP.List(ctx, hcloud.PrimaryIPListOpts{ListOpts: o})
		}, c.PrimaryIP.GetByID, c.PrimaryIP.Delete),
	}
}
