package hetzner

import (
	"context"
	"net/netip"
	"slices"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/payperplay/payperplay/controller/cloud"
)

// Prepare makes sure of network, firewall and placement group. It may be called before each order: then the placement group is one that has
// room. Two that run at once make one each: names follow from the cluster, and the provider lets nobody have a name twice.
func (d *Driver) Prepare(ctx context.Context, w cloud.Want) (cloud.Fixtures, error) {
	var f cloud.Fixtures
	if err := checkWant(w); err != nil {
		return f, err
	}
	select {
	case d.ground <- struct{}{}:
		defer func() { <-d.ground }()
	case <-ctx.Done():
		return f, d.unsent(reading("", "prepare the ground"), ctx.Err())
	}
	var err error
	if w.Network != "" {
		if f.Network, err = d.prepareNetwork(ctx, w); err != nil {
			return cloud.Fixtures{}, err
		}
	}
	if f.Firewall, err = d.prepareFirewall(ctx, w); err != nil {
		return cloud.Fixtures{}, err
	}
	if w.Spread {
		if f.Spread, err = d.prepareSpread(ctx); err != nil {
			return cloud.Fixtures{}, err
		}
	}
	return f, nil
}

func checkWant(w cloud.Want) error {
	const doing = "prepare the ground"
	if w.Network != "" {
		ips, err := netip.ParsePrefix(w.Network)
		if err != nil || !ips.Addr().Is4() || !ips.Addr().IsPrivate() || ips != ips.Masked() || ips.Bits() > 24 {
			return wrong(doing, "the private network "+w.Network+" is none of at least /24", "write it like 10.60.0.0/16")
		}
	}
	if w.PortFrom < 0 || w.PortTo > 65535 || w.PortFrom > w.PortTo || w.PortFrom == 0 && w.PortTo > 0 {
		return wrong(doing, "the players' ports are not from 1 to 65535", "")
	}
	return nil
}

// fixture is the name of one of the things that a cluster has once.
func (d *Driver) fixture(what string) string { return "ppp-" + d.cluster + "-" + what }

// ensure finds a thing, or makes it. Somebody else may make it in between: then theirs is taken.
func ensure[T any](doing string, find, order func() (*T, error)) (*T, error) {
	found, err := find()
	if err != nil || found != nil {
		return found, err
	}
	made, err := order()
	if cloud.KindOf(err) != cloud.Exists {
		return made, err
	}
	if found, err = find(); err == nil && found == nil {
		err = &cloud.Error{Kind: cloud.Busy, Message: "could not " + doing + ": one with its name is there, and the provider does not list it yet"}
	}
	return found, err
}

// named picks the one with the name from a list of those with it, if it is ours.
func named[T any](d *Driver, doing, name string, list []*T, of func(*T) (string, map[string]string)) (*T, error) {
	i := slices.IndexFunc(list, func(t *T) bool { n, _ := of(t); return n == name })
	if i < 0 {
		return nil, nil
	}
	if _, labels := of(list[i]); !d.ours(labels) {
		return nil, foreign(doing + ": " + name + " is there")
	}
	return list[i], nil
}

// awaitAll waits for several actions.
func (d *Driver) awaitAll(ctx context.Context, c call, actions []*hcloud.Action) error {
	for _, a := range actions {
		if a == nil {
			continue
		}
		if err := d.await(ctx, c, a); err != nil {
			return err
		}
	}
	return nil
}
