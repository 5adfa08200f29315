package controller

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/protocol"
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
		text := fetch(t, app.URL()+path)
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

// TestF13FullDiskIsTold: changes and compactions are refused with 507 and the way out, reading and backups work, /readyz?verbose says
// why, and with room again everything goes on by itself.
func TestF13FullDiskIsTold(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=32m"); err != nil {
		t.Skipf("needs root to mount a small file system: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	app, c, stop := serve(t, config(dir))
	defer stop()
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 32<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatal("the disk is not full: ", err)
	}
	var refused error
	for i := 0; refused == nil && i < 2000; i++ {
		_, refused = c.CreateServer(t.Context(), client.CreateServer{Name: fmt.Sprint("s", i), Template: "testserver", MemoryBytes: 64 << 20}, "")
	}
	if protocol.CodeOf(refused) != protocol.ReadOnly {
		t.Fatalf("a change on a full disk: %v", refused)
	}
	if _, err := c.StoreCompact(t.Context()); protocol.CodeOf(err) != protocol.ReadOnly {
		t.Errorf("a compaction on a full disk: %v", err)
	}
	if text := fetch(t, app.URL()+"/readyz?verbose&format=text"); !strings.Contains(text, "fail disk: ") || !strings.Contains(text, "next: free space") || !strings.HasSuffix(text, "\nready\n") {
		t.Errorf("readyz on a full disk:\n%s", text)
	}
	if text := fetch(t, app.URL()+"/readyz"); text != `{"ready":true}`+"\n" {
		t.Errorf("plain readyz: %s", text)
	}
	if n, err := c.StoreBackup(t.Context(), io.Discard); err != nil || n == 0 {
		t.Errorf("a backup on a full disk: %d %v", n, err)
	}
	if st, err := c.Status(t.Context()); err != nil || len(st.Warnings) == 0 || st.Warnings[0].Name != "disk" {
		t.Errorf("status on a full disk: %+v %v", st.Warnings, err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateServer(t.Context(), client.CreateServer{Name: "later", Template: "testserver", MemoryBytes: 64 << 20}, ""); err != nil {
		t.Errorf("it does not recover by itself: %v", err)
	}
	if _, err := c.StoreCompact(t.Context()); err != nil {
		t.Errorf("a compaction with room again: %v", err)
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url) //nolint:noctx,gosec // a test against this process
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
