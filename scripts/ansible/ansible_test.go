package ansible

import (
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const role = "roles/payperplay_node"

// texts are the files of the playbook by name, tests and this package's own left out.
func texts(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, ".go") {
			return err
		}
		b, err := os.ReadFile(name)
		out[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, ok := texts(t)[name]
	if !ok {
		t.Fatalf("there is no %s", name)
	}
	return text
}

func TestSyntax(t *testing.T) {
	for name, text := range texts(t) {
		var any yaml.Node
		if strings.HasSuffix(name, ".yml") {
			if err := yaml.Unmarshal([]byte(text), &any); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if _, err := exec.LookPath("ansible-playbook"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("ansible-playbook is missing: scripts/prepare installs ansible-core")
		}
		t.Skip("ansible-playbook is missing: apt-get install ansible-core")
	}
	cmd := exec.Command("ansible-playbook", "--syntax-check", "-i", "inventory.example.yml", "playbook.yml")
	cmd.Env = append(os.Environ(), "ANSIBLE_HOME="+t.TempDir(), "ANSIBLE_NOCOLOR=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// ours are the names of our variables in a text; a path or a unit that begins so is none.
var ours = regexp.MustCompile(`\bpayperplay_[a-z0-9_]+`)

// TestVariables: what is used is declared, what is declared is used, and what can be set is in the README.
func TestVariables(t *testing.T) {
	var defaults map[string]any
	if err := yaml.Unmarshal([]byte(read(t, role+"/defaults/main.yml")), &defaults); err != nil {
		t.Fatal(err)
	}
	declared := map[string]bool{"payperplay_node": true, "payperplay_nodes": true} // the role, the group of the inventory
	for name := range defaults {
		declared[name] = true
	}
	used := map[string]bool{}
	registered := regexp.MustCompile(`register: (\S+)`)
	for name, text := range texts(t) {
		for _, m := range registered.FindAllStringSubmatch(text, -1) {
			declared[m[1]] = true
		}
		for _, v := range ours.FindAllString(text, -1) {
			if strings.HasPrefix(name, role) && !strings.HasSuffix(name, "defaults/main.yml") {
				used[v] = true
			}
		}
	}
	for v := range used {
		if !declared[v] {
			t.Errorf("%s is used and has no default", v)
		}
	}
	readme := read(t, "README.md")
	own, _, _ := strings.Cut(read(t, role+"/defaults/main.yml"), "# The rest follows")
	for _, v := range slices.Sorted(maps.Keys(defaults)) {
		if !used[v] && v != "payperplay_arch" {
			t.Errorf("%s has a default and is not used", v)
		}
		if strings.Contains(own, v+":") && !strings.Contains(readme, "`"+v) {
			t.Errorf("%s can be set and is not in the README", v)
		}
	}
}

// TestUnitsAndSecrets: the agent's unit is the repository's, its command and the env file fit together, and no secret is anywhere.
func TestUnitsAndSecrets(t *testing.T) {
	tasks := read(t, role+"/tasks/agent.yml")
	if !strings.Contains(tasks, "{{ role_path }}/../../../systemd/payperplay-agent.service") {
		t.Error("the agent's unit is not copied from scripts/systemd")
	}
	unit, err := os.ReadFile("../systemd/payperplay-agent.service")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"/etc/payperplay/agent.env", "/usr/local/bin/agent run", "--data /var/lib/payperplay-agent", "$PAYPERPLAY_AGENT_ARGS"} {
		if !strings.Contains(string(unit), want) {
			t.Errorf("the unit does not say %s any more: look at tasks/agent.yml, agent.env.j2 and payperplay_data", want)
		}
	}
	secret := regexp.MustCompile(`pp[a-z]_[A-Z2-7]{20,}|-----BEGIN|join_token: *"?[A-Za-z0-9]{8,}`)
	for name, text := range texts(t) {
		if m := secret.FindString(text); m != "" {
			t.Errorf("%s holds what looks like a secret: %.12s…", name, m)
		}
	}
	join := read(t, role+"/tasks/join.yml")
	for _, want := range []string{"no_log: true", `mode: "0600"`, `state: absent`} {
		if !strings.Contains(join, want) {
			t.Errorf("tasks/join.yml: no %s", want)
		}
	}
}

// TestFencesAgree: what containers may not reach is the same here as in the agent's own chains.
func TestFencesAgree(t *testing.T) {
	agents, err := os.ReadFile("../../agent/host/firewall.go")
	if err != nil {
		t.Fatal(err)
	}
	nets := regexp.MustCompile(`\d+\.\d+\.\d+\.\d+/\d+`)
	_, list, _ := strings.Cut(string(agents), "var forbidden = ")
	list, _, _ = strings.Cut(list, "\n}")
	_, mine, _ := strings.Cut(read(t, role+"/templates/payperplay-firewall.j2"), "for net in ")
	mine, _, _ = strings.Cut(mine, "; do")
	want, got := nets.FindAllString(list, -1), nets.FindAllString(mine, -1)
	if len(want) < 5 || !slices.Equal(want, got) {
		t.Errorf("the agent forbids %v, the unit %v", want, got)
	}
}
