package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/durable"
	"github.com/payperplay/payperplay/protocol/failpoint"
	bbolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

const (
	// compactAbove and half of it free: Open compacts such a file before it serves.
	compactAbove = 64 << 20
	// compactLive is how much live data is copied while writers wait (measured: 0.8 s of processor time for each 100 MiB).
	compactLive = 256 << 20
	// compactTime bounds the copy at Open; after it the store opens as it is.
	compactTime = 20 * time.Second
	// copyBatch is how many bytes one transaction of the copy takes.
	copyBatch = 8 << 20
	// roomLeft is what a copy leaves free on the disk, for whatever else is written meanwhile.
	roomLeft = 16 << 20
)

// Compaction is what one compaction did. Sizes are bytes.
type Compaction struct {
	Before int64         `json:"before"`
	After  int64         `json:"after"`
	Took   time.Duration `json:"took"` // nanoseconds; changes waited that long
}

// Compact replaces the file by a copy without free pages. It copies while readers and backups go on and changes wait, which is
// why it refuses more than 256 MiB of live data (kind precondition): those are compacted while the controller is down. Before the
// copy takes the file's place it has been read back and is equal, row by row; a process that dies at any point leaves the old
// file or the new one. Kind read_only when the disk has no room for the copy; nothing has changed then.
func (db *DB) Compact(ctx context.Context) (Compaction, error) {
	if db.closed.Load() {
		return Compaction{}, errClosed
	}
	if live := db.Size().Live(); live > db.compactLive {
		return Compaction{}, fault.New(fault.Precondition,
			fmt.Sprintf("the store holds %s, changes would have to wait too long while it is copied", protocol.FormatSize(live)),
			"stop the controller, run `controller store compact --data DIR`, and start it again: games run on meanwhile")
	}
	if err := db.writer.Take(ctx); err != nil {
		return Compaction{}, err
	}
	defer db.writer.Give()
	if db.closed.Load() {
		return Compaction{}, errClosed
	}
	if err := db.broken.Load(); err != nil {
		return Compaction{}, *err
	}
	return db.compact(ctx)
}

// compact needs the writer's lock.
func (db *DB) compact(ctx context.Context) (Compaction, error) {
	began, done := time.Now(), Compaction{Before: db.Size().File}
	next, placed, err := rewrite(ctx, db.b, db.path, db.options())
	if next == nil {
		return done, err
	}
	db.swap(next)
	done.After, done.Took = db.Size().File, time.Since(began)
	if err != nil && placed {
		// Which of the two files the name leads to after a power failure is not known: nothing may be acknowledged any more.
		return done, db.fail(err)
	}
	db.log.InfoContext(ctx, "store compacted", "path", db.path, "before", done.Before, "after", done.After, "took", done.Took)
	return done, err
}

// swap puts the new file's handle in the place of the old one's, which is closed when its last reader has ended.
func (db *DB) swap(next *bbolt.DB) {
	db.swapping.Lock()
	old := db.b
	db.b, db.page = next, pageSize(next)
	db.swapping.Unlock()
	db.retired.Go(func() {
		if err := old.Close(); err != nil {
			db.log.Warn("the file from before the compaction was not closed cleanly", "error", err)
		}
	})
}

// begin starts a read transaction on the file as it is now.
func (db *DB) begin() (*bbolt.Tx, error) {
	db.swapping.RLock()
	defer db.swapping.RUnlock()
	return db.b.Begin(false)
}

// compactAtOpen shrinks a file that is mostly empty. Whatever goes wrong, the store opens as it is.
func (db *DB) compactAtOpen(ctx context.Context, above int64) {
	size := db.Size()
	if above < 0 || size.File <= above || size.Free*2 <= size.File {
		return
	}
	if size.Live() > db.compactLive {
		db.log.WarnContext(ctx, "store is mostly empty and too large to be compacted at start", "path", db.path, "bytes", size.File, "free", size.Free,
			"next", "stop the controller, run `controller store compact --data DIR`, and start it again")
		return
	}
	db.log.InfoContext(ctx, "store is mostly empty and is compacted first", "path", db.path, "bytes", size.File, "free", size.Free, "at_most", compactTime)
	limit, cancel := context.WithTimeout(ctx, compactTime)
	defer cancel()
	if _, err := db.compact(limit); err != nil {
		db.log.WarnContext(ctx, "store was not compacted", "path", db.path, "error", err)
	}
}

// CompactFile compacts the store at path, which no controller may have open. It leads nothing: the term stays.
func CompactFile(ctx context.Context, path string) (done Compaction, err error) {
	h, findings, err := inspect(path, unix.LOCK_EX)
	if err != nil {
		return done, err
	}
	if len(findings) > 0 || h.damaged != "" {
		return done, damagedFile(path, h.damaged+first(findings))
	}
	plain := func() *bbolt.Options {
		return &bbolt.Options{Timeout: time.Nanosecond, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType}
	}
	b, err := openFile(path, plain())
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if err := ours(b, path); err != nil {
		return done, err
	}
	began := time.Now()
	done.Before = fileSize(path)
	next, _, err := rewrite(ctx, b, path, plain())
	if next != nil {
		err = errors.Join(err, next.Close())
	}
	done.After, done.Took = fileSize(path), time.Since(began)
	return done, err
}

func first(findings []store.Finding) string {
	if len(findings) == 0 {
		return ""
	}
	return findings[0].String()
}

// ours refuses a file that is no store of this product.
func ours(b *bbolt.DB, path string) error {
	defer catchFaults()()
	btx, err := b.Begin(false)
	if err != nil {
		return err
	}
	defer func() { _ = btx.Rollback() }()
	_, err = readIdentity(&tx{b: btx}, path)
	return err
}

// leftover is the name of the copy under way; only the process that has the store locked may use it.
func leftover(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".compact")
}

// dropLeftover removes what a compaction that was killed left behind. The store must be locked by the caller.
func dropLeftover(path string) { _ = os.Remove(leftover(path)) }

// dropOld removes half stores of a first start or a restore that were killed more than a day ago. A younger one may be at work.
func dropOld(path string) {
	list, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new-*"))
	for _, name := range list {
		if info, err := os.Lstat(name); err == nil && time.Since(info.ModTime()) > 24*time.Hour {
			_ = os.Remove(name)
		}
	}
}

// rewrite makes a checked copy of src, whose only writer the caller is, and gives it the name path. next is the handle of the
// file that has the name now: nil when it still is the old one. placed says that the name was given to the copy, although
// err tells that it may not be durable.
func rewrite(ctx context.Context, src *bbolt.DB, path string, opts *bbolt.Options) (next *bbolt.DB, placed bool, err error) {
	if err := failpoint.Hit("store.compact.before"); err != nil {
		return nil, false, err
	}
	tmp := leftover(path)
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, false, err
	}
	if err := roomFor(filepath.Dir(path), live(src), "the compacted copy of the store"); err != nil {
		return nil, false, err
	}
	next, err = copyFileOf(ctx, src, tmp, opts)
	if err == nil {
		err = failpoint.Hit("store.compact.rename.before")
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		if next != nil {
			err = errors.Join(err, next.Close())
		}
		return nil, false, errors.Join(noRoom(err, path), os.RemoveAll(tmp))
	}
	if err := failpoint.Hit("store.compact.rename.after"); err != nil {
		return next, true, err
	}
	if err := durable.SyncDir(filepath.Dir(path)); err != nil {
		return next, true, err
	}
	return next, true, failpoint.Hit("store.compact.after")
}

// noRoom names a full disk.
func noRoom(err error, path string) error {
	if isFull(err) {
		return fault.Wrap(err, fault.ReadOnly, "the disk is full: the store was not compacted", "free space on the disk that holds "+path)
	}
	return err
}

// copyFileOf copies every bucket into a new file at tmp, syncs it, reads it back and compares. The handle it gives is locked,
// so that the file has an owner from before it has its name.
func copyFileOf(ctx context.Context, src *bbolt.DB, tmp string, opts *bbolt.Options) (next *bbolt.DB, err error) {
	defer catchFaults()()
	from, err := src.Begin(false)
	if err != nil {
		return nil, closedOr(err)
	}
	defer func() { _ = from.Rollback() }()
	if next, err = openFile(tmp, opts); err != nil {
		return nil, err
	}
	noSync := next.NoSync
	next.NoSync = true // one sync at the end: until then the copy counts for nothing
	want, err := copyBuckets(ctx, from, next)
	if err != nil {
		return next, err
	}
	if err := failpoint.Hit("store.compact.sync.before"); err != nil {
		return next, err
	}
	if err := next.Sync(); err != nil {
		return next, err
	}
	next.NoSync = noSync
	if err := failpoint.Hit("store.compact.sync.after"); err != nil {
		return next, err
	}
	return next, compare(ctx, next, tmp, want)
}
