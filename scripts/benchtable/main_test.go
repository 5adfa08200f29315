package main

import (
	"os"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	got := parse(strings.NewReader("goos: linux\nBenchmarkUpdate/put+event-2 \t 100\t 12345 ns/op\t 1.21 ratio\nBenchmarkCall   \t 5\t 7 p99-ratio\nok\n"))
	if got["BenchmarkUpdate/put+event"]["ratio"] != 1.21 || got["BenchmarkCall"]["p99-ratio"] != 7 {
		t.Fatalf("%v", got)
	}
}

func TestJudge(t *testing.T) {
	if r := judge(figure{metric: "ratio", goal: 1.3}, 1.31); r.Met {
		t.Error("1.31 meets ≤ 1.3")
	}
	if r := judge(figure{metric: "ratio", goal: 0.95, atLeast: true}, 0.96); !r.Met {
		t.Error("0.96 misses ≥ 0.95")
	}
}

// TestFiguresAreThere: every figure names a benchmark that exists.
func TestFiguresAreThere(t *testing.T) {
	for _, f := range figures {
		name, _, _ := strings.Cut(f.bench, "/")
		entries, err := os.ReadDir("../../" + f.pkg)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), "_test.go") {
				b, err := os.ReadFile("../../" + f.pkg + "/" + e.Name())
				if err != nil {
					t.Fatal(err)
				}
				found = found || strings.Contains(string(b), "func "+name+"(")
			}
		}
		if !found {
			t.Errorf("%s: no %s in %s", f.name, name, f.pkg)
		}
	}
}
