package hetzner

import (
	"context"
	"strconv"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/payperplay/payperplay/controller/cloud"
)

// spreadMax is how many machines the provider keeps apart in one group: a fleet that is larger has several.
const spreadMax = 10

// prepareSpread gives the first placement group with room, and makes another when all are full.
func (d *Driver) prepareSpread(ctx context.Context) (string, error) {
	const doing = "prepare the placement group"
	var list []*hcloud.PlacementGroup
	room := func() (_ *hcloud.PlacementGroup, err error) {
		if list, err = d.groups(ctx); err != nil {
			return nil, err
		}
		for _, g := range list {
			if g.Type == hcloud.PlacementGroupTypeSpread && g.Labels[cloud.LabelRole] == string(cloud.RoleFixture) && len(g.Servers) < spreadMax {
				return g, nil
			}
		}
		return nil, nil
	}
	g, err := ensure(doing, room, func() (*hcloud.PlacementGroup, error) {
		c := changing("create_placement_group", doing)
		made, err := ask(ctx, d, c, func(ctx context.Context) (hcloud.PlacementGroupCreateResult, *hcloud.Response, error) {
			return d.client.PlacementGroup.Create(ctx, hcloud.PlacementGroupCreateOpts{
				Name: d.freeName(list), Labels: d.labels(nil, cloud.RoleFixture), Type: hcloud.PlacementGroupTypeSpread,
			})
		})
		if err != nil {
			return nil, err
		}
		return made.PlacementGroup, d.await(ctx, c, settled(made.Action))
	})
	if err != nil {
		return "", err
	}
	return text(g.ID), nil
}

// settled stands in for an action that the answer does not name: there is nothing to wait for.
func settled(a *hcloud.Action) *hcloud.Action {
	if a == nil || a.ID == 0 {
		return &hcloud.Action{Status: hcloud.ActionStatusSuccess}
	}
	return a
}

// freeName is the first that no group has, so that two who make one at once want the same.
func (d *Driver) freeName(list []*hcloud.PlacementGroup) string {
	names := map[string]bool{}
	for _, g := range list {
		names[g.Name] = true
	}
	for n := 1; ; n++ {
		if name := d.fixture("spread-" + strconv.Itoa(n)); !names[name] {
			return name
		}
	}
}

func (d *Driver) groups(ctx context.Context) ([]*hcloud.PlacementGroup, error) {
	list, err := all(ctx, d, before("list_placement_groups", "list the placement groups"), hcloud.ListOpts{LabelSelector: d.selector()}, func(ctx context.Context, o hcloud.ListOpts) ([]*hcloud.PlacementGroup, *hcloud.Response, error) {
		return d.client.PlacementGroup.List(ctx, hcloud.PlacementGroupListOpts{ListOpts: o, Sort: []string{"id:asc"}})
	})
	return kept(d, list, func(g *hcloud.PlacementGroup) (int64, map[string]string) { return g.ID, g.Labels }), err
}
