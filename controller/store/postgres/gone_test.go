package postgres

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/postgres/postgrestest"
	"github.com/payperplay/payperplay/controller/store/storetest"
)

// TestF24Forgotten: the database is in an earlier state, as after a failover to a standby that lagged. The controller
// changes nothing more, and says why it ends.
func TestF24Forgotten(t *testing.T) {
	write := func(db *DB) error { _, err := numbers.Write(t.Context(), db); return err }
	blind := func(db *DB) error {
		return db.Update(t.Context(), func(tx store.Tx) error { _, err := tx.Next("writes"); return err })
	}
	read := func(db *DB) error {
		return db.Update(t.Context(), func(tx store.Tx) error { _, err := storetest.Others.Get(tx, "last"); return err })
	}
	raise := func(db *DB) error { return db.RaiseTerm(t.Context(), 50) }
	resolve := func(db *DB) error { _, err := db.resolve(t.Context(), db.op); return err }
	watched := func(db *DB) error {
		select {
		case <-db.Lost():
			return db.LostBecause()
		case <-time.After(4 * watchEvery):
			return errors.New("the watch has not seen it")
		}
	}
	const earlier, lower, other = "UPDATE @._leader SET op = op - 1", "UPDATE @._leader SET term = term - 1", "UPDATE @._leader SET op = op + 5"
	tests := []struct {
		name, sql string
		call      func(*DB) error
	}{
		{"an Update that reads first, an earlier operation", earlier, write},
		{"an Update that writes blindly", earlier, blind},
		{"an Update that only reads", earlier, read},
		{"a lower term", lower, write},
		{"another controller with the same term", other, write},
		{"a raise of the term", earlier, raise},
		{"a raise of a lower term", lower, raise},
		{"a commit that is looked up", "UPDATE @._leader SET op = op - 2", resolve},
		{"a commit that is looked up under a lower term", lower, resolve},
		{"nothing is called", earlier, watched},
		{"nothing is called under a lower term", lower, watched},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			db := openAt(t, freshSchema(t), Options{Tables: storetest.Tables()})
			for range 2 {
				if err := write(db); err != nil {
					t.Fatal(err)
				}
			}
			raw(t, db, test.sql)
			for _, err := range []error{test.call(db), write(db), db.LostBecause()} {
				if !errors.Is(err, store.ErrStaleTerm) || fault.KindOf(err) != fault.Stale || !strings.Contains(fault.Message(err), "forgotten") || !strings.Contains(fault.Next(err), "start the controller again") {
					t.Errorf("%v of kind %s, next %q", err, fault.KindOf(err), fault.Next(err))
				}
			}
			select {
			case <-db.Lost():
			default:
				t.Error("Lost is still open")
			}
			var n int64
			err := db.View(t.Context(), func(tx store.Tx) error { v, err := storetest.Others.Get(tx, "last"); n = v.N; return err })
			if err != nil || n != 2 {
				t.Errorf("the last number is %d, %v; want 2, as before", n, err)
			}
		})
	}
}

// TestF24LostCommitOfARaise cuts the connection at the commit of a raise, before Postgres has seen it and after: the term is
// raised, by this process, which goes on.
func TestF24LostCommitOfARaise(t *testing.T) {
	proxy, through := newCutter(t, postgrestest.Database(t))
	proxy.mark = []byte("commit\x00")
	db := openAt(t, through, Options{Tables: storetest.Tables()})
	for mode := int32(1); mode <= 2; mode++ {
		proxy.mode.Store(mode)
		term := int64(10 * mode)
		if err := db.RaiseTerm(t.Context(), term); err != nil || db.Term() != term {
			t.Errorf("cut %d: term %d, %v", mode, db.Term(), err)
		}
		if n, err := numbers.Write(t.Context(), db); err != nil || n != int64(mode) {
			t.Errorf("cut %d: number %d, %v", mode, n, err)
		}
	}
	if proxy.cuts.Load() != 2 {
		t.Errorf("%d connections were cut, want 2", proxy.cuts.Load())
	}
}

// TestF24RaiseMeetsATakeover: the raise is not committed, and before it is tried again another controller takes over with the
// same number. The older one must not take that for its own raise.
func TestF24RaiseMeetsATakeover(t *testing.T) {
	plain := postgrestest.Database(t)
	proxy, through := newCutter(t, plain)
	proxy.mark = []byte("commit\x00")
	older := openAt(t, through, Options{Tables: storetest.Tables()})
	type opened struct {
		db  *DB
		err error
	}
	taken := make(chan opened, 1)
	proxy.onCut = func() {
		db, err := Open(t.Context(), plain, Options{Tables: storetest.Tables()})
		taken <- opened{db, err}
	}
	proxy.mode.Store(1)
	err := older.RaiseTerm(t.Context(), older.Term()+1)
	other := <-taken
	if other.err != nil {
		t.Fatalf("the newer one: %v", other.err)
	}
	newer := other.db
	defer func() { _ = newer.Close() }()
	if !errors.Is(err, store.ErrStaleTerm) || newer.Term() != 2 {
		t.Errorf("raised to the newer one's term %d: %v", newer.Term(), err)
	}
	if _, err := numbers.Write(t.Context(), older); !errors.Is(err, store.ErrStaleTerm) {
		t.Errorf("the older one writes: %v", err)
	}
	if _, err := numbers.Write(t.Context(), newer); err != nil {
		t.Errorf("the newer one: %v", err)
	}
}

// TestF24UnsureRaise: a raise whose outcome was not found out, and which was committed: the watch does not take it for a
// takeover, and the next call finds out. One that was not committed changes nothing.
func TestF24UnsureRaise(t *testing.T) {
	for name, test := range map[string]struct {
		sql  string
		want int64
	}{"committed": {"UPDATE @._leader SET term = 9, op = 123", 9}, "not committed": {"SELECT 1", 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := openAt(t, freshSchema(t), Options{Tables: storetest.Tables()})
			db.rising.Store(9)
			db.unsure = raised{term: 9, op: 123}
			raw(t, db, test.sql)
			select {
			case <-db.Lost():
				t.Error("its own raise was taken for a takeover")
			case <-time.After(watchEvery + watchEvery/4):
			}
			if n, err := numbers.Write(t.Context(), db); n != 1 || err != nil || db.Term() != test.want || db.rising.Load() != 0 {
				t.Errorf("number %d, %v, term %d; want 1 and term %d", n, err, db.Term(), test.want)
			}
		})
	}
}

// TestMissingFunctions: a store that an earlier build has made gets the functions it lacks when it is taken over.
func TestMissingFunctions(t *testing.T) {
	url := freshSchema(t)
	db := openAt(t, url, Options{Tables: storetest.Tables()})
	raw(t, db, "DROP FUNCTION @._begin(bigint, bigint, bigint)")
	if _, err := numbers.Write(t.Context(), openAt(t, url, Options{Tables: storetest.Tables()})); err != nil {
		t.Error(err)
	}
}

// TestMissingCount: a table whose count is gone is damaged, and says so.
func TestMissingCount(t *testing.T) {
	db := openAt(t, freshSchema(t), Options{Tables: storetest.Tables()})
	raw(t, db, "DELETE FROM @._counts")
	err := db.View(t.Context(), func(tx store.Tx) error { _, err := storetest.Items.Count(tx); return err })
	var damaged *store.DamagedError
	if !errors.As(err, &damaged) || damaged.Table != "_counts" {
		t.Errorf("Count: %v", err)
	}
}
