package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/storetest"
)

// TestNothingIsBelievedBlindly: what the process remembers or assumes for speed is checked in each commit. Here somebody has
// changed the database under it.
func TestNothingIsBelievedBlindly(t *testing.T) {
	log := store.Table[storetest.Item]{Name: "log", Key: func(v storetest.Item) string { return v.ID }, Grows: true}
	db := openAt(t, freshSchema(t), defs(log.Def()))
	next := func() (n int64) {
		t.Helper()
		runs := 0
		err := db.Update(t.Context(), func(tx store.Tx) (err error) {
			runs++
			if n, err = tx.Next("log"); err != nil {
				return err
			}
			return log.Put(tx, storetest.Item{ID: store.SeqKey(n), N: n})
		})
		if err != nil || runs > 2 {
			t.Fatalf("Update = %v after %d runs", err, runs)
		}
		return n
	}
	if a, b := next(), next(); a != 1 || b != 2 {
		t.Errorf("numbers %d and %d", a, b)
	}
	raw(t, db, "UPDATE @._sequences SET value = 100 WHERE name = 'log'")
	if n := next(); n != 101 {
		t.Errorf("after the sequence was moved by hand: %d, want 101", n)
	}
	raw(t, db, "UPDATE @._sequences SET value = 1 WHERE name = 'log'") // the next number is the key of a row that is there
	if n := next(); n != 2 {
		t.Errorf("after the sequence was set back: %d, want 2", n)
	}
	// A row of a table that only grows is not looked for before it is written.
	putIn(t, db, log, storetest.Item{ID: "x", N: 1})
	putIn(t, db, log, storetest.Item{ID: "x", N: 2})
	err := db.View(t.Context(), func(tx store.Tx) error {
		n, err := log.Count(tx)
		v, gerr := log.Get(tx, "x")
		if n != 4 || v.N != 2 || errors.Join(err, gerr) != nil {
			t.Errorf("Count = %d, row %+v, %v; want 4 rows and the later one", n, v, errors.Join(err, gerr))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestCodes: what the server refuses with a code is tried again, or told with its kind, and nothing is changed meanwhile.
func TestCodes(t *testing.T) {
	tests := []struct {
		code  string
		times string
		kind  fault.Kind // "": it succeeds in the end
		runs  int
	}{
		{"40001", "3", "", 4},
		{"40P01", "3", "", 4},
		{"40001", "1000", fault.Internal, 10},
		{"53100", "1", fault.ReadOnly, 1},
		{"57P01", "2", "", 3},
		{"25006", "1000", fault.Unavailable, 0},
		{"57014", "1", fault.Unavailable, 1},
		{"XX001", "1", fault.Unavailable, 1},
		{"22003", "1", fault.Internal, 1},
	}
	for _, test := range tests {
		t.Run(test.code+" times "+test.times, func(t *testing.T) {
			db := openAt(t, freshSchema(t), Options{Tables: storetest.Tables()})
			raw(t, db, "CREATE SEQUENCE @.asked")
			raw(t, db, `CREATE FUNCTION @.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
				IF nextval('`+db.name("asked")+`') <= `+test.times+` THEN RAISE EXCEPTION 'for the test' USING ERRCODE = '`+test.code+`'; END IF; RETURN new; END $$`)
			raw(t, db, "CREATE TRIGGER refuse BEFORE INSERT ON @.items FOR EACH ROW EXECUTE FUNCTION @.refuse()")
			runs, announced := 0, 0
			start := time.Now()
			write := func() error {
				return db.Update(t.Context(), func(tx store.Tx) error {
					runs++
					tx.AfterCommit(func() { announced++ })
					_, err := tx.Next("s")
					return errors.Join(err, storetest.Items.Put(tx, storetest.Item{ID: "a"}))
				})
			}
			err := write()
			if fault.KindOf(err) != test.kind || test.runs > 0 && runs != test.runs || time.Since(start) > 2*patience {
				t.Errorf("Update = %v of kind %q after %d runs; want kind %q after %d", err, fault.KindOf(err), runs, test.kind, test.runs)
			}
			if (announced == 1) != (err == nil) {
				t.Errorf("announced %d times", announced)
			}
			raw(t, db, "DROP TRIGGER refuse ON @.items")
			if err := write(); err != nil {
				t.Errorf("afterwards: %v", err)
			}
			err = db.Update(t.Context(), func(tx store.Tx) error {
				n, err := tx.Next("s")
				if want := int64(2 + announced - 1); n != want {
					t.Errorf("the sequence is at %d, want %d", n, want)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestCallersDeadline: a caller's own deadline is told as that, not as Postgres being away.
func TestCallersDeadline(t *testing.T) {
	db := openAt(t, freshSchema(t), Options{Tables: storetest.Tables()})
	for name, run := range map[string]func(context.Context, func(store.Tx) error) error{"View": db.View, "Update": db.Update} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		err := run(ctx, func(tx store.Tx) error {
			<-ctx.Done()
			_, err := storetest.Items.Get(tx, "a")
			return err
		})
		if !errors.Is(err, context.DeadlineExceeded) || fault.KindOf(err) != fault.Timeout {
			t.Errorf("%s: %v of kind %s", name, err, fault.KindOf(err))
		}
	}
	if _, err := numbers.Write(t.Context(), db); err != nil {
		t.Error(err)
	}
}
