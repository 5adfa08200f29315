package bolt

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/payperplay/payperplay/controller/store"
)

// TestF25RaiseTerm: the term rises while others write, none of whom is taken for a stale one, and stays risen.
func TestF25RaiseTerm(t *testing.T) {
	path := filepath.Join(t.TempDir(), "controller.db")
	db, err := Open(t.Context(), path, Options{DoubleRun: true})
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 10 {
				if err := db.Update(t.Context(), func(tx store.Tx) error { _, err := tx.Next("x"); return err }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for term := int64(5); term <= 50; term += 5 {
		if err := db.RaiseTerm(t.Context(), term); err != nil || db.Term() != term {
			t.Fatalf("raised to %d: %d, %v", term, db.Term(), err)
		}
	}
	group.Wait()
	if err := db.RaiseTerm(t.Context(), 7); err != nil || db.Term() != 50 {
		t.Errorf("a lower one: %d, %v", db.Term(), err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = Open(t.Context(), path, Options{}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if db.Term() != 51 {
		t.Errorf("the next start leads with %d", db.Term())
	}
}

// TestF25RestoreIsSeen: each restore takes a value of the sequence that the next start looks at.
func TestF25RestoreIsSeen(t *testing.T) {
	dir := t.TempDir()
	path, saved := filepath.Join(dir, "controller.db"), filepath.Join(dir, "saved")
	next := func() (n int64) {
		t.Helper()
		db, err := Open(t.Context(), path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		if err := db.Update(t.Context(), func(tx store.Tx) error { n, err = tx.Next(store.RestoreSequence); return err }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := next(); n != 1 {
		t.Fatalf("first start %d", n)
	}
	if whole, err := os.ReadFile(path); err != nil || os.WriteFile(saved, whole, 0o600) != nil {
		t.Fatal("the copy was not made", err)
	}
	if n := next(); n != 2 {
		t.Fatalf("second start %d", n)
	}
	if err := Restore(t.Context(), saved, path); err != nil {
		t.Fatal(err)
	}
	if n := next(); n != 3 { // the backup's 1, the restore, the start
		t.Errorf("after the restore %d", n)
	}
}
