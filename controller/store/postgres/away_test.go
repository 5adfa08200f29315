package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/postgres/postgrestest"
	"github.com/payperplay/payperplay/controller/store/storetest"
)

// TestF15RestartUnderWriters crashes the server again and again while writers write: what was acknowledged is there exactly
// once, what was refused is not there, and nobody is told that it could not be found out.
func TestF15RestartUnderWriters(t *testing.T) {
	restarts := 5
	if soak() {
		restarts = 200
	}
	server := postgrestest.New(t)
	url := server.Database(t)
	db := openAt(t, url, Options{Tables: storetest.Tables()})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	acked, refused := map[string]bool{}, map[string]bool{}
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("w%d-%d", w, i)
				err := db.Update(t.Context(), func(tx store.Tx) error {
					n, err := tx.Next("writes")
					if err != nil {
						return err
					}
					return errors.Join(storetest.Items.Put(tx, storetest.Item{ID: id, N: n, Name: id}),
						storetest.Others.Put(tx, storetest.Item{ID: store.SeqKey(n), Text: id})) // Grows: no; twice would be seen by the names
				})
				mu.Lock()
				switch {
				case err == nil:
					acked[id] = true
				case fault.KindOf(err) == fault.Unavailable:
					refused[id] = true
				default:
					t.Errorf("Update: %v of kind %s", err, fault.KindOf(err))
				}
				mu.Unlock()
			}
		})
	}
	for range restarts {
		mu.Lock()
		before := len(acked)
		mu.Unlock()
		waitFor(t, "writes between two crashes", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(acked) >= before+20
		})
		if err := server.Restart("immediate"); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	writers.Wait()
	seen := map[string]bool{}
	err := db.View(t.Context(), func(tx store.Tx) error {
		next := int64(1)
		for v, err := range storetest.Items.Range(tx, "n", nil, nil, 0, false) {
			if err != nil {
				return err
			}
			if v.N != next {
				return fmt.Errorf("number %d where %d should be", v.N, next)
			}
			next++
			seen[v.ID] = true
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	for id := range acked {
		if !seen[id] {
			t.Errorf("%s was acknowledged and is lost", id)
		}
	}
	for id := range refused {
		if seen[id] {
			t.Errorf("%s was refused and is there", id)
		}
	}
	if len(seen) != len(acked) {
		t.Errorf("%d rows of %d acknowledged writes", len(seen), len(acked))
	}
	t.Logf("%d crashes, %d acknowledged, %d refused", restarts, len(acked), len(refused))
	mustBeClean(t, url)
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long for %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// TestF15Away: while Postgres is away every call says so within a bounded time, a queue of callers too; then it goes on.
func TestF15Away(t *testing.T) {
	server := postgrestest.New(t)
	db := openAt(t, server.Database(t), Options{Tables: storetest.Tables()})
	put := func() error {
		return db.Update(t.Context(), func(tx store.Tx) error { return storetest.Items.Put(tx, storetest.Item{ID: "a"}) })
	}
	if err := put(); err != nil {
		t.Fatal(err)
	}
	server.Stop("immediate")
	for name, run := range map[string]func(context.Context, func(store.Tx) error) error{"View": db.View, "Update": db.Update} {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond) // less than it would wait
		if err := run(ctx, func(tx store.Tx) error { _, err := storetest.Items.Get(tx, "a"); return err }); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("%s with a deadline: %v of kind %s", name, err, fault.KindOf(err))
		}
		cancel()
	}
	start := time.Now()
	var callers sync.WaitGroup
	check := func(what string, err error) {
		if fault.KindOf(err) != fault.Unavailable || fault.Next(err) == "" {
			t.Errorf("%s: %v of kind %s", what, err, fault.KindOf(err))
		}
	}
	for range 20 {
		callers.Go(func() { check("Update", put()) })
		callers.Go(func() {
			check("View", db.View(t.Context(), func(tx store.Tx) error { _, err := storetest.Items.Get(tx, "a"); return err }))
		})
	}
	callers.Wait()
	if took := time.Since(start); took > 4*patience {
		t.Errorf("40 callers were told after %v", took)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	if err := put(); err != nil {
		t.Errorf("the first Update after it came back: %v", err)
	}
	if err := db.View(t.Context(), func(tx store.Tx) error { _, err := storetest.Items.Get(tx, "a"); return err }); err != nil {
		t.Errorf("the first View after it came back: %v", err)
	}
}
