package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/controller/api/client"
)

func newNodeDrain(c *cli) *cobra.Command {
	var deadline time.Duration
	var wait bool
	cmd := &cobra.Command{
		Use: "drain NAME", Short: "Empty a node: no new servers, and it is done when the last one has left; a rented machine is deleted then",
		Long: "Servers are not stopped by it. Until they can be moved it waits for them to be stopped and deleted, or to be archived, and says who is left.\nuncordon takes a drain back as long as it is not done.",
		Args: cobra.ExactArgs(1), ValidArgsFunction: c.completeNodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := c.client()
			if err != nil {
				return err
			}
			ctx, said := cmd.Context(), ""
			for {
				d, err := cl.Drain(ctx, args[0], client.Drain{DeadlineSeconds: int64(deadline / time.Second)})
				if err != nil {
					return err
				}
				if d.Done || !wait {
					return c.print(d, func() table {
						return table{rows: [][]string{{d.Node + ":", d.Explain}, {"Left:", dash(strings.Join(d.Left, ", "))}}}
					})
				}
				if d.Explain != said {
					said = d.Explain
					c.info("%s", d.Explain)
				}
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(2 * time.Second):
				}
			}
		},
	}
	cmd.Flags().DurationVar(&deadline, "deadline", 0, "say loudly who is left after this time, like 2h; it stops nobody")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the node is empty")
	return cmd
}
