package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/bolt"
	"github.com/payperplay/payperplay/protocol"
)

// newStoreInspect is the child process of a check: a file damaged badly enough can end the process that maps it.
func newStoreInspect(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "inspect FILE", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			report, err := bolt.Check(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return writeJSON(c.out, report)
		},
	}
}

// checkFile checks a store in a child process. What is wrong is printed line by line; the error sums it up.
func checkFile(ctx context.Context, c *cli, path string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var out, complaint bytes.Buffer
	child := exec.CommandContext(ctx, self, "store", "inspect", path)
	child.Stdout, child.Stderr = &out, &complaint
	runErr := child.Run()
	var report store.Report
	if json.Unmarshal(out.Bytes(), &report) != nil {
		var exit *exec.ExitError
		if errors.As(runErr, &exit) && exit.ExitCode() > 0 {
			return protocol.Faultf(protocol.Invalid, "", "%s", firstLine(complaint.String()))
		}
		return protocol.Faultf(protocol.Internal, "restore a backup: controller store restore FILE", "%s is so damaged that it cannot be read (%v)", path, runErr)
	}
	return c.tell(&report, path)
}

// tell prints what is wrong line by line; the error sums it up.
func (c *cli) tell(report *store.Report, where string) error {
	if c.output != "table" {
		if err := c.print(report, nil); err != nil {
			return err
		}
	}
	if report.Clean() {
		return nil
	}
	for _, f := range report.Findings {
		c.info("%s", f)
	}
	return protocol.Faultf(protocol.Internal, "stop the controller and restore a backup: controller store restore FILE", "%s is damaged: %d findings", where, len(report.Findings))
}

func firstLine(s string) string {
	line, _, _ := bytes.Cut([]byte(s), []byte("\n"))
	return string(bytes.TrimPrefix(line, []byte("Error: ")))
}
