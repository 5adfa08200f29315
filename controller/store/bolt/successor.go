package bolt

import (
	"context"
)

// Successor gives a handle on the same open file that leads with a raised term: every later Update of db fails with ErrStaleTerm. It is
// what a take-over is on an engine that many processes reach, for the simulator: a real file of this engine has one process. Neither handle
// may be compacted afterwards; the last successor is closed, the handles before it are dropped.
func (db *DB) Successor(ctx context.Context) (*DB, error) {
	if err := db.writer.Take(ctx); err != nil {
		return nil, err
	}
	defer db.writer.Give()
	next := &DB{
		b: db.b, path: db.path, tables: db.tables, doubleRun: db.doubleRun, log: db.log, m: db.m,
		maxBytes: db.maxBytes, compactLive: db.compactLive, writer: db.writer,
	}
	return next, next.lead(ctx)
}
