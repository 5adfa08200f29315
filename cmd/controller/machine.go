package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/protocol"
)

func newMachine(c *cli) *cobra.Command {
	cmd := &cobra.Command{Use: "machine", Aliases: []string{"machines"}, Short: "Watch the machines that are rented from a cloud"}
	cmd.AddCommand(newMachineList(c), newMachineShow(c))
	return cmd
}

func (c *cli) completeMachines(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	fetch := func(cl *client.Client, ctx context.Context) ([]client.Machine, error) { return cl.Machines(ctx, false) }
	return complete(c, cmd, args, fetch, func(m client.Machine) string { return m.Name + "\t" + m.Phase })
}

// perHour writes what something costs: people compare machines by the hour.
func perHour(micro int64) string { return fleet.MicroEuro(micro).String() + "/h" }

func machineTable(list []client.Machine) table {
	t := table{header: []string{"NAME", "PHASE", "TYPE", "LOCATION", "NODE", "SERVERS", "PRICE", "TODAY", "PAID UNTIL"}}
	for _, m := range list {
		until := "-"
		if !m.PaidUntil.IsZero() {
			until = m.PaidUntil.Local().Format("15:04")
		}
		t.rows = append(t.rows, []string{m.Name, m.Phase, m.Type, m.Location, dash(m.Node), fmt.Sprint(m.Servers), perHour(m.HourlyMicroEUR), fleet.MicroEuro(m.TodayMicroEUR).String(), until})
	}
	return t
}

func machineDetail(m client.Machine) table {
	t := table{}
	row := func(key, value string) {
		if value != "" {
			t.rows = append(t.rows, []string{key + ":", value})
		}
	}
	when := func(key string, at time.Time) {
		if !at.IsZero() {
			row(key, at.Format(time.RFC3339)+" ("+ago(at, time.Now())+")")
		}
	}
	row("Name", m.Name)
	row("Id", m.ID)
	row("Phase", m.Phase)
	row("What", m.Explain)
	if m.Problem != nil {
		row("Problem", m.Problem.Detail)
		row("Next step", m.Problem.Next)
	}
	row("Type", strings.Join([]string{m.Type, m.Arch, m.Location, protocol.FormatSize(m.MemoryBytes), fmt.Sprintf("%g cores", float64(m.CPUMillis)/1000)}, ", "))
	row("Node", m.Node)
	row("Address", m.IPv4)
	row("Servers", fmt.Sprint(m.Servers))
	row("Price", perHour(m.HourlyMicroEUR)+", "+fleet.MicroEuro(m.TodayMicroEUR).String()+" today")
	row("Ordered for", m.For)
	row("By", m.By)
	row("Instead of", m.Retry)
	when("Ordered", m.Ordered)
	when("Created", m.Created)
	when("Joined", m.Joined)
	when("Serving", m.Serving)
	when("Empty since", m.EmptyAt)
	if !m.PaidUntil.IsZero() {
		row("Paid until", m.PaidUntil.Format(time.RFC3339))
	}
	when("Deleted", m.Deleted)
	return t
}

func newMachineList(c *cli) *cobra.Command {
	gone := false
	cmd := listCommand(c, "List the machines that cost money", func(cl *client.Client, ctx context.Context) ([]client.Machine, error) { return cl.Machines(ctx, gone) }, machineTable)
	cmd.Flags().BoolVar(&gone, "gone", false, "also those that were deleted in the last days")
	return cmd
}

func newMachineShow(c *cli) *cobra.Command {
	return showCommand(c, "Show one machine", c.completeMachines, (*client.Client).Machine, machineDetail)
}
