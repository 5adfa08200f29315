package open

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/storetest"
)

// saved writes a backup into a file.
func saved(t *testing.T, write func(w *os.File) (int64, error)) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "backup.store")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	n, err := write(f)
	info, err2 := f.Stat()
	if err := errors.Join(err, err2, f.Close()); err != nil {
		t.Fatal(err)
	}
	if n != info.Size() {
		t.Errorf("%d bytes were said and %d written", n, info.Size())
	}
	return path
}

// TestBackupAndRestore goes from each engine into each, from a store that serves and from one that does not.
func TestBackupAndRestore(t *testing.T) {
	routes(t, func(t *testing.T, from, to place) {
		a := from.empty(t)
		cluster, term := filled(t, a, 500)
		db, err := Open(t.Context(), a, Options{Tables: storetest.Tables(), Scratch: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		live := saved(t, func(w *os.File) (int64, error) { return db.Backup(t.Context(), w) })
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		scratch := t.TempDir()
		cold := saved(t, func(w *os.File) (int64, error) { return BackupOf(t.Context(), a, scratch, w) })
		if left, _ := os.ReadDir(scratch); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		for _, backup := range []string{live, cold} {
			if report, err := Check(t.Context(), backup, nil); err != nil || !report.Clean() {
				t.Fatalf("check: %v %v", report, err)
			}
			b := to.empty(t)
			if err := Restore(t.Context(), backup, b); err != nil {
				t.Fatal(err)
			}
			holds(t, b, 500, cluster, term)
			if n := nextRestore(t, b); n != 2 { // one was taken by the restore: the next start sees that it runs on a backup (F25)
				t.Errorf("the sequence of restores goes on with %d", n)
			}
			if to.name != "postgres" {
				continue
			}
			if err := Restore(t.Context(), backup, b); fault.KindOf(err) != fault.Conflict {
				t.Errorf("into a database that is not empty: %v", err)
			}
		}
	})
}

func nextRestore(t *testing.T, address string) (n int64) {
	t.Helper()
	db, err := Open(t.Context(), address, Options{Tables: storetest.Tables(), Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), func(tx store.Tx) (err error) { n, err = tx.Next(store.RestoreSequence); return err })
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestF14RestoreRefusesADamagedBackup(t *testing.T) {
	for _, to := range places() {
		t.Run(to.name, func(t *testing.T) {
			a, b := filepath.Join(t.TempDir(), "a.db"), to.empty(t)
			filled(t, a, 500)
			raw, err := os.ReadFile(a)
			if err != nil {
				t.Fatal(err)
			}
			at := bytes.LastIndex(raw, []byte(`"id":"k00123"`))
			raw[at+8] ^= 1
			if err := os.WriteFile(a, raw, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := Restore(t.Context(), a, b); fault.KindOf(err) != fault.Invalid || fault.Next(err) == "" {
				t.Errorf("Restore: %v", err)
			}
			if present(t, b) {
				t.Error("something was restored")
			}
		})
	}
}

// TestF24MoveByForce moves a database under a controller that leads it: that one is refused from then on, and told.
func TestF24MoveByForce(t *testing.T) {
	a, b := places()[1].empty(t), places()[0].empty(t)
	cluster, term := filled(t, a, 10)
	db, err := Open(t.Context(), a, Options{Tables: storetest.Tables()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Migrate(t.Context(), a, b, MoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), func(tx store.Tx) error { return storetest.Others.Put(tx, storetest.Item{ID: "late"}) })
	if !errors.Is(err, store.ErrStaleTerm) {
		t.Errorf("the old leader writes: %v", err)
	}
	select {
	case <-db.Lost():
	case <-time.After(20 * time.Second):
		t.Error("the old leader was not told")
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	holds(t, b, 10, cluster, term+1)
}
