package failpoint_test

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const (
	root = "../.."
	page = "docs/guards.md"
)

// guards is what the page says.
type guards struct {
	points map[string][]string // "room name" → tests, as "room.TestName"
	spared map[string]string   // "room function" → why it has no failpoint of its own
}

// TestGuardsPage holds docs/guards.md and the code together: every failpoint is in the table with a test that names it, every row is a
// failpoint, and every fsync, rename and commit stands beside a failpoint or is on the list of those that need none.
func TestGuardsPage(t *testing.T) {
	said := readPage(t)
	files := parseAll(t)
	found := map[string]bool{}
	for _, f := range files {
		for point := range f.points(t) {
			key := f.room + " " + point
			found[key] = true
			if _, ok := said.points[key]; !ok {
				t.Errorf("%s: failpoint %s is not in %s", f.path, point, page)
			}
		}
		for _, site := range f.bare() {
			if said.spared[f.room+" "+site.in] == "" {
				t.Errorf("%s: %s in %s has no failpoint beside it: add one, or a line with the reason to %s", f.path, site.what, site.in, page)
			}
			found["spared "+f.room+" "+site.in] = true
		}
	}
	for key, tests := range said.points {
		room, point, _ := strings.Cut(key, " ")
		if !found[key] {
			t.Errorf("%s: %s has no failpoint %s", page, room, point)
		}
		for _, test := range tests {
			checkTest(t, point, test)
		}
	}
	for key := range said.spared {
		if !found["spared "+key] {
			t.Errorf("%s: %s syncs and renames nothing, or has a failpoint now", page, key)
		}
	}
}

var (
	row   = regexp.MustCompile("^\\| `([^`]+)` \\| ([a-z/]+) \\|.*\\| ([^|]+) \\|$")
	spare = regexp.MustCompile("^\\| ([a-z/]+) `([^`]+)` \\| ([^|]+) \\|$")
	code  = regexp.MustCompile("`([^`]+)`")
)

func readPage(t *testing.T) guards {
	t.Helper()
	f, err := os.Open(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	g := guards{points: map[string][]string{}, spared: map[string]string{}}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if m := spare.FindStringSubmatch(lines.Text()); m != nil {
			g.spared[m[1]+" "+m[2]] = strings.TrimSpace(m[3])
		}
		m := row.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		for _, point := range unfold(m[1]) {
			for _, test := range code.FindAllStringSubmatch(m[3], -1) {
				g.points[m[2]+" "+point] = append(g.points[m[2]+" "+point], test[1])
			}
			if len(g.points[m[2]+" "+point]) == 0 {
				t.Errorf("%s: %s names no test", page, point)
			}
		}
	}
	if len(g.points) == 0 || len(g.spared) == 0 {
		t.Fatal("the tables were not found")
	}
	return g
}

// unfold makes a.b and a.c of a.{b,c}.
func unfold(name string) []string {
	head, rest, ok := strings.Cut(name, "{")
	if !ok {
		return []string{name}
	}
	var out []string
	for _, end := range strings.Split(strings.TrimSuffix(rest, "}"), ",") {
		out = append(out, head+end)
	}
	return out
}

// checkTest looks for the named test and, in the tests of its room, for the failpoint's name.
func checkTest(t *testing.T, point, test string) {
	t.Helper()
	room, name, _ := strings.Cut(test, ".")
	paths, _ := filepath.Glob(filepath.Join(root, room, "*_test.go"))
	exists, named := false, false
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		exists = exists || strings.Contains(string(text), "\nfunc "+name+"(")
		named = named || strings.Contains(string(text), point)
	}
	if !exists || !named {
		t.Errorf("%s: test %s exists: %v; its room's tests name %s: %v", page, test, exists, point, named)
	}
}

// source is one file of the product.
type source struct {
	room, path string
	ast        *ast.File
}

func parseAll(t *testing.T) (out []source) {
	t.Helper()
	for _, top := range []string{"agent", "cmd", "controller", "protocol"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && (d.Name() == "testdata" || strings.HasSuffix(d.Name(), "test")) {
				return fs.SkipDir
			}
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			room, err := filepath.Rel(root, filepath.Dir(path))
			out = append(out, source{room: room, path: path, ast: file})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// points are the names of a file's failpoints; a durable.WriteFile has four.
func (s source) points(t *testing.T) map[string]bool {
	out := map[string]bool{}
	ast.Inspect(s.ast, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		switch name := called(call); {
		case name == "failpoint.Hit" && s.room != "protocol/durable":
			if point, ok := literal(call.Args[0]); ok {
				out[point] = true
			} else {
				t.Errorf("%s: a failpoint without a name that can be read", s.path)
			}
		case name == "durable.WriteFile":
			point, ok := literal(call.Args[3])
			if !ok {
				t.Errorf("%s: a durable.WriteFile without a name that can be read", s.path)
			}
			for _, end := range []string{".before", ".synced", ".renamed", ".after"} {
				out[point+end] = true
			}
		}
		return true
	})
	return out
}

type site struct{ what, in string }

// bare are the calls that make something durable in a function without a failpoint.
func (s source) bare() (out []site) {
	for _, d := range s.ast.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		var calls []string
		guarded := false
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			name := called(call)
			guarded = guarded || name == "failpoint.Hit" || name == "durable.WriteFile"
			if durable(name, call) {
				calls = append(calls, name)
			}
			return true
		})
		if !guarded && len(calls) > 0 {
			out = append(out, site{fmt.Sprint(calls), fn.Name.Name})
		}
	}
	return out
}

// durable tells whether a call makes something last: an fsync, a rename, the commit of a bbolt or Postgres transaction.
func durable(name string, call *ast.CallExpr) bool {
	_, method, _ := strings.Cut(name, ".")
	switch {
	case strings.HasPrefix(name, "renameio."), method == "CloseAtomicallyReplace", name == "durable.SyncDir":
		return true
	case method == "Sync", method == "Fsync", method == "Fdatasync", method == "Rename", method == "Renameat", method == "Renameat2", method == "Commit":
		return true
	case method == "Update" && len(call.Args) > 0: // of bbolt, not of our store, whose engines commit
		fn, ok := call.Args[0].(*ast.FuncLit)
		return ok && len(fn.Type.Params.List) == 1 && strings.HasSuffix(text(fn.Type.Params.List[0].Type), "bolt.Tx")
	}
	return false
}

// called names what is called: "package.Func", "value.Method"; of a longer chain the last two.
func called(call *ast.CallExpr) string { return text(call.Fun) }

func text(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return text(e.X)
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		head := text(e.X)
		if at := strings.LastIndexByte(head, '.'); at >= 0 {
			head = head[at+1:]
		}
		return head + "." + e.Sel.Name
	default:
		return "_"
	}
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}
