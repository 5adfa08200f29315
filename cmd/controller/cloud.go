package main

import (
	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/controller/api/client"
)

func newCloud(c *cli) *cobra.Command {
	cmd := &cobra.Command{Use: "cloud", Short: "What is in the cloud, beside the machines that serve"}
	cmd.AddCommand(newCloudGarbage(c), newCloudImage(c), newCloudPrice(c), cloudFakeCommand())
	return cmd
}

func newCloudGarbage(c *cli) *cobra.Command {
	sweep := false
	cmd := &cobra.Command{
		Use: "garbage", Aliases: []string{"gc"}, Short: "Find what carries this cluster's label and no row knows; with --sweep, take it away", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.client()
			if err != nil {
				return err
			}
			g, err := cl.CollectGarbage(cmd.Context(), !sweep)
			if err != nil {
				return err
			}
			if len(g.Things) == 0 {
				c.info("Nothing: the cloud holds what the store knows.")
			}
			return c.print(g, func() table { return garbageTable(g) })
		},
	}
	cmd.Flags().BoolVar(&sweep, "sweep", false, "do it; without, it is only shown")
	return cmd
}

func garbageTable(g client.Garbage) table {
	t := table{header: []string{"KIND", "ID", "NAME", "DO", "WHY", "RESULT"}}
	for _, x := range g.Things {
		t.rows = append(t.rows, []string{x.Kind, x.ID, dash(x.Name), x.Do, x.Why, dash(x.Result)})
	}
	return t
}
