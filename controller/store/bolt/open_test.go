package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/storetest"
	"github.com/payperplay/payperplay/protocol/failpoint"
	bbolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

func putItems(t *testing.T, db store.DB, items ...storetest.Item) {
	t.Helper()
	err := db.Update(t.Context(), func(tx store.Tx) error {
		for _, v := range items {
			if err := storetest.Items.Put(tx, v); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestF24SecondOpenerIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "controller.db")
	db := openAt(t, path, Options{Tables: storetest.Tables()})
	start := time.Now()
	_, err := Open(t.Context(), path, Options{})
	if fault.KindOf(err) != fault.Conflict || time.Since(start) > time.Second {
		t.Fatalf("second Open: %v after %s", err, time.Since(start))
	}
	for _, want := range []string{path, fmt.Sprintf("pid %d", os.Getpid())} {
		if !strings.Contains(fault.Message(err), want) {
			t.Errorf("message %q does not name %q", fault.Message(err), want)
		}
	}
	if fault.Next(err) == "" || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q, next %q: want one line and the way out", err, fault.Next(err))
	}
	if _, err := Check(t.Context(), path); fault.KindOf(err) != fault.Conflict {
		t.Errorf("Check of a store in use: %v", err)
	}
	putItems(t, db, storetest.Item{ID: "a"}) // the first one goes on
}

// TestF24ManyFirstOpeners starts many controllers on no file at all: one leads, the others are refused.
func TestF24ManyFirstOpeners(t *testing.T) {
	for range 20 {
		path := filepath.Join(t.TempDir(), "controller.db")
		var leaders atomic.Int64
		var group sync.WaitGroup
		leave := make(chan struct{})
		var tried sync.WaitGroup
		for range 6 {
			tried.Add(1)
			group.Go(func() {
				db, err := Open(t.Context(), path, Options{Tables: storetest.Tables()})
				tried.Done()
				if err != nil {
					if fault.KindOf(err) != fault.Conflict {
						t.Errorf("Open: %v", err)
					}
					return
				}
				leaders.Add(1)
				<-leave
				if err := db.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
		}
		tried.Wait()
		close(leave)
		group.Wait()
		if leaders.Load() != 1 {
			t.Fatalf("%d controllers lead one store", leaders.Load())
		}
	}
}

func TestF24TermRisesAtEachOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "controller.db")
	var cluster string
	for want := int64(1); want <= 3; want++ {
		db := openAt(t, path, Options{Tables: storetest.Tables()})
		if db.Term() != want {
			t.Errorf("term %d, want %d", db.Term(), want)
		}
		if cluster != "" && db.ClusterID() != cluster || len(db.ClusterID()) != 32 {
			t.Errorf("cluster %q, before %q", db.ClusterID(), cluster)
		}
		cluster = db.ClusterID()
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestF24OldLeaderCannotWrite(t *testing.T) {
	db := openAt(t, filepath.Join(t.TempDir(), "controller.db"), Options{Tables: storetest.Tables()})
	if err := db.b.Update(func(btx *bbolt.Tx) error { return (&tx{b: btx}).putMetaInt("term", db.Term()+1) }); err != nil {
		t.Fatal(err)
	}
	err := db.Update(t.Context(), func(store.Tx) error { t.Error("the closure ran"); return nil })
	if !errors.Is(err, store.ErrStaleTerm) || fault.KindOf(err) != fault.Stale {
		t.Errorf("Update of an old leader: %v", err)
	}
}

func TestOpenRefusesWhatIsNotAStore(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := filepath.Join(dir, "good")
	db := openAt(t, good, Options{Tables: storetest.Tables()})
	for i := range 200 {
		putItems(t, db, storetest.Item{ID: fmt.Sprint(i), Group: strings.Repeat("g", 100)})
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	bytes, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(dir, "foreign")
	b, err := bbolt.Open(foreign, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	newer := write("newer", bytes)
	if b, err = bbolt.Open(newer, 0o600, nil); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(b.Update(func(btx *bbolt.Tx) error { return (&tx{b: btx}).putMetaInt("format", format+1) }), b.Close()); err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, 64<<10)
	for i := range noise {
		noise[i] = byte(i * 7)
	}
	tests := map[string]struct {
		path string
		kind fault.Kind
		says string
	}{
		"empty":        {write("empty", nil), fault.Invalid, "empty"},
		"text":         {write("text", []byte("hello\n")), fault.Invalid, "not a PayPerPlay store"},
		"noise":        {write("noise", noise), fault.Invalid, "not a PayPerPlay store"},
		"foreign":      {foreign, fault.Invalid, "another program"},
		"directory":    {dir, fault.Invalid, "regular file"},
		"cut off":      {write("cut", bytes[:len(bytes)/2]), fault.Unavailable, "cut off"},
		"newer":        {newer, fault.Precondition, "format 2"},
		"no directory": {filepath.Join(dir, "none", "x"), fault.Unavailable, "none"},
		"header only":  {write("header", bytes[:8192]), fault.Unavailable, "cut off"},
	}
	for name, test := range tests {
		db, err := Open(t.Context(), test.path, Options{Tables: storetest.Tables()})
		if err == nil {
			t.Errorf("%s: opened", name)
			_ = db.Close()
			continue
		}
		if fault.KindOf(err) != test.kind || !strings.Contains(fault.Message(err), test.says) || fault.Next(err) == "" {
			t.Errorf("%s: kind %s, message %q, next %q", name, fault.KindOf(err), fault.Message(err), fault.Next(err))
		}
	}
}

func TestF14InitIsAtomic(t *testing.T) {
	for _, point := range []string{"store.rename.before", "store.commit.before"} {
		dir := t.TempDir()
		path := filepath.Join(dir, "controller.db")
		arm(t, point+"=error")
		if _, err := Open(t.Context(), path, Options{Tables: storetest.Tables()}); !errors.Is(err, failpoint.ErrInjected) {
			t.Fatalf("Open with a failure at %s: %v", point, err)
		}
		arm(t, "")
		left, err := filepath.Glob(filepath.Join(dir, ".*"))
		if err != nil || len(left) > 0 {
			t.Errorf("%s left %v behind (%v)", point, left, err)
		}
		if _, err := os.Stat(path); point == "store.rename.before" && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a store that was not finished is at its place: %v", err)
		}
		if db := openAt(t, path, Options{Tables: storetest.Tables()}); db.Term() != 1 {
			t.Errorf("term %d after a failed first start, want 1", db.Term())
		}
	}
}

func arm(t *testing.T, plan string) {
	t.Helper()
	if err := failpoint.Arm(plan); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = failpoint.Arm("") })
}

func TestIndexesAreRebuilt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "controller.db")
	old := store.Table[storetest.Item]{Name: "items", Key: storetest.Items.Key, Indexes: storetest.Items.Indexes[1:3]}
	db := openAt(t, path, Options{Tables: []store.TableDef{old.Def()}})
	err := db.Update(t.Context(), func(tx store.Tx) error {
		for i := range 1500 { // more than one batch
			if err := old.Put(tx, storetest.Item{ID: fmt.Sprint(i), Name: fmt.Sprint("n", i), N: int64(i % 10), On: i%2 == 0}); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	clash := storetest.Items
	clash.Indexes = append([]store.Index[storetest.Item]{store.Int64("once", func(v storetest.Item) int64 { return v.N }).Uniq()}, clash.Indexes...)
	if _, err := Open(t.Context(), path, Options{Tables: []store.TableDef{clash.Def()}}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a new unique index over equal values: %v, want ErrConflict", err)
	}
	mustBeClean(t, path)
	db = openAt(t, path, Options{Tables: storetest.Tables()})
	err = db.View(t.Context(), func(tx store.Tx) error {
		if v, err := storetest.Items.Lookup(tx, "name", "n1499"); err != nil || v.ID != "1499" {
			t.Errorf("Lookup by the new index: %v, %v", v, err)
		}
		n := 0
		for _, err := range storetest.Items.Range(tx, "is_on", true, nil, 0, false) {
			if n++; err != nil {
				return err
			}
		}
		if total, err := storetest.Items.Count(tx); n != 750 || total != 1500 || err != nil {
			t.Errorf("the new index has %d of %d rows (%v)", n, total, err)
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	mustBeClean(t, path)
}

func mustBeClean(t *testing.T, path string) *store.Report {
	t.Helper()
	r, err := Check(t.Context(), path)
	if err != nil {
		t.Fatalf("Check: %v", err)
	}
	if !r.Clean() {
		t.Fatalf("Check found %v", r.Findings)
	}
	return r
}

func TestCommitThatFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "controller.db")
	db := openAt(t, path, Options{Tables: storetest.Tables()})
	put := func(id string) error {
		return db.Update(t.Context(), func(tx store.Tx) error {
			tx.AfterCommit(func() { t.Errorf("%s was announced", id) })
			return storetest.Items.Put(tx, storetest.Item{ID: id})
		})
	}
	arm(t, "store.commit.before=error")
	if err := put("a"); !errors.Is(err, failpoint.ErrInjected) {
		t.Errorf("failure before the commit: %v", err)
	}
	arm(t, "store.commit.after=error") // committed, but nobody knows: as a lost connection to a database
	if err := put("b"); !errors.Is(err, failpoint.ErrInjected) {
		t.Errorf("failure after the commit: %v", err)
	}
	arm(t, "")
	err := db.View(t.Context(), func(tx store.Tx) error {
		_, errA := storetest.Items.Get(tx, "a")
		_, errB := storetest.Items.Get(tx, "b")
		if !errors.Is(errA, store.ErrNotFound) || errB != nil {
			t.Errorf("a: %v, b: %v; want only b", errA, errB)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// fill puts rows until a write fails, and checks what a full disk does: nothing is lost, reads work, space freed helps.
func fill(t *testing.T, db *DB, free func()) {
	t.Helper()
	n := 0
	var err error
	for ; n < 100_000 && err == nil; n++ {
		err = db.Update(t.Context(), func(tx store.Tx) error {
			return storetest.Items.Put(tx, storetest.Item{ID: store.SeqKey(int64(n)), Data: make([]byte, 20_000)})
		})
	}
	if fault.KindOf(err) != fault.ReadOnly || fault.Next(err) == "" {
		t.Fatalf("a full disk gives %v of kind %s, next step %q", err, fault.KindOf(err), fault.Next(err))
	}
	err = db.View(t.Context(), func(tx store.Tx) error {
		rows := 0
		for _, err := range storetest.Items.Range(tx, "", nil, nil, 0, false) {
			if rows++; err != nil {
				return err
			}
		}
		if rows != n-1 {
			t.Errorf("%d rows, want the %d that were acknowledged", rows, n-1)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	free()
	err = db.Update(t.Context(), func(tx store.Tx) error { return storetest.Items.Delete(tx, store.SeqKey(0)) })
	if err != nil {
		t.Errorf("with space again: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	mustBeClean(t, db.Path())
}

func TestF13FileLimit(t *testing.T) {
	db := openAt(t, filepath.Join(t.TempDir(), "controller.db"), Options{Tables: storetest.Tables(), MaxBytes: 1 << 20})
	fill(t, db, func() { db.b.MaxSize = 0 })
}

func TestF13DiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("needs root to mount a small file system: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 300<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	db := openAt(t, filepath.Join(dir, "controller.db"), Options{Tables: storetest.Tables()})
	fill(t, db, func() {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	})
}
