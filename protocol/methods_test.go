package protocol

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// TestTableHasAuthorizers (S08): a method that agents or strangers call says which objects it touches.
func TestTableHasAuthorizers(t *testing.T) {
	for _, row := range All() {
		if row.Caller != ByController && !row.Authorized {
			t.Errorf("%s is called by %s and has no Objects", row.Name, row.Caller)
		}
	}
}

func TestTableIsWellFormed(t *testing.T) {
	ids, names, last := map[uint16]string{}, map[string]bool{}, uint16(0)
	for _, row := range All() {
		if other := ids[row.ID]; other != "" || row.ID == 0 {
			t.Errorf("%s and %q share ID %d", row.Name, other, row.ID)
		}
		if names[row.Name] || !strings.Contains(row.Name, ".") {
			t.Errorf("name %q is taken or not Facet.Method", row.Name)
		}
		if row.ID < last {
			t.Errorf("%s (%d) is out of order", row.Name, row.ID)
		}
		switch row.Shape {
		case Unary, Stream, Raw:
		default:
			t.Errorf("%s has shape %q", row.Name, row.Shape)
		}
		switch row.Caller {
		case ByAgent, ByController, ByStranger:
		default:
			t.Errorf("%s has caller %q", row.Name, row.Caller)
		}
		ids[row.ID], names[row.Name], last = row.Name, true, row.ID
	}
}

// TestAllListsEveryMethod: a method that is declared but not in All would escape every generated test.
func TestAllListsEveryMethod(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "methods.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	ast.Inspect(file, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		if index, ok := lit.Type.(*ast.IndexListExpr); ok {
			if name, ok := index.X.(*ast.Ident); ok && name.Name == "Method" {
				declared++
			}
		}
		return true
	})
	if declared == 0 || declared != len(All()) {
		t.Errorf("methods.go declares %d methods, All lists %d", declared, len(All()))
	}
}

// TestReportObjects: what the authorizer is asked about covers every fact that names a server.
func TestReportObjects(t *testing.T) {
	req := &ReportBatch{Reports: []Report{
		{Fact: Fact{Observed: &Observed{Server: "srv_a", Epoch: 1}}},
		{Fact: Fact{Player: &PlayerFact{Server: "srv_b", Epoch: 2}}},
		{Fact: Fact{Removed: &RemovedFact{Server: "srv_c", Epoch: 3}}},
		{Fact: Fact{Image: &ImageFact{Image: "x"}}},
	}}
	got := HomeReport.Row().ObjectsOf(req)
	want := []Object{{"server", "srv_a", 1}, {"server", "srv_b", 2}, {"server", "srv_c", 3}}
	if len(got) != len(want) {
		t.Fatalf("%v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("object %d is %v, want %v", i, got[i], want[i])
		}
	}
}
