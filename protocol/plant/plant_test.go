package plant_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/payperplay/payperplay/protocol/plant"
)

// marker is what testdata/probe prints where its bug lives.
const marker = "the planted line was compiled"

// TestReleaseHoldsNoPlant looks for planted code in binaries: in a small one, where the code would be seen, and in both of ours, where
// the variable's name and the bugs' names would be.
func TestReleaseHoldsNoPlant(t *testing.T) {
	probe := build(t, "./testdata/probe")
	if holds(t, probe, marker) {
		t.Error("the planted line is in a binary without the tag")
	}
	for _, daemon := range []string{"../../cmd/agent", "../../cmd/controller"} {
		path := build(t, daemon)
		for _, p := range plant.Names() {
			if holds(t, path, string(p.Name)) {
				t.Errorf("%s holds %q", daemon, p.Name)
			}
		}
		if holds(t, path, plant.EnvName) {
			t.Errorf("%s reads %s", daemon, plant.EnvName)
		}
	}
}

func TestPlantLivesByName(t *testing.T) {
	probe := build(t, "./testdata/probe", "-tags", "plants")
	for _, tt := range []struct {
		name    string
		lives   bool
		refused bool
	}{
		{name: ""},
		{name: string(plant.SequenceGap), lives: true},
		{name: string(plant.EpochNotRaised)},
		{name: "sequence_gap", refused: true},
	} {
		cmd := exec.CommandContext(t.Context(), probe)
		cmd.Env = append(os.Environ(), plant.EnvName+"="+tt.name)
		out, err := cmd.CombinedOutput()
		if lives := strings.Contains(string(out), marker); lives != tt.lives || (err != nil) != tt.refused {
			t.Errorf("%s=%q: lives %v, error %v\n%s", plant.EnvName, tt.name, lives, err, out)
		}
	}
}

// TestEveryPlantHasItsLine holds the list and the rooms together.
func TestEveryPlantHasItsLine(t *testing.T) {
	names := constants(t)
	listed := map[plant.Name]bool{}
	for _, p := range plant.Names() {
		listed[p.Name] = true
		if p.What == "" || strings.Count(p.What, "(") == 0 {
			t.Errorf("%s does not say what goes wrong and (where)", p.Name)
		}
	}
	used := map[string]int{}
	for _, path := range sources(t) {
		for ident, n := range uses(t, path) {
			used[ident] += n
			if _, ok := names[ident]; !ok {
				t.Errorf("%s: plant.On(%s): give it a constant of protocol/plant", path, ident)
			}
		}
	}
	for ident, name := range names {
		if !listed[name] {
			t.Errorf("%s is not in Names", ident)
		}
		if used[ident] == 0 {
			t.Errorf("%s stands in no room", ident)
		}
	}
	if len(listed) != len(names) || len(listed) < 8 {
		t.Errorf("%d names are listed, %d constants exist", len(listed), len(names))
	}
}

// constants reads the names' identifiers.
func constants(t *testing.T) map[string]plant.Name {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "plant.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]plant.Name{}
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || v.Type == nil {
			return true
		}
		if typ, ok := v.Type.(*ast.Ident); ok && typ.Name == "Name" {
			out[v.Names[0].Name] = plant.Name(strings.Trim(v.Values[0].(*ast.BasicLit).Value, `"`))
		}
		return true
	})
	return out
}

// sources lists the module's Go files outside tests and this room.
func sources(t *testing.T) (out []string) {
	t.Helper()
	for _, top := range []string{"agent", "cmd", "controller", "protocol"} {
		err := filepath.WalkDir(filepath.Join("..", "..", top), func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() && (d.Name() == "plant" || d.Name() == "testdata") {
				return filepath.SkipDir
			}
			if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				out = append(out, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// uses counts what a file asks On about.
func uses(t *testing.T, path string) map[string]int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for rest := string(text); ; {
		_, after, found := strings.Cut(rest, "plant.On(")
		if !found {
			return out
		}
		arg, more, _ := strings.Cut(after, ")")
		out[strings.TrimPrefix(arg, "plant.")]++
		rest = more
	}
}

func build(t *testing.T, pkg string, flags ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	args := append(append([]string{"build", "-trimpath", "-buildvcs=false", "-o", out}, flags...), pkg)
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, msg)
	}
	return out
}

func holds(t *testing.T, path, text string) bool {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(b, []byte(text))
}
