package event

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/bolt"
)

// TestFollowersAreWokenAfterTheCommit: whoever is woken looks at once, and would see nothing of a transaction that is still open. One that
// is rolled back wakes nobody.
func TestFollowersAreWokenAfterTheCommit(t *testing.T) {
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "controller.db"), bolt.Options{Tables: Tables()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	l, err := New(Options{DB: db})
	if err != nil {
		t.Fatal(err)
	}
	rang := func(bell <-chan struct{}) bool {
		select {
		case <-bell:
			return true
		default:
			return false
		}
	}
	bell, undone := l.bell.listen(), errors.New("undone")
	for _, outcome := range []error{undone, nil} {
		err := db.Update(t.Context(), func(tx store.Tx) error {
			if _, err := l.Append(tx, Event{Type: "server.started"}); err != nil {
				return err
			}
			if rang(bell) {
				t.Error("followers are woken inside the transaction")
			}
			return outcome
		})
		if !errors.Is(err, outcome) {
			t.Fatal(err)
		}
		if rang(bell) != (outcome == nil) {
			t.Errorf("woken %v after a transaction that ended with %v", rang(bell), outcome)
		}
	}
}
