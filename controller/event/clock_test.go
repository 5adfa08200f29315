package event

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/bolt"
)

// TestF09ClockSetBack: the time of logging never falls, also across a restart, and the search by time stays right.
func TestF09ClockSetBack(t *testing.T) {
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "controller.db"), bolt.Options{Tables: Tables()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	ahead := time.Now().Add(time.Hour).Truncate(time.Microsecond)
	for restart := range 2 { // the second log learns from the store how late it was
		log, err := New(Options{DB: db})
		if err != nil {
			t.Fatal(err)
		}
		if restart == 0 {
			log.logged.Store(ahead.UnixMicro()) // as if the clock had been an hour ahead
		}
		err = db.Update(t.Context(), func(tx store.Tx) error {
			_, err := log.Append(tx, Event{Type: "node.joined"})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	err = db.View(t.Context(), func(tx store.Tx) error {
		for r, err := range events.Range(tx, "", nil, nil, 0, false) {
			if err != nil || !r.Logged.Equal(ahead) {
				t.Errorf("event %d was logged at %v, want %v (%v)", r.Seq, r.Logged, ahead, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
