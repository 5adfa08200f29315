// Command benchtable runs the benchmarks behind performance.md's figures, prints a table of ours, yardstick, ratio and goal,
// and writes build/bench.json. It never fails because a figure was missed: it says by how much.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
)

// figure is one row of performance.md: where it is measured and what is to be reached.
type figure struct {
	name      string // for people
	pkg       string
	bench     string // benchmark with sub-benchmark, as go prints it without the -N at the end
	metric    string // the unit that the benchmark reports
	yardstick string // what it was measured against in the same run
	goal      float64
	atLeast   bool // the goal is a lower bound
}

// result is one entry of build/bench.json.
type result struct {
	Name      string  `json:"name"`
	Value     float64 `json:"value"`
	Unit      string  `json:"unit"`
	Yardstick string  `json:"yardstick"`
	Ratio     float64 `json:"ratio"`
	Goal      float64 `json:"goal"`
	Met       bool    `json:"met"`
}

var line = regexp.MustCompile(`^(Benchmark\S*?)(?:-\d+)?\s+\d+\s+(.*)$`)

// parse reads what "go test -bench" prints: for each benchmark its metrics by unit.
func parse(r io.Reader) map[string]map[string]float64 {
	out := map[string]map[string]float64{}
	in := bufio.NewScanner(r)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		m := line.FindStringSubmatch(in.Text())
		if m == nil {
			continue
		}
		metrics := map[string]float64{}
		fields := strings.Fields(m[2])
		for i := 0; i+1 < len(fields); i += 2 {
			if v, err := strconv.ParseFloat(fields[i], 64); err == nil {
				metrics[fields[i+1]] = v
			}
		}
		out[m[1]] = metrics
	}
	return out
}

// slack forgives what is no more than rounding: 6,002 goroutines for 2,000 agents are 3 each.
const slack = 1.005

func judge(f figure, v float64) result {
	r := result{Name: f.name, Value: v, Unit: f.metric, Yardstick: f.yardstick, Ratio: v, Goal: f.goal, Met: v <= f.goal*slack}
	if f.atLeast {
		r.Met = v >= f.goal/slack
	}
	if !strings.Contains(f.metric, "ratio") {
		r.Ratio = v / f.goal // of the goal, where there is no yardstick
	}
	return r
}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	measured := map[string]map[string]map[string]float64{}
	for _, f := range figures {
		if measured[f.pkg] != nil {
			continue
		}
		fmt.Fprintln(os.Stderr, "measuring", f.pkg)
		cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", ".", "-benchtime", "1s", "-timeout", "20m", "./"+f.pkg)
		cmd.Stderr = os.Stderr
		b, err := cmd.Output()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			return err
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s did not finish: %v\n", f.pkg, err)
		}
		measured[f.pkg] = parse(strings.NewReader(string(b)))
	}
	var results []result
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "FIGURE\tMEASURED\tUNIT\tGOAL\tMET\tYARDSTICK")
	for _, f := range figures {
		v, ok := measured[f.pkg][f.bench][f.metric]
		sign := "≤"
		if f.atLeast {
			sign = "≥"
		}
		if !ok {
			fmt.Fprintf(w, "%s\tnot measured\t%s\t%s %g\t-\t%s\n", f.name, f.metric, sign, f.goal, f.yardstick)
			continue
		}
		r := judge(f, v)
		results = append(results, r)
		met := "yes"
		if !r.Met {
			met = "NO"
		}
		fmt.Fprintf(w, "%s\t%.3g\t%s\t%s %g\t%s\t%s\n", f.name, v, f.metric, sign, f.goal, met, f.yardstick)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	b, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll("build", 0o755); err != nil {
		return err
	}
	return os.WriteFile("build/bench.json", append(b, '\n'), 0o644)
}
