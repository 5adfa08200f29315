package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	bbolt "go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/storetest"
	"github.com/payperplay/payperplay/protocol/durable"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

// whole is everything a store holds that a compaction must keep.
type whole struct {
	cluster string
	term    int64
	rows    map[string]string // table/key -> document
	next    int64             // of the sequence "s"
	byIndex []string
}

func read(t failer, db *DB) whole {
	t.Helper()
	w := whole{cluster: db.ClusterID(), term: db.Term(), rows: map[string]string{}}
	err := db.View(context.Background(), func(tx store.Tx) (err error) {
		for _, table := range []string{"items", "others"} {
			err = errors.Join(err, tx.Engine().Scan(store.Query{Table: table}, func(key string, doc []byte, err error) bool {
				w.rows[table+"/"+key] = fmt.Sprint(string(doc), err)
				return true
			}))
		}
		err = errors.Join(err, tx.Engine().Scan(store.Query{Table: "items", Index: "grp"}, func(key string, _ []byte, err error) bool {
			w.byIndex = append(w.byIndex, fmt.Sprint(key, err))
			return true
		}))
		n, nerr := tx.(*txn).metaInt("q/s")
		w.next = n
		return errors.Join(err, nerr)
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

type (
	txn      = tx
	bboltTx  = bbolt.Tx
	bucketer = *bbolt.Bucket
)

func isDamage(err error) bool {
	var d *store.DamagedError
	return errors.As(err, &d)
}

type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func sameStore(t failer, what string, got, want whole) {
	t.Helper()
	if got.cluster != want.cluster || got.next != want.next || len(got.rows) != len(want.rows) || fmt.Sprint(got.byIndex) != fmt.Sprint(want.byIndex) {
		t.Fatalf("%s: %d rows, sequence %d, cluster %s; want %d, %d, %s", what, len(got.rows), got.next, got.cluster, len(want.rows), want.next, want.cluster)
	}
	for k, v := range want.rows {
		if got.rows[k] != v {
			t.Fatalf("%s: row %s is %q, want %q", what, k, got.rows[k], v)
		}
	}
}

// change writes n rows and deletes some again, so that pages become free.
func change(t failer, db *DB, from, n, keep int) {
	t.Helper()
	err := db.Update(context.Background(), func(tx store.Tx) error {
		for i := from; i < from+n; i++ {
			v := storetest.Item{ID: store.SeqKey(int64(i)), Name: fmt.Sprint("n", i), Group: fmt.Sprint("g", i%7), N: int64(i), Data: bytes.Repeat([]byte{byte(i)}, 40+i%800)}
			if err := errors.Join(storetest.Items.Put(tx, v), storetest.Others.Put(tx, v)); err != nil {
				return err
			}
			if _, err := tx.Next("s"); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(context.Background(), func(tx store.Tx) error {
		for i := from; i < from+n; i++ {
			if i%keep == 0 {
				continue
			}
			if err := errors.Join(storetest.Items.Delete(tx, store.SeqKey(int64(i))), storetest.Others.Delete(tx, store.SeqKey(int64(i)))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestF14CompactKeepsEverything(t *testing.T) {
	path := filepath.Join(memoryDir(t), "controller.db")
	db := openAt(t, path, Options{Tables: storetest.Tables()})
	for i := range 4 {
		change(t, db, i*500, 500, 50)
	}
	before := read(t, db)
	c, err := db.Compact(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c.After*3 > c.Before || fileSize(path) != c.After || db.Size().File != c.After {
		t.Errorf("%+v, file %d", c, fileSize(path))
	}
	sameStore(t, "after the compaction", read(t, db), before)
	change(t, db, 9000, 100, 2) // and it goes on
	after := read(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	mustBeClean(t, path)
	again := openAt(t, path, Options{Tables: storetest.Tables()})
	sameStore(t, "opened again", read(t, again), after)
	if again.Term() != after.term+1 {
		t.Errorf("term %d after %d", again.Term(), after.term)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	if s := again.Size(); s.File == 0 { // a scrape while the controller ends
		t.Error("a closed store has no size")
	}
}

// TestF14CompactProperty: random changes and compactions in any order, on line and off line, change nothing that can be read.
func TestF14CompactProperty(t *testing.T) {
	dir := memoryDir(t)
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		path := filepath.Join(dir, fmt.Sprint(n, ".db"))
		open := func() *DB {
			db, err := Open(context.Background(), path, Options{Tables: storetest.Tables(), CompactAbove: 64 << 10})
			if err != nil {
				t.Fatal(err)
			}
			return db
		}
		db := open()
		db.b.NoSync = true
		defer func() { _ = db.Close() }()
		from := 0
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"change", "change", "compact", "reopen", "file"}).Draw(t, "step") {
			case "change":
				rows := rapid.IntRange(1, 60).Draw(t, "rows")
				change(t, db, from, rows, rapid.IntRange(1, 60).Draw(t, "keep"))
				from += rows
			case "compact":
				want := read(t, db)
				if _, err := db.Compact(context.Background()); err != nil {
					t.Fatal(err)
				}
				sameStore(t, "compacted", read(t, db), want)
			case "reopen", "file":
				want := read(t, db)
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				if _, err := CompactFile(context.Background(), path); err != nil {
					t.Fatal(err)
				}
				db = open()
				db.b.NoSync = true
				sameStore(t, "opened again", read(t, db), want)
				if db.Term() != want.term+1 {
					t.Fatalf("term %d after %d", db.Term(), want.term)
				}
			}
		}
	})
}

// TestF14CompactAmongReaders: readers, writers and backups that are under way see nothing of compactions.
func TestF14CompactAmongReaders(t *testing.T) {
	path := filepath.Join(memoryDir(t), "controller.db")
	db := openAt(t, path, Options{Tables: storetest.Tables()})
	change(t, db, 0, 300, 3)
	var group sync.WaitGroup
	stop := make(chan struct{})
	running := func(fn func()) {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					fn()
				}
			}
		})
	}
	want := read(t, db)
	for range 2 {
		running(func() {
			got := read(t, db)
			for k, v := range want.rows {
				if got.rows[k] != v {
					t.Errorf("a reader saw %q at %s", got.rows[k], k)
				}
			}
		})
	}
	running(func() {
		var buf bytes.Buffer
		if _, err := db.Backup(t.Context(), &buf); err != nil {
			t.Errorf("backup: %v", err)
			return
		}
		file := filepath.Join(memoryDir(t), "copy")
		if err := os.WriteFile(file, buf.Bytes(), 0o600); err != nil {
			t.Error(err)
		}
		if r, err := Check(t.Context(), file); err != nil || !r.Clean() {
			t.Errorf("a backup during compactions: %+v %v", r, err)
		}
	})
	running(func() { // a scrape of the metrics
		if s := db.Size(); s.File == 0 {
			t.Error("no size")
		}
		if _, err := db.Rows(t.Context()); err != nil {
			t.Errorf("rows: %v", err)
		}
	})
	wrote := 0
	running(func() {
		err := db.Update(t.Context(), func(tx store.Tx) error {
			return storetest.Others.Put(tx, storetest.Item{ID: fmt.Sprint("w", wrote), N: int64(wrote)})
		})
		if err != nil {
			t.Errorf("update: %v", err)
		}
		wrote++
	})
	err := db.View(t.Context(), func(tx store.Tx) error { // one reader from before stays until the end
		for range 5 {
			if _, err := db.Compact(t.Context()); err != nil {
				return err
			}
		}
		_, err := storetest.Items.Get(tx, store.SeqKey(3))
		return err
	})
	close(stop)
	group.Wait()
	if err != nil {
		t.Fatal(err)
	}
	var got int64
	if err := db.View(t.Context(), func(tx store.Tx) error {
		for v, err := range storetest.Others.Range(tx, "", "w", nil, 0, false) {
			if err != nil {
				return err
			}
			_ = v
			got++
		}
		return nil
	}); err != nil || got != int64(wrote) {
		t.Errorf("%d of %d writes are there: %v", got, wrote, err)
	}
}

func TestCompactAtOpen(t *testing.T) {
	path := filepath.Join(memoryDir(t), "controller.db")
	db := openAt(t, path, Options{Tables: storetest.Tables()})
	change(t, db, 0, 1500, 100)
	want := read(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	old := fileSize(path)
	for _, leave := range []string{leftover(path), filepath.Join(filepath.Dir(path), ".controller.db.new-123")} {
		if err := os.WriteFile(leave, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(leave, time.Time{}, time.Now().Add(-48*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	db = openAt(t, path, Options{Tables: storetest.Tables(), CompactAbove: -1})
	if fileSize(path) != old {
		t.Error("compacted although it should never")
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = openAt(t, path, Options{Tables: storetest.Tables(), CompactAbove: 1 << 20})
	if fileSize(path)*2 > old {
		t.Errorf("%d bytes, before %d", fileSize(path), old)
	}
	sameStore(t, "compacted at open", read(t, db), want)
}

func TestCompactRefuses(t *testing.T) {
	path := filepath.Join(memoryDir(t), "controller.db")
	db := openAt(t, path, Options{Tables: storetest.Tables()})
	change(t, db, 0, 1000, 2)
	if _, err := CompactFile(t.Context(), path); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a file in use: %v", err)
	}
	db.compactLive = 1
	if _, err := db.Compact(t.Context()); fault.KindOf(err) != fault.Precondition || fault.Next(err) == "" {
		t.Errorf("too much live data: %v", err)
	}
	db.compactLive = compactLive
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.Compact(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	raw := func(change func(b, meta bucketer) error) {
		if err := db.b.Update(func(btx *bboltTx) error { return change(btx.Bucket([]byte("others")), btx.Bucket([]byte(metaName))) }); err != nil {
			t.Fatal(err)
		}
	}
	key := []byte(store.SeqKey(2))
	var row []byte
	raw(func(b, _ bucketer) error { row = bytes.Clone(b.Get(key)); return b.Delete(key) })
	if _, err := db.Compact(t.Context()); !isDamage(err) {
		t.Errorf("a missing row: %v", err)
	}
	raw(func(b, _ bucketer) error { bad := bytes.Clone(row); bad[len(bad)-1] ^= 1; return b.Put(key, bad) })
	if _, err := db.Compact(t.Context()); !isDamage(err) {
		t.Errorf("a flipped row: %v", err)
	}
	raw(func(b, _ bucketer) error { return b.Put(key, row) })
	if _, err := db.Compact(t.Context()); err != nil {
		t.Errorf("whole again: %v", err)
	}
}

// TestCompactFails: an error at any point before the rename changes nothing and leaves nothing; one after it closes the store to writers.
func TestCompactFails(t *testing.T) {
	for _, point := range []string{"store.compact.before", "store.compact.batch", "store.compact.sync.before", "store.compact.sync.after", "store.compact.rename.before"} {
		path := filepath.Join(memoryDir(t), "controller.db")
		db := openAt(t, path, Options{Tables: storetest.Tables()})
		change(t, db, 0, 200, 2)
		want := read(t, db)
		arm(t, point+"=error")
		if _, err := db.Compact(t.Context()); !errors.Is(err, failpoint.ErrInjected) {
			t.Errorf("%s: %v", point, err)
		}
		arm(t, "")
		sameStore(t, point, read(t, db), want)
		putItems(t, db, storetest.Item{ID: "goes on"})
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) > 0 {
			t.Errorf("%s: left over: %v", point, left)
		}
	}
	path := filepath.Join(memoryDir(t), "controller.db")
	db := openAt(t, path, Options{Tables: storetest.Tables()})
	change(t, db, 0, 200, 2)
	want := read(t, db)
	arm(t, "store.compact.rename.after=error")
	if _, err := db.Compact(t.Context()); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("after the rename: %v", err)
	}
	arm(t, "")
	sameStore(t, "after the rename", read(t, db), want)
	if err := db.Update(t.Context(), func(store.Tx) error { return nil }); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a change after a rename that may not be durable: %v", err)
	}
}

// TestF24LockOnAReplacedFile: who has opened the file from before a compaction and gets its lock afterwards has locked nothing.
func TestF24LockOnAReplacedFile(t *testing.T) {
	path := filepath.Join(memoryDir(t), "controller.db")
	db := openAt(t, path, Options{Tables: storetest.Tables()})
	late, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = late.Close() }()
	if !durable.IsAt(late, path) {
		t.Error("the file is not where it is")
	}
	if _, err := db.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if durable.IsAt(late, path) {
		t.Error("a file that was replaced still counts as the store")
	}
	if _, err := Open(t.Context(), path, Options{}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a second controller after a compaction: %v", err)
	}
}

// TestCompareFindsDifferences: a copy that lost, gained or changed one entry never takes the store's place.
func TestCompareFindsDifferences(t *testing.T) {
	db := openAt(t, filepath.Join(memoryDir(t), "controller.db"), Options{Tables: storetest.Tables()})
	change(t, db, 0, 50, 1)
	tmp := filepath.Join(memoryDir(t), "copy")
	next, err := copyFileOf(t.Context(), db.b, tmp, db.options())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = next.Close() }()
	from, err := db.b.Begin(false)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = from.Rollback() }()
	want := map[string]content{}
	for _, name := range bucketNames(from) {
		var c content
		_ = from.Bucket([]byte(name)).ForEach(func(k, v []byte) error { c.add(k, v); return nil })
		want[name] = c
	}
	if err := compare(t.Context(), next, tmp, want); err != nil {
		t.Fatalf("an equal copy: %v", err)
	}
	key, index := []byte(store.SeqKey(7)), []byte(indexBucket("items", "grp"))
	for name, damage := range map[string]func(*bboltTx) error{
		"lost":    func(btx *bboltTx) error { return btx.Bucket([]byte("items")).Delete(key) },
		"changed": func(btx *bboltTx) error { return btx.Bucket([]byte("items")).Put(key, []byte("other")) },
		"index entry": func(btx *bboltTx) error {
			k, _ := btx.Bucket(index).Cursor().First()
			return btx.Bucket(index).Delete(k)
		},
		"gained":        func(btx *bboltTx) error { return btx.Bucket([]byte("items")).Put([]byte("zz"), []byte("x")) },
		"bucket":        func(btx *bboltTx) error { return btx.DeleteBucket(index) },
		"gained bucket": func(btx *bboltTx) error { _, err := btx.CreateBucket([]byte("more")); return err },
	} {
		btx, err := next.Begin(true)
		if err != nil {
			t.Fatal(err)
		}
		if err := damage(btx); err != nil {
			t.Fatal(err)
		}
		if err := btx.Commit(); err != nil {
			t.Fatal(err)
		}
		if err := compare(t.Context(), next, tmp, want); err == nil {
			t.Errorf("%s: not seen", name)
		}
		if err := next.Close(); err != nil {
			t.Fatal(err)
		}
		_ = os.Remove(tmp)
		if next, err = copyFileOf(t.Context(), db.b, tmp, db.options()); err != nil {
			t.Fatal(err)
		}
	}
}
