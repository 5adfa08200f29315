package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/protocol"
)

func newRecovery(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use: "recovery", Short: "After an old backup was restored: see what contradicts the store, and decide",
		Long: "A store that was restored from a backup is older than what the nodes know. The controller notices, lets games run on, and starts,\nplaces and deletes nothing until you have decided what is true: `adopt` believes the node, `keep` believes the store.",
	}
	cmd.AddCommand(newRecoveryShow(c), newRecoveryAdopt(c), newRecoveryKeep(c), newRecoveryForget(c), newRecoveryLead(c), newRecoveryEnd(c))
	return cmd
}

func (c *cli) completeFindings(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	fetch := func(cl *client.Client, ctx context.Context) ([]client.RecoveryFinding, error) {
		r, err := cl.Recovery(ctx)
		return r.Findings, err
	}
	return complete(c, cmd, args, fetch, func(f client.RecoveryFinding) string {
		if f.Server == "" || f.Choice != "" {
			return ""
		}
		return f.Server + "\t" + f.Sign
	})
}

func claimText(c *client.RecoveryClaim) string {
	switch {
	case c == nil:
		return "not there"
	case c.State != "" && c.Since != nil:
		return fmt.Sprintf("%s since %s, epoch %d", c.State, c.Since.Local().Format("2006-01-02 15:04:05"), c.Epoch)
	case c.State != "":
		return fmt.Sprintf("%s, epoch %d", c.State, c.Epoch)
	case c.Node == "":
		return fmt.Sprintf("%s, no node, epoch %d", c.Desired, c.Epoch)
	default:
		return fmt.Sprintf("%s, node %s, epoch %d", c.Desired, c.Node, c.Epoch)
	}
}

func recoveryTable(r client.Recovery) table {
	t := table{header: []string{"WHAT", "NODE", "SERVER", "STORE", "AGENT", "DECIDED"}}
	for _, f := range r.Findings {
		store, agent := claimText(f.Store), claimText(f.Agent)
		switch f.Sign {
		case "node":
			store, agent = "not known", f.Address
		case "term":
			store, agent = "term "+strconv.FormatInt(r.Term, 10), "term "+strconv.FormatInt(f.Term, 10)
		case "reports":
			store, agent = fmt.Sprintf("%d reports lost", f.Lost), "-"
		}
		t.rows = append(t.rows, []string{f.Sign, f.Node, dash(f.Server), store, agent, dash(f.Choice)})
	}
	return t
}

// printRecovery shows the state, the table, and what can be done.
func (c *cli) printRecovery(r client.Recovery) error {
	if c.output != "table" {
		return c.print(r, nil)
	}
	c.info("%s", strings.ToUpper(r.Explain[:1])+r.Explain[1:]+".")
	if len(r.Waiting) > 0 {
		c.info("Not heard yet: %s.", strings.Join(r.Waiting, ", "))
	}
	if len(r.Findings) > 0 {
		if err := c.print(r, func() table { return recoveryTable(r) }); err != nil {
			return err
		}
	}
	for _, f := range r.Findings {
		for _, choice := range f.Choices {
			c.info("  %s\n      %s", command(f, choice.Verb), choice.Effect)
		}
	}
	if r.Next != "" && r.Undecided == 0 {
		c.info("Next: %s", r.Next)
	}
	return nil
}

func command(f client.RecoveryFinding, verb string) string {
	switch {
	case verb == "lead":
		return "controller recovery lead"
	case f.Server == "":
		return "controller recovery " + verb + " --node " + f.Node
	default:
		return "controller recovery " + verb + " " + f.Server
	}
}

func newRecoveryShow(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "What contradicts the store, and what each choice does", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.client()
			if err != nil {
				return err
			}
			r, err := cl.Recovery(cmd.Context())
			if err != nil {
				return err
			}
			return c.printRecovery(r)
		},
	}
}

// decide sends one choice about a server or, with --node, about a node.
func (c *cli) decide(ctx context.Context, args []string, node, verb string) error {
	noun, name := "servers", node
	switch {
	case len(args) == 1 && node == "":
		name = args[0]
	case len(args) == 0 && node != "":
		noun = "nodes"
	default:
		return usagef("see `controller recovery show`", "name one server, or one node with --node")
	}
	cl, err := c.client()
	if err != nil {
		return err
	}
	r, err := cl.Decide(ctx, noun, name, verb)
	if err != nil {
		return err
	}
	return c.printRecovery(r)
}

func newRecoveryAdopt(c *cli) *cobra.Command {
	var node string
	var all bool
	cmd := &cobra.Command{
		Use: "adopt SERVER | --all | --node NODE", Short: "Believe the node: its server, or the node itself, is taken into the store", Args: cobra.MaximumNArgs(1), ValidArgsFunction: c.completeFindings,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !all {
				return c.decide(cmd.Context(), args, node, "adopt")
			}
			if len(args) > 0 || node != "" {
				return usagef("leave out the name", "--all is for every server")
			}
			cl, err := c.client()
			if err != nil {
				return err
			}
			done, err := cl.AdoptAll(cmd.Context())
			if err != nil {
				return err
			}
			if c.output != "table" {
				return c.print(done, nil)
			}
			c.info("Adopted: %s", dash(strings.Join(done.Servers, ", ")))
			for _, p := range done.Problems {
				c.info("Not adopted: %s; %s", p.Detail, p.Next)
			}
			return c.printRecovery(done.Recovery)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every server that a node has at a newer epoch or that the store does not know")
	cmd.Flags().StringVar(&node, "node", "", "let this unknown node in (name or id); not if it was revoked after the backup")
	return cmd
}

func newRecoveryKeep(c *cli) *cobra.Command {
	var node string
	cmd := &cobra.Command{
		Use: "keep SERVER | --node NODE", Short: "Believe the store: newer copies are stopped and set aside on their nodes, never deleted", Args: cobra.MaximumNArgs(1), ValidArgsFunction: c.completeFindings,
		RunE: func(cmd *cobra.Command, args []string) error { return c.decide(cmd.Context(), args, node, "keep") },
	}
	cmd.Flags().StringVar(&node, "node", "", "do not believe what this node claims of itself and cannot prove (name or id)")
	return cmd
}

func newRecoveryForget(c *cli) *cobra.Command {
	var node string
	cmd := &cobra.Command{
		Use: "forget SERVER | --node NODE", Short: "Delete the row of a server that no node has, or leave an unknown node outside", Args: cobra.MaximumNArgs(1), ValidArgsFunction: c.completeFindings,
		RunE: func(cmd *cobra.Command, args []string) error { return c.decide(cmd.Context(), args, node, "forget") },
	}
	cmd.Flags().StringVar(&node, "node", "", "the unknown node (name or id)")
	return cmd
}

func newRecoveryLead(c *cli) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "lead", Short: "Raise the term, so that nodes follow this controller which have followed a newer one", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !yes {
				if err := c.confirm("lead", "Nodes have followed a controller of a higher term. Be sure that no other controller runs: two would fight for the nodes."); err != nil {
					return err
				}
			}
			cl, err := c.client()
			if err != nil {
				return err
			}
			r, err := cl.LeadRecovery(cmd.Context())
			if err != nil {
				return err
			}
			c.info("This controller leads with term %d; its nodes come back within a minute.", r.Term)
			return c.printRecovery(r)
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

func newRecoveryEnd(c *cli) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "end", Short: "Let the controller act by itself again", Args: cobra.NoArgs,
		Long: "Let the controller act by itself again. While something is undecided this is refused; with --yes it ends all the same,\nand nothing is done about those servers until you decide.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), time.Minute)
			defer cancel()
			cl, err := c.client()
			if err != nil {
				return err
			}
			r, err := cl.EndRecovery(ctx, yes)
			if err != nil {
				return err
			}
			if r.Undecided > 0 {
				c.info("Left undecided, and left alone:")
			}
			return c.printRecovery(r)
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "also while something is undecided")
	return cmd
}

// recoveryRow is the line of `controller status` in recovery mode.
func recoveryRow(b *client.RecoveryBrief) []string {
	return []string{"Recovery:", protocol.Faultf(protocol.Conflict, b.Next, "%s", b.Explain).Error()}
}
