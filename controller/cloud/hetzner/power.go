package hetzner

import (
	"context"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/payperplay/payperplay/controller/cloud"
)

// Off cuts the power. One that is off already is no error.
func (d *Driver) Off(ctx context.Context, id string) error {
	doing := "power off machine " + id
	s, err := d.ownServer(ctx, id, doing)
	if err != nil || s.Status == hcloud.ServerStatusOff {
		return err
	}
	return d.power(ctx, changing("poweroff_server", doing), func(ctx context.Context) (*hcloud.Action, *hcloud.Response, error) {
		return d.client.Server.Poweroff(ctx, s)
	})
}

// Reset cuts the power and starts again.
func (d *Driver) Reset(ctx context.Context, id string) error {
	doing := "reset machine " + id
	s, err := d.ownServer(ctx, id, doing)
	if err != nil {
		return err
	}
	return d.power(ctx, changing("reset_server", doing), func(ctx context.Context) (*hcloud.Action, *hcloud.Response, error) {
		return d.client.Server.Reset(ctx, s)
	})
}

func (d *Driver) power(ctx context.Context, c call, order func(context.Context) (*hcloud.Action, *hcloud.Response, error)) error {
	action, err := ask(ctx, d, c, order)
	if err != nil {
		return err
	}
	return d.await(ctx, c, action)
}

// await returns when the provider calls an action a success. Until it says so, what was asked for is in doubt.
func (d *Driver) await(ctx context.Context, c call, a *hcloud.Action) error {
	ctx, cancel := context.WithTimeout(ctx, d.patience)
	defer cancel()
	for a != nil {
		switch a.Status {
		case hcloud.ActionStatusSuccess:
			return nil
		case hcloud.ActionStatusError:
			kind, next := kindOf(hcloud.ErrorCode(a.ErrorCode), 0, false)
			return &cloud.Error{Kind: kind, Code: a.ErrorCode, Message: d.scrub("could not " + c.doing + ": " + a.ErrorMessage), Next: next}
		case hcloud.ActionStatusRunning:
		}
		if err := nap(ctx, d.poll); err != nil {
			return &cloud.Error{Kind: cloud.Uncertain, Message: "the provider has begun to " + c.doing + ", and has not said that it is done: " + ended(err), Cause: err}
		}
		id := a.ID
		next, err := ask(ctx, d, reading("get_action", c.doing), func(ctx context.Context) (*hcloud.Action, *hcloud.Response, error) {
			return d.client.Action.GetByID(ctx, id)
		})
		switch {
		case err == nil:
			a = next
		case !cloud.Passing(err):
			return &cloud.Error{Kind: cloud.Uncertain, Message: "the provider has begun to " + c.doing + ", and does not say how it ended: " + err.Error(), Cause: err}
		}
	}
	return &cloud.Error{Kind: cloud.Uncertain, Message: "the provider has begun to " + c.doing + ", and does not know of it any more"}
}
