package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/payperplay/payperplay/controller/api/client"
)

// TestCloudImageCommands drives the commands against an API that answers as the controller does.
func TestCloudImageCommands(t *testing.T) {
	t.Setenv("PAYPERPLAY_CONTEXT_FILE", t.TempDir()+"/cli.yaml")
	asked := []string{}
	one := client.Image{ID: "img_a", Arch: "arm64", Phase: "building", Explain: "it is built", Type: "cax11", Location: "nbg1", DiskBytes: 40 << 30}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b client.BuildImage
		_ = json.NewDecoder(r.Body).Decode(&b)
		asked = append(asked, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+b.Arch+" "+strings.Join(b.Games, ",")))
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == "/api/cloud/prices":
			_ = json.NewEncoder(w).Encode(client.Page[client.Price]{Items: []client.Price{{Type: "cax11", Arch: "arm64", CPUs: 2, Location: "nbg1", HourlyMicroEUR: 6_000, InStock: true}, {Type: "old", Retired: true}}})
		case r.Method == http.MethodGet && r.URL.Path == "/api/cloud/images/img_a":
			one.Phase, one.Use = "ready", "SCALING_SPARE_IMAGE=arm64=12"
			_ = json.NewEncoder(w).Encode(one)
		case r.Method == http.MethodGet:
			_ = json.NewEncoder(w).Encode(client.Page[client.Image]{Items: []client.Image{one}})
		default:
			w.WriteHeader(http.StatusAccepted)
			_ = json.NewEncoder(w).Encode(one)
		}
	}))
	defer srv.Close()
	do := func(line string) string {
		t.Helper()
		var out, errb bytes.Buffer
		root := newRoot(strings.NewReader(""), &out, &errb)
		root.SetArgs(append(strings.Fields(line), "--endpoint", srv.URL, "--token", "t"))
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		return out.String()
	}
	if out := do("cloud image build --arch arm64 --game-image a/b --game-image c:d --wait"); !strings.Contains(out, "SCALING_SPARE_IMAGE=arm64=12") {
		t.Error(out)
	}
	if out := do("cloud image list"); !strings.Contains(out, "img_a") || !strings.Contains(out, "SCALING_SPARE_IMAGE=arm64=12") {
		t.Error(out)
	}
	do("cloud image delete img_a")
	if out := do("cloud price --location nbg1"); !strings.Contains(out, "cax11") || !strings.Contains(out, "retired") {
		t.Error(out)
	}
	want := "POST /api/cloud/images arm64 a/b,c:d|GET /api/cloud/images/img_a|GET /api/cloud/images|DELETE /api/cloud/images/img_a|GET /api/cloud/prices"
	if got := strings.Join(asked, "|"); got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
}
