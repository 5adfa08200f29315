package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/payperplay/payperplay/controller/autoscale/simulate"
	"github.com/payperplay/payperplay/protocol"
)

// simulateFlags are what can be said of a replay.
type simulateFlags struct {
	prices, settings, generate, chart string
	cold                              bool
	boot, spareBoot, start            time.Duration
}

func simulateCommand() *cobra.Command {
	var f simulateFlags
	cmd := &cobra.Command{
		Use: "simulate [TRACE.csv]", Short: "Replay a load on virtual time and see what machines would cost",
		Long: "Replay a trace of servers that start and stop on virtual time, with the placement and scaling that the controller runs, and see what\n" +
			"machines would have cost and how long people would have waited, beside always-on machines and two lower bounds. No cloud, no controller\n" +
			"and no money is needed. Without a trace one that ships is taken: 500 servers for a week.\n\n" + simulate.Format + "\n\n" + simulate.PricesFormat + "\n\n" +
			"Settings are those of /api/scaling, as a JSON object of those that differ; caps are lifted unless the file sets them.",
		Example: "  controller simulate\n" +
			"  controller simulate --generate servers=500,days=7,seed=1 > trace.csv\n" +
			"  controller simulate trace.csv --prices prices.json --settings mine.json --chart week.svg -o json",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.prices, "prices", "", "JSON file of machine types and prices (default: a built-in example)")
	fl.StringVar(&f.settings, "settings", "", "JSON file of the scaling settings to try")
	fl.StringVar(&f.generate, "generate", "", "write a trace of this pattern to the output instead, as servers=500,days=7,seed=1")
	fl.StringVar(&f.chart, "chart", "", "write a chart of machines and demand to this file (SVG)")
	fl.BoolVar(&f.cold, "cold", false, "there is no spare image: every machine boots cold, and no spares are kept")
	fl.DurationVar(&f.boot, "boot", 90*time.Second, "from a machine's order until servers come, cold")
	fl.DurationVar(&f.spareBoot, "spare-boot", 25*time.Second, "the same from a spare image")
	fl.DurationVar(&f.start, "server-start", 10*time.Second, "from a server's placement until it is ready")
	return cmd
}

func (f *simulateFlags) run(cmd *cobra.Command, args []string) error {
	out := cmd.OutOrStdout()
	if f.generate != "" {
		if len(args) > 0 {
			return usagef("leave the trace out, or --generate", "--generate writes a trace and reads none")
		}
		p, err := simulate.ParsePattern(f.generate)
		if err != nil {
			return usageError{err}
		}
		return simulate.WriteTrace(out, simulate.Generate(p))
	}
	opts, err := f.options(args)
	if err != nil {
		return err
	}
	began := time.Now()
	r, err := simulate.Run(cmd.Context(), opts)
	if err != nil {
		return err
	}
	took := time.Since(began)
	if f.chart != "" {
		if err := writeFile(f.chart, r.Chart); err != nil {
			return err
		}
	}
	c := &cli{out: out, err: cmd.ErrOrStderr(), output: "table"}
	if o := cmd.Flag("output"); o != nil && o.Value.String() != "" {
		c.output = o.Value.String()
	}
	if q := cmd.Flag("quiet"); q != nil {
		c.quiet = q.Value.String() == "true"
	}
	c.info("replayed %d starts of %d servers in %s, %d decisions", r.Starts, r.Servers, took.Round(time.Millisecond), r.Decisions)
	return c.print(r, func() table { return simulated(r) })
}

// options puts together what is replayed.
func (f *simulateFlags) options(args []string) (simulate.Options, error) {
	o := simulate.Options{Prices: simulate.ExamplePrices(), Settings: simulate.Lifted(!f.cold), ColdBoot: f.boot, SpareBoot: f.spareBoot, Start: f.start}
	if f.boot <= 0 || f.spareBoot <= 0 || f.start <= 0 {
		return o, usagef("give them as 90s", "--boot, --spare-boot and --server-start must be above 0")
	}
	err := readFile(f.prices, func(r io.Reader) (err error) {
		o.Prices, err = simulate.ReadPrices(r)
		return err
	})
	if err != nil {
		return o, err
	}
	err = readFile(f.settings, func(r io.Reader) error {
		b, err := io.ReadAll(io.LimitReader(r, 1<<20))
		if err == nil {
			o.Settings, err = o.Settings.Merge(b)
		}
		return err
	})
	if err != nil {
		return o, err
	}
	if len(args) == 0 {
		o.Trace = simulate.Generate(simulate.Shipped())
		return o, nil
	}
	return o, readFile(args[0], func(r io.Reader) (err error) {
		o.Trace, err = simulate.ReadTrace(r)
		return err
	})
}

// readFile reads a file that the user named, if one is.
func readFile(name string, read func(io.Reader) error) error {
	if name == "" {
		return nil
	}
	file, err := os.Open(name)
	if err != nil {
		return protocol.Faultf(protocol.Invalid, "look at the name", "%v", err)
	}
	defer file.Close()
	return read(file)
}

func writeFile(name string, write func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return protocol.Faultf(protocol.Invalid, "choose a file that can be written", "%v", err)
	}
	if err := write(file); err != nil {
		_ = file.Close() // the first error counts
		return fmt.Errorf("write %s: %w", name, err)
	}
	return file.Close()
}

// simulated is the report for people.
func simulated(r *simulate.Report) table {
	eur := func(f float64) string { return fmt.Sprintf("%.2f €", f) }
	over := func(cost, ratio, of float64, aim string) string {
		if of <= 0 {
			return "-"
		}
		return fmt.Sprintf("%s, %s that%s", eur(of), times(ratio), aim)
	}
	rows := [][]string{
		{"Trace:", fmt.Sprintf("%s to %s, %d servers, %d starts", r.From.Format(time.DateTime), r.To.Format(time.DateTime), r.Servers, r.Starts)},
		{"Prices:", r.Prices},
		{"Cost:", eur(r.CostEUR)},
		{"Lower bound:", over(r.CostEUR, r.OverBound, r.LowerBoundEUR, " (aim 1.10 ×); by clock hour, the cheapest machines for its highest Σ memory")},
		{"Fluid bound:", over(r.CostEUR, r.OverFluid, r.FluidEUR, "; ∫ memory at the best price per GiB, which nobody can pay less than")},
		{"Always on:", over(r.CostEUR, r.OverAlwaysOn, r.AlwaysOnEUR, " (aim 0.25 ×); the cheapest machines for all servers")},
		{"Wake wait:", fmt.Sprintf("p50 %.0f s, p95 %.0f s (aim 15 s), at most %.0f s; %d starts waited for a machine", r.WakeP50, r.WakeP95, r.WakeMax, r.Waited)},
		{"Never started:", fmt.Sprintf("%d", r.NeverStarted)},
		{"Machines:", fmt.Sprintf("%d rented, %d paid hours, %d at most at once: %s", r.Machines, r.MachineHours, r.PeakMachines, counts(r.ByType))},
		{"Ordered by:", counts(r.Orders)},
		{"Used:", fmt.Sprintf("%.0f %% of the memory that was paid for", 100*r.Utilization)},
		{"Missing:", fmt.Sprintf("%s beside servers, %s on empty machines, %s after the last server, %s while booting, %s for dearer types",
			eur(r.Missing.Holes), eur(r.Missing.Empty), eur(r.Missing.After), eur(r.Missing.Boot), eur(r.Missing.Price))},
	}
	for _, d := range r.Days() {
		rows = append(rows, []string{d.Day.Format("Mon 02 Jan") + ":", d.Line})
	}
	return table{rows: rows}
}

func times(f float64) string { return fmt.Sprintf("%.2f ×", f) }

func counts(m map[string]int) string {
	text := ""
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("%d %s", m[name], name)
	}
	return dash(text)
}
