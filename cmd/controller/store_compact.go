package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/store/bolt"
	"github.com/payperplay/payperplay/controller/store/open"
	"github.com/payperplay/payperplay/protocol"
)

func newStoreCompact(c *cli) *cobra.Command {
	var data string
	var at storeFlags
	cmd := &cobra.Command{
		Use: "compact", Short: "Shrink the file of the embedded store",
		Long: "Shrink the file of the embedded store: it is copied without its free pages, the copy is checked and takes its place.\n" +
			"With the controller running, changes wait while it is copied, and games and reading go on; more than 256 MiB of live data\n" +
			"are compacted only while the controller is stopped. Without a controller the file itself is compacted; with --store or\n" +
			"--store-file no controller is asked. Postgres looks after its own space.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			done, err := c.compact(cmd.Context(), at, data)
			if err != nil {
				return err
			}
			return c.print(done, func() table {
				return table{rows: [][]string{{"Before:", protocol.FormatSize(done.BeforeBytes)}, {"After:", protocol.FormatSize(done.AfterBytes)},
					{"Took:", (time.Duration(done.TookMS) * time.Millisecond).String()}}}
			})
		},
	}
	cmd.Flags().StringVar(&data, "data", defaultData, "the controller's data directory")
	at.add(cmd, "controller.db under --data")
	return cmd
}

// compact asks the running controller, or compacts the file when there is none or a flag names it.
func (c *cli) compact(ctx context.Context, at storeFlags, data string) (client.Compaction, error) {
	address, err := at.address(c, data)
	if err != nil {
		return client.Compaction{}, err
	}
	where, err := open.Parse(address)
	if err != nil {
		return client.Compaction{}, err
	}
	if where.Engine != open.Bolt {
		return client.Compaction{}, protocol.Faultf(protocol.Precondition, "there is nothing to do: Postgres looks after its own space (autovacuum)",
			"the store %s has no file of ours to compact", where)
	}
	if !at.named() {
		cl, err := c.client()
		if err != nil {
			return client.Compaction{}, err
		}
		done, err := cl.StoreCompact(ctx)
		if err == nil || !client.Nobody(err) {
			return done, err
		}
		c.info("no controller answers: compacting %s", where)
	}
	local, err := bolt.CompactFile(ctx, where.Path)
	return client.Compaction{BeforeBytes: local.Before, AfterBytes: local.After, TookMS: local.Took.Milliseconds()}, err
}
