package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/protocol"
)

// order is what start, stop, restart and kill share: give it, perhaps wait, show the server.
func (c *cli) order(cmd *cobra.Command, name string, w waitFlags, give func(context.Context, *client.Client) (client.Server, error), done condition) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	s, err := give(cmd.Context(), cl)
	if err != nil {
		return err
	}
	if w.wait {
		if s, err = c.waitFor(cmd.Context(), cl, s, w, done); err != nil {
			return err
		}
	} else {
		c.info("%s: %s", name, s.Explain)
	}
	return c.print(s, func() table { return serverTable([]client.Server{s}) })
}

func newServerStart(c *cli) *cobra.Command {
	var w waitFlags
	cmd := &cobra.Command{
		Use: "start NAME", Short: "Start a server", Args: cobra.ExactArgs(1), ValidArgsFunction: c.completeServers,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.order(cmd, args[0], w, func(ctx context.Context, cl *client.Client) (client.Server, error) { return cl.Start(ctx, args[0]) }, becameRunning)
		},
	}
	w.register(cmd)
	return cmd
}

func newServerStop(c *cli) *cobra.Command {
	var w waitFlags
	var how client.StopServer
	cmd := &cobra.Command{
		Use: "stop NAME", Short: "Stop a server: players told, world saved, then ended", Args: cobra.ExactArgs(1), ValidArgsFunction: c.completeServers,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.order(cmd, args[0], w, func(ctx context.Context, cl *client.Client) (client.Server, error) { return cl.Stop(ctx, args[0], how) }, becameStopped)
		},
	}
	cmd.Flags().StringVar(&how.Reason, "reason", "", "told to the players")
	w.register(cmd)
	return cmd
}

func newServerRestart(c *cli) *cobra.Command {
	var w waitFlags
	cmd := &cobra.Command{
		Use: "restart NAME", Short: "Stop a server and start it again", Args: cobra.ExactArgs(1), ValidArgsFunction: c.completeServers,
		RunE: func(cmd *cobra.Command, args []string) error {
			var before client.Server
			return c.order(cmd, args[0], w, func(ctx context.Context, cl *client.Client) (client.Server, error) {
				var err error
				if before, err = cl.Server(ctx, args[0]); err != nil {
					return before, err
				}
				return cl.Restart(ctx, args[0])
			}, func(s client.Server) (bool, error) {
				if s.ReadyAt != nil && before.ReadyAt != nil && s.ReadyAt.Equal(*before.ReadyAt) {
					return false, nil // still the old run
				}
				return becameRunning(s)
			})
		},
	}
	w.register(cmd)
	return cmd
}

func newServerKill(c *cli) *cobra.Command {
	var w waitFlags
	cmd := &cobra.Command{
		Use: "kill NAME", Short: "End a server at once; what it has not saved is lost", Args: cobra.ExactArgs(1), ValidArgsFunction: c.completeServers,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.order(cmd, args[0], w, func(ctx context.Context, cl *client.Client) (client.Server, error) { return cl.Kill(ctx, args[0]) }, becameStopped)
		},
	}
	w.register(cmd)
	return cmd
}

func newServerDelete(c *cli) *cobra.Command {
	var yes bool
	var w waitFlags
	cmd := &cobra.Command{
		Use: "delete NAME", Aliases: []string{"rm"}, Short: "Delete a server and its world", Args: cobra.ExactArgs(1), ValidArgsFunction: c.completeServers,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes {
				if err := c.confirm(args[0], "This deletes "+args[0]+" and its world. There is no way back."); err != nil {
					return err
				}
			}
			cl, err := c.client()
			if err != nil {
				return err
			}
			s, err := cl.DeleteServer(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if w.wait {
				return c.waitGone(cmd.Context(), cl, s, w)
			}
			c.info("%s is being deleted", args[0])
			return nil
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	w.register(cmd)
	return cmd
}

// confirm asks a person for the name of what can not be undone. A script is not asked: it said what it wants.
func (c *cli) confirm(name, warning string) error {
	if !isTerminal(c.in) {
		return nil
	}
	fmt.Fprintf(c.err, "%s\nType %s to go on: ", warning, name)
	line, err := bufio.NewReader(c.in).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != name {
		return protocol.Faultf(protocol.Precondition, "", "not confirmed; nothing was done")
	}
	return nil
}
