package bolt

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

// backupHold is how long a backup that cannot be copied to a disk of its own first may hold its snapshot.
const backupHold = 5 * time.Minute

// Backup writes the file as of now to w. Writers go on meanwhile.
//
// A snapshot that is held keeps bbolt from using freed pages again, and in the end from growing its mapping: a reader who
// takes his time would stop every writer. So the copy goes to a nameless file at the disk's speed first, beside the store or
// in the directory for temporary files, and from there to w. Where neither has room, w gets it directly, within 5 minutes.
func (db *DB) Backup(ctx context.Context, w io.Writer) (int64, error) {
	if db.closed.Load() {
		return 0, errClosed
	}
	if err := failpoint.Hit("store.backup.before"); err != nil {
		return 0, err
	}
	n, err := db.backup(ctx, w)
	if err != nil {
		return n, err
	}
	return n, failpoint.Hit("store.backup.after")
}

func (db *DB) backup(ctx context.Context, w io.Writer) (int64, error) {
	spool := db.spool(ctx)
	if spool == nil {
		return db.backupDirect(ctx, w)
	}
	defer func() { _ = spool.Close() }()
	if _, err := db.copyTo(ctx, spool); err != nil {
		if isFull(err) { // filled by somebody else meanwhile; what was written gives its room back first
			_ = spool.Close()
			return db.backupDirect(ctx, w)
		}
		return 0, err
	}
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	return io.Copy(ctxWriter{ctx, w}, spool)
}

func (db *DB) backupDirect(ctx context.Context, w io.Writer) (int64, error) {
	db.log.WarnContext(ctx, "no room to copy the store before it is sent; the receiver must be quick", "at_most", backupHold)
	limit, cancel := context.WithTimeoutCause(ctx, backupHold, fault.New(fault.Timeout, "the backup took too long to be received",
		"free as much space as the store takes, on its disk or for temporary files, and try again"))
	defer cancel()
	n, err := db.copyTo(limit, w)
	if err != nil && ctx.Err() == nil && limit.Err() != nil {
		err = context.Cause(limit)
	}
	return n, err
}

// copyTo writes a snapshot to w.
func (db *DB) copyTo(ctx context.Context, w io.Writer) (int64, error) {
	defer catchFaults()()
	b, err := db.begin()
	if err != nil {
		return 0, closedOr(err)
	}
	t := &tx{db: db, ctx: ctx, b: b}
	defer t.end()
	return b.WriteTo(ctxWriter{ctx, w})
}

// spool makes a file without a name where the copy fits; nil when it fits nowhere.
func (db *DB) spool(ctx context.Context) *os.File {
	for _, dir := range []string{filepath.Dir(db.path), os.TempDir()} {
		if roomFor(dir, fileSize(db.path), "the copy") != nil {
			continue
		}
		f, err := nameless(dir)
		if err == nil {
			return f
		}
		db.log.DebugContext(ctx, "no temporary file could be made for a backup", "dir", dir, "error", err)
	}
	return nil
}

// nameless makes a file that is gone when it is closed, whatever ends the process.
func nameless(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), filepath.Join(dir, "backup")), nil
	}
	f, err := os.CreateTemp(dir, ".backup-*") // a file system that knows no nameless files
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// ctxWriter stops a copy when ctx ends.
type ctxWriter struct {
	ctx context.Context
	w   io.Writer
}

func (c ctxWriter) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}
