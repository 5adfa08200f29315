package fences

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// TestFences is the repository against the rules.
func TestFences(t *testing.T) {
	packages, err := Load(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	if len(packages) < 5 {
		t.Fatalf("only %d packages found", len(packages))
	}
	for _, breach := range Check(packages) {
		t.Error(breach)
	}
	out, err := exec.Command("git", "-C", root, "ls-files").Output()
	if err != nil {
		t.Skipf("not in a git work tree: %v", err)
	}
	for _, breach := range CheckOther(root, strings.Fields(string(out))) {
		t.Error(breach)
	}
}

// TestLinked looks at what is inside the binaries, however it got there.
func TestLinked(t *testing.T) {
	for _, binary := range []string{"cmd/agent", "cmd/controller"} {
		linked, err := Linked(t.Context(), root, binary)
		if err != nil {
			t.Fatal(err)
		}
		for _, breach := range CheckLinked(binary, linked) {
			t.Error(breach)
		}
	}
}

// TestEachFenceHolds breaks each rule once and sees that it is noticed, with its reason.
func TestEachFenceHolds(t *testing.T) {
	breach := func(p Package, want string) {
		t.Helper()
		p.ImportPath, p.Name, p.Doc = Module+"/"+p.ImportPath, "x", "Package x is for tests."
		all := Check([]Package{p})
		if !slices.ContainsFunc(all, func(b string) bool { return strings.Contains(b, want) }) {
			t.Errorf("%s importing %v: %v, want %q", p.ImportPath, append(p.Imports, p.TestImports...), all, want)
		}
	}
	fine := func(p Package) {
		t.Helper()
		p.ImportPath, p.Name, p.Doc = Module+"/"+p.ImportPath, "x", "Package x is for tests."
		if all := Check([]Package{p}); len(all) > 0 {
			t.Errorf("%s: %v", p.ImportPath, all)
		}
	}
	for _, rule := range onlyIn {
		breach(Package{ImportPath: "controller/loop", Imports: []string{rule.Import}}, rule.Why)
		if below := rule.Import + "/v4"; strings.Contains(rule.Import, ".") {
			breach(Package{ImportPath: "controller/loop", Imports: []string{below}}, rule.Why)
		} else {
			fine(Package{ImportPath: "controller/loop", Imports: []string{below}})
		}
		if !rule.FreeTests {
			breach(Package{ImportPath: "controller/loop", TestImports: []string{rule.Import}}, rule.Why)
			breach(Package{ImportPath: "controller/loop", XTestImports: []string{rule.Import}}, rule.Why)
		}
		for _, room := range rule.Rooms {
			if !strings.HasPrefix(room, "protocol/minecraft") { // that one is standard library only besides
				fine(Package{ImportPath: room, Imports: []string{rule.Import}})
			}
		}
	}
	for _, rule := range never {
		breach(Package{ImportPath: rule.Room, Imports: []string{Module + "/" + rule.Import + "/x"}}, rule.Why)
		fine(Package{ImportPath: "scripts/x", Imports: []string{Module + "/" + rule.Import + "/x"}})
	}
	for _, rule := range notLinked {
		for _, linked := range []string{rule.Import, rule.Import + "/x", Module + "/" + rule.Import} {
			if len(CheckLinked(rule.Binary, []string{"fmt", linked})) == 0 {
				t.Errorf("%s may link %s", rule.Binary, linked)
			}
		}
	}
	breach(Package{ImportPath: "controller/fleet", Imports: []string{Module + "/controller/lifecycle"}}, "nobody calls up")
	breach(Package{ImportPath: "controller/billing", Imports: []string{Module + "/controller/lifecycle"}}, "sideways")
	breach(Package{ImportPath: "controller/newroom"}, "has no level")
	fine(Package{ImportPath: "controller/lifecycle", Imports: []string{Module + "/controller/fleet"}})
	fine(Package{ImportPath: "controller/store", Imports: []string{Module + "/controller/store/bolt"}})
	breach(Package{ImportPath: "protocol/minecraft", Imports: []string{"github.com/Tnze/go-mc/net"}}, "standard library")
	breach(Package{ImportPath: "controller/utils"}, "says nothing")
	breach(Package{ImportPath: "agent/x", CgoFiles: []string{"x.go"}}, "cgo")
	for _, p := range []Package{{Name: "x", Doc: ""}, {Name: "x", Doc: "Does things."}, {Name: "main", Doc: "Package main runs."}} {
		p.ImportPath, p.GoFiles = Module+"/scripts/x", []string{"none.go"}
		if all := Check([]Package{p}); !slices.ContainsFunc(all, func(b string) bool { return strings.Contains(b, "documentation") }) {
			t.Errorf("%+v: %v", p, all)
		}
	}
}

func TestTextRules(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"long":        {strings.Repeat("x\n", maxLines+1), "501 lines"},
		"leftover":    {"x\n// TODO later\n", "TODO"},
		"blind trust": {"tls.Config{InsecureSkipVerify: true}", "S16"},
	} {
		if got := strings.Join(checkText("agent/x.go", []byte(c.text)), "\n"); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, fine := range []string{strings.Repeat("x\n", maxLines), "// methodology, TODOs", "InsecureSkipVerify: true, VerifyConnection: pinned"} {
		if got := checkText("agent/x.go", []byte(fine)); len(got) > 0 {
			t.Errorf("%.30q: %v", fine, got)
		}
	}
	if got := checkFile("agent/utils.go", "/dev/null"); len(got) != 1 {
		t.Error(got)
	}
}
