package bolt

import (
	"context"

	"github.com/payperplay/payperplay/controller/fault"
)

// Successor gives a handle on the same open file that leads with a raised term: every later Update of db fails with ErrStaleTerm. It is
// what a take-over is on an engine that many processes reach, for the simulator: a real file of this engine has one process. Neither handle
// may be compacted afterwards; the last successor is closed, the handles before it are dropped.
func (db *DB) Successor(ctx context.Context) (*DB, error) {
	select {
	case db.writer <- struct{}{}:
	case <-ctx.Done():
		return nil, fault.Wrap(ctx.Err(), fault.KindOf(ctx.Err()), "the store was busy for too long", "try again")
	}
	defer func() { <-db.writer }()
	next := &DB{
		b: db.b, path: db.path, tables: db.tables, doubleRun: db.doubleRun, log: db.log, m: db.m,
		maxBytes: db.maxBytes, compactLive: db.compactLive, writer: db.writer,
	}
	return next, next.lead(ctx)
}
