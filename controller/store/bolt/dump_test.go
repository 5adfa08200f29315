package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/storetest"
	"github.com/payperplay/payperplay/protocol/failpoint"
	bbolt "go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

type dumped struct {
	head store.Header
	rows []store.Row
}

func dumpOf(t testing.TB, src store.Source) (d dumped) {
	t.Helper()
	err := src.Dump(t.Context(), func(h store.Header) error { d.head = h; return nil }, func(r store.Row) error {
		d.rows = append(d.rows, store.Row{Table: r.Table, Key: r.Key, Doc: bytes.Clone(r.Doc), Values: slices.Clone(r.Values)})
		return nil
	})
	if err != nil {
		t.Fatalf("Dump: %v", err)
	}
	return d
}

// load copies src into a new store at path.
func load(t testing.TB, src store.Source, path string) error {
	t.Helper()
	s, err := NewStage(path)
	if err != nil {
		return err
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	d := dumpOf(t, src)
	rows := store.RowsOf(t.Context(), src, func(store.Header) error { return nil })
	if err := s.Load(t.Context(), d.head, rows); err != nil {
		return err
	}
	if staged := dumpOf(t, s); !reflect.DeepEqual(staged, d) {
		t.Errorf("the stage holds %v, want %v", staged, d)
	}
	return s.Publish(t.Context())
}

func someItems(t *testing.T, db store.DB, n int) {
	t.Helper()
	for i := range n {
		v := storetest.Item{ID: fmt.Sprintf("k%04d", i*7919%n), N: int64(i - n/2), On: i%2 == 0, Group: fmt.Sprint(i % 5), Text: strings.Repeat("é", i%50)}
		if i%3 == 0 {
			v.Name, v.At = fmt.Sprint("n", i), time.UnixMicro(int64(i)*1e9-1e12)
		}
		putItems(t, db, v)
	}
	err := db.Update(t.Context(), func(tx store.Tx) error {
		_, err := tx.Next("numbers")
		_, err2 := tx.Next("letters")
		_, err3 := tx.Next("numbers")
		return errors.Join(err, err2, err3, storetest.Others.Put(tx, storetest.Item{ID: "ö"}))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDumpAndLoad(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "a.db"), filepath.Join(t.TempDir(), "b.db")
	db := openAt(t, from, Options{Tables: storetest.Tables()})
	someItems(t, db, 300)
	want := dumpOf(t, db)
	if want.head.Rows() != 301 || len(want.rows) != 301 || want.head.Sequences["numbers"] != 2 || want.head.Sequences["letters"] != 1 ||
		want.head.Term != 1 || want.head.Cluster != db.ClusterID() || len(want.head.Tables) != 2 {
		t.Fatalf("dump of %d rows: %+v", len(want.rows), want.head)
	}
	if err := load(t, db, to); err != nil {
		t.Fatal(err)
	}
	mustBeClean(t, to)
	other := openAt(t, to, Options{}) // it declares none of the tables
	got := dumpOf(t, other)
	want.head.Term = 2
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v came back, want %+v", got.head, want.head)
	}
	if err := load(t, db, to); fault.KindOf(err) != fault.Conflict {
		t.Errorf("Load over a store: %v", err)
	}
}

func TestDumpAndLoadAnyText(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		items := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) storetest.Item {
			text := rapid.StringMatching(`[^\x00]{0,20}`)
			return storetest.Item{
				ID: rapid.StringMatching(`[^\x00]{1,20}`).Draw(t, "id"), Group: text.Draw(t, "group"), Text: text.Draw(t, "text"), N: rapid.Int64().Draw(t, "n"),
				At: time.UnixMicro(rapid.Int64Range(-1e15, 1e15).Draw(t, "at")), Data: rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "data"),
			}
		}), 0, 20).Draw(rt, "items")
		db, err := Open(t.Context(), filepath.Join(dir, "a.db"), Options{Tables: storetest.Tables()})
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		putItems(t, db, items...)
		if err := load(t, db, filepath.Join(dir, "b.db")); err != nil {
			rt.Fatal(err)
		}
		mustBeClean(t, filepath.Join(dir, "b.db"))
	})
}

func TestLoadRefusesWhatDoesNotFit(t *testing.T) {
	str := func(s string) store.Value { return store.Value{Set: true, Kind: store.KindString, Str: s} }
	head := store.Header{Cluster: "c", Tables: []store.TableHead{{Name: "t", Rows: 2, Indexes: []store.IndexDef{{Name: "name", Kind: store.KindString, Unique: true}}}}}
	row := func(key, name string) store.Row {
		return store.Row{Table: "t", Key: key, Doc: []byte(`{}`), Values: []store.Value{str(name)}}
	}
	tests := map[string]struct {
		rows []store.Row
		says string
	}{
		"fewer":           {[]store.Row{row("a", "x")}, "1 rows came, the header says 2"},
		"more":            {[]store.Row{row("a", "x"), row("b", "y"), row("c", "z")}, "3 rows came"},
		"twice":           {[]store.Row{row("a", "x"), row("a", "y")}, "comes twice"},
		"taken":           {[]store.Row{row("a", "x"), row("b", "x")}, "the name is taken"},
		"another table":   {[]store.Row{{Table: "u", Key: "a", Doc: []byte(`{}`)}}, "does not name the table"},
		"no values":       {[]store.Row{{Table: "t", Key: "a", Doc: []byte(`{}`)}}, "0 index values"},
		"a bad key":       {[]store.Row{row("", "x")}, "key is empty"},
		"a bad document":  {[]store.Row{{Table: "t", Key: "a", Doc: []byte(`"\u0000"`), Values: []store.Value{str("x")}}}, "NUL"},
		"an error inside": {nil, "source broke"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s, err := NewStage(filepath.Join(dir, "s.db"))
			if err != nil {
				t.Fatal(err)
			}
			err = s.Load(t.Context(), head, func(yield func(store.Row, error) bool) {
				for _, r := range test.rows {
					if !yield(r, nil) {
						return
					}
				}
				if test.rows == nil {
					yield(store.Row{}, errors.New("source broke"))
				}
			})
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("Load: %v, want %q", err, test.says)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestF14DumpOfADamagedStore: nothing damaged or incomplete passes for a whole dump.
func TestF14DumpOfADamagedStore(t *testing.T) {
	tests := map[string]func(btx *bbolt.Tx) error{
		"a flipped row": func(btx *bbolt.Tx) error {
			b := btx.Bucket([]byte("items"))
			row := slices.Clone(b.Get([]byte("k0003")))
			row[len(row)-2] ^= 1
			return b.Put([]byte("k0003"), row)
		},
		"a missing row": func(btx *bbolt.Tx) error { return btx.Bucket([]byte("items")).Delete([]byte("k0003")) },
		"an old row": func(btx *bbolt.Tx) error {
			old := encodeRow(crcTable("others"), []byte("ö"), nil, []byte(`{"id":"ö","text":"old"}`))
			return btx.Bucket([]byte("others")).Put([]byte("ö"), old)
		},
		"a changed sequence": func(btx *bbolt.Tx) error {
			return btx.Bucket([]byte(metaName)).Put([]byte("q/numbers"), []byte("123456789"))
		},
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			db := openAt(t, filepath.Join(t.TempDir(), "a.db"), Options{Tables: storetest.Tables()})
			someItems(t, db, 20)
			if err := db.b.Update(damage); err != nil {
				t.Fatal(err)
			}
			err := db.Dump(t.Context(), func(store.Header) error { return nil }, func(store.Row) error { return nil })
			var damaged *store.DamagedError
			if !errors.As(err, &damaged) {
				t.Errorf("Dump: %v", err)
			}
		})
	}
}

func TestRetire(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	db := openAt(t, path, Options{Tables: storetest.Tables()})
	if _, err := Hold(t.Context(), path); fault.KindOf(err) != fault.Conflict {
		t.Fatalf("Hold under a controller: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	o, err := Hold(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path, Options{}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("Open of a store that is held: %v", err)
	}
	mark := store.Moved{To: "postgres://db/ppp", At: time.Now().UTC().Truncate(time.Second)}
	if err := o.Retire(t.Context(), &mark); err != nil {
		t.Fatal(err)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), path, Options{})
	if !errors.Is(err, store.ErrMoved) || !strings.Contains(err.Error(), mark.To) || fault.KindOf(err) != fault.Precondition {
		t.Fatalf("Open of a store that was left: %v", err)
	}
	if o, err = Hold(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if got, err := o.Moved(t.Context()); err != nil || *got != mark {
		t.Errorf("Moved() = %v, %v", got, err)
	}
	if d := dumpOf(t, o); d.head.Term != 1 {
		t.Errorf("the term is %d after it was held, want 1", d.head.Term)
	}
	if err := errors.Join(o.Retire(t.Context(), nil), o.Close()); err != nil {
		t.Fatal(err)
	}
	if again := openAt(t, path, Options{}); again.Term() != 2 {
		t.Errorf("term %d", again.Term())
	}
}

// TestStageIsGoneAfterItsProcess: what a killed one left is swept, what a living one fills is not.
func TestStageIsGoneAfterItsProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	dead := filepath.Join(filepath.Dir(path), ".a.db.stage-123")
	if err := os.WriteFile(dead, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	first, err := NewStage(path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := NewStage(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dead); err == nil {
		t.Error("the dead one is still there")
	}
	empty := func(func(store.Row, error) bool) {}
	for _, s := range []*Stage{first, second} {
		if err := s.Load(t.Context(), store.Header{Cluster: "c"}, empty); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.Publish(t.Context()); err != nil {
		t.Error(err)
	}
	if err := second.Publish(t.Context()); fault.KindOf(err) != fault.Conflict {
		t.Errorf("the second Publish: %v", err)
	}
	if err := errors.Join(first.Close(), second.Close()); err != nil {
		t.Error(err)
	}
	mustBeClean(t, path)
}

func TestStageFailpoints(t *testing.T) {
	for _, point := range []string{"store.dump.before", "store.dump.after", "store.stage.batch", "store.stage.sync.before", "store.rename.before"} {
		t.Run(point, func(t *testing.T) {
			dir := t.TempDir()
			db := openAt(t, filepath.Join(dir, "a.db"), Options{Tables: storetest.Tables()})
			someItems(t, db, 10)
			s, err := NewStage(filepath.Join(dir, "b.db"))
			if err != nil {
				t.Fatal(err)
			}
			head := dumpOf(t, db).head
			if err := failpoint.Arm(point + "=error"); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = failpoint.Arm("") })
			err = s.Load(t.Context(), head, store.RowsOf(t.Context(), db, func(store.Header) error { return nil }))
			if err == nil {
				err = s.Publish(t.Context())
			}
			if !errors.Is(err, failpoint.ErrInjected) {
				t.Errorf("error %v", err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(filepath.Join(dir, "b.db")); err == nil {
				t.Error("a store is there")
			}
		})
	}
}
