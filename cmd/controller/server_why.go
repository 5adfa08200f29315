package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/controller/api/client"
)

func newServerWhy(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "why NAME", Short: "Why is the server on its node, or on none", Args: cobra.ExactArgs(1), ValidArgsFunction: c.completeServers,
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := c.client()
			if err != nil {
				return err
			}
			w, err := cl.Why(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return c.print(w, func() table { return whyTable(w) })
		},
	}
}

func whyTable(w client.Why) table {
	t := table{rows: [][]string{{w.Server + ":", w.Explain}}}
	if w.Reason != "" {
		t.rows = append(t.rows, []string{"Placed:", w.Reason + " (" + ago(w.Placed, time.Now()) + ")"})
	}
	if w.Next != "" {
		t.rows = append(t.rows, []string{"Next step:", w.Next})
	}
	for _, n := range w.Nodes {
		mark := "no room"
		if n.Fits {
			mark = "could take it"
		}
		t.rows = append(t.rows, []string{"Node " + n.Node + ":", mark + ": " + n.Why})
	}
	if w.Scaling != nil {
		for _, r := range w.Scaling.Reasons {
			t.rows = append(t.rows, []string{"Scaling:", r})
		}
		for _, a := range w.Scaling.Actions {
			t.rows = append(t.rows, []string{"Scaling would:", a.Do + " " + a.Type + " " + a.Location + ": " + a.Why})
		}
		for _, r := range w.Scaling.Considered {
			t.rows = append(t.rows, []string{"and not:", r.What + ": " + r.Why})
		}
	}
	return t
}
