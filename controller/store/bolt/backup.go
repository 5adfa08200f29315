package bolt

import (
	"context"
	"io"

	"github.com/payperplay/payperplay/protocol/failpoint"
)

// Backup writes the file as of now to w. Writers go on meanwhile; the file only grows by what they write until w is done.
func (db *DB) Backup(ctx context.Context, w io.Writer) (int64, error) {
	if db.closed.Load() {
		return 0, errClosed
	}
	if err := failpoint.Hit("store.backup.before"); err != nil {
		return 0, err
	}
	defer catchFaults()()
	b, err := db.b.Begin(false)
	if err != nil {
		return 0, closedOr(err)
	}
	t := &tx{db: db, ctx: ctx, b: b}
	defer t.end()
	n, err := b.WriteTo(ctxWriter{ctx, w})
	if err != nil {
		return n, err
	}
	return n, failpoint.Hit("store.backup.after")
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
