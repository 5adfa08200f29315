package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/controller/store/open"
	"github.com/payperplay/payperplay/protocol"
)

func newStoreMigrate(c *cli) *cobra.Command {
	var from, to, fromFile, toFile string
	var force bool
	cmd := &cobra.Command{
		Use: "migrate --from STORE --to STORE", Short: "Move the state into another store, of the same engine or the other (the controller must be stopped)",
		Long: "Move the state into another store, which has to be empty. Stop the controller first; servers go on running meanwhile.\n" +
			"Every row is copied and then compared, both ways. The old store keeps its rows and is marked, so that no controller\n" +
			"starts on it by mistake. When this is interrupted, run it again.",
		Example: "  controller store migrate --from /var/lib/payperplay/controller.db --to postgres://payperplay@db.internal/payperplay\n" +
			"  controller store migrate --from-file /etc/payperplay/store --to /var/lib/payperplay/controller.db",
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := c.end("from", from, fromFile)
			if err != nil {
				return err
			}
			b, err := c.end("to", to, toFile)
			if err != nil {
				return err
			}
			m, err := open.Migrate(cmd.Context(), a, b, open.MoveOptions{Progress: c.showMove(time.Now), Force: force})
			if err != nil {
				return err
			}
			c.info("%d rows moved and compared in %s; start the controller with --store %s", m.Rows, m.Took.Round(100*time.Millisecond), m.To)
			if c.output == "table" {
				return nil
			}
			return c.print(m, nil)
		},
	}
	f := cmd.Flags()
	f.StringVar(&from, "from", "", "the store as it is: a file, or postgres://USER@HOST/DATABASE; leave passwords to PGPASSFILE")
	f.StringVar(&to, "to", "", "the empty place for it, likewise")
	f.StringVar(&fromFile, "from-file", "", "file that holds the address of the store as it is")
	f.BoolVar(&force, "force", false, "move a Postgres store although a controller is connected to it: that one can change nothing any more, and ends")
	f.StringVar(&toFile, "to-file", "", "file that holds the address of the empty place")
	for _, end := range []string{"from", "to"} {
		cmd.MarkFlagsMutuallyExclusive(end, end+"-file")
		_ = cmd.RegisterFlagCompletionFunc(end, completeStore)
	}
	return cmd
}

// end is one of the two addresses.
func (c *cli) end(flag, given, file string) (string, error) {
	switch {
	case file != "":
		return readAddress(file)
	case given == "":
		return "", usagef("write a path or postgres://USER@HOST/DATABASE", "--%s is missing", flag)
	}
	return given, c.warnSecret(given)
}

// showMove prints where a move is: at each table, and every second in a long one.
func (c *cli) showMove(now func() time.Time) func(open.Progress) {
	var last open.Progress
	var began, shown time.Time
	return func(p open.Progress) {
		if p.Phase != last.Phase {
			began = now()
		}
		if p.Phase == last.Phase && p.Table == last.Table && p.Rows%256 != 0 {
			return
		}
		t := now()
		if p.Phase == last.Phase && p.Table == last.Table && t.Sub(shown) < time.Second {
			return
		}
		last, shown = p, t
		c.info("%s", moveLine(p, t.Sub(began)))
	}
}

func moveLine(p open.Progress, took time.Duration) string {
	line := fmt.Sprintf("%s %s: %d of %d rows (%d %%)", p.Phase, p.Table, p.Rows, p.Total, p.Rows*100/max(p.Total, 1))
	if took >= 2*time.Second && p.Rows > 0 {
		left := time.Duration(float64(took) / float64(p.Rows) * float64(p.Total-p.Rows))
		line += ", " + left.Round(time.Second).String() + " left"
	}
	return line
}

func newStoreUnmark(c *cli) *cobra.Command {
	var data string
	var at storeFlags
	var yes bool
	cmd := &cobra.Command{
		Use: "unmark", Short: "Let a controller start again on a store whose state was moved elsewhere",
		Long: "Let a controller start again on a store whose state was moved elsewhere. What has happened since then is not in it:\n" +
			"to go back, move the state back with 'controller store migrate'. This is for a move after which nothing ran.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			address, err := at.address(c, data)
			if err != nil {
				return err
			}
			if !yes {
				return protocol.Faultf(protocol.Invalid, "add --yes when no controller has run on the new store", "a store that was left is old as soon as a controller has run on the new one")
			}
			mark, err := open.Unmark(cmd.Context(), address)
			if err != nil {
				return err
			}
			if mark == nil {
				c.info("there was no mark: a controller can start on this store")
				return nil
			}
			c.info("the mark of the move to %s is gone: a controller can start on this store", mark.To)
			return nil
		},
	}
	cmd.Flags().StringVar(&data, "data", defaultData, "the controller's data directory")
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	at.add(cmd, "controller.db under --data")
	return cmd
}
