package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/controller"
	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/store/bolt"
	"github.com/payperplay/payperplay/protocol"
)

func newStoreCompact(c *cli) *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use: "compact", Short: "Shrink the file of the embedded store",
		Long: "Shrink the file of the embedded store: it is copied without its free pages, the copy is checked and takes its place.\n" +
			"With the controller running, changes wait while it is copied, and games and reading go on; more than 256 MiB of live data\n" +
			"are compacted only while the controller is stopped. Without a controller the store under --data is compacted.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			done, err := c.compact(cmd.Context(), data)
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
	return cmd
}

// compact asks the running controller, or compacts the file when there is none.
func (c *cli) compact(ctx context.Context, data string) (client.Compaction, error) {
	cl, err := c.client()
	if err != nil {
		return client.Compaction{}, err
	}
	done, err := cl.StoreCompact(ctx)
	if err == nil || protocol.CodeOf(err) != protocol.Unavailable {
		return done, err
	}
	c.info("no controller answers: compacting the store under %s", data)
	local, err := bolt.CompactFile(ctx, controller.StorePath(data))
	return client.Compaction{BeforeBytes: local.Before, AfterBytes: local.After, TookMS: local.Took.Milliseconds()}, err
}
