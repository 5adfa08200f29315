package open

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/postgres/postgrestest"
	"github.com/payperplay/payperplay/controller/store/storetest"
)

// TestScratchOfTheDeadGoes: a backup takes away what one that was killed left, not one that is being made, nor a young one.
func TestScratchOfTheDeadGoes(t *testing.T) {
	parent := t.TempDir()
	old := time.Now().Add(-time.Hour)
	made := func(name string) string {
		dir := filepath.Join(parent, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "store"), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(dir, old, old); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	dead, other := made(".payperplay-backup-1"), made("other")
	running, done, err := newScratch(parent)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(running, old, old); err != nil {
		t.Fatal(err)
	}
	young := made(".payperplay-backup-3")
	if err := os.Chtimes(young, time.Now(), time.Now()); err != nil {
		t.Fatal(err)
	}
	address := filepath.Join(t.TempDir(), "a.db")
	filled(t, address, 10)
	var backup bytes.Buffer
	if _, err := BackupOf(t.Context(), address, parent, &backup); err != nil || backup.Len() == 0 {
		t.Fatal(err)
	}
	done()
	for dir, want := range map[string]bool{dead: false, other: true, running: false, young: true} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s: %v", filepath.Base(dir), err)
		}
	}
}

func TestScratchOfTheRunningStays(t *testing.T) {
	parent := t.TempDir()
	dir, done, err := newScratch(parent)
	if err != nil {
		t.Fatal(err)
	}
	sweepScratch(parent, time.Now().Add(time.Hour))
	if _, err := os.Stat(dir); err != nil {
		t.Error("a backup lost its place while it was made")
	}
	done()
	if left, err := os.ReadDir(parent); err != nil || len(left) != 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

// TestF24ForceLooksFirst: a move by force that cannot work leaves the controller that leads in peace.
func TestF24ForceLooksFirst(t *testing.T) {
	from, taken := postgrestest.Database(t), filepath.Join(t.TempDir(), "taken.db")
	filled(t, from, 10)
	filled(t, taken, 3)
	leader, err := Open(t.Context(), from, Options{Tables: storetest.Tables()})
	if err != nil {
		t.Fatal(err)
	}
	for to, want := range map[string]fault.Kind{
		taken: fault.Conflict,
		filepath.Join(t.TempDir(), "no", "such", "x.db"): fault.Invalid,
		"postgres://127.0.0.1:1/x?sslmode=disable":       fault.Unavailable,
	} {
		if _, err := Migrate(t.Context(), from, to, MoveOptions{Force: true}); fault.KindOf(err) != want {
			t.Errorf("to %s: %v", to, err)
		}
		if err := leader.Update(t.Context(), func(tx store.Tx) error { return storetest.Others.Delete(tx, "nobody") }); err != nil {
			t.Errorf("the leader after a move to %s: %v", to, err)
		}
	}
	if err := leader.Close(); err != nil {
		t.Error(err)
	}
}
