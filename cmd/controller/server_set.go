package main

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/protocol"
)

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// patchOf reads KEY=VALUE words: memory, disk, cpus and version are the server's own, everything else a setting of its template; "KEY=" with nothing removes a setting.
func patchOf(words []string) (client.PatchServer, error) {
	p := client.PatchServer{Env: map[string]*string{}}
	for _, word := range words {
		k, v, ok := strings.Cut(word, "=")
		if !ok || k == "" {
			return p, usagef("as memory=2GiB or MOTD='Hello'", "%q is not KEY=VALUE", word)
		}
		switch strings.ToLower(k) {
		case "memory", "disk":
			n, err := protocol.ParseSize(v)
			if err != nil {
				return p, err
			}
			if n == 0 {
				return p, usagef("write it as "+k+"=1GiB", "%s must be more than 0", k)
			}
			if strings.EqualFold(k, "memory") {
				p.MemoryBytes = &n
			} else {
				p.DiskBytes = &n
			}
		case "cpus":
			cores, err := strconv.ParseFloat(v, 64)
			if err != nil {
				return p, usagef("write it as cpus=1.5", "%q is not a number of cores", v)
			}
			n, err := millis(cores)
			if err != nil {
				return p, usagef("write it as cpus=1.5", "%v", err)
			}
			p.CPUMillis = &n
		case "version":
			p.Version = &v
		default:
			if v == "" {
				p.Env[k] = nil
			} else {
				p.Env[k] = &v
			}
		}
	}
	return p, nil
}

func newServerSet(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "set NAME KEY=VALUE…", Short: "Change memory, disk, cpus, version or settings of a server", Args: cobra.MinimumNArgs(2), ValidArgsFunction: c.completeServers,
		Example: "  controller server set friends memory=2GiB MOTD='Back again' DIFFICULTY=",
		RunE: func(cmd *cobra.Command, args []string) error {
			patch, err := patchOf(args[1:])
			if err != nil {
				return err
			}
			cl, err := c.client()
			if err != nil {
				return err
			}
			old, err := cl.Server(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			s, err := cl.PatchServer(cmd.Context(), args[0], old.Revision, patch)
			if err != nil {
				return err
			}
			if s.RestartRequired {
				c.info("%s runs with the old settings until it is restarted: controller server restart %s", s.Name, s.Name)
			}
			return c.print(s, func() table { return serverTable([]client.Server{s}) })
		},
	}
}
