package bolt

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/storetest"
	bbolt "go.etcd.io/bbolt"
)

func TestCheckFindsWhatIsWrong(t *testing.T) {
	items := func(btx *bbolt.Tx) *bbolt.Bucket { return btx.Bucket([]byte("items")) }
	index := func(btx *bbolt.Tx, name string) *bbolt.Bucket { return btx.Bucket([]byte("items/" + name)) }
	tests := []struct {
		name   string
		damage func(btx *bbolt.Tx) error
		says   []string
	}{
		{"nothing", func(*bbolt.Tx) error { return nil }, nil},
		{"a flipped value", func(btx *bbolt.Tx) error {
			row := slices.Clone(items(btx).Get([]byte("b")))
			row[len(row)-1] ^= 1
			return items(btx).Put([]byte("b"), row)
		}, []string{`items, row "b": its checksum`}},
		{"a value under another key", func(btx *bbolt.Tx) error {
			return items(btx).Put([]byte("b"), slices.Clone(items(btx).Get([]byte("a"))))
		}, []string{`items, row "b": its checksum`}},
		{"a missing row", func(btx *bbolt.Tx) error { return items(btx).Delete([]byte("b")) },
			[]string{"should have 3", `items, row "b": index name has an entry for it, but the row is missing`}},
		{"an old row", func(btx *bbolt.Tx) error {
			old := encodeRow(crcTable("items"), []byte("c"), [][]byte{nil, {0}, {0x80, 0, 0, 0, 0, 0, 0, 0}, nil, {0}}, []byte(`{"id":"c","text":"old"}`))
			return items(btx).Put([]byte("c"), old)
		}, []string{"the digest differs"}},
		{"a missing index entry", func(btx *bbolt.Tx) error { return index(btx, "name").Delete([]byte("one\x00")) },
			[]string{`items, row "a": index name has no entry for it`, "index name has 1 entries and should have 2"}},
		{"an index entry too many", func(btx *bbolt.Tx) error { return index(btx, "grp").Put([]byte("zzz\x00a"), nil) },
			[]string{`items, row "a": index grp has an entry for it with another value`, "index grp has 4 entries and should have 3"}},
		{"a malformed index entry", func(btx *bbolt.Tx) error { return index(btx, "n").Put([]byte("xy"), nil) }, []string{"malformed"}},
		{"an index gone", func(btx *bbolt.Tx) error { return btx.DeleteBucket([]byte("items/n")) }, []string{"its bucket is missing"}},
		{"a table gone", func(btx *bbolt.Tx) error { return btx.DeleteBucket([]byte("others")) }, []string{"others: its bucket is missing"}},
		{"a table renamed", func(btx *bbolt.Tx) error { _, err := btx.CreateBucket([]byte("itemz")); return err }, []string{"itemz: no table of that name"}},
		{"a bucket as a row", func(btx *bbolt.Tx) error { _, err := items(btx).CreateBucket([]byte("d")); return err }, []string{`items, row "d"`}},
		{"a changed sequence", func(btx *bbolt.Tx) error {
			b := btx.Bucket([]byte(metaName))
			v := slices.Clone(b.Get([]byte("q/numbers")))
			v[len(v)-1]++
			return b.Put([]byte("q/numbers"), v)
		}, []string{`_meta, row "q/numbers": its checksum`}},
		{"a count gone", func(btx *bbolt.Tx) error { return btx.Bucket([]byte(metaName)).Delete([]byte("s/items")) }, []string{`_meta, row "s/items": it is missing`}},
		{"a schema gone", func(btx *bbolt.Tx) error { return btx.Bucket([]byte(schemaName)).Delete([]byte("items")) }, []string{"items: no table of that name"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "controller.db")
			db := openAt(t, path, Options{Tables: storetest.Tables()})
			putItems(t, db, storetest.Item{ID: "a", Name: "one", Group: "g"}, storetest.Item{ID: "b", Name: "two"}, storetest.Item{ID: "c"})
			if err := db.Update(t.Context(), func(tx store.Tx) error { _, err := tx.Next("numbers"); return err }); err != nil {
				t.Fatal(err)
			}
			if err := db.b.Update(test.damage); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			r, err := Check(t.Context(), path)
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
		})
	}
}

func TestCheckReportsWhatIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "controller.db")
	db := openAt(t, path, Options{Tables: storetest.Tables()})
	putItems(t, db, storetest.Item{ID: "a"}, storetest.Item{ID: "b"})
	cluster := db.ClusterID()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	r := mustBeClean(t, path)
	if r.Cluster != cluster || r.Term != 1 || !slices.Equal(r.Tables, []store.TableReport{{Name: "items", Rows: 2}, {Name: "others", Rows: 0}}) {
		t.Errorf("report %+v", r)
	}
}

// TestF14ReadThroughDamagedIndex has index entries that lie: what they lead to is an error, not another row's value.
func TestF14ReadThroughDamagedIndex(t *testing.T) {
	db := openAt(t, filepath.Join(t.TempDir(), "controller.db"), Options{Tables: storetest.Tables()})
	putItems(t, db, storetest.Item{ID: "a", Name: "one"}, storetest.Item{ID: "b", Name: "two"})
	err := db.b.Update(func(btx *bbolt.Tx) error {
		b := btx.Bucket([]byte("items/name"))
		return errors.Join(b.Put([]byte("one\x00"), []byte("b")), b.Put([]byte("three\x00"), []byte("gone")))
	})
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(t.Context(), func(tx store.Tx) error {
		for _, name := range []string{"one", "three"} {
			var damaged *store.DamagedError
			if v, err := storetest.Items.Lookup(tx, "name", name); !errors.As(err, &damaged) {
				t.Errorf("Lookup(%s) = %v, %v; want a DamagedError", name, v, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
