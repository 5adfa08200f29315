package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/protocol"
)

func newStatus(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "The fleet at a glance",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.client()
			if err != nil {
				return err
			}
			s, err := cl.Status(cmd.Context())
			if err != nil {
				return err
			}
			return c.print(s, func() table {
				t := s.Totals
				rows := [][]string{
					{"Controller:", fmt.Sprintf("%s, cluster %s, term %d", s.Version, s.Cluster, s.Term)},
					{"Nodes:", fmt.Sprintf("%d, %d connected", t.Nodes, t.NodesConnected)},
					{"Servers:", fmt.Sprintf("%d, %d running, %d waiting for room", t.Servers, t.Running, t.Waiting)},
					{"Players:", fmt.Sprintf("%d (%d running servers do not tell)", t.Players, t.PlayersUnknown)},
					{"Memory:", fmt.Sprintf("%s booked of %s schedulable, %s in all", protocol.FormatSize(t.MemoryBookedBytes),
						protocol.FormatSize(t.MemorySchedulableBytes), protocol.FormatSize(t.MemoryTotalBytes))},
				}
				for _, w := range s.Warnings {
					rows = append(rows, []string{"Warning:", fmt.Sprintf("%s: %s", w.Message, w.Next)})
				}
				if s.Recovery != nil {
					rows = append(rows, recoveryRow(s.Recovery))
				}
				return table{rows: rows}
			})
		},
	}
}

func newVersion(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version",
		RunE: func(*cobra.Command, []string) error {
			return c.print(map[string]any{"version": version, "protocol": protocol.Version}, func() table {
				return table{rows: [][]string{{fmt.Sprintf("controller %s (protocol %d)", version, protocol.Version)}}}
			})
		},
	}
}
