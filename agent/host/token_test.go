package host

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestForgetToken: wherever cloud-init has put it, the token is not on the disk any more; nothing else is touched, no link is followed out.
func TestForgetToken(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	const token = "ppj_0123456789abcdefghijklmnopqrstuvwxyz-_A"
	put := func(dir, name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	own := put(root, "etc/payperplay/join-token", token+"\n")
	var kept []string
	for _, name := range []string{"var/lib/cloud/instances/i-1/user-data.txt", "var/lib/cloud/instances/i-1/user-data.txt.i", "var/lib/cloud/instances/i-1/cloud-config.txt", "var/lib/cloud/instances/i-1/obj.pkl", "var/lib/cloud/data/x", "run/cloud-init/combined-cloud-config.json", "var/log/cloud-init.log", "var/log/cloud-init-output.log"} {
		kept = append(kept, put(root, name, "before "+token+" between "+token+"\nafter\n"))
	}
	other := put(root, "var/log/other.log", token)
	canary := put(outside, "canary", token)
	for _, link := range [][2]string{{outside, "var/lib/cloud/out"}, {canary, "var/lib/cloud/file"}, {canary, "var/log/cloud-init-link.log"}} {
		if err := os.Symlink(link[0], filepath.Join(root, link[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(root, "var/lib/cloud/fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := ForgetToken(root, own); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(own); !os.IsNotExist(err) {
		t.Errorf("the token's file is there: %v", err)
	}
	for _, path := range kept {
		text, err := os.ReadFile(path)
		if err != nil || strings.Contains(string(text), "ppj_") || !strings.Contains(string(text), "between") || len(text) != len("before "+token+" between "+token+"\nafter\n") {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
	for _, path := range []string{other, canary} {
		if text, err := os.ReadFile(path); err != nil || string(text) != token {
			t.Errorf("%s was touched: %q, %v", path, text, err)
		}
	}
	if err := ForgetToken(t.TempDir(), ""); err != nil {
		t.Errorf("a machine without cloud-init: %v", err)
	}
}
