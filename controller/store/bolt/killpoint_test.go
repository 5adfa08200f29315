package bolt

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/payperplay/payperplay/controller/store/storetest"
	"github.com/payperplay/payperplay/protocol/failpoint/killtest"
)

// TestF14KilledInBackupAndRestore dies at each step of making a store, backing it up and restoring it: at every moment the name leads to a
// whole store, the one from before or the backup, and the backup that was acknowledged can be restored again.
func TestF14KilledInBackupAndRestore(t *testing.T) {
	name := func(dir string) (path, backup string) {
		return filepath.Join(dir, "controller.db"), filepath.Join(dir, "backup.db")
	}
	killtest.Run(t, killtest.Case{
		// The first pass of store.rename is that of the new store, the second that of the restored one.
		Points: []string{"store.backup.before", "store.backup.after", "store.restore.sync.before", "store.restore.marked", "store.rename.before", "store.rename.after"},
		At:     []int{1, 2},
		Work: func(ctx context.Context, dir string, acked func(int)) error {
			path, backup := name(dir)
			for turn := range 2 {
				db, err := Open(ctx, path, Options{Tables: storetest.Tables()})
				if err != nil {
					return err
				}
				n, err := kept.Write(ctx, db)
				if err == nil {
					err = backUp(ctx, db, backup)
				}
				if err == nil {
					err = os.WriteFile(filepath.Join(dir, "n"), []byte(strconv.FormatInt(n, 10)), 0o600)
				}
				if err == nil {
					_, err = kept.Write(ctx, db)
				}
				if err := errors.Join(err, db.Close()); err != nil {
					return err
				}
				acked(2*turn + 1)
				if err := Restore(ctx, backup, path); err != nil {
					return err
				}
				acked(2*turn + 2)
			}
			return nil
		},
		Check: func(t *testing.T, dir string, acked int) {
			path, backup := name(dir)
			var n int64
			if text, err := os.ReadFile(filepath.Join(dir, "n")); acked > 0 {
				n, _ = strconv.ParseInt(string(text), 10, 64)
				if err != nil || n == 0 {
					t.Fatal(n, err)
				}
				mustBeClean(t, backup)
			}
			if acked == 0 {
				if _, err := os.Stat(path); err != nil {
					return
				}
			}
			verifyWrites(t, path, n)
		},
	})
}

// TestF14StoreIsSyncedFirst: a write is on the disk, and the file's name, before it is acknowledged; a restored store too.
func TestF14StoreIsSyncedFirst(t *testing.T) {
	killtest.Synced(t, killtest.Case{Work: func(ctx context.Context, dir string, acked func(int)) error {
		path, backup := filepath.Join(dir, "controller.db"), filepath.Join(dir, "backup.db")
		db, err := Open(ctx, path, Options{Tables: storetest.Tables()})
		if err != nil {
			return err
		}
		for range 3 {
			n, err := kept.Write(ctx, db)
			if err != nil {
				return err
			}
			acked(int(n))
		}
		if err := errors.Join(backUp(ctx, db, backup), db.Close(), Restore(ctx, backup, path)); err != nil {
			return err
		}
		acked(4)
		return nil
	}}, "backup.db", "backup.db.new")
}

// backUp writes beside the last backup first, as the command does.
func backUp(ctx context.Context, db *DB, file string) error {
	f, err := os.Create(file + ".new")
	if err != nil {
		return err
	}
	_, err = db.Backup(ctx, f)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}
