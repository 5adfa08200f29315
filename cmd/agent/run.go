package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/agent"
	"github.com/payperplay/payperplay/agent/host"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

type runFlags struct {
	cfg                      agent.Config
	memory, ports            string
	pool, bind, source       string
	format, level, tokenFile string
}

func runCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{Use: "run", Short: "Run the daemon", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		cfg, err := f.config(cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		if os.Getenv("GOGC") == "" {
			debug.SetGCPercent(50) // a small heap: collecting it more often costs nothing
		}
		a, err := agent.New(cfg)
		if err != nil {
			return err
		}
		told := context.AfterFunc(cmd.Context(), func() { // taking everything down may take a while
			if err := notify("STOPPING=1"); err != nil {
				cfg.Logger.Warn("systemd was not told that the agent stops", "err", err)
			}
		})
		defer told()
		return plain(a.Run(cmd.Context()))
	}}
	fl := c.Flags()
	fl.StringVar(&f.cfg.Data, "data", "", "directory for the node's key, journal and volumes")
	fl.StringArrayVar(&f.cfg.Controllers, "controller", nil, "address of the controller's tunnel, HOST:PORT (repeatable)")
	fl.StringArrayVar(&f.cfg.Pins, "ca-pin", nil, "sha256:… of the controller's CA key (repeatable)")
	fl.StringVar(&f.cfg.Token, "token", "", "join token, for the first start only")
	fl.StringVar(&f.tokenFile, "token-file", "", "file that holds the join token")
	fl.StringVar(&f.cfg.Name, "name", "", "name of the node (default: the token's)")
	fl.StringSliceVar(&f.cfg.Roles, "roles", []string{"worker"}, "worker, edge or both")
	fl.StringVar(&f.memory, "memory", "", "memory that servers may be given, like 4GiB (default: the machine's)")
	fl.StringVar(&f.ports, "ports", fmt.Sprintf("%d-%d", agent.DefaultPortFrom, agent.DefaultPortTo), "ports for players, A-B")
	fl.StringVar(&f.pool, "bridge-pool", agent.DefaultBridgePool, "IPv4 network that servers' bridges are cut from")
	fl.StringVar(&f.bind, "bind", "0.0.0.0", "address of this machine that game ports are opened on")
	fl.StringVar(&f.cfg.BootIDFile, "boot-id-file", "", "file to read the boot id from (default: the kernel's)")
	fl.BoolVar(&f.cfg.Prove, "prove", false, "prove with a container that servers cannot reach the cloud's metadata address; until then the node says so")
	fl.StringVar(&f.cfg.MachineFile, "machine-id-file", "", "file to read the machine's id from (default: the firmware's)")
	fl.StringVar(&f.cfg.MachineID, "machine-id", os.Getenv("PAYPERPLAY_MACHINE_ID"), "the machine's id itself (PAYPERPLAY_MACHINE_ID)")
	fl.StringVar(&f.source, "source", os.Getenv("PAYPERPLAY_SOURCE_ADDRESS"), "address of this machine to dial the controller from (PAYPERPLAY_SOURCE_ADDRESS; default: any)")
	fl.StringVar(&f.cfg.DockerHost, "docker-host", "", "address of the Docker engine (default: DOCKER_HOST or its usual socket)")
	fl.StringVar(&f.format, "log-format", "text", "text or json")
	fl.StringVar(&f.level, "log-level", "info", "debug, info, warn or error")
	fl.StringVar(&f.cfg.Metrics, "metrics", "", "address to serve Prometheus metrics at, like 127.0.0.1:9101 (default: none)")
	return c
}

// config reads the texts of the flags.
func (f *runFlags) config(errs io.Writer) (agent.Config, error) {
	cfg := f.cfg
	log, err := logger(errs, f.format, f.level)
	if err != nil {
		return cfg, err
	}
	cfg.Logger, cfg.Version, cfg.Failpoints = log, version, os.Getenv(failpoint.EnvPlan)
	if f.memory != "" {
		if cfg.Memory, err = protocol.ParseSize(f.memory); err != nil {
			return cfg, err
		}
	}
	if cfg.PortFrom, cfg.PortTo, err = portRange(f.ports); err != nil {
		return cfg, err
	}
	if cfg.BridgePool, err = netip.ParsePrefix(f.pool); err != nil {
		return cfg, protocol.Faultf(protocol.Invalid, "give --bridge-pool as "+agent.DefaultBridgePool, "%q is not a network", f.pool)
	}
	if cfg.Bind, err = netip.ParseAddr(f.bind); err != nil || !cfg.Bind.Is4() {
		return cfg, protocol.Faultf(protocol.Invalid, "give --bind as 0.0.0.0 or an address of this machine", "%q is not an IPv4 address", f.bind)
	}
	if f.source != "" {
		if cfg.Source, err = netip.ParseAddr(f.source); err != nil {
			return cfg, protocol.Faultf(protocol.Invalid, "give --source as an address of this machine", "%q is not an IP address", f.source)
		}
	}
	if cfg.MachineID == "" && cfg.MachineFile != "" {
		if cfg.MachineID, err = host.MachineID(cfg.MachineFile); err != nil {
			return cfg, err
		}
	}
	if cfg.TokenFile = f.tokenFile; f.tokenFile != "" {
		text, err := os.ReadFile(f.tokenFile)
		_, enrolled := os.Stat(filepath.Join(cfg.Data, "identity.json"))
		if err != nil && !(errors.Is(err, fs.ErrNotExist) && enrolled == nil) { // it is removed when this machine is enrolled
			return cfg, protocol.Faultf(protocol.Invalid, "check --token-file", "cannot read the token: %v", err)
		}
		cfg.Token = strings.TrimSpace(string(text))
	}
	cfg.Alive, cfg.AliveEvery = watchdog(log)
	cfg.Ready = func() {
		if err := notify("READY=1"); err != nil {
			log.Warn("systemd was not told that the agent is ready", "err", err)
		}
	}
	return cfg, nil
}

func portRange(text string) (from, to int, err error) {
	a, b, ok := strings.Cut(text, "-")
	from, err1 := strconv.Atoi(strings.TrimSpace(a))
	to, err2 := strconv.Atoi(strings.TrimSpace(b))
	if !ok || err1 != nil || err2 != nil || from < 1 || to > 65535 || from > to {
		return 0, 0, protocol.Faultf(protocol.Invalid, "give --ports as 25500-26499", "%q is not a range of ports", text)
	}
	return from, to, nil
}

func logger(w io.Writer, format, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, protocol.Faultf(protocol.Invalid, "give --log-level debug, info, warn or error", "%q is not a log level", level)
	}
	o := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, o)), nil
	default:
		return nil, protocol.Faultf(protocol.Invalid, "give --log-format text or json", "%q is not a log format", format)
	}
}

// plain makes sure that a failure is not taken for wrong input.
func plain(err error) error {
	var f *protocol.Fault
	if err == nil || errors.As(err, &f) {
		return err
	}
	return protocol.Faultf(protocol.Internal, "", "%v", err)
}
