package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
)

var errStop = errors.New("stop")

func testSnapshot(t *testing.T, db store.DB) {
	put(t, db, Item{ID: "a", N: 1})
	view(t, db, func(tx store.Tx) error {
		before, err := Items.Get(tx, "a") // some engines take the snapshot at the first read
		if err != nil {
			return err
		}
		done := make(chan error)
		go func() {
			done <- db.Update(t.Context(), func(tx store.Tx) error {
				return errors.Join(Items.Put(tx, Item{ID: "a", N: 2}), Items.Put(tx, Item{ID: "b", N: 3}))
			})
		}()
		if err := <-done; err != nil {
			return err
		}
		after, err := Items.Get(tx, "a")
		if err != nil || after.N != before.N {
			t.Errorf("a View saw %d and then %d (%v)", before.N, after.N, err)
		}
		if n, err := Items.Count(tx); n != 1 || err != nil {
			t.Errorf("a View counts %d rows of its snapshot of 1 (%v)", n, err)
		}
		return nil
	})
	if n := count(t, db); n != 2 {
		t.Errorf("a later View counts %d rows, want 2", n)
	}
}

func testAllOrNothing(t *testing.T, db store.DB) {
	put(t, db, Item{ID: "a", Name: "one", N: 1})
	err := db.Update(t.Context(), func(tx store.Tx) error {
		if err := errors.Join(Items.Put(tx, Item{ID: "a", N: 2}), Items.Put(tx, Item{ID: "b"}), Others.Put(tx, Item{ID: "c"})); err != nil {
			return err
		}
		if v, err := Items.Get(tx, "a"); err != nil || v.N != 2 {
			t.Errorf("a transaction does not see its own change: %+v, %v", v, err)
		}
		if n, err := Items.Count(tx); err != nil || n != 2 {
			t.Errorf("a transaction counts %d rows, want 2 (%v)", n, err)
		}
		if _, err := tx.Next("s"); err != nil {
			t.Errorf("Next: %v", err)
		}
		return fmt.Errorf("wrapped: %w", errStop)
	})
	if !errors.Is(err, errStop) {
		t.Errorf("Update = %v, want the closure's error", err)
	}
	view(t, db, func(tx store.Tx) error {
		if v, err := Items.Lookup(tx, "name", "one"); err != nil || v.N != 1 {
			t.Errorf("the row was changed: %+v, %v", v, err)
		}
		if _, err := Others.Get(tx, "c"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the other table was changed: %v", err)
		}
		return nil
	})
	update(t, db, func(tx store.Tx) error {
		if n, err := tx.Next("s"); n != 1 || err != nil {
			t.Errorf("Next after a roll-back = %d, %v; want 1", n, err)
		}
		return nil
	})
	if err := db.View(t.Context(), func(store.Tx) error { return errStop }); !errors.Is(err, errStop) {
		t.Errorf("View = %v, want the closure's error", err)
	}
}

func testPanic(t *testing.T, db store.DB) {
	for name, run := range map[string]func(context.Context, func(store.Tx) error) error{"Update": db.Update, "View": db.View} {
		func() {
			defer func() {
				if p := recover(); p != "bug" {
					t.Errorf("%s: recovered %v, want the closure's panic", name, p)
				}
			}()
			_ = run(t.Context(), func(tx store.Tx) error {
				if tx.Writable() {
					_ = Items.Put(tx, Item{ID: "a"})
				}
				panic("bug")
			})
		}()
	}
	put(t, db, Item{ID: "b"})
	if n := count(t, db); n != 1 {
		t.Errorf("Count = %d after a panic, want 1", n)
	}
}

func testAfterCommit(t *testing.T, db store.DB) {
	var calls []string
	update(t, db, func(tx store.Tx) error {
		tx.AfterCommit(func() {
			calls = append(calls, "first")
			// It runs outside of the transaction: the row is there, and the next transaction may begin.
			if n := count(t, db); n != 1 {
				t.Errorf("AfterCommit sees %d rows, want 1", n)
			}
			put(t, db, Item{ID: "b"})
		})
		tx.AfterCommit(func() { calls = append(calls, "second") })
		return Items.Put(tx, Item{ID: "a"})
	})
	_ = db.Update(t.Context(), func(tx store.Tx) error {
		tx.AfterCommit(func() { calls = append(calls, "rolled back") })
		return errStop
	})
	ctx, cancel := context.WithCancel(t.Context())
	_ = db.Update(ctx, func(tx store.Tx) error {
		tx.AfterCommit(func() { calls = append(calls, "cancelled") })
		cancel()
		return nil
	})
	if err := db.View(t.Context(), func(tx store.Tx) error { tx.AfterCommit(func() { calls = append(calls, "view") }); return nil }); !errors.Is(err, store.ErrReadTx) {
		t.Errorf("AfterCommit in a View: %v, want ErrReadTx", err)
	}
	if !slices.Equal(calls, []string{"first", "second"}) {
		t.Errorf("calls = %v", calls)
	}
}

func testDoubleRun(t *testing.T, db store.DB) {
	runs, announced := 0, 0
	for range 3 {
		update(t, db, func(tx store.Tx) error {
			runs++
			tx.AfterCommit(func() { announced++ })
			n, err := tx.Next("s")
			if err != nil {
				return err
			}
			return Items.Put(tx, Item{ID: store.SeqKey(n), N: n})
		})
	}
	if runs != 6 || announced != 3 {
		t.Errorf("%d runs and %d announcements of 3 updates, want 6 and 3", runs, announced)
	}
	if got := walk(t, db, "n", 1, 4, 0, false); len(got) != 3 || count(t, db) != 3 {
		t.Errorf("rows %v, want the numbers 1 to 3 once", got)
	}
}

func testSequences(t *testing.T, db store.DB) {
	const workers, each = 8, 25
	var group sync.WaitGroup
	var taken sync.Map
	var given atomic.Int64
	for w := range workers {
		group.Go(func() {
			for i := range each {
				var n int64
				err := db.Update(t.Context(), func(tx store.Tx) (err error) {
					if n, err = tx.Next("numbers"); err != nil {
						return err
					}
					if (w+i)%3 == 0 {
						return errStop // gives its number back
					}
					return nil
				})
				switch {
				case err == nil:
					given.Add(1)
					if _, twice := taken.LoadOrStore(n, true); twice {
						t.Errorf("number %d was given twice", n)
					}
				case !errors.Is(err, errStop):
					t.Errorf("Update: %v", err)
				}
			}
		})
	}
	group.Wait()
	for n := range given.Load() {
		if _, ok := taken.Load(n + 1); !ok {
			t.Errorf("number %d of %d is missing", n+1, given.Load())
		}
	}
	update(t, db, func(tx store.Tx) error {
		a, err1 := tx.Next("numbers")
		b, err2 := tx.Next("numbers")
		c, err3 := tx.Next("other numbers")
		if a != given.Load()+1 || b != a+1 || c != 1 || errors.Join(err1, err2, err3) != nil {
			t.Errorf("Next = %d, %d and %d (%v); want %d, the one after it, and 1", a, b, c, errors.Join(err1, err2, err3), given.Load()+1)
		}
		if _, err := tx.Next("bad\x00name"); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("a sequence with NUL in its name: %v", err)
		}
		return nil
	})
}

func testNested(t *testing.T, db store.DB) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // an engine that does not notice would hang
	defer cancel()
	none := func(store.Tx) error { return nil }
	update(t, db, func(store.Tx) error {
		if err := db.Update(ctx, none); !errors.Is(err, store.ErrNested) {
			t.Errorf("Update inside Update: %v, want ErrNested", err)
		}
		if err := db.View(ctx, none); !errors.Is(err, store.ErrNested) {
			t.Errorf("View inside Update: %v, want ErrNested", err)
		}
		return nil
	})
	view(t, db, func(store.Tx) error {
		if err := db.Update(ctx, none); !errors.Is(err, store.ErrNested) {
			t.Errorf("Update inside View: %v, want ErrNested", err)
		}
		return nil
	})
	update(t, db, none)
}

func testDone(t *testing.T, db store.DB) {
	put(t, db, Item{ID: "a"}, Item{ID: "b"})
	for name, run := range map[string]func(context.Context, func(store.Tx) error) error{"Update": db.Update, "View": db.View} {
		var old store.Tx
		if err := run(t.Context(), func(tx store.Tx) error { old = tx; return nil }); err != nil {
			t.Fatal(err)
		}
		if _, err := Items.Get(old, "a"); !errors.Is(err, store.ErrTxDone) {
			t.Errorf("Get after %s: %v, want ErrTxDone", name, err)
		}
		if err := Items.Put(old, Item{ID: "c"}); !errors.Is(err, store.ErrTxDone) {
			t.Errorf("Put after %s: %v, want ErrTxDone", name, err)
		}
		for _, err := range Items.Range(old, "", nil, nil, 0, false) {
			if !errors.Is(err, store.ErrTxDone) {
				t.Errorf("Range after %s: %v, want ErrTxDone", name, err)
			}
		}
	}
}

func testContext(t *testing.T, db store.DB) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for name, run := range map[string]func(context.Context, func(store.Tx) error) error{"Update": db.Update, "View": db.View} {
		if err := run(gone, func(store.Tx) error { t.Errorf("%s ran", name); return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := db.Update(ctx, func(tx store.Tx) error {
		cancel()
		return Items.Put(tx, Item{ID: "late"})
	})
	if !errors.Is(err, context.Canceled) || count(t, db) != 0 {
		t.Errorf("a context that ended before the commit: %v, %d rows", err, count(t, db))
	}
	// A caller that waits for the writer gives up at its deadline.
	entered, leave, left := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		var once sync.Once
		left <- db.Update(t.Context(), func(store.Tx) error {
			once.Do(func() { close(entered) })
			<-leave
			return nil
		})
	}()
	<-entered
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err = db.Update(short, func(store.Tx) error { return nil })
	if !errors.Is(err, context.DeadlineExceeded) || fault.KindOf(err) != fault.Timeout {
		t.Errorf("waiting for a busy store: %v of kind %s", err, fault.KindOf(err))
	}
	close(leave)
	if err := <-left; err != nil {
		t.Error(err)
	}
}

// testConcurrent moves amounts between rows: the sum never changes, whoever looks.
func testConcurrent(t *testing.T, db store.DB) {
	const rows, each = 5, 30
	for i := range rows {
		put(t, db, Item{ID: fmt.Sprint(i), N: 100})
	}
	var writers, readers sync.WaitGroup
	stop := make(chan struct{})
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			var sum int64
			err := db.View(t.Context(), func(tx store.Tx) error {
				for v, err := range Items.Range(tx, "n", nil, nil, 0, false) {
					if err != nil {
						return err
					}
					sum += v.N
				}
				return nil
			})
			if err != nil || sum != rows*100 {
				t.Errorf("a View sums %d, want %d (%v)", sum, rows*100, err)
				return
			}
		}
	})
	for w := range 4 {
		writers.Go(func() {
			for i := range each {
				err := db.Update(t.Context(), func(tx store.Tx) error { return transfer(tx, (w+i)%rows, (w*2+i+1)%rows) })
				if err != nil {
					t.Errorf("Update: %v", err)
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
}

func transfer(tx store.Tx, from, to int) error {
	if from == to {
		return nil
	}
	a, err1 := Items.Get(tx, fmt.Sprint(from))
	b, err2 := Items.Get(tx, fmt.Sprint(to))
	a.N, b.N = a.N-1, b.N+1
	return errors.Join(err1, err2, Items.Put(tx, a), Items.Put(tx, b))
}

func testBackup(t *testing.T, db store.DB) {
	put(t, db, Item{ID: "a"})
	var buf bytes.Buffer
	n, err := db.Backup(t.Context(), &buf)
	if err != nil || n == 0 || n != int64(buf.Len()) {
		t.Errorf("Backup = %d, %v; %d bytes came", n, err, buf.Len())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.Backup(ctx, &buf); err == nil {
		t.Error("Backup with a cancelled context succeeded")
	}
}

func testClosed(t *testing.T, db store.DB) {
	if err := errors.Join(db.Close(), db.Close()); err != nil {
		t.Fatalf("Close twice: %v", err)
	}
	none := func(store.Tx) error { return nil }
	for name, err := range map[string]error{"View": db.View(t.Context(), none), "Update": db.Update(t.Context(), none)} {
		if fault.KindOf(err) != fault.Unavailable {
			t.Errorf("%s on a closed store: %v, want kind unavailable", name, err)
		}
	}
}
