package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/controller/cloud/fakehetzner"
)

// cloudFakeFlags are what can be said of a fake cloud.
type cloudFakeFlags struct {
	opt           fakehetzner.Options
	faults        fakehetzner.Faults
	process       fakehetzner.ProcessOptions
	listen        string
	stock         []string
	download      bool
	action        time.Duration
	format, level string
}

func cloudFakeCommand() *cobra.Command {
	var f cloudFakeFlags
	cmd := &cobra.Command{
		Use: "fake", Short: "Run a Hetzner Cloud of your own: no account, no cost, faults on demand", Args: cobra.NoArgs,
		Long: "Run a fake Hetzner Cloud for a controller on this computer. Its machines are rows only, unless --agent or --download makes them processes of\n" +
			"this computer that follow their user-data. Chances are between 0 and 1, and the same --seed with the same requests gives the same faults.\n\n" +
			"While it runs, its controls answer beside the API, without a token:\n" +
			"  GET, POST, DELETE /_fake/faults   what goes wrong: {\"fault\":\"lose-reply\",\"on\":\"POST /servers\",\"times\":1}\n" +
			"  GET, PUT /_fake/stock             what can be ordered: {\"type\":\"cx23\",\"location\":\"fsn1\",\"left\":0}\n" +
			"  GET /_fake/machines               all that exists; DELETE /_fake/machines/ID lets one vanish\n" +
			"  GET /_fake/bill                   what machines have cost",
		Example: "  controller cloud fake --agent build/agent\n" +
			"  controller cloud fake --agent build/agent --lose-replies 0.1 --seed 7 --stock cx23@fsn1=2\n" +
			"  curl -X POST -d '{\"fault\":\"no-stock\",\"type\":\"cax11\"}' http://127.0.0.1:8090/_fake/faults",
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	f.add(cmd)
	return cmd
}

func (f *cloudFakeFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.listen, "listen", "127.0.0.1:8090", "address of the API, on this computer")
	fl.StringVar(&f.opt.Token, "api-token", "fake-token", "token that may do everything")
	fl.StringVar(&f.opt.ReadOnlyToken, "read-only-token", "", "another token, which may only read")
	fl.StringVar(&f.process.Agent, "agent", "", "machines are processes of this agent program")
	fl.BoolVar(&f.download, "download", false, "machines are processes of the agent that their user-data downloads")
	fl.StringVar(&f.process.Root, "root", "", "directory for the disks of machines (default: a temporary one, removed at the end)")
	fl.StringVar(&f.process.DockerHost, "docker-host", "", "Docker engine for all machines (default: DOCKER_HOST or its usual socket)")
	fl.StringArrayVar(&f.process.Args, "agent-arg", nil, "one more argument for every 'agent run'; repeatable")
	fl.IntVar(&f.opt.Limits.Servers, "max-servers", 10, "how many machines the project may have")
	fl.StringSliceVar(&f.stock, "stock", nil, "TYPE@LOCATION=N that can still be ordered, like cx23@fsn1=2; TYPE or LOCATION may be empty for all; repeatable")
	fl.DurationVar(&f.action, "action-time", time.Second, "how long each action takes")
	fl.Uint64Var(&f.opt.Seed, "seed", 1, "of what happens by chance")
	for _, x := range []struct {
		name, usage string
		to          *float64
	}{
		{"lose-replies", "a change is made, and its reply is lost", &f.faults.LoseReplies},
		{"lose-requests", "a change is lost on its way", &f.faults.LoseRequests},
		{"errors", "a change ends as 503, not made", &f.faults.ErrorsBefore},
		{"errors-after", "a change ends as 502, but made", &f.faults.ErrorsAfter},
		{"hangs", "a change is never answered", &f.faults.Hangs},
		{"too-many", "any request ends as 429", &f.faults.TooMany},
		{"conflicts", "a change ends as 409", &f.faults.Conflicts},
		{"action-fails", "an action ends as an error", &f.faults.ActionFails},
		{"no-stock", "an order finds no stock", &f.faults.NoStock},
		{"never-join", "on a new machine nothing ever runs", &f.faults.NeverJoin},
		{"slow-boots", "on a new machine nothing runs for --boot-delay", &f.faults.SlowBoots},
		{"vanish", "a new machine is gone after --vanish-after", &f.faults.Vanish},
	} {
		fl.Float64Var(x.to, x.name, 0, "chance that "+x.usage)
	}
	fl.DurationVar(&f.faults.BootDelay, "boot-delay", 2*time.Minute, "see --slow-boots")
	fl.DurationVar(&f.faults.VanishAfter, "vanish-after", 5*time.Minute, "see --vanish")
	fl.DurationVar(&f.faults.ListLag, "list-lag", 0, "lists show what was so long ago")
	fl.BoolVar(&f.faults.LagNames, "lag-names", false, "lists filtered by name lag, too")
	fl.StringVar(&f.format, "log-format", "text", "text or json")
	fl.StringVar(&f.level, "log-level", "info", "debug, info, warn or error")
}

func (f *cloudFakeFlags) run(ctx context.Context, out io.Writer) (err error) {
	log, err := newLogger(f.format, f.level)
	if err != nil {
		return err
	}
	if host, _, err := net.SplitHostPort(f.listen); err != nil || !loopback(host) {
		return usagef("give --listen as 127.0.0.1:8090", "%q is not an address of this computer alone: whoever reaches a fake cloud may do anything with it", f.listen)
	}
	if f.process.Agent != "" || f.download {
		clean, err := f.boots(log)
		if err != nil {
			return err
		}
		defer clean()
	}
	fake, err := f.cloud(log)
	if err != nil {
		return usageError{err}
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.listen)
	if err != nil {
		return err
	}
	url := "http://" + ln.Addr().String()
	fmt.Fprintf(out, "A fake Hetzner Cloud runs at %s\n\n  export HETZNER_CLOUD_TOKEN=%s\n  controller serve --hetzner-endpoint %s/v1 …\n\n  its controls  %s/_fake/faults  /stock  /machines  /bill\n",
		url, f.opt.Token, url, url)
	if f.opt.Boot == nil {
		fmt.Fprintln(out, "\n  Machines are rows only, and none will ever join: give --agent build/agent to have them run here.")
	}
	srv := &http.Server{Handler: fake.Handler(), ReadHeaderTimeout: 10 * time.Second}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	served := make(chan error, 1)
	go func() {
		served <- srv.Serve(ln)
		stop()
	}()
	err = fake.Run(ctx)
	_ = srv.Close() // requests that hang would keep it open for ever
	if e := <-served; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	bill := fake.Bill(time.Now())
	fmt.Fprintf(out, "It would have cost %s for %d machines, net of VAT.\n", bill.Total, len(bill.Rows))
	return err
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// boots makes machines processes; clean removes their disks.
func (f *cloudFakeFlags) boots(log *slog.Logger) (clean func(), err error) {
	clean = func() {}
	if f.download && f.process.Agent != "" {
		return clean, usagef("leave one out", "--agent and --download are two sources for one program")
	}
	if f.process.Agent != "" {
		if _, err := os.Stat(f.process.Agent); err != nil {
			return clean, usagef("build it with 'make build'", "--agent: %v", err)
		}
	}
	if f.process.Root == "" {
		if f.process.Root, err = os.MkdirTemp("", "payperplay-fake-"); err != nil {
			return clean, err
		}
		clean = func() { _ = os.RemoveAll(f.process.Root) }
	}
	f.process.Logger = log
	b, err := fakehetzner.NewProcessBooter(f.process)
	if err != nil {
		return clean, err
	}
	f.opt.Boot = b
	return clean, nil
}

func (f *cloudFakeFlags) cloud(log *slog.Logger) (*fakehetzner.Cloud, error) {
	f.opt.Logger, f.opt.Faults = log, f.faults.Rules()
	f.opt.Timing = fakehetzner.Timing{Create: f.action, Start: f.action, Stop: f.action, Delete: f.action, Snapshot: f.action, Attach: f.action}
	fake, err := fakehetzner.New(f.opt)
	if err != nil {
		return nil, err
	}
	for _, s := range f.stock {
		what, left, ok := strings.Cut(s, "=")
		kind, location, ok2 := strings.Cut(what, "@")
		n, err := strconv.Atoi(left)
		if !ok || !ok2 || err != nil {
			return nil, fmt.Errorf("--stock: %q is not TYPE@LOCATION=N", s)
		}
		if err := fake.SetStock(kind, location, n); err != nil {
			return nil, err
		}
	}
	return fake, nil
}
