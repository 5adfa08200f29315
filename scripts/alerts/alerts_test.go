package alerts

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const root = "../.."

type rule struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

func load[T any](t *testing.T, name string) T {
	t.Helper()
	var out T
	text, err := os.ReadFile(name)
	if err == nil {
		err = yaml.Unmarshal(text, &out)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out
}

func rules(t *testing.T) []rule {
	t.Helper()
	var all []rule
	for _, g := range load[struct{ Groups []struct{ Rules []rule } }](t, "payperplay.rules.yml").Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("no rules")
	}
	return all
}

// TestRules: each has all that whoever is woken needs, and names only metrics that there are.
func TestRules(t *testing.T) {
	known, late, err := Known(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range late {
		t.Errorf("%s is registered now: take it out of Pending", name)
	}
	page, err := os.ReadFile(root + "/docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range rules(t) {
		if seen[r.Alert] || r.For == "" || !slices.Contains([]string{"critical", "warning"}, r.Labels["severity"]) {
			t.Errorf("%s: twice, or without for, or with severity %q", r.Alert, r.Labels["severity"])
		}
		seen[r.Alert] = true
		for _, a := range []string{"summary", "description", "runbook_url"} {
			if r.Annotations[a] == "" {
				t.Errorf("%s has no %s", r.Alert, a)
			}
		}
		for _, wrong := range known.Check(r.Expr) {
			t.Errorf("%s: %s", r.Alert, wrong)
		}
		_, anchor, ok := strings.Cut(r.Annotations["runbook_url"], "/blob/main/docs/operations.md#")
		if !ok || !slices.Contains(anchors(string(page)), anchor) {
			t.Errorf("%s: %s leads nowhere", r.Alert, r.Annotations["runbook_url"])
		}
	}
}

// anchors of a page's headings, as GitHub makes them.
func anchors(page string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(page, -1) {
		id := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		out = append(out, strings.ReplaceAll(id, " ", "-"))
	}
	return out
}

// TestEachIsTested: promtool sees every alert fire, and not fire.
func TestEachIsTested(t *testing.T) {
	type check struct {
		Alertname string
		Exp       []any `yaml:"exp_alerts"`
	}
	quiet, loud := map[string]bool{}, map[string]bool{}
	for _, c := range load[struct {
		Tests []struct {
			Checks []check `yaml:"alert_rule_test"`
		}
	}](t, "payperplay.test.yml").Tests {
		for _, check := range c.Checks {
			if len(check.Exp) == 0 {
				quiet[check.Alertname] = true
			} else {
				loud[check.Alertname] = true
			}
		}
	}
	for _, r := range rules(t) {
		if !quiet[r.Alert] || !loud[r.Alert] {
			t.Errorf("%s: seen firing %v, seen quiet %v", r.Alert, loud[r.Alert], quiet[r.Alert])
		}
		delete(loud, r.Alert)
	}
	for name := range loud {
		t.Errorf("%s is tested and not there", name)
	}
}

func TestPromtool(t *testing.T) {
	if _, err := exec.LookPath("promtool"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("promtool is missing: scripts/prepare installs it (package prometheus)")
		}
		t.Skip("promtool is missing: apt-get install prometheus")
	}
	for _, args := range [][]string{{"check", "rules", "payperplay.rules.yml"}, {"test", "rules", "payperplay.test.yml"}, {"check", "config", "--syntax-only", "prometheus.example.yml"}} {
		if out, err := exec.Command("promtool", args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// TestRegistered: the reader of sources finds names and labels in each way that they are written.
func TestRegistered(t *testing.T) {
	m := Metrics{}
	m.add(`
		prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "payperplay_a_total", Help: "A.",
		}, []string{"kind", "result"}),
		prometheus.NewGauge(prometheus.GaugeOpts{Name: "payperplay_b", Help: "B."}),
		prometheus.NewDesc("payperplay_c_seconds", "C.", []string{"node"}, nil)
		nodes = desc("d", "Nodes by state.", "state")
	`)
	for name, want := range map[string]string{"payperplay_a_total": "kind result", "payperplay_b": "", "payperplay_c_seconds": "node", "payperplay_d": "state"} {
		if labels, ok := m[name]; !ok || strings.Join(labels, " ") != want {
			t.Errorf("%s: %v, %v; want %q", name, labels, ok, want)
		}
	}
	for expr, want := range map[string]int{
		`sum by (kind) (rate(payperplay_a_total{result="x", job="y"}[5m]))`: 0,
		`payperplay_a_total{state="x"}`:                                     1,
		`payperplay_x`:                                                      1,
		`sum by (node) (payperplay_b)`:                                      1,
		`histogram_quantile(0.5, sum by (le, node) (rate(payperplay_c_seconds_bucket{node!~"a|b"}[5m])))`: 0,
	} {
		if got := m.Check(expr); len(got) != want {
			t.Errorf("%s: %v", expr, got)
		}
	}
	real, err := Registered(root)
	if err != nil || !slices.Contains(real["payperplay_nodes"], "state") || len(real.Names()) < 50 {
		t.Errorf("%v, %v", real.Names(), err)
	}
}
