package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/protocol"
)

func newServer(c *cli) *cobra.Command {
	cmd := &cobra.Command{Use: "server", Aliases: []string{"servers"}, Short: "Create, run and watch Minecraft servers"}
	cmd.AddCommand(
		newServerCreate(c), newServerSet(c), newServerList(c), newServerShow(c), newServerWhy(c), newServerDelete(c),
		newServerStart(c), newServerStop(c), newServerRestart(c), newServerKill(c),
		newServerLogs(c), newServerConsole(c), newServerExec(c),
	)
	return cmd
}

// completeServers offers server names for the first argument.
func (c *cli) completeServers(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return complete(c, cmd, args, (*client.Client).Servers, func(s client.Server) string { return s.Name + "\t" + s.State })
}

func players(s client.Server) string {
	if s.Usage == nil || s.State != "running" {
		return "-"
	}
	if s.Usage.Players == nil {
		return "?"
	}
	return fmt.Sprintf("%d/%d", *s.Usage.Players, s.Usage.PlayersMax)
}

func serverTable(servers []client.Server) table {
	t := table{header: []string{"NAME", "STATE", "NODE", "TEMPLATE", "VERSION", "MEMORY", "PLAYERS", "ADDRESS"}}
	for _, s := range servers {
		t.rows = append(t.rows, []string{s.Name, s.State, dash(s.Node), s.Template, s.Version, protocol.FormatSize(s.MemoryBytes), players(s), dash(s.Address)})
	}
	return t
}

func serverDetail(s client.Server) table {
	t := table{}
	row := func(key, value string) {
		if value != "" {
			t.rows = append(t.rows, []string{key + ":", value})
		}
	}
	row("Name", s.Name)
	row("Id", s.ID)
	row("State", s.State)
	row("", "")
	row("What", s.Explain)
	row("Next step", s.Next)
	row("Desired", s.Desired)
	row("Observed", s.Observed)
	row("Progress", s.Progress)
	row("Node", dash(s.Node))
	row("Address", dash(s.Address))
	row("Epoch", strconv.FormatInt(s.Epoch, 10))
	row("Template", s.Template+" "+s.Version)
	row("Image", s.Image)
	row("Memory", protocol.FormatSize(s.MemoryBytes))
	row("CPU", fmt.Sprintf("%.2f cores", float64(s.CPUMillis)/1000))
	row("Disk", protocol.FormatSize(s.DiskBytes))
	row("Players", players(s))
	if s.Usage != nil {
		row("Uses", fmt.Sprintf("%s memory, %.2f cores", protocol.FormatSize(s.Usage.MemoryBytes), s.Usage.CPUCores))
	}
	if s.Waiting != nil {
		row("Waits for", fmt.Sprintf("%s memory, %d milli-cores since %s", protocol.FormatSize(s.Waiting.MemoryBytes), s.Waiting.CPUMillis, s.Waiting.Since.Format(time.RFC3339)))
	}
	if s.Exit != nil {
		row("Last exit", exitLine(*s.Exit))
		row("Advice", s.Exit.Advice)
		if !s.Exit.Asked {
			for _, l := range s.Exit.LastLines {
				row("  last line", l)
			}
		}
	}
	if s.RestartRequired {
		row("Note", "settings changed: restart it to use them")
	}
	for _, k := range sortedKeys(s.Env) {
		row("Setting", k+"="+s.Env[k])
	}
	row("Created", s.CreatedAt.Format(time.RFC3339)+" by "+s.CreatedBy)
	return t
}

func exitLine(e client.Exit) string {
	parts := []string{"code " + strconv.Itoa(e.Code)}
	if e.OOM {
		parts = append(parts, "out of memory")
	}
	if e.Killed {
		parts = append(parts, "killed")
	}
	if e.Asked {
		parts = append(parts, "as asked")
	}
	return strings.Join(parts, ", ") + " at " + e.At.Format(time.RFC3339)
}

func newServerList(c *cli) *cobra.Command {
	return listCommand(c, "List servers", (*client.Client).Servers, serverTable)
}

func newServerShow(c *cli) *cobra.Command {
	return showCommand(c, "Show one server", c.completeServers, (*client.Client).Server, serverDetail)
}
