package cloudinit

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/payperplay/payperplay/protocol"
)

var update = flag.Bool("update", false, "write the goldens")

const sum = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func params() Params {
	return Params{
		Node: "ppp-abcdef12-k3x7", Controllers: []string{"203.0.113.5:8443", "[2001:db8::5]:8443"}, Pins: []string{"sha256:AbCdEfGhIjKlMnOpQrStUvWxYz0123456789+/AbCdE="},
		Token: "ppj_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdE", Roles: []string{"worker"}, PortFrom: 25565, PortTo: 26464,
		Agents: []Agent{{"amd64", "http://203.0.113.5:8080/dl/agent-linux-amd64", sum}, {"arm64", "http://203.0.113.5:8080/dl/agent-linux-arm64", strings.ToLower(strings.Repeat("ab", 32))}},
	}
}

// kinds are the machines that there are goldens for.
func kinds() map[string]Params {
	worker, edge, spare := params(), params(), params()
	worker.BridgePool = netip.MustParsePrefix("10.213.0.0/16")
	edge.Roles, edge.PortFrom, edge.PortTo = []string{"edge"}, 25565, 25565
	spare.Preinstalled = true
	return map[string]Params{"worker": worker, "edge": edge, "preinstalled": spare}
}

// rendered is the user-data of each kind of machine.
func rendered(t *testing.T) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	var err error
	for name, p := range kinds() {
		if out[name], err = Render(p); err != nil {
			t.Fatal(err)
		}
	}
	if out["builder"], err = RenderBuilder(builder()); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestGolden(t *testing.T) {
	for name, got := range rendered(t) {
		path := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.MkdirAll("testdata", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v (go test ./cloudinit -update)\n%s", name, err, cmp.Diff(string(want), string(got)))
		}
	}
}

// TestSchema checks what we render against cloud-init's own schema.
func TestSchema(t *testing.T) {
	const file = "../../shared/data/cloud-config-25.1.4.json"
	if _, err := os.Stat(file); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("the data of the project is not beside this clone: " + file)
	}
	c := jsonschema.NewCompiler()
	text, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = text.Close() }()
	doc, err := jsonschema.UnmarshalJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.AddResource("cloud-config.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("cloud-config.json")
	if err != nil {
		t.Fatal(err)
	}
	check := func(raw []byte) error {
		var v any
		if err := yaml.Unmarshal(raw, &v); err != nil {
			return err
		}
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			return err
		}
		return schema.Validate(doc)
	}
	for name, got := range rendered(t) {
		if err := check(got); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if check([]byte("#cloud-config\nruncmmd: [ls]\n")) == nil {
		t.Error("the check lets a misspelt key pass")
	}
}

// TestRefused: no value that could mean something else on the machine is let through.
func TestRefused(t *testing.T) {
	for name, change := range map[string]func(*Params){
		"name":              func(p *Params) { p.Node = "a b" },
		"name with a line":  func(p *Params) { p.Node = "a\nroot" },
		"no controller":     func(p *Params) { p.Controllers = nil },
		"controller":        func(p *Params) { p.Controllers = []string{"host:1 --token x"} },
		"controller, shell": func(p *Params) { p.Controllers = []string{"$(reboot):8443"} },
		"port":              func(p *Params) { p.Controllers = []string{"host:99999"} },
		"no pin":            func(p *Params) { p.Pins = nil },
		"pin":               func(p *Params) { p.Pins = []string{"sha256:x y"} },
		"token":             func(p *Params) { p.Token = "ppj_short" },
		"token with a line": func(p *Params) { p.Token += "\n- x" },
		"role":              func(p *Params) { p.Roles = []string{"king"} },
		"no role":           func(p *Params) { p.Roles = nil },
		"ports":             func(p *Params) { p.PortFrom = 0 },
		"no agent":          func(p *Params) { p.Agents = nil },
		"arch":              func(p *Params) { p.Agents[0].Arch = "mips" },
		"arch twice":        func(p *Params) { p.Agents[1].Arch = "amd64" },
		"sum":               func(p *Params) { p.Agents[0].SHA256 = "x" },
		"url":               func(p *Params) { p.Agents[0].URL = "file:///etc/shadow" },
		"url with a space":  func(p *Params) { p.Agents[0].URL = "http://a/b -o /etc/passwd" },
		"url with a line":   func(p *Params) { p.Agents[0].URL = "http://a/b\nx" },
	} {
		p := params()
		change(&p)
		if out, err := Render(p); protocol.CodeOf(err) != protocol.Invalid {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func TestTooLong(t *testing.T) {
	p := params()
	for len(p.Controllers) < 1000 {
		p.Controllers = append(p.Controllers, strings.Repeat("a", 60)+".example:8443")
	}
	if _, err := Render(p); err == nil || !strings.Contains(err.Error(), "32768") {
		t.Error(err)
	}
}

// FuzzRender: whatever is accepted is one YAML document with the same files, in which every value stands where it belongs and nowhere else.
func FuzzRender(f *testing.F) {
	f.Add("ppp-a", "203.0.113.5:8443", "sha256:AbCdEfGhIjKlMnOpQrStUvWxYz0123456789+/AbCdE=", "ppj_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789", "http://h/agent")
	f.Add("a\"b", "h:1\n- x", "sha256:$(id)", "ppj_'", "http://`id`/x")
	f.Fuzz(func(t *testing.T, node, controller, pin, token, url string) {
		p := params()
		p.Node, p.Controllers, p.Pins, p.Token, p.Agents[0].URL = node, []string{controller}, []string{pin}, token, url
		out, err := Render(p)
		if err != nil {
			return
		}
		var got, want config
		plain, err := Render(params())
		if err != nil {
			t.Fatal(err)
		}
		if yaml.Unmarshal(out, &got) != nil || yaml.Unmarshal(plain, &want) != nil {
			t.Fatalf("not YAML:\n%s", out)
		}
		if got.Hostname != node || len(got.Files) != len(want.Files) || !cmp.Equal(got.Run, want.Run) || !cmp.Equal(got.Boot, want.Boot) {
			t.Fatalf("%+v", got)
		}
		for i, file := range got.Files {
			lines := strings.Count(want.Files[i].Content, "\n")
			if file.Path != want.Files[i].Path || file.Permissions != want.Files[i].Permissions || strings.Count(file.Content, "\n") != lines {
				t.Fatalf("%s: %q", file.Path, file.Content)
			}
		}
	})
}

func TestScripts(t *testing.T) {
	for _, name := range []string{"payperplay-setup", "payperplay-build", "payperplay-firewall"} {
		if out, err := exec.Command("sh", "-n", "files/"+name).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	for _, unit := range []string{"ProtectSystem=", "PrivateTmp=", "ReadWritePaths=", "PrivateDevices=", "ProtectHome=", "MountFlags=", "PrivateMounts=", "RootDirectory="} {
		for line := range strings.Lines(Unit()) {
			if strings.HasPrefix(line, unit) {
				t.Errorf("the unit has %s: the agent would not see the mounts of volumes (design.md §6.6)", unit)
			}
		}
	}
}

// TestOneUnit: the unit that is packaged and the one that machines get are the same.
func TestOneUnit(t *testing.T) {
	text, err := os.ReadFile("../scripts/systemd/payperplay-agent.service")
	if err != nil || string(text) != Unit() {
		t.Errorf("cp cloudinit/files/payperplay-agent.service scripts/systemd/ (%v)", err)
	}
}

// TestSetupChecksTheSum runs the script that fetches the agent, in a directory that stands for the machine.
func TestSetupChecksTheSum(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not here")
	}
	dir := t.TempDir()
	script := strings.NewReplacer("/usr/local/bin/agent", dir+"/agent", "/etc/payperplay/agents", dir+"/agents", "/var/log/payperplay-setup.log", dir+"/log", "/dev/console", dir+"/console", "/etc/ssh/", dir+"/ssh/",
		"'=http,=https'", "'=file,http'", "sleep $((try * 3))", ":").Replace(read("payperplay-setup"))
	stub := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	stub("systemctl", "echo \"$@\" >>"+dir+"/calls")
	stub("dpkg", "echo amd64")
	run := func(table string) (string, error) {
		if err := os.WriteFile(dir+"/agents", []byte(table), 0o644); err != nil {
			t.Fatal(err)
		}
		c := exec.Command("sh", "-c", script)
		c.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
		out, err := c.CombinedOutput()
		return string(out), err
	}
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(program, []byte("the agent"), 0o644); err != nil {
		t.Fatal(err)
	}
	const right = "b9b81f0e0ca0fdbba2a3a9a9d8a7a4ff0c3d8a4dd9c7dcbd4d5b7b7b6d1d1d1d"
	if out, err := run("amd64 " + right + " file://" + program + "\n"); err == nil || !strings.Contains(out, "not installed") {
		t.Errorf("a wrong sum: %v\n%s", err, out)
	}
	if _, err := os.Stat(dir + "/agent"); err == nil {
		t.Error("a program with a wrong sum was installed")
	}
	if out, err := run("amd64 " + right + " file://" + dir + "/nothing\n"); err == nil || !strings.Contains(out, "cannot be downloaded") {
		t.Errorf("nothing there: %v\n%s", err, out)
	}
	if out, err := run("arm64 " + right + " file://" + program + "\n"); err == nil || !strings.Contains(out, "no agent for amd64") {
		t.Errorf("another architecture: %v\n%s", err, out)
	}
	got, err := exec.Command("sha256sum", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		out, err := run("amd64 " + string(got[:64]) + " file://" + program + "\n")
		if err != nil || !strings.Contains(out, "the agent starts") {
			t.Errorf("%v\n%s", err, out)
		}
	}
	if text, err := os.ReadFile(dir + "/agent"); err != nil || string(text) != "the agent" {
		t.Errorf("%q, %v", text, err)
	}
}
