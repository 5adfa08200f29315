package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/protocol"
)

func newNode(c *cli) *cobra.Command {
	cmd := &cobra.Command{Use: "node", Aliases: []string{"nodes"}, Short: "Add, watch and remove the machines that run servers"}
	token := &cobra.Command{Use: "token", Short: "Join tokens"}
	token.AddCommand(newTokenCreate(c))
	cmd.AddCommand(token, newNodeList(c), newNodeShow(c), newNodeRevoke(c),
		newNodeOrder(c, "cordon", "Place no new servers on a node"),
		newNodeOrder(c, "uncordon", "Place new servers on a node again"),
		newNodeDrain(c),
		newNodeOrder(c, "unlock", "Let a node in again that was locked because its identity was used twice"),
		newNodeOrder(c, "allow-recovery", "Let a node that was offline for long come back with its bound key"),
	)
	return cmd
}

func (c *cli) completeNodes(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return complete(c, cmd, args, (*client.Client).Nodes, func(n client.Node) string { return n.Name + "\t" + n.State })
}

func nodeTable(nodes []client.Node) table {
	now := time.Now()
	t := table{header: []string{"NAME", "STATE", "CLASS", "ROLES", "LAST SEEN", "SERVERS", "MEMORY BOOKED", "OF", "PORTS"}}
	for _, n := range nodes {
		t.rows = append(t.rows, []string{
			n.Name, n.State, n.Class, strings.Join(n.Roles, ","), ago(n.LastSeen, now),
			fmt.Sprintf("%d/%d", n.Running, n.Servers),
			protocol.FormatSize(n.MemoryBookedBytes), protocol.FormatSize(n.MemorySchedulableBytes),
			fmt.Sprintf("%d-%d", n.PortFrom, n.PortTo),
		})
	}
	return t
}

func nodeDetail(n client.Node) table {
	t := table{}
	row := func(key, value string) {
		if value != "" {
			t.rows = append(t.rows, []string{key + ":", value})
		}
	}
	row("Name", n.Name)
	row("Id", n.ID)
	row("State", n.State)
	row("What", n.Explain)
	row("Next step", n.Next)
	row("Last seen", ago(n.LastSeen, time.Now()))
	if n.Health != nil {
		verdict := "healthy"
		if !n.Health.OK {
			verdict = strings.Join(n.Health.Problems, "; ")
		}
		row("Last check", fmt.Sprintf("%s (%d s ago)", verdict, n.Health.AgeSeconds))
	}
	row("Class", n.Class)
	row("Roles", strings.Join(n.Roles, ", "))
	row("Addresses", strings.Join(n.Addresses, ", "))
	row("System", n.OS+", "+n.Kernel+", "+n.Arch)
	row("Docker", dash(n.Docker))
	row("Agent", n.AgentVersion)
	row("Memory", fmt.Sprintf("%s booked of %s schedulable (%s in all, %s kept for the system)", protocol.FormatSize(n.MemoryBookedBytes),
		protocol.FormatSize(n.MemorySchedulableBytes), protocol.FormatSize(n.MemoryTotalBytes), protocol.FormatSize(n.MemoryReserveBytes)))
	row("CPU", fmt.Sprintf("%.2f booked of %.2f cores", float64(n.CPUBookedMillis)/1000, float64(n.CPUMillis)/1000))
	row("Disk", fmt.Sprintf("%s booked of %s", protocol.FormatSize(n.DiskBookedBytes), protocol.FormatSize(n.DiskTotalBytes)))
	row("Ports", fmt.Sprintf("%d booked of %d-%d", n.PortsBooked, n.PortFrom, n.PortTo))
	row("Servers", fmt.Sprintf("%d, %d running", n.Servers, n.Running))
	for _, d := range n.Degraded {
		row("Cannot", d)
	}
	row("Joined", n.JoinedAt.Format(time.RFC3339))
	return t
}

func newNodeList(c *cli) *cobra.Command {
	return listCommand(c, "List nodes", (*client.Client).Nodes, nodeTable)
}

func newNodeShow(c *cli) *cobra.Command {
	return showCommand(c, "Show one node", c.completeNodes, (*client.Client).Node, nodeDetail)
}

func newNodeOrder(c *cli, verb, short string) *cobra.Command {
	return &cobra.Command{
		Use: verb + " NAME", Short: short, Args: cobra.ExactArgs(1), ValidArgsFunction: c.completeNodes,
		RunE: func(cmd *cobra.Command, args []string) error { return c.nodeOrder(cmd.Context(), args[0], verb) },
	}
}

func (c *cli) nodeOrder(ctx context.Context, name, verb string) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	n, err := cl.NodeOrder(ctx, name, verb)
	if err != nil {
		return err
	}
	return c.print(n, func() table { return nodeTable([]client.Node{n}) })
}

func newNodeRevoke(c *cli) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "revoke NAME", Short: "Cut a node off for good; its games run on, but nobody steers them", Args: cobra.ExactArgs(1), ValidArgsFunction: c.completeNodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes {
				if err := c.confirm(args[0], "This cuts off "+args[0]+" for good: it must join again with a new token and name."); err != nil {
					return err
				}
			}
			return c.nodeOrder(cmd.Context(), args[0], "revoke")
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

func newTokenCreate(c *cli) *cobra.Command {
	var req client.CreateToken
	var ttl time.Duration
	cmd := &cobra.Command{
		Use: "create --name NAME", Short: "Make a single-use token with which one machine can join", Args: cobra.NoArgs,
		Example: "  controller node token create --name attic",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if req.Name == "" {
				return usagef("as --name attic", "--name is needed: it will be the node's name")
			}
			if ttl < time.Second || ttl > 24*time.Hour {
				return usagef("write it as --ttl 15m", "--ttl must be between 1s and 24h")
			}
			req.TTLSeconds = int64(ttl / time.Second)
			cl, err := c.client()
			if err != nil {
				return err
			}
			t, err := cl.CreateToken(cmd.Context(), req)
			if err != nil {
				return err
			}
			if c.output != "table" {
				return c.print(t, nil)
			}
			c.info("Run this on the machine that is to join as %s (single use, until %s):", t.Name, t.Expires.Local().Format("15:04:05"))
			fmt.Fprintln(c.out, t.Command)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&req.Name, "name", "", "name of the node")
	f.DurationVar(&ttl, "ttl", 15*time.Minute, "how long the token can be used")
	f.StringVar(&req.MachineID, "machine-id", "", "only this machine may use it")
	f.StringVar(&req.Address, "address", "", "only from this source address")
	f.StringSliceVar(&req.Roles, "roles", []string{"worker"}, "roles of the node: worker, edge")
	return cmd
}
