package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/postgres/postgrestest"
	"github.com/payperplay/payperplay/controller/store/storetest"
)

func TestCheckFindsWhatIsWrong(t *testing.T) {
	database := postgrestest.Database(t)
	logDef := store.Table[storetest.Item]{Name: "log", Key: func(v storetest.Item) string { return v.ID }, Grows: true}
	tables := append(storetest.Tables(), logDef.Def())
	tests := []struct {
		name, damage string
		says         []string
	}{
		{"nothing", "SELECT 1", nil},
		{"a changed document", `UPDATE @.items SET doc = doc || '{"n": 77}' WHERE key = 'b'`, []string{`items, row "b": its checksum`}},
		{"a document under another key", `UPDATE @.items SET doc = (SELECT doc FROM @.items WHERE key = 'a'), _crc = (SELECT _crc FROM @.items WHERE key = 'a') WHERE key = 'b'`, []string{`items, row "b": its checksum`}},
		{"a missing row", `DELETE FROM @.items WHERE key = 'b'`, []string{"it has 2 rows and should have 3"}},
		{"an old row", `UPDATE @.items SET doc = o.doc, _crc = o._crc FROM @.old o WHERE items.key = o.key`, []string{"the digest differs"}},
		{"a changed index column", `UPDATE @.items SET grp = 'zzz' WHERE key = 'a'`, []string{`items, row "a": the column of index grp differs`}},
		{"an emptied index column", `UPDATE @.items SET name = NULL WHERE key = 'a'`, []string{`items, row "a": the column of index name differs`}},
		{"an index gone", `DROP INDEX @."items/n"`, []string{"its index n is missing"}},
		{"a table gone", `DROP TABLE @.others`, []string{"others: the table is missing"}},
		{"the engine's table gone", `DROP TABLE @._counts`, []string{"_counts: the table is missing"}},
		{"a schema gone", `DELETE FROM @._schema WHERE name = 'items'`, []string{"items: no table of that name"}},
		{"a count gone", `DELETE FROM @._counts WHERE name = 'items'`, []string{`_counts, row "items": it is missing`}},
		{"a sequence set back", `UPDATE @._sequences SET value = 1 WHERE name = 'log'`, []string{`_sequences, row "log": it is at 1, but the table has row 2`}},
		{"no leader", `DELETE FROM @._leader`, []string{"_leader: its row is missing"}},
		{"no JSON of ours", `UPDATE @.items SET doc = '"text"' WHERE key = 'c'`, []string{`items, row "c": its checksum`}},
	}
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			url := fmt.Sprintf("%s&schema=s%d", database, i)
			db := openAt(t, url, Options{Tables: tables})
			putIn(t, db, storetest.Items, storetest.Item{ID: "a", Name: "one", Group: "g"}, storetest.Item{ID: "b", Name: "two"}, storetest.Item{ID: "c", Text: "old"})
			raw(t, db, "CREATE TABLE @.old AS SELECT * FROM @.items WHERE key = 'c'")
			putIn(t, db, storetest.Items, storetest.Item{ID: "c"})
			for range 2 {
				err := db.Update(t.Context(), func(tx store.Tx) error {
					n, err := tx.Next("log")
					return errors.Join(err, logDef.Put(tx, storetest.Item{ID: store.SeqKey(n)}))
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			raw(t, db, test.damage)
			r, err := Check(t.Context(), url, tables)
			if err != nil {
				t.Fatalf("Check: %v", err)
			}
			all := fmt.Sprint(r.Findings)
			if r.Clean() != (len(test.says) == 0) {
				t.Errorf("Clean() = %v: %s", r.Clean(), all)
			}
			for _, want := range test.says {
				if !strings.Contains(all, want) {
					t.Errorf("findings %s do not say %q", all, want)
				}
			}
			if len(test.says) == 0 && (r.Cluster != db.ClusterID() || r.Term != 1 || len(r.Tables) != 3 || r.Tables[0] != (store.TableReport{Name: "items", Rows: 3})) {
				t.Errorf("report %+v", r)
			}
		})
	}
	if _, err := Check(t.Context(), database+"&schema=empty", tables); fault.KindOf(err) != fault.NotFound {
		t.Errorf("Check of nothing: %v", err)
	}
}

type dumped struct {
	head store.Header
	rows []string
}

func dumpOf(t *testing.T, src store.Source) (d dumped) {
	t.Helper()
	err := src.Dump(t.Context(), func(h store.Header) error { d.head = h; return nil }, func(r store.Row) error {
		d.rows = append(d.rows, fmt.Sprint(r.Table, " ", r.Key, " ", string(r.Doc), " ", r.Values))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDumpAndStage copies a store into another schema: all of it, or nothing.
func TestDumpAndStage(t *testing.T) {
	url := postgrestest.Database(t)
	db := openAt(t, url, Options{Tables: storetest.Tables()})
	for i := range 700 {
		putIn(t, db, storetest.Items, storetest.Item{ID: fmt.Sprintf("ä%04d", i), Name: fmt.Sprintf("%s-%d", strings.Repeat("ö", i%200), i), N: int64(i) << 50, At: time.UnixMicro(int64(i) - 300), On: i%2 == 0})
	}
	for range 3 {
		if err := db.Update(t.Context(), func(tx store.Tx) error { _, err := tx.Next("numbers"); return err }); err != nil {
			t.Fatal(err)
		}
	}
	want := dumpOf(t, db)
	if want.head.Rows() != 700 || want.head.Sequences["numbers"] != 3 || want.head.Cluster != db.ClusterID() || want.head.Term != 1 || len(want.head.Tables) != 2 {
		t.Errorf("header %+v", want.head)
	}
	to := url + "&schema=copy"
	stage := func() *Stage {
		t.Helper()
		s, err := NewStage(t.Context(), to)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	load := func(s *Stage) error {
		return s.Load(t.Context(), want.head, store.RowsOf(t.Context(), db, func(store.Header) error { return nil }))
	}
	// A stage that is not published was never there.
	s := stage()
	if err := errors.Join(load(s), s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	// Rows that end in an error leave nothing.
	s = stage()
	broken := func(yield func(store.Row, error) bool) { yield(store.Row{}, context.DeadlineExceeded) }
	if err := s.Load(t.Context(), want.head, broken); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Load of a source that fails: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	s = stage()
	if err := load(s); err != nil {
		t.Fatal(err)
	}
	if got := dumpOf(t, s); !slices.Equal(got.rows, want.rows) || got.head.Rows() != 700 {
		t.Error("the stage's dump differs before it is published")
	}
	if err := errors.Join(s.Publish(t.Context()), s.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := NewStage(t.Context(), to); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a stage where a store is: %v", err)
	}
	mustBeClean(t, to)
	copied := openAt(t, to, Options{Tables: storetest.Tables()})
	got := dumpOf(t, copied)
	if !slices.Equal(got.rows, want.rows) || copied.ClusterID() != db.ClusterID() || copied.Term() != db.Term()+1 || got.head.Sequences["numbers"] != 3 {
		t.Errorf("the copy differs: term %d, header %+v", copied.Term(), got.head)
	}
	putIn(t, copied, storetest.Items, storetest.Item{ID: "new", Name: "new"})
	mustBeClean(t, to)
}

// TestOrigin: a store that is held takes no writes and opens for nobody; one that is marked says where it went.
func TestOrigin(t *testing.T) {
	url := postgrestest.Database(t)
	if _, err := Hold(t.Context(), url); fault.KindOf(err) != fault.NotFound {
		t.Errorf("Hold of nothing: %v", err)
	}
	db := openAt(t, url, Options{Tables: storetest.Tables()})
	putIn(t, db, storetest.Items, storetest.Item{ID: "a"})
	o, err := Hold(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if held, err := Open(ctx, url, Options{Tables: storetest.Tables()}); err == nil {
		_ = held.Close()
		t.Error("a store that is held was opened")
	}
	if got := dumpOf(t, o); got.head.Rows() != 1 {
		t.Errorf("header %+v", got.head)
	}
	mark := &store.Moved{To: "/var/lib/x.db", At: time.Now().UTC().Truncate(time.Second)}
	if err := o.Retire(t.Context(), mark); err != nil {
		t.Fatal(err)
	}
	if got, err := o.Moved(t.Context()); err != nil || got == nil || *got != *mark {
		t.Errorf("Moved = %v, %v", got, err)
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	if _, err := numbers.Write(t.Context(), db); !errors.Is(err, store.ErrStaleTerm) {
		t.Errorf("the controller that ran: %v, want ErrStaleTerm", err)
	}
	if _, err := Open(t.Context(), url, Options{Tables: storetest.Tables()}); !errors.Is(err, store.ErrMoved) || !strings.Contains(fault.Message(err), mark.To) {
		t.Errorf("Open of a store that was left: %v", err)
	}
	if o, err = Hold(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(o.Retire(t.Context(), nil), o.Close()); err != nil {
		t.Error(err)
	}
	openAt(t, url, Options{Tables: storetest.Tables()})
}
