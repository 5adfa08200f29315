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
	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/store/open"
	"github.com/payperplay/payperplay/protocol"
)

func newStore(c *cli) *cobra.Command {
	cmd := &cobra.Command{Use: "store", Short: "Check, back up and restore the controller's state"}
	cmd.AddCommand(newStoreBackup(c), newStoreRestore(c), newStoreCheck(c), newStoreMigrate(c), newStoreUnmark(c), newStoreCompact(c), newStoreInspect(c))
	return cmd
}

func newStoreBackup(c *cli) *cobra.Command {
	var at storeFlags
	cmd := &cobra.Command{
		Use: "backup FILE", Short: "Write a consistent copy of the store into a file", Args: cobra.ExactArgs(1),
		Long:    "Write a consistent copy of the running controller's store into a file, and check it. With --store or\n--store-file, and only then, the store itself is read: Postgres whether or not a controller runs, a file only when none does. The copy is the same kind of file\nfor both, and can be restored into either.",
		Example: "  controller store backup /backups/payperplay.store\n  controller store backup /backups/payperplay.store --store postgres://payperplay@db.internal/payperplay",
		RunE: func(cmd *cobra.Command, args []string) error {
			// Beside the target first: an existing backup is replaced only by a whole one.
			f, err := renameio.NewPendingFile(args[0], renameio.WithPermissions(0o600))
			if err != nil {
				return protocol.Faultf(protocol.Invalid, "name a file in a directory you can write to", "the backup cannot be written: %v", err)
			}
			defer f.Cleanup() //nolint:errcheck // nothing left to clean after a successful replace
			n, err := c.backup(cmd.Context(), at, f.File, filepath.Dir(args[0]))
			if err == nil { // before it takes the place of what may be the last good one
				err = checkFile(cmd.Context(), c, f.Name())
			}
			if err == nil {
				err = f.CloseAtomicallyReplace()
			}
			if err != nil {
				return asItWas(err, args[0])
			}
			c.info("%s written and checked: %s", protocol.FormatSize(n), args[0])
			return nil
		},
	}
	at.addNamed(cmd)
	return cmd
}

// asItWas tells in err that a backup that failed left file alone.
func asItWas(err error, file string) error {
	var f *protocol.Fault
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &f):
		return protocol.Faultf(f.Code, f.Next, "no backup was made, and %s was left as it was: %s", file, f.Message)
	}
	return fmt.Errorf("no backup was made, and %s was left as it was: %w", file, err)
}

// backup asks the controller, or reads the store that a flag names.
func (c *cli) backup(ctx context.Context, at storeFlags, w *os.File, scratch string) (int64, error) {
	if at.named() {
		address, err := at.address(c, "")
		if err != nil {
			return 0, err
		}
		return open.BackupOf(ctx, address, scratch, w)
	}
	cl, err := c.client()
	if err != nil {
		return 0, err
	}
	return cl.StoreBackup(ctx, w)
}

func newStoreRestore(c *cli) *cobra.Command {
	var data string
	var at storeFlags
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Make the store a copy of a backup (the controller must be stopped)", Args: cobra.ExactArgs(1),
		Long: "Make the store a copy of a backup. Stop the controller first; servers go on running meanwhile.\nA file that is the store now is kept beside it under another name. A database has to be empty: make a new one.",
		RunE: func(cmd *cobra.Command, args []string) error {
			address, err := at.address(c, data)
			if err != nil {
				return err
			}
			to, err := open.Parse(address)
			if err != nil {
				return err
			}
			if err := checkFile(cmd.Context(), c, args[0]); err != nil {
				return err
			}
			if to.Engine == open.Bolt {
				if err := os.MkdirAll(filepath.Dir(to.Path), 0o700); err != nil { // perhaps on a new machine
					return protocol.Faultf(protocol.Invalid, "name another place, or let this user write there", "the data directory cannot be made: %v", err)
				}
			}
			if err := open.Restore(cmd.Context(), args[0], address); err != nil {
				return err
			}
			if to.Engine == open.Bolt {
				c.info("restored; start the controller again. A store that was there is kept as %s.before-restore", to.Path)
			} else {
				c.info("restored; start the controller with --store %s", to)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&data, "data", defaultData, "the controller's data directory")
	at.add(cmd, "controller.db under --data")
	return cmd
}

func newStoreCheck(c *cli) *cobra.Command {
	var data string
	var at storeFlags
	cmd := &cobra.Command{
		Use: "check [FILE]", Short: "Read every row of a store and tell what is damaged or missing", Args: cobra.MaximumNArgs(1),
		Long: "Read every row of a store and tell what is damaged or missing. FILE is a store or a backup; without it the store is\nchecked: Postgres as it is, a file as it is or, when the controller is running, a fresh copy of it.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return c.checkAndTell(cmd.Context(), args[0])
			}
			address, err := at.address(c, data)
			if err != nil {
				return err
			}
			where, err := open.Parse(address)
			if err != nil {
				return err
			}
			if where.Engine == open.Bolt {
				return c.checkLive(cmd.Context(), where.Path)
			}
			report, err := open.Check(cmd.Context(), address, controller.Tables())
			if err != nil {
				return err
			}
			if err := c.tell(report, where.String()); err != nil {
				return err
			}
			c.info("%s: every row is there and sound", where)
			return nil
		},
	}
	cmd.Flags().StringVar(&data, "data", defaultData, "the controller's data directory")
	at.add(cmd, "controller.db under --data")
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
	if !client.Nobody(err) {
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
