package api

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/payperplay/payperplay/controller/fault"
)

type oneProgram struct{ path string }

func (p oneProgram) Agent(arch string) (string, string, error) {
	if arch != "arm64" {
		return "", "", fault.New(fault.NotFound, "no such agent", "use arm64")
	}
	return p.path, "5eed", nil
}

func TestDownload(t *testing.T) {
	a, _ := bare(t)
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("the agent"), 0o644); err != nil {
		t.Fatal(err)
	}
	a.Programs = oneProgram{path}
	a.echo.GET("/try/:name", a.guard(route{Method: http.MethodGet, Path: "/try/:name", Permission: Public, Handler: a.download}))
	for _, c := range []struct {
		name, body string
		status     int
		header     []string
	}{
		{"agent-linux-arm64", "the agent", http.StatusOK, nil},
		{"agent-linux-arm64.sha256", "5eed  agent-linux-arm64\n", http.StatusOK, nil},
		{"agent-linux-arm64", "agent", http.StatusPartialContent, []string{"Range", "bytes=4-"}},
		{"agent-linux-arm64", "", http.StatusNotModified, []string{"If-None-Match", `"5eed"`}},
		{"agent-linux-mips", "", http.StatusNotFound, nil},
		{"controller", "", http.StatusNotFound, nil},
	} {
		rec := request(a, http.MethodGet, "/try/"+c.name, "", c.header...)
		if rec.Code != c.status || c.body != "" && rec.Body.String() != c.body {
			t.Errorf("%s %v: %d %q", c.name, c.header, rec.Code, rec.Body)
		}
	}
}
