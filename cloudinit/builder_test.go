package cloudinit

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/payperplay/payperplay/protocol"
)

func builder() Params {
	return Params{Node: "ppp-abcdef12-img-k3x7", Agents: params().Agents[:1], GameImages: []string{"itzg/minecraft-server:java21", "ghcr.io/example/game@sha256:" + sum}}
}

// TestBuilderHoldsNoSecret: whatever else is given, nothing that lets anybody in gets into the image.
func TestBuilderHoldsNoSecret(t *testing.T) {
	p := params()
	p.GameImages = builder().GameImages
	out, err := RenderBuilder(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{p.Token, "join-token", p.Pins[0], p.Controllers[0], "PAYPERPLAY_AGENT_ARGS"} {
		if strings.Contains(string(out), secret) {
			t.Errorf("the builder is given %q", secret)
		}
	}
}

// TestBuilderRefused: as of Render.
func TestBuilderRefused(t *testing.T) {
	for name, change := range map[string]func(*Params){
		"name":             func(p *Params) { p.Node = "a b" },
		"no agent":         func(p *Params) { p.Agents = nil },
		"no agent, inside": func(p *Params) { p.Agents, p.Preinstalled = nil, true },
		"sum":              func(p *Params) { p.Agents[0].SHA256 = "x" },
		"game":             func(p *Params) { p.GameImages = []string{"a b"} },
		"game with a line": func(p *Params) { p.GameImages = []string{"a\nb"} },
		"a flag as game":   func(p *Params) { p.GameImages = []string{"--all-tags"} },
		"game twice":       func(p *Params) { p.GameImages = []string{"a", "a"} },
	} {
		p := builder()
		p.Agents = append([]Agent(nil), p.Agents...)
		change(&p)
		if out, err := RenderBuilder(p); protocol.CodeOf(err) != protocol.Invalid {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// FuzzRenderBuilder: a game image stands in its file and nowhere else.
func FuzzRenderBuilder(f *testing.F) {
	f.Add("itzg/minecraft-server")
	f.Add("$(id)\n- x")
	f.Fuzz(func(t *testing.T, game string) {
		p := builder()
		p.GameImages = []string{game}
		out, err := RenderBuilder(p)
		if err != nil {
			return
		}
		var got config
		if err := yaml.Unmarshal(out, &got); err != nil {
			t.Fatal(err)
		}
		for _, file := range got.Files {
			if file.Path == "/etc/payperplay/game-images" && file.Content != game+"\n" {
				t.Fatalf("%q", file.Content)
			}
		}
	})
}

// TestBuildScript runs the script in a directory that stands for the machine: what it leaves is what an image must not lack, and what it takes
// away is what no image may hold.
func TestBuildScript(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	put := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(at(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at(name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	gone := []string{"var/lib/payperplay-agent/identity.key", "etc/payperplay/join-token", "etc/payperplay/game-images", "etc/ssh/ssh_host_rsa_key", "etc/ssh/ssh_host_rsa_key.pub",
		"var/lib/docker/engine-id", "root/.ssh/authorized_keys", "home/debian/.ssh/authorized_keys", "var/lib/dbus/machine-id", "usr/local/sbin/payperplay-build", "var/log/journal/1/system.journal", "var/log/payperplay-setup.log"}
	stay := []string{"usr/local/bin/agent", "usr/local/sbin/payperplay-setup", "var/lib/docker/overlay2/layer", "etc/docker/daemon.json", "etc/ssh/sshd_config"}
	for _, name := range append(append([]string{}, gone...), stay...) {
		put(name, "x")
	}
	put("etc/machine-id", "0123456789abcdef0123456789abcdef\n")
	put("etc/payperplay/game-images", "good/game\nbad/game\nlast/game\n")
	put("tmp/x", "x")
	put("var/tmp/x", "x")
	put("usr/local/sbin/payperplay-setup", "#!/bin/sh\necho setup \"$@\" >>"+at("calls")+"\n")
	calls := "#!/bin/sh\necho \"${0##*/} $*\" >>" + at("calls") + "\n"
	for _, name := range []string{"systemctl", "systemd-run", "cloud-init", "sync"} {
		put("bin/"+name, calls)
	}
	put("bin/docker", calls+"case \"$*\" in *bad*) exit 1;; esac\n")
	roots := []string{}
	for _, root := range []string{"/var/", "/etc/", "/root/", "/home/", "/usr/local/", "/tmp/", "/run/systemd/", "/dev/console"} {
		for _, before := range []string{" ", ">", "<", "-a "} {
			roots = append(roots, before+root, before+dir+root)
		}
	}
	put("dev/console", "")
	script := strings.NewReplacer(roots...).Replace(read("payperplay-build"))
	script = strings.ReplaceAll(script, "\t/usr/local/", "\t"+dir+"/usr/local/")
	if left := regexp.MustCompile(`[\s<>"=]/(etc|var|root|home|tmp|usr|run|opt)\b`).FindString(strings.ReplaceAll(script, dir, "DIR")); left != "" {
		t.Fatalf("the script would leave its directory at %q:\n%s", left, script)
	}
	run := func(args ...string) string {
		t.Helper()
		c := exec.Command("sh", append([]string{"-c", script, "payperplay-build"}, args...)...)
		c.Env = []string{"PATH=" + at("bin") + ":" + os.Getenv("PATH")}
		out, err := c.CombinedOutput()
		if err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	if out := run(); !strings.Contains(out, "bad/game cannot be pulled") {
		t.Error(out)
	}
	run("seal")
	for _, name := range gone {
		if _, err := os.Stat(at(name)); err == nil {
			t.Errorf("the image holds %s", name)
		}
	}
	for _, name := range stay {
		if _, err := os.Stat(at(name)); err != nil {
			t.Error(err)
		}
	}
	if id, err := os.ReadFile(at("etc/machine-id")); err != nil || len(id) != 0 {
		t.Errorf("machine-id: %q, %v", id, err)
	}
	did, err := os.ReadFile(at("calls"))
	if err != nil {
		t.Fatal(err)
	}
	text, from := string(did), 0
	for _, want := range []string{"setup fetch", "systemctl enable --now docker.service", "docker pull --quiet good/game", "docker pull --quiet bad/game", "docker pull --quiet last/game", "systemd-run",
		"cloud-init status --wait", "systemctl stop docker", "cloud-init clean --logs", "sync", "systemctl poweroff"} {
		i := strings.Index(text[from:], want)
		if i < 0 {
			t.Fatalf("%q is not done, or too late:\n%s", want, text)
		}
		from += i
	}
}

// TestBuildFails: a builder that lacks its agent stays on.
func TestBuildFails(t *testing.T) {
	dir := t.TempDir()
	script := strings.NewReplacer("/usr/local/sbin/payperplay-setup", "false", "/var/log/payperplay-setup.log", dir+"/log", "/dev/console", dir+"/console", "systemctl", "echo systemctl").Replace(read("payperplay-build"))
	out, err := exec.Command("sh", "-c", script).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "FAILED: the agent is not installed") || strings.Contains(string(out), "systemctl") {
		t.Errorf("%v\n%s", err, out)
	}
}
