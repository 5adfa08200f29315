package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/payperplay/payperplay/controller"
	"github.com/payperplay/payperplay/controller/store/bolt"
	"github.com/payperplay/payperplay/protocol"
)

// runAgainst runs one command line against the controller that h plays.
func runAgainst(t *testing.T, h http.HandlerFunc, line ...string) error {
	t.Helper()
	t.Setenv("PAYPERPLAY_CONTEXT_FILE", t.TempDir()+"/none.yaml")
	srv := httptest.NewServer(h)
	defer srv.Close()
	var out, errs bytes.Buffer
	root := newRoot(strings.NewReader(""), &out, &errs)
	root.SetArgs(append(line, "--endpoint", srv.URL, "--token", "x"))
	return root.ExecuteContext(t.Context())
}

// sound makes a store and gives its path and bytes.
func sound(t *testing.T, dir string) (path string, content []byte) {
	t.Helper()
	path = controller.StorePath(dir)
	db, err := bolt.Open(t.Context(), path, bolt.Options{})
	if err == nil {
		err = db.Close()
	}
	if err == nil {
		content, err = os.ReadFile(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path, content
}

// TestBackupReplacesOnlyByASoundOne: a copy that is damaged, or that does not arrive, leaves the last good backup in its place.
func TestBackupReplacesOnlyByASoundOne(t *testing.T) {
	_, good := sound(t, t.TempDir())
	damaged := bytes.Clone(good)
	for i := range damaged {
		if i >= 256 { // not only one copy of the meta page
			damaged[i] ^= 0x5a
		}
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "backup.store")
	if err := os.WriteFile(file, []byte("the last good one"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, h := range map[string]http.HandlerFunc{
		"damaged":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(damaged) },
		"no store": func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "<html>") },
		"refused":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"cut": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(good[:len(good)/2])
			panic(http.ErrAbortHandler)
		},
	} {
		err := runAgainst(t, h, "store", "backup", file)
		if err == nil || !strings.Contains(err.Error(), file+" was left as it was") {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != "the last good one" {
			t.Errorf("%s: the last good backup is gone: %d bytes, %v", name, len(got), err)
		}
	}
	whole := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(good) }
	if err := runAgainst(t, whole, "store", "backup", file); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	left, err2 := os.ReadDir(dir)
	if !bytes.Equal(got, good) || len(left) != 1 || errors.Join(err, err2) != nil {
		t.Errorf("the sound one is not there: %d bytes, %v, %v %v", len(got), left, err, err2)
	}
}

// TestOnlyWithoutAControllerTheFileIsTaken: an answer of "unavailable", or a cut line, is no sign that no controller runs.
func TestOnlyWithoutAControllerTheFileIsTaken(t *testing.T) {
	dir := t.TempDir()
	path, _ := sound(t, dir)
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, h := range map[string]http.HandlerFunc{
		"cut": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"unavailable": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = fmt.Fprint(w, `{"code":"unavailable","detail":"busy"}`)
		},
	} {
		for _, verb := range []string{"check", "compact"} {
			if err := runAgainst(t, h, "store", verb, "--data", dir); protocol.CodeOf(err) != protocol.Unavailable {
				t.Errorf("%s, %s: %v", verb, name, err)
			}
		}
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("the file was compacted beside a controller: %v", err)
	}
}

// TestStoreCompactNamed: a flag names the file, and no controller is asked; Postgres is refused.
func TestStoreCompactNamed(t *testing.T) {
	path, _ := sound(t, t.TempDir())
	asked := func(_ http.ResponseWriter, r *http.Request) { t.Errorf("the controller was asked: %s", r.URL) }
	if err := runAgainst(t, asked, "store", "compact", "--store", path); err != nil {
		t.Error(err)
	}
	t.Setenv("PAYPERPLAY_STORE", "postgres://u:secret@db/x")
	err := runAgainst(t, asked, "store", "compact")
	if protocol.CodeOf(err) != protocol.Precondition || !strings.Contains(err.Error(), "no file of ours") || strings.Contains(err.Error(), "secret") {
		t.Errorf("Postgres: %v", err)
	}
}
