package controller

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/payperplay/payperplay/controller/api/client"
)

// TestStoreCompact: on line through the API, with its event, while everything goes on; the limits are there to be read.
func TestStoreCompact(t *testing.T) {
	cfg := config(t.TempDir())
	app, c, stop := serve(t, cfg)
	defer stop()
	before, err := os.Stat(StorePath(cfg.Data))
	if err != nil {
		t.Fatal(err)
	}
	done, err := c.StoreCompact(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(StorePath(cfg.Data))
	if err != nil || done.AfterBytes == 0 || os.SameFile(before, after) {
		t.Errorf("%+v: the file is the same one, or gone: %v", done, err)
	}
	events, err := c.Events(t.Context(), client.EventsQuery{Type: "store.*"})
	if err != nil || len(events.Items) != 1 || events.Items[0].Type != "store.compacted" || events.Items[0].Actor != "operator" {
		t.Errorf("%+v %v", events, err)
	}
	for path, want := range map[string]string{
		"/readyz?verbose&format=text": "disk: ",
		"/metrics":                    "payperplay_store_free_bytes",
	} {
		resp, err := http.Get(app.URL() + path) //nolint:noctx // a test against this process
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		text := string(raw)
		_ = resp.Body.Close()
		if !strings.Contains(text, want) {
			t.Errorf("%s has no %q: %s", path, want, text[:min(500, len(text))])
		}
	}
	st, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range st.Warnings {
		if w.Name != "disk" { // of the machine that runs the test
			t.Errorf("warning %+v", w)
		}
	}
}
