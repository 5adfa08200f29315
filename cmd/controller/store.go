package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/controller"
	"github.com/payperplay/payperplay/controller/store/bolt"
	"github.com/payperplay/payperplay/protocol"
)

func newStore(c *cli) *cobra.Command {
	cmd := &cobra.Command{Use: "store", Short: "Check, back up and restore the controller's state"}
	cmd.AddCommand(newStoreBackup(c), newStoreRestore(c), newStoreCheck(c), newStoreInspect(c), newStoreCompact(c))
	return cmd
}

func newStoreBackup(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "backup FILE", Short: "Write a consistent copy of the running controller's store", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := c.client()
			if err != nil {
				return err
			}
			// Beside the target first: an existing backup is replaced only by a whole one.
			f, err := renameio.NewPendingFile(args[0], renameio.WithPermissions(0o600))
			if err != nil {
				return protocol.Faultf(protocol.Invalid, "name a file in a directory you can write to", "the backup cannot be written: %v", err)
			}
			defer f.Cleanup() //nolint:errcheck // nothing left to clean after a successful replace
			n, err := cl.StoreBackup(cmd.Context(), f)
			if err != nil {
				return err
			}
			if err := f.CloseAtomicallyReplace(); err != nil {
				return err
			}
			if err := checkFile(cmd.Context(), c, args[0]); err != nil {
				return err
			}
			c.info("%s written and checked: %s", protocol.FormatSize(n), args[0])
			return nil
		},
	}
}

func newStoreRestore(c *cli) *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Put a backup in the place of the store (the controller must be stopped)", Args: cobra.ExactArgs(1),
		Long: "Put a backup in the place of the store. The store that was there is kept beside it under another name.\nStop the controller first. Servers go on running meanwhile.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFile(cmd.Context(), c, args[0]); err != nil {
				return err
			}
			target := controller.StorePath(data)
			if err := os.MkdirAll(data, 0o700); err != nil { // perhaps on a new machine
				return protocol.Faultf(protocol.Invalid, "name another with --data, or let this user write there", "the data directory cannot be made: %v", err)
			}
			if err := bolt.Restore(cmd.Context(), args[0], target); err != nil {
				return err
			}
			c.info("restored; start the controller again. A store that was there is kept as %s.before-restore", target)
			return nil
		},
	}
	cmd.Flags().StringVar(&data, "data", defaultData, "the controller's data directory")
	return cmd
}

func newStoreCheck(c *cli) *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use: "check [FILE]", Short: "Read every row of a store and tell what is damaged or missing", Args: cobra.MaximumNArgs(1),
		Long: "Read every row of a store and tell what is damaged or missing. FILE is a store or a backup;\nwithout it the store under --data is checked, or, when the controller is running, a fresh copy of it.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return c.checkAndTell(cmd.Context(), args[0])
			}
			return c.checkLive(cmd.Context(), controller.StorePath(data))
		},
	}
	cmd.Flags().StringVar(&data, "data", defaultData, "the controller's data directory")
	return cmd
}

// checkLive checks a copy when the controller has the file, else the file itself.
func (c *cli) checkLive(ctx context.Context, path string) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "payperplay-check-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	copied := filepath.Join(dir, "copy.store")
	f, err := os.OpenFile(copied, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = cl.StoreBackup(ctx, f)
	if err = errors.Join(err, f.Close()); err == nil {
		c.info("the controller is running: checking a copy of its store")
		return c.checkAndTell(ctx, copied)
	}
	if protocol.CodeOf(err) != protocol.Unavailable {
		return err
	}
	return c.checkAndTell(ctx, path)
}

func (c *cli) checkAndTell(ctx context.Context, path string) error {
	if err := checkFile(ctx, c, path); err != nil {
		return err
	}
	c.info("%s: every row is there and sound", path)
	return nil
}

func newOpenAPI(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "openapi", Short: "Print the OpenAPI document of the HTTP API",
		RunE: func(*cobra.Command, []string) error {
			doc, err := controller.OpenAPI(version)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.out, "%s", doc)
			return err
		},
	}
}
