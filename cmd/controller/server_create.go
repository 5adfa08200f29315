package main

import (
	"crypto/rand"
	"fmt"
	"math"
	"strings"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/protocol"
)

// sizeFlag reads a size flag; the empty text is 0 = what the template recommends.
func sizeFlag(name, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := protocol.ParseSize(text)
	if err != nil {
		return 0, usagef("write it as 512MiB, 1GiB or 1.5GB", "--%s: %q is not a size", name, text)
	}
	if n == 0 {
		return 0, usagef("write it as 512MiB or 1GiB", "--%s must be more than 0", name)
	}
	return n, nil
}

// millis turns a number of cores into thousandths.
func millis(cores float64) (int64, error) {
	if !(cores >= 0.001 && cores <= 1e6) { // also false for NaN
		return 0, fmt.Errorf("%v is not a number of cores", cores)
	}
	return int64(math.Round(cores * 1000)), nil
}

func envFlag(pairs []string) (map[string]string, error) {
	env := map[string]string{}
	for _, p := range pairs {
		k, v, ok := strings.Cut(p, "=")
		if !ok || k == "" {
			return nil, usagef("write it as --env MOTD='Hello there'", "--env %q is not KEY=VALUE", p)
		}
		env[k] = v
	}
	return env, nil
}

func newServerCreate(c *cli) *cobra.Command {
	var (
		req          client.CreateServer
		memory, disk string
		cpus         float64
		env          []string
		key          string
		w            waitFlags
	)
	cmd := &cobra.Command{
		Use: "create NAME --template T", Short: "Create a server", Args: cobra.ExactArgs(1),
		Example: "  controller server create friends --template paper --memory 2GiB --env MOTD='Hello' --start --wait",
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			req.Name = args[0]
			if req.Template == "" {
				return usagef("see 'controller template list'", "--template is needed")
			}
			if req.MemoryBytes, err = sizeFlag("memory", memory); err != nil {
				return err
			}
			if req.DiskBytes, err = sizeFlag("disk", disk); err != nil {
				return err
			}
			if req.Env, err = envFlag(env); err != nil {
				return err
			}
			if cmd.Flags().Changed("cpus") {
				if req.CPUMillis, err = millis(cpus); err != nil {
					return usagef("write it as --cpus 1.5", "--cpus: %v", err)
				}
			}
			if w.wait && !req.Start {
				return usagef("add --start, or leave --wait out", "--wait waits for a running server")
			}
			if key == "" {
				key = rand.Text()
			}
			cl, err := c.client()
			if err != nil {
				return err
			}
			s, err := cl.CreateServer(cmd.Context(), req, key)
			if err != nil {
				return err
			}
			if w.wait {
				if s, err = c.waitFor(cmd.Context(), cl, s, w, becameRunning); err != nil {
					return err
				}
			}
			return c.print(s, func() table { return serverTable([]client.Server{s}) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&req.Template, "template", "", "template (see 'controller template list')")
	f.StringVar(&req.Version, "version", "", "version of the game (default: the template's)")
	f.StringVar(&memory, "memory", "", "memory of the container, as 1GiB (default: the template's)")
	f.StringVar(&disk, "disk", "", "disk space to book, as 10GiB (default: the template's)")
	f.Float64Var(&cpus, "cpus", 0, "CPU limit in cores (default: the template's)")
	f.StringArrayVar(&env, "env", nil, "setting KEY=VALUE of the template; repeatable")
	f.StringVar(&req.Node, "node", "", "place it on this node only")
	f.BoolVar(&req.Start, "start", false, "start it at once")
	f.StringVar(&key, "idempotency-key", "", "the same key with the same request never makes a second server")
	w.register(cmd)
	_ = cmd.RegisterFlagCompletionFunc("template", c.completeTemplates)
	_ = cmd.RegisterFlagCompletionFunc("node", c.completeNodes)
	return cmd
}
