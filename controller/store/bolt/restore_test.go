package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/storetest"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

func backup(t *testing.T, db *DB) string {
	t.Helper()
	var buf bytes.Buffer
	if _, err := db.Backup(t.Context(), &buf); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "backup")
	if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func has(t *testing.T, path string, want ...string) int64 {
	t.Helper()
	db := openAt(t, path, Options{Tables: storetest.Tables()})
	err := db.View(t.Context(), func(tx store.Tx) error {
		var got []string
		for v, err := range storetest.Items.Range(tx, "", nil, nil, 0, false) {
			if err != nil {
				return err
			}
			got = append(got, v.ID)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("the store has %v, want %v", got, want)
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return db.Term()
}

func TestF25RestoreKeepsTheHigherTerm(t *testing.T) {
	path := filepath.Join(t.TempDir(), "controller.db")
	db := openAt(t, path, Options{Tables: storetest.Tables()})
	putItems(t, db, storetest.Item{ID: "a"})
	saved := backup(t, db)
	putItems(t, db, storetest.Item{ID: "b"})
	if err := Restore(t.Context(), saved, path); fault.KindOf(err) != fault.Conflict {
		t.Errorf("Restore over a store in use: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if term := has(t, path, "a", "b"); term != 2 {
		t.Fatalf("term %d", term)
	}
	arm(t, "store.rename.before=error")
	if err := Restore(t.Context(), saved, path); !errors.Is(err, failpoint.ErrInjected) {
		t.Errorf("Restore with a failure: %v", err)
	}
	arm(t, "")
	if term := has(t, path, "a", "b"); term != 3 {
		t.Fatalf("term %d: a restore that failed changed the store", term)
	}
	if err := Restore(t.Context(), saved, path); err != nil {
		t.Fatal(err)
	}
	if term := has(t, path, "a"); term != 4 {
		t.Errorf("term %d after the restore, want one above the 3 of the store that was there", term)
	}
	has(t, path+".before-restore", "a", "b")
	fresh := filepath.Join(t.TempDir(), "new.db")
	if err := Restore(t.Context(), saved, fresh); err != nil {
		t.Fatal(err)
	}
	has(t, fresh, "a")
}

func TestRestoreRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "controller.db")
	db := openAt(t, path, Options{Tables: storetest.Tables()})
	putItems(t, db, storetest.Item{ID: "a"})
	saved := backup(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	other := openAt(t, filepath.Join(dir, "other.db"), Options{Tables: storetest.Tables()})
	foreign := backup(t, other)
	data, err := os.ReadFile(saved)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, data []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	broken := bytes.Clone(data)
	broken[bytes.LastIndex(broken, []byte(`{"id":"a"`))+3] ^= 1
	tests := map[string]struct {
		from, to string
		kind     fault.Kind
		says     string
	}{
		"not there":        {filepath.Join(dir, "nothing"), path, fault.NotFound, "nothing"},
		"a text":           {write("notes.txt", []byte("my notes")), path, fault.Invalid, "notes.txt is not a PayPerPlay store"},
		"empty":            {write("empty", nil), path, fault.Invalid, "not a PayPerPlay store"},
		"cut off":          {write("cut", data[:len(data)-4096]), path, fault.Unavailable, "cut off"},
		"damaged":          {write("broken", broken), path, fault.Invalid, "damaged"},
		"another cluster":  {foreign, path, fault.Conflict, "cluster"},
		"over a text":      {saved, filepath.Join(dir, "notes.txt"), fault.Invalid, "not a PayPerPlay store"},
		"into nowhere":     {saved, filepath.Join(dir, "none", "x.db"), fault.Unavailable, "none"},
		"over a directory": {saved, dir, fault.Invalid, "regular file"},
	}
	for name, test := range tests {
		err := Restore(t.Context(), test.from, test.to)
		if fault.KindOf(err) != test.kind || !strings.Contains(fault.Message(err), test.says) || fault.Next(err) == "" {
			t.Errorf("%s: kind %s, message %q, next %q", name, fault.KindOf(err), fault.Message(err), fault.Next(err))
		}
	}
	has(t, path, "a")
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("refusals left %v behind", left)
	}
}

// TestBackupWhileWriting takes backups under load: each is whole, and the sum that the writers keep is right in it.
func TestBackupWhileWriting(t *testing.T) {
	db := openAt(t, filepath.Join(t.TempDir(), "controller.db"), Options{Tables: storetest.Tables()})
	putItems(t, db, storetest.Item{ID: "a", N: 1000}, storetest.Item{ID: "b"})
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := int64(1); ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			err := db.Update(t.Context(), func(tx store.Tx) error {
				return errors.Join(
					storetest.Items.Put(tx, storetest.Item{ID: "a", N: 1000 - i}), storetest.Items.Put(tx, storetest.Item{ID: "b", N: i}),
					storetest.Others.Put(tx, storetest.Item{ID: store.SeqKey(i % 50), Data: make([]byte, 1000)}))
			})
			if err != nil {
				t.Errorf("Update: %v", err)
				return
			}
		}
	})
	for range 10 {
		saved := backup(t, db)
		mustBeClean(t, saved)
		old := openAt(t, saved, Options{Tables: storetest.Tables()})
		err := old.View(t.Context(), func(tx store.Tx) error {
			a, errA := storetest.Items.Get(tx, "a")
			b, errB := storetest.Items.Get(tx, "b")
			if a.N+b.N != 1000 {
				t.Errorf("the backup has %d and %d, which is not 1000 together", a.N, b.N)
			}
			return errors.Join(errA, errB)
		})
		if err != nil {
			t.Error(err)
		}
	}
	close(stop)
	writer.Wait()
}
