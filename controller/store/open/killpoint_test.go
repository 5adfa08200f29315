package open

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/payperplay/payperplay/controller/store/bolt"
	"github.com/payperplay/payperplay/controller/store/storetest"
	"github.com/payperplay/payperplay/protocol/failpoint/killtest"
)

var numbers = storetest.Numbers{}

// TestF14BackupKilled dies while a store is put together as a backup file: the store goes on, and the backup that was acknowledged before
// is whole.
func TestF14BackupKilled(t *testing.T) {
	killtest.Run(t, killtest.Case{
		Points: []string{"store.backup.before", "store.backup.after", "store.dump.before", "store.dump.after", "store.stage.batch", "store.stage.sync.before"},
		At:     []int{1, 2},
		Work: func(ctx context.Context, dir string, acked func(int)) error {
			db, err := bolt.Open(ctx, filepath.Join(dir, "controller.db"), bolt.Options{Tables: storetest.Tables()})
			if err != nil {
				return err
			}
			for range 2 {
				n, err := numbers.Write(ctx, db)
				if err != nil {
					return err
				}
				f, err := os.Create(filepath.Join(dir, "backup.new"))
				if err != nil {
					return err
				}
				_, err = Backup(ctx, db, dir, f)
				if err := errors.Join(err, f.Close(), os.Rename(f.Name(), filepath.Join(dir, "backup"))); err != nil {
					return err
				}
				acked(int(n))
			}
			return db.Close()
		},
		Check: func(t *testing.T, dir string, acked int) {
			for _, name := range []string{"controller.db", "backup"} {
				path := filepath.Join(dir, name)
				if _, err := os.Stat(path); err != nil && acked == 0 {
					continue
				}
				report, err := bolt.Check(t.Context(), path)
				if err != nil || !report.Clean() {
					t.Fatalf("%s: %v, %v", name, report, err)
				}
				db, err := bolt.Open(t.Context(), path, bolt.Options{Tables: storetest.Tables()})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := numbers.Check(t.Context(), db, int64(acked)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
			}
		},
	})
}
