package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// step is one statement of a round trip; rows reads its result, nil when there is nothing to read.
type step struct {
	sql  string
	args []any
	rows func(pgx.Rows) error
}

const (
	beginView   = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
	beginUpdate = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"

	maxPending      = 256     // statements kept for the next round trip
	maxPendingBytes = 1 << 20 // of documents likewise
)

// send is one round trip: the beginning of the transaction if it has not begun, the writes that wait, and steps.
// A failure is kept: the transaction cannot go on, whatever the closure makes of the error.
func (t *tx) send(ctx context.Context, steps ...step) error {
	if t.failed != nil {
		return t.failed
	}
	var before error
	for {
		err := t.sendOnce(ctx, steps)
		if err == nil {
			return nil
		}
		if before != nil && ctx.Err() != nil {
			err = before // what it waited for tells more than that it waited
		}
		if !t.begun && !t.write && t.again(ctx, err) { // a View that has read nothing yet may begin anew
			before = err
			continue
		}
		t.failed = err
		return err
	}
}

func (t *tx) sendOnce(ctx context.Context, steps []step) error {
	if err := t.connect(ctx); err != nil {
		return err
	}
	batch := &pgx.Batch{}
	if !t.begun {
		t.queueBegin(batch)
	}
	for _, s := range t.pending {
		batch.Queue(s.sql, s.args...)
	}
	var bad error // of reading a result: not the server's fault
	for _, s := range steps {
		q := batch.Queue(s.sql, s.args...)
		if read := s.rows; read != nil {
			q.Query(func(rows pgx.Rows) error {
				if err := read(rows); err != nil && bad == nil {
					bad = err
				}
				rows.Close()
				return rows.Err()
			})
		}
	}
	round, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if err := t.conn.SendBatch(round, batch).Close(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	t.begun = true
	t.pending, t.pendingBytes = t.pending[:0], 0
	return bad
}

func (t *tx) queueBegin(batch *pgx.Batch) {
	if !t.write {
		batch.Queue(beginView)
		return
	}
	batch.Queue(beginUpdate)
	batch.Queue(t.db.sql("SELECT @._begin($1, $2, $3)"), t.db.Term(), t.db.kept.Load(), t.db.op)
}

// connect takes a connection from the pool when the transaction has none yet.
func (t *tx) connect(ctx context.Context) error {
	if t.conn != nil {
		return nil
	}
	pool := t.db.readers
	if t.write {
		pool = t.db.writers
	}
	conn, err := acquire(ctx, pool)
	t.conn = conn
	return err
}

// errBusy is a pool whose connections are all in use.
type errBusy struct{ connections int32 }

func (e errBusy) Error() string {
	return fmt.Sprintf("all %d connections are in use", e.connections)
}

func acquire(ctx context.Context, pool *pgxpool.Pool) (*pgxpool.Conn, error) {
	wait, cancel := context.WithTimeout(ctx, poolTimeout(pool))
	defer cancel()
	conn, err := pool.Acquire(wait)
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		if s := pool.Stat(); s.AcquiredConns() >= s.MaxConns() {
			return nil, errBusy{s.MaxConns()}
		}
	}
	return nil, err
}

// poolTimeout is a little longer than making a connection may take.
func poolTimeout(pool *pgxpool.Pool) time.Duration {
	return pool.Config().ConnConfig.ConnectTimeout + time.Second
}

// release ends what is left of the transaction and gives the connection back; pgxpool closes one that is not idle.
func release(ctx context.Context, conn *pgxpool.Conn) {
	if pg := conn.Conn().PgConn(); !pg.IsClosed() && pg.TxStatus() != 'I' {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_, _ = pg.Exec(end, "ROLLBACK").ReadAll()
	}
	conn.Release()
}
