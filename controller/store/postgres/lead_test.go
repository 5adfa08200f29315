package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/postgres/postgrestest"
	"github.com/payperplay/payperplay/controller/store/storetest"
)

// TestF24StaleLeader: two controllers on one database; the older one can read, and never write again.
func TestF24StaleLeader(t *testing.T) {
	for name, fn := range map[string]func(store.Tx) error{
		"that reads":          func(tx store.Tx) error { _, err := storetest.Items.Get(tx, "x"); return err },
		"that writes blindly": func(tx store.Tx) error { _, err := tx.Next("writes"); return err }, // the last number is known
		"that does nothing":   func(store.Tx) error { return nil },
	} {
		t.Run("an Update "+name, func(t *testing.T) {
			url := freshSchema(t)
			older := openAt(t, url, Options{Tables: storetest.Tables()})
			if _, err := numbers.Write(t.Context(), older); err != nil {
				t.Fatal(err)
			}
			newer := openAt(t, url, Options{Tables: storetest.Tables()})
			if newer.Term() != older.Term()+1 || newer.ClusterID() != older.ClusterID() || len(newer.ClusterID()) != 32 {
				t.Errorf("terms %d and %d, clusters %q and %q", older.Term(), newer.Term(), older.ClusterID(), newer.ClusterID())
			}
			for range 2 { // for ever
				if err := older.Update(t.Context(), fn); !errors.Is(err, store.ErrStaleTerm) || fault.KindOf(err) != fault.Stale {
					t.Errorf("under an old term: %v", err)
				}
			}
			select {
			case <-older.Lost():
			default:
				t.Error("Lost is still open")
			}
			if err := older.View(t.Context(), func(tx store.Tx) error { _, err := storetest.Others.Get(tx, "last"); return err }); err != nil {
				t.Errorf("View under an old term: %v", err)
			}
			if n, err := numbers.Write(t.Context(), newer); n != 2 || err != nil {
				t.Errorf("the newer one writes %d, %v; want number 2", n, err)
			}
		})
	}
}

// TestF24LostWithoutWriting: a leader that only waits is told too.
func TestF24LostWithoutWriting(t *testing.T) {
	url := postgrestest.Database(t)
	older := openAt(t, url, Options{Tables: storetest.Tables()})
	openAt(t, url, Options{Tables: storetest.Tables()})
	select {
	case <-older.Lost():
	case <-time.After(4 * watchEvery):
		t.Error("Lost is still open")
	}
}

// TestF24PausedInATransaction: a leader stands still inside an Update that holds the lock. The server ends its transaction, the
// newer one takes over, and what the old one then sends changes nothing.
func TestF24PausedInATransaction(t *testing.T) {
	url := postgrestest.Database(t)
	older := openAt(t, url+"&idle_in_transaction_session_timeout=500ms", Options{Tables: storetest.Tables()})
	entered, leave, left := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		first := true
		left <- older.Update(context.WithoutCancel(t.Context()), func(tx store.Tx) error {
			if _, err := storetest.Items.Get(tx, "x"); !errors.Is(err, store.ErrNotFound) {
				return err
			}
			if first {
				first = false
				close(entered)
				<-leave
			}
			return storetest.Items.Put(tx, storetest.Item{ID: "old"})
		})
	}()
	<-entered
	newer := openAt(t, url, Options{Tables: storetest.Tables()})
	close(leave)
	if err := <-left; !errors.Is(err, store.ErrStaleTerm) {
		t.Errorf("the paused Update: %v, want ErrStaleTerm", err)
	}
	err := newer.View(t.Context(), func(tx store.Tx) error { _, err := storetest.Items.Get(tx, "old"); return err })
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the row of the paused Update: %v", err)
	}
}
