package terraform

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// module is what the .tf files say.
type module struct {
	variables, outputs, resources map[string]*hclsyntax.Block // resources by type.name
	locals                        map[string]hclsyntax.Expression
	used                          map[string]bool // var.x, local.x, type.name
	text                          map[string]string
}

func parse(t *testing.T) module {
	t.Helper()
	m := module{map[string]*hclsyntax.Block{}, map[string]*hclsyntax.Block{}, map[string]*hclsyntax.Block{}, map[string]hclsyntax.Expression{}, map[string]bool{}, map[string]string{}}
	files, err := filepath.Glob("*.tf")
	if err != nil || len(files) == 0 {
		t.Fatalf("no .tf files: %v", err)
	}
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		m.text[name] = string(src)
		file, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		body := file.Body.(*hclsyntax.Body)
		_ = hclsyntax.VisitAll(body, func(n hclsyntax.Node) hcl.Diagnostics {
			if e, ok := n.(*hclsyntax.ScopeTraversalExpr); ok && len(e.Traversal) > 1 {
				if attr, ok := e.Traversal[1].(hcl.TraverseAttr); ok {
					m.used[e.Traversal.RootName()+"."+attr.Name] = true
				}
			}
			return nil
		})
		for _, b := range body.Blocks {
			switch b.Type {
			case "variable":
				m.variables[b.Labels[0]] = b
			case "output":
				m.outputs[b.Labels[0]] = b
			case "resource":
				m.resources[strings.Join(b.Labels, ".")] = b
			case "locals":
				for k, a := range b.Body.Attributes {
					m.locals[k] = a.Expr
				}
			case "terraform", "provider":
			default:
				t.Errorf("%s has a block %s that these tests do not know", name, b.Type)
			}
		}
	}
	return m
}

// TestNames: what is used is declared, what is declared is used, described and, where it is a text, checked.
func TestNames(t *testing.T) {
	m := parse(t)
	for name := range m.used {
		kind, rest, _ := strings.Cut(name, ".")
		switch {
		case kind == "var" && m.variables[rest] == nil, kind == "local" && m.locals[rest] == nil, strings.HasPrefix(kind, "hcloud_") && m.resources[name] == nil:
			t.Errorf("%s is used and not declared", name)
		}
	}
	for name, v := range m.variables {
		if !m.used["var."+name] || !strings.Contains(everythingBut(m, "variables.tf"), "var."+name) {
			t.Errorf("variable %s is not used", name)
		}
		attr := v.Body.Attributes
		if attr["description"] == nil || attr["type"] == nil {
			t.Errorf("variable %s has no description or no type", name)
		}
		checked := slices.ContainsFunc(v.Body.Blocks, func(b *hclsyntax.Block) bool { return b.Type == "validation" })
		if kind := hcl.ExprAsKeyword(attr["type"].Expr); kind != "bool" && !checked {
			t.Errorf("variable %s takes anything", name)
		}
		if _, tried := wrong()[name]; checked && !tried {
			t.Errorf("no wrong value is tried for variable %s", name)
		}
		if secret := strings.Contains(name, "token"); secret != (attr["sensitive"] != nil) {
			t.Errorf("variable %s: sensitive is %v", name, !secret)
		}
	}
	for name := range m.locals {
		if !m.used["local."+name] {
			t.Errorf("local %s is not used", name)
		}
	}
	for name, o := range m.outputs {
		if o.Body.Attributes["description"] == nil {
			t.Errorf("output %s has no description", name)
		}
	}
	example, err := os.ReadFile("terraform.tfvars.example")
	if err != nil {
		t.Fatal(err)
	}
	file, diags := hclsyntax.ParseConfig(example, "terraform.tfvars.example", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	for name := range file.Body.(*hclsyntax.Body).Attributes {
		if m.variables[name] == nil {
			t.Errorf("terraform.tfvars.example sets %s, which there is not", name)
		}
	}
}

func everythingBut(m module, not string) string {
	var all strings.Builder
	for name, text := range m.text {
		if name != not {
			all.WriteString(text)
		}
	}
	return all.String()
}

// arguments are those that the provider's documentation (1.62) names, as far as they are used here: no schema can be had without its registry.
var arguments = map[string]string{
	"hcloud_network":         "name ip_range labels",
	"hcloud_network_subnet":  "network_id type network_zone ip_range",
	"hcloud_firewall":        "name labels rule",
	"hcloud_placement_group": "name type labels",
	"hcloud_primary_ip":      "name type location auto_delete delete_protection labels",
	"hcloud_server": "name server_type image location backups firewall_ids placement_group_id delete_protection rebuild_protection keep_disk user_data labels " +
		"public_net",
	"hcloud_server_network": "server_id subnet_id ip",
	"hcloud_zone_rrset":     "zone name type ttl records labels",
}

// TestResources: arguments are known, labels keep the garbage collector away, and no key or password gives a way in.
func TestResources(t *testing.T) {
	m := parse(t)
	for name, r := range m.resources {
		kind, _, _ := strings.Cut(name, ".")
		known := append(strings.Fields(arguments[kind]), "count", "for_each", "lifecycle", "dynamic")
		for _, a := range slices.Collect(maps.Keys(r.Body.Attributes)) {
			if !slices.Contains(known, a) {
				t.Errorf("%s: argument %s is not known", name, a)
			}
		}
		for _, b := range r.Body.Blocks {
			if !slices.Contains(known, b.Type) {
				t.Errorf("%s: block %s is not known", name, b.Type)
			}
		}
		if !slices.Contains(strings.Fields(arguments[kind]), "labels") {
			continue
		}
		labels := r.Body.Attributes["labels"]
		if labels == nil {
			t.Errorf("%s has no labels", name)
			continue
		}
		v, diags := labels.Expr.Value(&hcl.EvalContext{Functions: mergeOnly(), Variables: map[string]cty.Value{"local": localLabels(t, m)}})
		if diags.HasErrors() {
			t.Errorf("%s: %v", name, diags)
			continue
		}
		got := v.AsValueMap()
		if got["managed-by"].AsString() != "terraform" || got["cluster"].AsString() != "demo" {
			t.Errorf("%s has the labels %v", name, got)
		}
		if role := got["role"].AsString(); slices.Contains([]string{"worker", "builder", "image", "fixture"}, role) {
			t.Errorf("%s has the role %s, of things that the controller makes and deletes", name, role)
		} else if want := map[string]string{"hcloud_server.control_plane": "control-plane", "hcloud_server.edge": "edge"}[name]; want != "" && role != want {
			t.Errorf("%s has the role %s", name, role)
		}
	}
	for _, machine := range []string{"control_plane", "edge"} {
		if m.resources["hcloud_server."+machine] == nil {
			t.Errorf("there is no %s", machine)
		}
	}
	if all := everythingBut(m, ""); strings.Contains(all, "ssh_keys") || strings.Contains(all, "hcloud_ssh_key") {
		t.Error("no machine gets an ssh key")
	}
}

func localLabels(t *testing.T, m module) cty.Value {
	t.Helper()
	v, diags := m.locals["labels"].Value(&hcl.EvalContext{Variables: map[string]cty.Value{"var": cty.ObjectVal(map[string]cty.Value{"cluster": cty.StringVal("demo")})}})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return cty.ObjectVal(map[string]cty.Value{"labels": v})
}

func mergeOnly() map[string]function.Function {
	return map[string]function.Function{"merge": stdlib.MergeFunc}
}

// TestDoors: what is open is exactly this, and never ssh.
func TestDoors(t *testing.T) {
	m := parse(t)
	open := map[string][]string{}
	for _, fw := range []string{"control_plane", "edge"} {
		r := m.resources["hcloud_firewall."+fw]
		if r == nil {
			t.Fatalf("there is no firewall for %s", fw)
		}
		for _, b := range r.Body.Blocks {
			if b.Type == "dynamic" {
				each := b.Body.Attributes["for_each"].Expr
				text := m.text["network.tf"][each.Range().Start.Byte:each.Range().End.Byte]
				for _, p := range regexp.MustCompile(`"(\d+)" =`).FindAllStringSubmatch(text, -1) {
					open[fw] = append(open[fw], "ui:"+p[1])
				}
				if !strings.HasPrefix(text, `var.ui_host == "" ? {} : `) {
					t.Errorf("the web UI's ports are open without ui_host: %s", text)
				}
				continue
			}
			port := b.Body.Attributes["port"].Expr
			open[fw] = append(open[fw], m.text["network.tf"][port.Range().Start.Byte:port.Range().End.Byte])
		}
		server := m.resources["hcloud_server."+fw].Body.Attributes["firewall_ids"].Expr
		if vars := server.Variables(); len(vars) != 1 || vars[0][1].(hcl.TraverseAttr).Name != fw {
			t.Errorf("%s does not stand behind its firewall", fw)
		}
	}
	want := map[string][]string{"control_plane": {"tostring(local.tunnel_port)", "ui:80", "ui:443"}, "edge": {"tostring(local.players_port)"}}
	if fmt.Sprint(open) != fmt.Sprint(want) {
		t.Errorf("open: %v, want %v", open, want)
	}
	for name, port := range map[string]int64{"tunnel_port": 8443, "players_port": 25565} {
		v, diags := m.locals[name].Value(nil)
		if got, _ := v.AsBigFloat().Int64(); diags.HasErrors() || got != port {
			t.Errorf("%s is %v", name, v)
		}
	}
}

// TestIgnored: each argument that plan does not look at has its reason above it.
func TestIgnored(t *testing.T) {
	for name, r := range parse(t).resources {
		if !strings.HasPrefix(name, "hcloud_server.") {
			continue
		}
		_, list, ok := strings.Cut(parse(t).text[r.TypeRange.Filename][r.TypeRange.Start.Byte:], "ignore_changes = [")
		list, _, _ = strings.Cut(list, "]")
		if !ok {
			t.Errorf("%s: a changed user-data would replace the machine", name)
		}
		why := false
		for line := range strings.Lines(list) {
			switch line = strings.TrimSpace(line); {
			case strings.HasPrefix(line, "#"):
				why = true
			case line != "" && !why:
				t.Errorf("%s ignores %s without saying why", name, line)
			case line != "":
				why = false
			}
		}
	}
}

func TestNoSecrets(t *testing.T) {
	secret := regexp.MustCompile(`\b[A-Za-z0-9]{64}\b|pp[a-z]_[A-Z2-7]{20,}|-----BEGIN|(?i)(password|token) *= *"[^"$]{8,}"`)
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, ".go") {
			return err
		}
		if strings.Contains(name, "tfstate") || name == "terraform.tfvars" {
			t.Errorf("%s is not for the repository", name)
		}
		b, err := os.ReadFile(name)
		for _, found := range secret.FindAllString(string(b), -1) {
			if found != strings.Repeat("0", 64) {
				t.Errorf("%s holds what looks like a secret: %.16s…", name, found)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestTerraformAgrees lets the real program read the variables and render both user-data, in a module without resources: that needs no
// provider. It is not required: Debian does not package it.
func TestTerraformAgrees(t *testing.T) {
	if _, err := exec.LookPath("terraform"); err != nil {
		t.Skip("there is no terraform here")
	}
	output(t, exec.Command("terraform", "fmt", "-check", "-diff"))
	m := parse(t)
	dir := filepath.Join(t.TempDir(), "scripts", "terraform")
	if err := os.CopyFS(filepath.Dir(dir), os.DirFS("..")); err != nil {
		t.Fatal(err)
	}
	var outputs strings.Builder
	outputs.WriteString("locals {\n  advertise = \"192.0.2.1:8443\"\n}\n")
	for _, machine := range []string{"control_plane", "edge"} {
		r := m.locals[machine+"_user_data"].Range()
		fmt.Fprintf(&outputs, "output %q {\n  value = nonsensitive(%s)\n}\n", machine, m.text[r.Filename][r.Start.Byte:r.End.Byte])
	}
	for name := range m.text {
		if name != "variables.tf" {
			_ = os.Remove(filepath.Join(dir, name))
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "outputs.tf"), []byte(outputs.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(vars map[string]cty.Value, args ...string) (string, error) {
		text, err := ctyjson.Marshal(cty.ObjectVal(vars), cty.ObjectVal(vars).Type())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "set.auto.tfvars.json"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("terraform", args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for name, vars := range settings() {
		if out, err := run(vars, "apply", "-auto-approve", "-input=false", "-no-color"); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		shown, err := run(vars, "output", "-json")
		if err != nil {
			t.Fatalf("%v\n%s", err, shown)
		}
		var got map[string]struct{ Value string }
		if err := json.Unmarshal([]byte(shown[strings.Index(shown, "\n{\n")+1:]), &got); err != nil {
			t.Fatalf("%v\n%s", err, shown)
		}
		for _, machine := range []string{"control_plane", "edge"} {
			if want := render(t, machine, vars); got[machine].Value != want {
				t.Errorf("%s: terraform's %s is\n%s\nours\n%s", name, machine, got[machine].Value, want)
			}
		}
	}
	for name, bad := range wrong() {
		vars := maps.Clone(settings()["least"])
		vars[name] = bad
		if out, err := run(vars, "plan", "-input=false", "-no-color"); err == nil || !strings.Contains(out, "Invalid value for variable") || !strings.Contains(out, "var."+name) {
			t.Errorf("%s = %v is taken: %s", name, bad, out)
		}
	}
}

// wrong is one value for each variable that must not pass.
func wrong() map[string]cty.Value {
	s := cty.StringVal
	download := func(url, sum string) cty.Value {
		return cty.MapVal(map[string]cty.Value{"amd64": cty.ObjectVal(map[string]cty.Value{"url": s(url), "sha256": s(sum)})})
	}
	return map[string]cty.Value{
		"cluster": s("Demo"), "location": s("nbg"), "network_zone": s("eu"), "network_cidr": s("10.0.0.0/8"), "subnet_cidr": s("10.40.0.0"), "image": s("alpine"),
		"control_plane_type": s(""), "edge_type": s("a b"), "edge_join_token": s("--token x"), "ca_pins": cty.ListVal([]cty.Value{s("md5:0")}),
		"controller_downloads": download("http://plain.example/x", strings.Repeat("0", 64)), "agent_downloads": download("https://x.example/$(id)", strings.Repeat("0", 64)),
		"ui_host": s("https://x.example"), "ui_sources": cty.ListVal([]cty.Value{s("all")}), "operator_token": s("short"), "controller_hcloud_token": s("x"),
		"dns_zone": s("example"), "dns_control_plane": s("a b"), "dns_play": s("*"),
	}
}

// TestRecords: without a zone there is none; without an edge players have nowhere to go.
func TestRecords(t *testing.T) {
	address := func(ip string) cty.Value { return cty.ObjectVal(map[string]cty.Value{"ip_address": cty.StringVal(ip)}) }
	for _, c := range []struct {
		zone string
		edge bool
		want string
	}{{"", true, ""}, {"example.com", false, "control=192.0.2.1"}, {"example.com", true, "*.play=192.0.2.2 control=192.0.2.1 play=192.0.2.2"}} {
		edges := cty.EmptyTupleVal
		if c.edge {
			edges = cty.TupleVal([]cty.Value{address("192.0.2.2")})
		}
		v, diags := parse(t).locals["records"].Value(&hcl.EvalContext{Functions: mergeOnly(), Variables: map[string]cty.Value{
			"var":               cty.ObjectVal(map[string]cty.Value{"dns_zone": cty.StringVal(c.zone), "dns_control_plane": cty.StringVal("control"), "dns_play": cty.StringVal("play"), "edge": cty.BoolVal(c.edge)}),
			"hcloud_primary_ip": cty.ObjectVal(map[string]cty.Value{"control_plane": address("192.0.2.1"), "edge": edges}),
		}})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		var got []string
		for name, ip := range v.AsValueMap() {
			got = append(got, name+"="+ip.AsString())
		}
		slices.Sort(got)
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
