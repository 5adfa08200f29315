// Command controller is the control plane: "controller serve" is the daemon, every other subcommand is the operator's CLI,
// which talks to the same HTTP API as the web UI.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/payperplay/payperplay/controller"
	"github.com/payperplay/payperplay/protocol"
)

// version is stamped by the Makefile.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// run executes one command line and gives the exit code: 0 done, 1 it failed, 2 the command line is wrong, 3 another
// controller has taken over (systemd: RestartPreventExitStatus=3, or the two take over from each other for ever).
func run(ctx context.Context, args []string) int {
	root := newRoot(os.Stdin, os.Stdout, os.Stderr)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled):
		return 1
	}
	fmt.Fprintln(os.Stderr, "Error: "+errorLine(err))
	var u usageError
	if errors.Is(err, controller.ErrTakenOver) {
		return 3
	}
	if errors.As(err, &u) || protocol.CodeOf(err) == protocol.Invalid {
		return 2
	}
	return 1
}

// errorLine is one line: what happened and why, and the next step.
func errorLine(err error) string {
	var f *protocol.Fault
	if errors.As(err, &f) {
		return f.Error()
	}
	return err.Error()
}
