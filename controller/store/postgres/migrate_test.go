package postgres

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/postgres/postgrestest"
	"github.com/payperplay/payperplay/controller/store/storetest"
)

// The same table as two versions declare it: the newer one has two more indexes, one of them unique.
var (
	versionN1 = store.Table[storetest.Item]{Name: "items", Key: func(v storetest.Item) string { return v.ID },
		Indexes: []store.Index[storetest.Item]{store.String("grp", func(v storetest.Item) string { return v.Group })}}
	versionN = store.Table[storetest.Item]{Name: "items", Key: versionN1.Key,
		Indexes: append(slices.Clone(versionN1.Indexes),
			store.String("name", func(v storetest.Item) string { return v.Name }).Uniq().When(func(v storetest.Item) bool { return v.Name != "" }),
			store.Int64("n", func(v storetest.Item) int64 { return v.N }))}
	extra = store.Table[storetest.Item]{Name: "extra", Key: versionN1.Key}
)

func defs(tables ...store.TableDef) Options { return Options{Tables: tables} }

func putIn(t *testing.T, db *DB, table store.Table[storetest.Item], items ...storetest.Item) {
	t.Helper()
	err := db.Update(t.Context(), func(tx store.Tx) error {
		var errs []error
		for _, v := range items {
			errs = append(errs, table.Put(tx, v))
		}
		return errors.Join(errs...)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func idsBy(t *testing.T, db *DB, table store.Table[storetest.Item], index string) string {
	t.Helper()
	var out []string
	err := db.View(t.Context(), func(tx store.Tx) error {
		for v, err := range table.Range(tx, index, nil, nil, 0, false) {
			if err != nil {
				return err
			}
			out = append(out, v.ID)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, " ")
}

// TestNewIndexAndBack: version N adds indexes, N-1 comes back and writes without them, N comes again: its indexes are whole
// each time, and N-1 loses nothing of N's.
func TestNewIndexAndBack(t *testing.T) {
	url := postgrestest.Database(t)
	old := openAt(t, url, defs(versionN1.Def()))
	for i := range 1203 { // more than two batches
		putIn(t, old, versionN1, storetest.Item{ID: fmt.Sprintf("k%04d", i), Name: fmt.Sprint("name", i), N: int64(-i)})
	}
	newer := openAt(t, url, defs(versionN.Def(), extra.Def()))
	putIn(t, newer, extra, storetest.Item{ID: "x"})
	if got := strings.Fields(idsBy(t, newer, versionN, "n")); len(got) != 1203 || got[0] != "k1202" || got[1202] != "k0000" {
		t.Errorf("the new index gives %d rows", len(got))
	}
	if got := idsBy(t, old, versionN1, "grp"); len(strings.Fields(got)) != 1203 {
		t.Error("the older version cannot read any more")
	}
	check := func(tables ...store.TableDef) {
		t.Helper()
		r, err := Check(t.Context(), url, tables)
		if err != nil || !r.Clean() {
			t.Errorf("Check: %v, %+v", err, r)
		}
	}
	check(versionN.Def(), extra.Def())
	again := openAt(t, url, defs(versionN1.Def()))
	putIn(t, again, versionN1, storetest.Item{ID: "k0000", Name: "name1", N: 7}, storetest.Item{ID: "k0001", Name: "name0", N: 8}, storetest.Item{ID: "new", N: 9})
	check(versionN1.Def())
	last := openAt(t, url, defs(versionN.Def(), extra.Def()))
	if got := strings.Fields(idsBy(t, last, versionN, "n")); len(got) != 1204 || !slices.Equal(got[1201:], []string{"k0000", "k0001", "new"}) {
		t.Errorf("after the older version has written: %d rows, %v at the end", len(got), got[1201:])
	}
	err := last.View(t.Context(), func(tx store.Tx) error {
		v, err := versionN.Lookup(tx, "name", "name0")
		if v.ID != "k0001" {
			t.Errorf("name0 is %s", v.ID)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if got := idsBy(t, last, extra, ""); got != "x" {
		t.Errorf("the table that the older version does not know has %q", got)
	}
	check(versionN.Def(), extra.Def())
}

// TestUniqueIndexThatCannotBe fails to open with the reason, and the version before still runs.
func TestUniqueIndexThatCannotBe(t *testing.T) {
	url := postgrestest.Database(t)
	old := openAt(t, url, defs(versionN1.Def()))
	putIn(t, old, versionN1, storetest.Item{ID: "a", Name: "same"}, storetest.Item{ID: "b", Name: "same"})
	_, err := Open(t.Context(), url, defs(versionN.Def()))
	if fault.KindOf(err) != fault.Conflict || !strings.Contains(fault.Message(err), "unique index name") || fault.Next(err) == "" {
		t.Errorf("Open: %v", err)
	}
	back := openAt(t, url, defs(versionN1.Def()))
	putIn(t, back, versionN1, storetest.Item{ID: "b", Name: "other"})
	newer := openAt(t, url, defs(versionN.Def()))
	if got := idsBy(t, newer, versionN, "name"); got != "b a" {
		t.Errorf("rows by name: %q", got)
	}
}

// TestMigrationMeetsALongReader: a reader of the version before holds the table; the change waits for it in short tries and
// ends when it has.
func TestMigrationMeetsALongReader(t *testing.T) {
	url := postgrestest.Database(t)
	old := openAt(t, url, defs(versionN1.Def()))
	putIn(t, old, versionN1, storetest.Item{ID: "a"})
	reading, leave := make(chan struct{}), make(chan struct{})
	left := make(chan error)
	go func() {
		left <- old.View(t.Context(), func(tx store.Tx) error {
			_, err := versionN1.Get(tx, "a")
			close(reading)
			<-leave
			return err
		})
	}()
	<-reading
	opened := make(chan error)
	go func() {
		db, err := Open(t.Context(), url+"&lock_timeout=100ms", defs(versionN.Def()))
		if err == nil {
			err = db.Close()
		}
		opened <- err
	}()
	// Other readers of the old version are not stopped by the waiting change for longer than one short try.
	<-old.Lost()
	if got := idsBy(t, old, versionN1, ""); got != "a" {
		t.Errorf("a second reader sees %q", got)
	}
	close(leave)
	if err := errors.Join(<-left, <-opened); err != nil {
		t.Error(err)
	}
}

func TestNewerFormatAndForeignSchemas(t *testing.T) {
	server := postgrestest.Shared(t)
	url := server.Database(t)
	database := url[strings.LastIndex(url, "/")+1 : strings.Index(url, "?")]
	db := openAt(t, url, defs(extra.Def()))
	raw(t, db, "UPDATE @._meta SET value = '2' WHERE key = 'format'")
	refuse := func(what, url, says string, kind fault.Kind) {
		t.Helper()
		_, err := Open(t.Context(), url, defs(extra.Def()))
		if fault.KindOf(err) != kind || !strings.Contains(fault.Message(err), says) || fault.Next(err) == "" {
			t.Errorf("%s: %v of kind %s, want %q", what, err, fault.KindOf(err), says)
		}
	}
	refuse("a newer format", url, "format 2", fault.Precondition)
	server.SQL(t, database, "CREATE SCHEMA other; CREATE TABLE other.things (a int)")
	refuse("somebody's schema", url+"&schema=other", "not a PayPerPlay store", fault.Invalid)
	refuse("a bad schema", url+"&schema=a%40b", "cannot be the store's schema", fault.Invalid)
	two := openAt(t, url+"&search_path=second,public", defs(extra.Def()))
	putIn(t, two, extra, storetest.Item{ID: "x"})
	if got := server.SQL(t, database, "SELECT count(*) FROM second.extra"); got != "1" {
		t.Errorf("the schema of the search path holds %s rows", got)
	}
	server.SQL(t, "postgres", "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
	refuse("an encoding", server.URL("latin"), "LATIN1", fault.Precondition)
}
