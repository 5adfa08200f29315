package controller

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
)

func TestPrograms(t *testing.T) {
	p := newPrograms(t.TempDir())
	write := func(name, text string, at time.Time) {
		t.Helper()
		file := filepath.Join(p.dir, name)
		if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
	is := func(arch, name, text string) {
		t.Helper()
		want := sha256.Sum256([]byte(text))
		path, sum, err := p.Agent(arch)
		if err != nil || filepath.Base(path) != name || sum != hex.EncodeToString(want[:]) {
			t.Errorf("%s: %s %s %v", arch, path, sum, err)
		}
	}
	for _, arch := range []string{"amd64", "mips", "../../etc/passwd", ""} {
		if _, _, err := p.Agent(arch); fault.KindOf(err) != fault.NotFound {
			t.Errorf("%q: %v", arch, err)
		}
	}
	now := time.Now()
	write("agent", "own", now)
	is(runtime.GOARCH, "agent", "own")
	write("agent-linux-arm64", "one", now)
	is("arm64", "agent-linux-arm64", "one")
	write("agent-linux-arm64", "two", now.Add(time.Second))
	is("arm64", "agent-linux-arm64", "two")
	if err := os.Mkdir(filepath.Join(p.dir, "agent-linux-amd64"), 0o755); err != nil {
		t.Fatal(err)
	}
	is("amd64", "agent", "own")
	if newPrograms("").dir == "" || strings.Contains(newPrograms("").dir, "agent") {
		t.Error("the default is not where this program is")
	}
}
