package bolt

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/storetest"
	bbolt "go.etcd.io/bbolt"
)

func open(t *testing.T, tables []store.TableDef, opts ...storetest.Option) store.DB {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "controller.db"), Options{Tables: tables, DoubleRun: slices.Contains(opts, storetest.DoubleRun)})
}

func openAt(t *testing.T, path string, opts Options) *DB {
	t.Helper()
	db, err := Open(t.Context(), path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return db
}

func TestConformance(t *testing.T) {
	storetest.Run(t, open, storetest.Hooks{Damage: func(t *testing.T, db store.DB, table, key string) {
		err := db.(*DB).b.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte(table))
			row := slices.Clone(b.Get([]byte(key)))
			row[len(row)-3] ^= 4
			return b.Put([]byte(key), row)
		})
		if err != nil {
			t.Fatal(err)
		}
	}})
}
