package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/agent"
	"github.com/payperplay/payperplay/protocol"
)

func cleanupCommand() *cobra.Command {
	var data, dockerHost string
	c := &cobra.Command{Use: "cleanup", Short: "Remove this node's containers, bridges and firewall chains; files of servers stay", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if data == "" {
				return protocol.Faultf(protocol.Invalid, "give --data DIR", "no data directory was given")
			}
			log, err := logger(cmd.ErrOrStderr(), "text", "warn")
			if err != nil {
				return err
			}
			n, err := agent.Cleanup(cmd.Context(), data, dockerHost, log)
			if err != nil {
				return plain(err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "removed %d containers and bridges\n", n)
			return plain(err)
		}}
	c.Flags().StringVar(&data, "data", "", "the agent's data directory")
	c.Flags().StringVar(&dockerHost, "docker-host", "", "address of the Docker engine")
	return c
}
