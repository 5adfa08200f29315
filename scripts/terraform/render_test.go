package terraform

import (
	"encoding/base64"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	"gopkg.in/yaml.v3"
)

// userDataMax is what Hetzner takes.
const userDataMax = 32 << 10

func text1(name string, fn func(string) (string, error)) map[string]function.Function {
	return map[string]function.Function{name: function.New(&function.Spec{
		Params: []function.Parameter{{Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			out, err := fn(args[0].AsString())
			return cty.StringVal(out), err
		},
	})}
}

// functions are those of Terraform's that the templates use.
func functions() map[string]function.Function {
	all := map[string]function.Function{
		"jsonencode": stdlib.JSONEncodeFunc, "concat": stdlib.ConcatFunc, "join": stdlib.JoinFunc, "formatlist": stdlib.FormatListFunc,
		"templatefile": function.New(&function.Spec{
			Params: []function.Parameter{{Type: cty.String}, {Type: cty.DynamicPseudoType}},
			Type:   function.StaticReturnType(cty.String),
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
				src, err := os.ReadFile(args[0].AsString())
				if err != nil {
					return cty.NilVal, err
				}
				expr, diags := hclsyntax.ParseTemplate(src, args[0].AsString(), hcl.InitialPos)
				if diags.HasErrors() {
					return cty.NilVal, diags
				}
				v, diags := expr.Value(&hcl.EvalContext{Variables: args[1].AsValueMap(), Functions: functions()})
				if diags.HasErrors() {
					return cty.NilVal, diags
				}
				return v, nil
			},
		}),
	}
	maps.Copy(all, text1("base64encode", func(s string) (string, error) { return base64.StdEncoding.EncodeToString([]byte(s)), nil }))
	maps.Copy(all, text1("file", func(s string) (string, error) { b, err := os.ReadFile(s); return string(b), err }))
	return all
}

func downloads(url string) cty.Value {
	one := func(arch string) cty.Value {
		return cty.ObjectVal(map[string]cty.Value{"url": cty.StringVal(url + arch), "sha256": cty.StringVal(strings.Repeat("0a", 32))})
	}
	return cty.MapVal(map[string]cty.Value{"amd64": one("amd64"), "arm64": one("arm64")})
}

const (
	operator = "0123456789abcdef0123456789abcdef"
	cloud    = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl"
	pin      = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

// settings are what a person sets: the least, and everything.
func settings() map[string]map[string]cty.Value {
	least := map[string]cty.Value{
		"controller_downloads": downloads("https://downloads.example/controller-linux-"), "agent_downloads": downloads("https://downloads.example/agent-linux-"),
		"ui_host": cty.StringVal(""), "operator_token": cty.StringVal(""), "controller_hcloud_token": cty.StringVal(""),
		"ca_pins": cty.ListVal([]cty.Value{cty.StringVal(pin)}), "edge_join_token": cty.StringVal("ppj_token"),
	}
	all := maps.Clone(least)
	all["ui_host"], all["operator_token"], all["controller_hcloud_token"] = cty.StringVal("control.example.com"), cty.StringVal(operator), cty.StringVal(cloud)
	all["ca_pins"] = cty.ListVal([]cty.Value{cty.StringVal(pin), cty.StringVal(pin)})
	all["agent_downloads"] = downloads("https://downloads.example/" + strings.Repeat("long/", 300))
	return map[string]map[string]cty.Value{"least": least, "all": all}
}

// render gives the user-data of a machine: control_plane or edge.
func render(t *testing.T, machine string, vars map[string]cty.Value) string {
	t.Helper()
	expr := parse(t).locals[machine+"_user_data"]
	if expr == nil {
		t.Fatalf("there is no local %s_user_data", machine)
	}
	v, diags := expr.Value(&hcl.EvalContext{Functions: functions(), Variables: map[string]cty.Value{
		"path":  cty.ObjectVal(map[string]cty.Value{"module": cty.StringVal(".")}),
		"local": cty.ObjectVal(map[string]cty.Value{"advertise": cty.StringVal("192.0.2.1:8443")}),
		"var":   cty.ObjectVal(vars),
	}})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return v.AsString()
}

type writeFile struct{ Path, Permissions, Encoding, Content string }

type cloudConfig struct {
	WriteFiles []writeFile `yaml:"write_files"`
	Packages   []string
	Runcmd     [][]string
}

func (c cloudConfig) file(t *testing.T, path string) (writeFile, bool) {
	t.Helper()
	for _, f := range c.WriteFiles {
		if f.Path == path {
			if f.Encoding == "b64" {
				b, err := base64.StdEncoding.DecodeString(f.Content)
				if err != nil {
					t.Errorf("%s: %v", path, err)
				}
				f.Content = string(b)
			}
			return f, true
		}
	}
	return writeFile{}, false
}

// schema is cloud-init's own; nil where ../shared is not there, as outside CI.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	const name = "../../../shared/data/cloud-config-25.1.4.json"
	f, err := os.Open(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		return nil
	}
	defer func() { _ = f.Close() }()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("cloud-config.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("cloud-config.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestUserData(t *testing.T) {
	known := schema(t)
	for name, vars := range settings() {
		for _, machine := range []string{"control_plane", "edge"} {
			t.Run(name+"/"+machine, func(t *testing.T) {
				data := render(t, machine, vars)
				if len(data) > userDataMax {
					t.Errorf("%d bytes; Hetzner takes %d", len(data), userDataMax)
				}
				if !strings.HasPrefix(data, "#cloud-config\n") {
					t.Error("cloud-init would not take it for a cloud-config")
				}
				var config cloudConfig
				var all any
				if err := yaml.Unmarshal([]byte(data), &config); err != nil {
					t.Fatalf("%v\n%s", err, data)
				}
				_ = yaml.Unmarshal([]byte(data), &all)
				if known != nil {
					if err := known.Validate(all); err != nil {
						t.Errorf("%v\n%s", err, data)
					}
				}
				checkMachine(t, machine, name == "all", config)
			})
		}
	}
}

func checkMachine(t *testing.T, machine string, full bool, c cloudConfig) {
	t.Helper()
	unit := map[string]string{"control_plane": "payperplay-controller", "edge": "payperplay-agent"}[machine]
	want, err := os.ReadFile("../systemd/" + unit + ".service")
	if err != nil {
		t.Fatal(err)
	}
	if f, _ := c.file(t, "/etc/systemd/system/"+unit+".service"); f.Content != string(want) {
		t.Errorf("the unit is not scripts/systemd/%s.service", unit)
	}
	secret := map[string]string{"/etc/payperplay/join-token": "ppj_token", "/etc/payperplay/hetzner-token": cloud, "/var/lib/payperplay/operator.token": operator}
	for _, f := range c.WriteFiles {
		if text := secret[f.Path]; text != "" && (f.Permissions != "0600" || strings.TrimSpace(f.Content) != text) {
			t.Errorf("%s: rights %s, content %q", f.Path, f.Permissions, f.Content)
		}
	}
	if machine == "edge" {
		env, _ := c.file(t, "/etc/payperplay/agent.env")
		pins := "--ca-pin " + pin
		if full {
			pins += " " + pins
		}
		if line := "PAYPERPLAY_AGENT_ARGS=--controller 192.0.2.1:8443 " + pins + " --token-file /etc/payperplay/join-token --roles edge\n"; env.Content != line {
			t.Errorf("agent.env %q, want %q", env.Content, line)
		}
	} else {
		// The drop-in repeats the unit's command and adds to it.
		_, command, _ := strings.Cut(string(want), "ExecStart=")
		command, _, _ = strings.Cut(command, "\n")
		dropIn, _ := c.file(t, "/etc/systemd/system/payperplay-controller.service.d/10-terraform.conf")
		if !strings.Contains(dropIn.Content, "\nExecStart=\nExecStart="+command+" --advertise 192.0.2.1:8443") {
			t.Errorf("the drop-in does not begin with the unit's command %q:\n%s", command, dropIn.Content)
		}
		if _, there := c.file(t, "/var/lib/payperplay/operator.token"); there != full {
			t.Errorf("an operator's token: %v", there)
		}
		if slices.Contains(c.Packages, "caddy") != full {
			t.Errorf("packages %v", c.Packages)
		}
	}
	started := false
	for _, cmd := range c.Runcmd {
		started = started || slices.Equal(cmd, []string{"systemctl", "enable", "--now", unit + ".service"})
	}
	if !started {
		t.Errorf("the unit is not started: %v", c.Runcmd)
	}
}

// TestInstall runs the script that puts downloads in place, with a curl that reads files.
func TestInstall(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return name
	}
	write("curl", "#!/bin/sh\nfor last; do :; done\nwhile [ \"$1\" != -o ]; do shift; done\ncp \"${last#https:/}\" \"$2\"\n", 0o755)
	good := write("agent-good", "program", 0o644)
	sum, _, _ := strings.Cut(output(t, exec.Command("sha256sum", good)), " ")
	list := write("downloads", "agent arm64 "+sum+" https:/"+good+"\nagent amd64 "+strings.Repeat("0", 64)+" https:/"+good+"\n", 0o600)
	target := filepath.Join(dir, "agent")
	for _, c := range []struct{ name, arch, want string }{{"agent", "arm64", ""}, {"agent", "amd64", "SHA-256 differs"}, {"controller", "arm64", "no download of controller for arm64"}} {
		_ = os.Remove(target)
		cmd := exec.Command("sh", "install.sh", c.name, target, list, c.arch)
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if (err == nil) != (c.want == "") || !strings.Contains(string(out), c.want) {
			t.Errorf("%v: %v, %s", c, err, out)
		}
		st, err := os.Stat(target)
		if (err == nil) != (c.want == "") || err == nil && st.Mode() != 0o755 {
			t.Errorf("%v: in place %v", c, err == nil)
		}
		if left, _ := filepath.Glob(target + ".*"); len(left) > 0 {
			t.Errorf("%v: left behind %v", c, left)
		}
	}
}

func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return string(out)
}
