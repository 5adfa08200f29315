package main

import (
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/agent/docker"
	"github.com/payperplay/payperplay/agent/host"
	"github.com/payperplay/payperplay/protocol"
)

// exitCode ends the program without a word of its own.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// probeCommand is what the agent runs of itself inside a container, to see what a game could reach. It speaks by its exit code.
func probeCommand() *cobra.Command {
	return &cobra.Command{Use: "probe HOST:PORT...", Short: "Tell which addresses answer; the agent runs it in a container", Hidden: true,
		Args: cobra.RangeArgs(1, docker.ProbeMost), RunE: func(cmd *cobra.Command, addrs []string) error {
			for _, addr := range addrs {
				if _, _, err := net.SplitHostPort(addr); err != nil {
					return protocol.Faultf(protocol.Invalid, "give it as HOST:PORT", "%q is not an address", addr)
				}
			}
			code := 0
			for i, open := range host.Reach(cmd.Context(), addrs) {
				says := "closed"
				if open {
					says = "open"
					code |= docker.ProbeOpen | 1<<i
				}
				if _, err := fmt.Fprintln(cmd.OutOrStdout(), addrs[i], says); err != nil {
					return plain(err)
				}
			}
			if code != 0 {
				return exitCode(code)
			}
			return nil
		}}
}
