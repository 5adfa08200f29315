package controller

import (
	"context"

	"github.com/payperplay/payperplay/controller/api"
	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/autoscale"
	"github.com/payperplay/payperplay/controller/provision"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/bolt"
	"github.com/payperplay/payperplay/controller/tunnel"
	"github.com/payperplay/payperplay/controller/upkeep"
)

// trims are the rows that go when their time is over; events have a retention of their own. docs/operations.md lists everything
// that grows.
func trims() []upkeep.Trim {
	return []upkeep.Trim{
		{What: "join_tokens", Some: tunnel.TrimTokens},
		{What: "revoked_nodes", Some: tunnel.TrimRevoked},
		{What: "browser_sessions", Some: api.TrimSessions},
		{What: "machines", Some: provision.TrimMachines},
		{What: "images", Some: provision.TrimImages},
		{What: "scaling_history", Some: autoscale.Trim},
	}
}

// fileOf is the engine's file, nil when it has none.
func fileOf(db store.DB) upkeep.File {
	f, _ := db.(upkeep.File)
	return f
}

// compactor is the compaction of an engine that needs one, nil for others.
func compactor(db store.DB) func(context.Context) (client.Compaction, error) {
	c, ok := db.(interface {
		Compact(ctx context.Context) (bolt.Compaction, error)
	})
	if !ok {
		return nil
	}
	return func(ctx context.Context) (client.Compaction, error) {
		done, err := c.Compact(ctx)
		return client.Compaction{BeforeBytes: done.Before, AfterBytes: done.After, TookMS: done.Took.Milliseconds()}, err
	}
}
