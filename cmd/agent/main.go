// Command agent is PayPerPlay's daemon on a node: it dials out to the controller and runs Minecraft servers in Docker.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/protocol"
)

// version is set by the linker: -ldflags "-X main.version=…".
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(execute(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// execute runs one command line and gives the exit code: 0 done, 1 failed, 2 wrong input.
func execute(ctx context.Context, args []string, out, errs io.Writer) int {
	root := &cobra.Command{Use: "agent", Short: "PayPerPlay's daemon on a node", SilenceErrors: true, SilenceUsage: true}
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errs)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return protocol.Faultf(protocol.Invalid, "see "+c.CommandPath()+" --help", "%v", err)
	})
	root.AddCommand(runCommand(), versionCommand(), cleanupCommand(), probeCommand())
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var code exitCode
	if errors.As(err, &code) {
		return int(code)
	}
	_, _ = fmt.Fprintln(errs, "agent: "+err.Error())
	var f *protocol.Fault
	if !errors.As(err, &f) || f.Code == protocol.Invalid { // cobra's own errors are about the command line, too
		return 2
	}
	return 1
}
