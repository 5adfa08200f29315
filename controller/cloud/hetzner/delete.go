package hetzner

import (
	"context"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/payperplay/payperplay/controller/cloud"
)

// Delete ends a machine of the cluster for good. It returns when the provider has taken the order; Get tells when it is done.
func (d *Driver) Delete(ctx context.Context, id string) error {
	doing := "delete machine " + id
	s, err := d.ownServer(ctx, id, doing)
	switch {
	case cloud.KindOf(err) == cloud.NotFound:
		return nil
	case err != nil:
		return err
	case s.Status == hcloud.ServerStatusDeleting:
		return nil
	}
	_, err = ask(ctx, d, changing("delete_server", doing), func(ctx context.Context) (*hcloud.ServerDeleteResult, *hcloud.Response, error) {
		return d.client.Server.DeleteWithResult(ctx, s)
	})
	return unlessGone(err)
}

// unlessGone: what is not there any more has been deleted.
func unlessGone(err error) error {
	if cloud.KindOf(err) == cloud.NotFound {
		return nil
	}
	return err
}
