package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/payperplay/payperplay/controller"
	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/store/bolt"
)

// TestStoreCompactOffLine: without a controller the file under --data is compacted; one that is in use, and one that is none, is not.
func TestStoreCompactOffLine(t *testing.T) {
	t.Setenv("PAYPERPLAY_CONTEXT_FILE", t.TempDir()+"/none.yaml")
	dir := t.TempDir()
	run := func() (client.Compaction, string) {
		t.Helper()
		var out, errs bytes.Buffer
		root := newRoot(strings.NewReader(""), &out, &errs)
		root.SetArgs([]string{"store", "compact", "--data", dir, "--endpoint", "http://127.0.0.1:1", "--token", "x", "-o", "json"})
		err := root.ExecuteContext(t.Context())
		if err != nil {
			return client.Compaction{}, err.Error()
		}
		var done client.Compaction
		if err := json.Unmarshal(out.Bytes(), &done); err != nil {
			t.Fatalf("%s: %v", out.String(), err)
		}
		if !strings.Contains(errs.String(), "no controller answers") {
			t.Errorf("it does not say what it compacts: %q", errs.String())
		}
		return done, ""
	}
	if _, problem := run(); problem == "" {
		t.Error("nothing was there, and it was compacted")
	}
	path := controller.StorePath(dir)
	db, err := bolt.Open(t.Context(), path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, problem := run(); !strings.Contains(problem, "in use") {
		t.Errorf("a store in use: %q", problem)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before, _ := os.Stat(path)
	done, problem := run()
	after, err := os.Stat(path)
	if problem != "" || err != nil || os.SameFile(before, after) || done.AfterBytes != after.Size() {
		t.Errorf("%+v %s %v", done, problem, err)
	}
}
