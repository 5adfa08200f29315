package bolt

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store/storetest"
)

// TestF13CompactOnAFullDisk: refused, nothing changed, and it works when there is room again.
func TestF13CompactOnAFullDisk(t *testing.T) {
	path := filepath.Join(memoryDir(t), "controller.db")
	db := openAt(t, path, Options{Tables: storetest.Tables()})
	change(t, db, 0, 500, 4)
	want, old := read(t, db), fileSize(path)
	db.maxBytes = 64 << 10 // the copy may not become larger: as on a full disk
	if _, err := db.Compact(t.Context()); fault.KindOf(err) != fault.ReadOnly || fault.Next(err) == "" {
		t.Errorf("without room: %v", err)
	}
	db.maxBytes = 0
	if fileSize(path) != old {
		t.Error("the file has changed")
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
	sameStore(t, "after the refusal", read(t, db), want)
	putItems(t, db, storetest.Item{ID: "more"})
	if _, err := db.Compact(t.Context()); err != nil {
		t.Error(err)
	}
	if err := roomFor(memoryDir(t), 1<<60, "it"); fault.KindOf(err) != fault.ReadOnly {
		t.Errorf("room for everything: %v", err)
	}
}

// TestF13CompactAndBackupOnARealFullDisk: no room for a copy, and none for a backup's either: the one is refused in clear words, the
// other goes without its copy; with room again both work.
func TestF13CompactAndBackupOnARealFullDisk(t *testing.T) {
	dir := memoryDir(t)
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=48m"); err != nil {
		t.Skipf("needs root to mount a small file system: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	t.Setenv("TMPDIR", dir)
	db := openAt(t, filepath.Join(dir, "controller.db"), Options{Tables: storetest.Tables()})
	change(t, db, 0, 500, 4)
	want := read(t, db)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 40<<20), 0o600); err != nil && !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	if _, err := db.Compact(t.Context()); fault.KindOf(err) != fault.ReadOnly || !strings.Contains(fault.Message(err), "MiB") || fault.Next(err) == "" {
		t.Errorf("without room: %v", err)
	}
	if f := db.spool(t.Context()); f != nil {
		t.Errorf("a backup would be copied to %s first", f.Name())
		_ = f.Close()
	}
	saved := backupInMemory(t, db)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if r, err := Check(t.Context(), saved); err != nil || !r.Clean() {
		t.Errorf("the backup: %+v %v", r, err)
	}
	if f := db.spool(t.Context()); f == nil {
		t.Error("there is room and nothing to copy to")
	} else {
		_ = f.Close()
	}
	sameStore(t, "after the refusals", read(t, db), want)
	putItems(t, db, storetest.Item{ID: "more"})
	if _, err := db.Compact(t.Context()); err != nil {
		t.Error(err)
	}
}

// backupInMemory writes a backup where there is room.
func backupInMemory(t *testing.T, db *DB) string {
	t.Helper()
	var buf bytes.Buffer
	if _, err := db.Backup(t.Context(), &buf); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(memoryDir(t), "backup")
	if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestBackupDoesNotHoldWriters: a receiver that takes nothing holds no snapshot.
func TestBackupDoesNotHoldWriters(t *testing.T) {
	db := openAt(t, filepath.Join(memoryDir(t), "controller.db"), Options{Tables: storetest.Tables()})
	change(t, db, 0, 500, 1)
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := db.Backup(context.Background(), w)
		done <- err
	}()
	buf := make([]byte, 1)
	if _, err := io.ReadFull(r, buf); err != nil { // it has begun to send, so it has its copy
		t.Fatal(err)
	}
	if n := db.b.Stats().OpenTxN; n != 0 {
		t.Errorf("%d snapshots are held while a receiver is slow", n)
	}
	_ = r.CloseWithError(io.ErrClosedPipe)
	if err := <-done; !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("backup: %v", err)
	}
}
