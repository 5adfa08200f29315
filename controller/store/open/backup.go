package open

import (
	"context"
	"io"
	"iter"
	"os"
	"path/filepath"

	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/bolt"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

// Backup writes all of src to w as a store file, and returns the bytes written. The file is put together in scratch first
// ("" for the system's directory for temporary files), where as much space as the store takes is needed.
func Backup(ctx context.Context, src store.Source, scratch string, w io.Writer) (n int64, err error) {
	dir, done, err := newScratch(scratch)
	if err != nil {
		return 0, err
	}
	defer done()
	path := filepath.Join(dir, "store")
	stage, err := bolt.NewStage(path)
	if err != nil {
		return 0, err
	}
	defer closing(stage, &err)
	if err := transfer(ctx, src, stage, 0, nil); err != nil {
		return 0, err
	}
	if err := stage.Publish(ctx); err != nil {
		return 0, err
	}
	if err := failpoint.Hit("store.backup.before"); err != nil {
		return 0, err
	}
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	if n, err = io.Copy(w, reading{ctx, f}); err != nil {
		return n, err
	}
	return n, failpoint.Hit("store.backup.after")
}

// BackupOf is Backup of the store at address, which is read as it is: a file only when no controller has it.
func BackupOf(ctx context.Context, address string, scratch string, w io.Writer) (n int64, err error) {
	a, err := Parse(address)
	if err != nil {
		return 0, err
	}
	src, err := engineOf(a).read(ctx, a)
	if err != nil {
		return 0, err
	}
	defer closing(src, &err)
	return Backup(ctx, src, scratch, w)
}

type reading struct {
	ctx context.Context
	r   io.Reader
}

func (r reading) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// transfer loads all of src into an empty stage, with a term that is raised by terms. seen is told of every row.
func transfer(ctx context.Context, src store.Source, stage store.Stage, terms int64, seen func(head store.Header, row store.Row)) error {
	var head store.Header
	next, stop := iter.Pull2(store.RowsOf(ctx, src, func(h store.Header) error { head = h; return nil }))
	defer stop()
	row, err, ok := next() // the header comes before the first row, or before the end
	if err != nil {
		return err
	}
	given := head
	given.Term += terms
	return stage.Load(ctx, given, func(yield func(store.Row, error) bool) {
		for ; ok; row, err, ok = next() {
			if err == nil && seen != nil {
				seen(head, row)
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	})
}
