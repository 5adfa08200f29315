package durable_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/payperplay/payperplay/protocol/durable"
	"github.com/payperplay/payperplay/protocol/failpoint"
	"github.com/payperplay/payperplay/protocol/failpoint/killtest"
)

func TestWriteFileFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := durable.WriteFile(path, []byte("old"), 0o640, "t.file"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = failpoint.Arm("") })
	for point, want := range map[string]string{"before": "old", "synced": "old", "renamed": "new", "after": "new"} {
		if err := os.WriteFile(path, []byte("old"), 0o640); err != nil {
			t.Fatal(err)
		}
		if err := failpoint.Arm("t.file." + point + "=error"); err != nil {
			t.Fatal(err)
		}
		if err := durable.WriteFile(path, []byte("new"), 0o640, "t.file"); !errors.Is(err, failpoint.ErrInjected) {
			t.Errorf("%s: %v", point, err)
		}
		got, err := os.ReadFile(path)
		info, err2 := os.Stat(path)
		if string(got) != want || errors.Join(err, err2) != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("%s: %q, want %q (%v, %v)", point, got, want, err, err2)
		}
		if list, _ := os.ReadDir(filepath.Dir(path)); len(list) != 1 {
			t.Errorf("%s left %v behind", point, list)
		}
	}
	_ = failpoint.Arm("")
	if err := durable.WriteFile(filepath.Join(path, "below a file"), nil, 0o600, "t.file"); err == nil {
		t.Error("no error where nothing can be written")
	}
}

// TestKilledWriterIsSweptUp: what a killed writer leaves is taken away once it is old, and nothing else is.
func TestKilledWriterIsSweptUp(t *testing.T) {
	dir := t.TempDir()
	keep := map[string]bool{"f": true, ".g.1": true, ".f.young": true, ".f.dir": true}
	for _, name := range []string{"f", ".f.1", ".f.2", ".g.1", ".f.young"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, ".f.dir"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".f.1", ".f.2", ".g.1", ".f.dir"} {
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(filepath.Join(dir, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	durable.Sweep(filepath.Join(dir, "f"), time.Minute)
	list, err := os.ReadDir(dir)
	if err != nil || len(list) != len(keep) {
		t.Errorf("%v is left (%v)", list, err)
	}
	for _, e := range list {
		if !keep[e.Name()] {
			t.Errorf("%s is left", e.Name())
		}
	}
}

func TestF01KilledWriter(t *testing.T) { killtest.Run(t, writer()) }

// TestF14WriterSyncsFirst: the content before the name, and the name before the answer.
func TestF14WriterSyncsFirst(t *testing.T) { killtest.Synced(t, writer()) }

func writer() killtest.Case {
	return killtest.Case{
		Points: []string{"t.file.before", "t.file.synced", "t.file.renamed", "t.file.after"},
		Work:   work,
		Check: func(t *testing.T, dir string, acked int) {
			got, err := os.ReadFile(filepath.Join(dir, "f"))
			if acked == 0 && errors.Is(err, os.ErrNotExist) {
				return
			}
			if err != nil || len(got) < acked || len(got) > acked+10 {
				t.Errorf("%d bytes (%v), %d were acknowledged", len(got), err, acked)
			}
		},
	}
}

// work makes a file longer by one byte, again and again.
func work(_ context.Context, dir string, acked func(int)) error {
	path := filepath.Join(dir, "f")
	for range 4 {
		old, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := durable.WriteFile(path, append(old, 'x'), 0o600, "t.file"); err != nil {
			return err
		}
		acked(len(old) + 1)
	}
	return nil
}
