package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/controller"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

// defaultData is where the packaged controller keeps its state.
const defaultData = "/var/lib/payperplay"

func newLogger(format, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, usagef("use debug, info, warn or error", "--log-level: %q is not a level", level)
	}
	o := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(os.Stderr, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(os.Stderr, o)), nil
	default:
		return nil, usagef("use text or json", "--log-format: %q is not a format", format)
	}
}

func newServe(c *cli) *cobra.Command {
	var cfg controller.Config
	var format, level string
	var at storeFlags
	cmd := &cobra.Command{
		Use: "serve --data DIR", Short: "Run the controller", Args: cobra.NoArgs,
		Example: "  controller serve --data /var/lib/payperplay\n  controller serve --data ./data --local-agent\n  controller serve --store postgres://payperplay@db.internal/payperplay?sslmode=verify-full",
		RunE: func(cmd *cobra.Command, _ []string) error {
			logger, err := newLogger(format, level)
			if err != nil {
				return err
			}
			if err := failpoint.Arm(os.Getenv(failpoint.EnvPlan)); err != nil {
				return usageError{err}
			}
			if cfg.Store, err = at.address(c, cfg.Data); err != nil {
				return err
			}
			cfg.Version, cfg.Logger = version, logger
			app, err := controller.New(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.out, "PayPerPlay controller %s\n  web UI and API  %s\n  agents dial     %s\n  operator login  the token in %s\n", version, app.URL(), app.TunnelAddr(), app.TokenFile())
			err = app.Run(cmd.Context())
			if errors.Is(err, store.ErrStaleTerm) {
				return err // and end: stopping in order would tell the agents, which are another controller's now
			}
			return errors.Join(err, app.Stop())
		},
	}
	f := cmd.Flags()
	f.StringVar(&cfg.Data, "data", defaultData, "directory for all state")
	at.add(cmd, "the embedded store, controller.db under --data")
	f.BoolVar(&cfg.NewCA, "new-ca", false, "the cluster's CA is lost: take the one under --data, or make one; every agent has to be enrolled again")
	f.StringVar(&cfg.HTTP, "http", "127.0.0.1:8080", "address of web UI, API and metrics")
	f.StringVar(&cfg.Tunnel, "tunnel", "127.0.0.1:8443", "address that agents dial")
	f.StringSliceVar(&cfg.Advertise, "advertise", nil, "HOST:PORT under which agents reach --tunnel, for the join command (default: --tunnel); repeatable")
	f.StringVar(&cfg.Templates, "templates", "", "catalogue file instead of the built-in one")
	f.StringVar(&cfg.Strategy, "strategy", "auto", "placement: best-fit, worst-fit, local-first, cloud-first, round-robin or auto")
	f.BoolVar(&cfg.RequireSafeRuntime, "require-safe-runtime", false, "place no servers on degraded nodes")
	f.BoolVar(&cfg.LocalAgent, "local-agent", false, "enrol this very machine as a node and keep its agent running")
	f.StringVar(&cfg.AgentBinary, "agent-binary", "", "with --local-agent: the agent (default: beside this program, then PATH)")
	f.StringSliceVar(&cfg.AgentArgs, "agent-arg", nil, "with --local-agent: one more argument for 'agent run'; repeatable")
	f.StringVar(&cfg.PublicURL, "public-url", "", "URL under which rented machines reach --http, to download their agent, like http://203.0.113.5:8080")
	f.StringVar(&cfg.HetznerEndpoint, "hetzner-endpoint", "", "address of the Hetzner Cloud API (default: Hetzner's own); `controller cloud fake` prints one. The token is read from HETZNER_CLOUD_TOKEN or HETZNER_CLOUD_TOKEN_FILE")
	f.StringVar(&cfg.Agents, "agents", "", "directory with agent-linux-amd64 and agent-linux-arm64, which machines download (default: beside this program)")
	f.StringVar(&format, "log-format", "text", "text or json")
	f.StringVar(&level, "log-level", "info", "debug, info, warn or error")
	_ = cmd.RegisterFlagCompletionFunc("strategy", cobra.FixedCompletions([]string{"auto", "best-fit", "worst-fit", "local-first", "cloud-first", "round-robin"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}
