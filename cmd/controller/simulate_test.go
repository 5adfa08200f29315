package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// simulateCLI runs the command alone, with the flags that the root gives it.
func simulateCLI(t *testing.T, args ...string) (out, told string, err error) {
	t.Helper()
	var o, e bytes.Buffer
	c := &cli{out: &o, err: &e}
	root := &cobra.Command{Use: "controller", SilenceErrors: true, SilenceUsage: true}
	root.PersistentFlags().StringVarP(&c.output, "output", "o", "table", "")
	root.PersistentFlags().BoolVarP(&c.quiet, "quiet", "q", false, "")
	root.AddCommand(simulateCommand())
	root.SetOut(&o)
	root.SetErr(&e)
	root.SetArgs(append([]string{"simulate"}, args...))
	err = root.ExecuteContext(t.Context())
	return o.String(), e.String(), err
}

func TestSimulate(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	trace, _, err := simulateCLI(t, "--generate", "servers=20,days=2,seed=5")
	if err != nil || !strings.HasPrefix(trace, "time,server,event,memory\n2026-01-05T") {
		t.Fatalf("%v: %.100s", err, trace)
	}
	named := file("trace.csv", trace)
	prices := file("prices.json", `{"name": "mine", "types": [{"name": "box", "arch": "amd64", "cpus": 8, "memory": "32GiB", "disk": "160GiB", "location": "here", "hourly": "0.05"}]}`)
	settings := file("settings.json", `{"up": 0.9, "spares": {"base": 0, "rules": []}}`)
	chart := filepath.Join(dir, "chart.svg")

	out, told, err := simulateCLI(t, named, "--prices", prices, "--settings", settings, "--chart", chart, "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var r map[string]any
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if r["prices"] != "mine" || r["cost_eur"].(float64) <= 0 || !strings.Contains(told, "replayed") {
		t.Errorf("%s\n%s", told, out)
	}
	if svg, err := os.ReadFile(chart); err != nil || !bytes.HasPrefix(svg, []byte("<svg ")) {
		t.Errorf("%v: %.80s", err, svg)
	}
	out, told, err = simulateCLI(t, named, "--cold", "-q")
	if err != nil || told != "" || !strings.Contains(out, "Lower bound:") || !strings.Contains(out, "not today's prices") || !strings.Contains(out, "Mon 05 Jan:") {
		t.Errorf("%v\n%s\n%s", err, told, out)
	}

	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no such trace":    {[]string{filepath.Join(dir, "none.csv")}, "no such file"},
		"a broken trace":   {[]string{file("bad.csv", "time,server,event,memory\nsoon,a,start,1GiB\n")}, "line 2"},
		"broken prices":    {[]string{named, "--prices", file("bad.json", "{}")}, "names no types"},
		"unknown settings": {[]string{named, "--settings", file("odd.json", `{"speed": 1}`)}, "speed"},
		"a bad pattern":    {[]string{"--generate", "servers=none"}, "servers=none"},
		"both":             {[]string{named, "--generate", "seed=1"}, "writes a trace and reads none"},
		"no boot time":     {[]string{named, "--boot", "0s"}, "above 0"},
		"nowhere to write": {[]string{named, "--chart", filepath.Join(dir, "no", "chart.svg")}, "no such file"},
	} {
		if _, _, err := simulateCLI(t, c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
