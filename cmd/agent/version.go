package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/protocol"
)

func versionCommand() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "agent %s, protocol %d, %s %s/%s\n", version, protocol.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return plain(err)
	}}
}
