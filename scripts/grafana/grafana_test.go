package grafana

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/payperplay/payperplay/scripts/alerts"
)

type source struct{ Type, UID string }

type panel struct {
	ID      int
	Type    string
	Title   string
	Source  source                   `json:"datasource"`
	Grid    struct{ H, W, X, Y int } `json:"gridPos"`
	Targets []struct {
		Expr, LegendFormat, RefID string
		Source                    source `json:"datasource"`
	}
}

type dashboard struct {
	UID, Title string
	Inputs     []struct{ Name, Type, PluginID string } `json:"__inputs"`
	Requires   []struct{ Type, ID string }             `json:"__requires"`
	Templating struct {
		List []struct{ Name, Type, Query string }
	}
	Panels []panel
}

func load(t *testing.T) (dashboard, string) {
	t.Helper()
	text, err := os.ReadFile("workload.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d, string(text)
}

// TestDashboard: it can be imported and provisioned, and its panels are complete and do not lie upon each other.
func TestDashboard(t *testing.T) {
	d, _ := load(t)
	if d.UID != "payperplay-workload" || d.Title == "" {
		t.Errorf("uid %q, title %q: links lead to the uid", d.UID, d.Title)
	}
	if len(d.Inputs) != 1 || d.Inputs[0].Name != "DS_PROMETHEUS" || d.Inputs[0].Type != "datasource" || d.Inputs[0].PluginID != "prometheus" {
		t.Errorf("inputs %+v", d.Inputs)
	}
	if v := d.Templating.List; len(v) != 1 || v[0].Name != d.Inputs[0].Name || v[0].Type != "datasource" || v[0].Query != "prometheus" {
		t.Errorf("variables %+v: where it is provisioned, nobody fills in inputs", v)
	}
	required := map[string]bool{"row": true}
	for _, r := range d.Requires {
		required[r.ID] = true
	}
	taken, ids := map[[2]int]string{}, map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" || !required[p.Type] {
			t.Errorf("panel %d %q: id twice, no title, or type %s is not in __requires", p.ID, p.Title, p.Type)
		}
		ids[p.ID] = true
		for x := p.Grid.X; x < p.Grid.X+p.Grid.W; x++ {
			for y := p.Grid.Y; y < p.Grid.Y+p.Grid.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%q lies upon %q or beyond the edge at %d, %d", p.Title, other, x, y)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if len(p.Targets) == 0 || p.Source != (source{"prometheus", "${DS_PROMETHEUS}"}) {
			t.Errorf("%q: queries %d, source %+v", p.Title, len(p.Targets), p.Source)
		}
		for _, q := range p.Targets {
			if q.Source != p.Source || q.Expr == "" || q.RefID == "" || p.Type != "stat" && q.LegendFormat == "" {
				t.Errorf("%q: %+v", p.Title, q)
			}
		}
	}
}

// TestTellsAll: what issue C wants to be seen is there.
func TestTellsAll(t *testing.T) {
	_, text := load(t)
	for _, metric := range []string{
		"payperplay_memory_schedulable_bytes", "payperplay_memory_booked_bytes", "payperplay_nodes", "payperplay_servers", "payperplay_scaling_waiting_servers", "payperplay_machines",
		"payperplay_machine_boot_seconds_bucket", "payperplay_cloud_cost_euros_per_hour", "payperplay_cloud_cost_euros_today", "payperplay_scaling_decisions_total",
		"payperplay_scaling_events_total", "payperplay_machine_orders_total", "payperplay_cloud_requests_total",
	} {
		if !strings.Contains(text, metric) {
			t.Errorf("nothing shows %s", metric)
		}
	}
}

// expressions are the queries with Grafana's own variables filled in.
func expressions(t *testing.T) []string {
	t.Helper()
	d, _ := load(t)
	var all []string
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			all = append(all, strings.ReplaceAll(q.Expr, "$__rate_interval", "1m"))
		}
	}
	return all
}

func TestMetricsExist(t *testing.T) {
	known, late, err := alerts.Known("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range late {
		t.Errorf("%s is registered now: take it out of alerts.Pending", name)
	}
	for _, e := range expressions(t) {
		for _, wrong := range known.Check(e) {
			t.Error(wrong)
		}
	}
}

func TestPromtool(t *testing.T) {
	type rule struct{ Record, Expr string }
	var rules []rule
	for i, e := range expressions(t) {
		rules = append(rules, rule{fmt.Sprintf("panel:%d", i), e})
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "panels", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("promtool"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("promtool is missing: scripts/prepare installs it (package prometheus)")
		}
		t.Skip("promtool is missing: apt-get install prometheus")
	}
	file := filepath.Join(t.TempDir(), "panels.yml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("promtool", "check", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestProvisioning: Grafana finds the file, and the data source that it makes is of the kind that the dashboard asks for.
func TestProvisioning(t *testing.T) {
	var dashboards struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Type    string
			Options map[string]string
		}
	}
	var sources struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct{ Name, UID, Type, URL string }
	}
	for name, into := range map[string]any{"provisioning/dashboards/payperplay.yml": &dashboards, "provisioning/datasources/prometheus.yml": &sources} {
		text, err := os.ReadFile(name)
		if err == nil {
			err = yaml.Unmarshal(text, into)
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if dashboards.APIVersion != 1 || len(dashboards.Providers) != 1 || dashboards.Providers[0].Type != "file" || !strings.Contains(string(readme), dashboards.Providers[0].Options["path"]+"/workload.json") {
		t.Errorf("%+v", dashboards)
	}
	if sources.APIVersion != 1 || !slices.ContainsFunc(sources.Datasources, func(s struct{ Name, UID, Type, URL string }) bool { return s.Type == "prometheus" && s.UID != "" }) {
		t.Errorf("%+v", sources)
	}
}
