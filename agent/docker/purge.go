package docker

import (
	"context"
	"errors"
)

// Purge removes every container and bridge of this node and gives their count. It ends games: only "agent cleanup" and tests call it.
func (c *Client) Purge(ctx context.Context) (int, error) {
	containers, err := c.List(ctx, "")
	if err != nil {
		return 0, err
	}
	n := 0
	var errs []error
	for _, one := range containers {
		if err := c.Remove(ctx, one.ID); err != nil {
			errs = append(errs, err)
			continue
		}
		n++
	}
	bridges, err := c.Networks(ctx)
	errs = append(errs, err)
	for _, server := range bridges {
		if err := c.RemoveNetwork(ctx, server); err != nil {
			errs = append(errs, err)
			continue
		}
		n++
	}
	errs = append(errs, c.clearProbe(ctx))
	return n, errors.Join(errs...)
}
