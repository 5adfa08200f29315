package postgres

import (
	"errors"
	"sync"
	"testing"

	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/postgres/postgrestest"
	"github.com/payperplay/payperplay/controller/store/storetest"
)

// TestF25RaiseTerm: the term rises while others write, none of whom is taken for a stale one, and stays risen.
func TestF25RaiseTerm(t *testing.T) {
	url := postgrestest.Database(t)
	db := openAt(t, url, Options{Tables: storetest.Tables(), DoubleRun: true})
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
	select {
	case <-db.Lost():
		t.Error("its own term was taken for another controller's")
	default:
	}
	var n int64
	if err := db.Update(t.Context(), func(tx store.Tx) (err error) { n, err = tx.Next("x"); return err }); err != nil || n != 41 {
		t.Errorf("the next number is %d, %v; want 41", n, err)
	}

	newer := openAt(t, url, Options{Tables: storetest.Tables()})
	if newer.Term() != 51 {
		t.Errorf("the next start leads with %d", newer.Term())
	}
	if err := db.RaiseTerm(t.Context(), 100); !errors.Is(err, store.ErrStaleTerm) {
		t.Errorf("raised under a newer leader: %v", err)
	}
	if err := newer.Update(t.Context(), func(tx store.Tx) error { _, err := tx.Next("x"); return err }); err != nil {
		t.Errorf("the newer one: %v", err)
	}
}
