package hetzner

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/payperplay/payperplay/controller/cloud"
)

// Create orders a machine. Its name is what keeps it from being ordered twice: the provider refuses a second one.
func (d *Driver) Create(ctx context.Context, o cloud.Order) (cloud.Machine, error) {
	doing := "order machine " + o.Name
	opts, err := d.order(ctx, o, doing)
	if err != nil {
		return cloud.Machine{}, err
	}
	made, err := ask(ctx, d, changing("create_server", doing), func(ctx context.Context) (hcloud.ServerCreateResult, *hcloud.Response, error) {
		return d.client.Server.Create(ctx, opts)
	})
	if err != nil {
		return cloud.Machine{}, refused(o, err)
	}
	if made.Server == nil || made.Server.ID == 0 {
		return cloud.Machine{}, &cloud.Error{Kind: cloud.Uncertain, Message: "the provider was asked to " + doing + ", and its answer names no machine"}
	}
	return machine(made.Server), nil
}

// refused says what an error means for an order.
func refused(o cloud.Order, err error) error {
	var e *cloud.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Kind {
	case cloud.NotFound: // a type, an image, a network: the order names what is not there any more
		e.Kind = cloud.Invalid
		e.Next = fmt.Sprintf("see that type %s, location %s and image %s still exist", o.Type, o.Location, o.Image)
	case cloud.Exists:
		e.Message = "there is a machine with the name " + o.Name
	case cloud.NoStock:
		e.Message = fmt.Sprintf("the provider has no %s in %s now", o.Type, o.Location)
	case cloud.Limit, cloud.Invalid, cloud.Denied, cloud.RateLimited, cloud.Busy, cloud.Unavailable, cloud.Uncertain:
	}
	return e
}

var hostname = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// order checks what can be checked here and puts it into the client's words.
func (d *Driver) order(ctx context.Context, o cloud.Order, doing string) (hcloud.ServerCreateOpts, error) {
	none := hcloud.ServerCreateOpts{}
	switch {
	case !hostname.MatchString(o.Name):
		return none, wrong(doing, "its name must be of a-z, 0-9 and hyphens, at most 63 long", "")
	case o.Type == "" || o.Location == "" || o.Image == "":
		return none, wrong(doing, "type, location and image are needed", "")
	case len(o.UserData) > cloud.UserDataMax:
		return none, wrong(doing, fmt.Sprintf("its user-data has %d bytes, and the provider takes %d", len(o.UserData), cloud.UserDataMax), "make it shorter: fewer keys, addresses or packages in the machine's settings")
	}
	opts := hcloud.ServerCreateOpts{
		Name: o.Name, ServerType: &hcloud.ServerType{Name: o.Type}, Location: &hcloud.Location{Name: o.Location}, UserData: string(o.UserData),
		Labels: d.labels(o.Labels, cloud.RoleWorker), StartAfterCreate: new(true),
		PublicNet: &hcloud.ServerCreatePublicNet{EnableIPv4: true, EnableIPv6: true},
	}
	if id, ok := number(o.Image); ok {
		opts.Image = &hcloud.Image{ID: id}
	} else {
		opts.Image = &hcloud.Image{Name: o.Image}
	}
	for _, f := range []struct {
		id   string
		what string
		set  func(int64)
	}{
		{o.Fixtures.Network, "network", func(id int64) { opts.Networks = []*hcloud.Network{{ID: id}} }},
		{o.Fixtures.Firewall, "firewall", func(id int64) {
			opts.Firewalls = []*hcloud.ServerCreateFirewall{{Firewall: hcloud.Firewall{ID: id}}}
		}},
		{o.Fixtures.Spread, "placement group", func(id int64) { opts.PlacementGroup = &hcloud.PlacementGroup{ID: id} }},
	} {
		if f.id == "" {
			continue
		}
		id, ok := number(f.id)
		if !ok {
			return none, wrong(doing, fmt.Sprintf("%q is no id of a %s", f.id, f.what), "")
		}
		f.set(id)
	}
	if o.SSHKey != "" {
		key, err := d.sshKey(ctx, o.SSHKey, doing)
		if err != nil {
			return none, err
		}
		opts.SSHKeys = []*hcloud.SSHKey{key}
	}
	return opts, nil
}

// sshKey finds a key of the project. Machines have none unless an operator wants it.
func (d *Driver) sshKey(ctx context.Context, name, doing string) (*hcloud.SSHKey, error) {
	key, err := ask(ctx, d, before("find_ssh_key", "find SSH key "+name), func(ctx context.Context) (*hcloud.SSHKey, *hcloud.Response, error) {
		return d.client.SSHKey.GetByName(ctx, name)
	})
	if err == nil && key == nil {
		return nil, wrong(doing, fmt.Sprintf("the project has no SSH key %q", name), "add the key in Hetzner's console, or set none: nothing here needs it")
	}
	return key, err
}
