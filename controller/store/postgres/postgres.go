// Package postgres is the engine of package store on PostgreSQL (14 or newer): one real table per store.Table, so that
// people can report with SQL, in a schema of its own (payperplay).
//
//	<table>      key text, doc jsonb, _crc int4, and one plain column per index, written here
//	_meta        format, cluster; the mark of a store that was left
//	_schema      table -> the indexes that are complete
//	_counts      table -> rows and a digest of them     _sequences   name -> last value
//	_leader      the term, and the last operation of the controller that leads     _terms   the same of its predecessors
//	report_*     views for people (reports.go)
//
// A View is a REPEATABLE READ READ ONLY transaction. An Update holds the process's writer, an advisory lock of the
// database, and has its term checked in its own transaction, so that one controller writes at a time, whoever else lives.
// Round trips decide how long an Update takes: it begins with its first read, keeps its writes until the next read or the
// commit, and sends everything that is due in one go.
//
// Each Update writes its number. When a connection is lost before the answer to a commit has come, a new one asks for that
// number, and the Update has happened or is run again: never twice. The next Update wants to find a number that it knows:
// a database that went back to an earlier state (a failover to a standby that lagged) is not written to.
package postgres

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/prometheus/client_golang/prometheus"
)

// Options for Open.
type Options struct {
	// Tables are the tables of all rooms. Tables in the database that are not named here stay as they are.
	Tables []store.TableDef
	// DoubleRun runs every Update's closure twice, the first time rolled back, and refuses a View inside a transaction: for tests.
	DoubleRun bool
	// Backup writes a dump of src to w and returns the bytes written; nil: DB.Backup says that there is none.
	Backup  func(ctx context.Context, src store.Source, w io.Writer) (int64, error)
	Logger  *slog.Logger          // nil: silent
	Metrics prometheus.Registerer // nil: none
}

// How long things may take. They bound every call; what a server or URL sets for statements and locks counts before them.
const (
	patience       = 3 * time.Second  // an Update or View that cannot reach Postgres tries again that long
	answerTimeout  = 15 * time.Second // one round trip; the server ends a statement after statementTimeout
	resolveTimeout = 30 * time.Second // finding out whether a commit happened
	openTimeout    = 60 * time.Second // waiting for the predecessor's transaction to end
	watchEvery     = 2 * time.Second  // looking for a newer leader without being asked
)

// DB is a store that this process leads. It implements store.DB.
type DB struct {
	source
	term      atomic.Int64
	rising    atomic.Int64 // what RaiseTerm makes of it, while it does
	tables    map[string]*table
	doubleRun bool
	backup    func(ctx context.Context, src store.Source, w io.Writer) (int64, error)
	log       *slog.Logger
	m         *metrics

	// Writers have their own connections: readers that fill the pool do not stop them.
	writers, readers *pgxpool.Pool

	writer   store.Turn       // held by the one Update under way; guards the three below
	seqs     map[string]int64 // the last values as committed, as far as known; checked in each commit
	op       int64            // number of the last Update that was sent; each term's begin at random, so that no two share one
	unsure   raised           // a raise of the term whose outcome is not known
	kept     atomic.Int64     // number of the last Update that is known to be committed
	away     atomic.Int64     // unix nanoseconds of the last failed attempt to reach Postgres
	lost     chan struct{}
	loseOnce sync.Once
	why      error // that lost is closed; written before
	closed   atomic.Bool
	stop     context.CancelFunc
	watching sync.WaitGroup
}

var (
	_ store.DB     = (*DB)(nil)
	_ store.Source = (*DB)(nil)
)

// Term is the number of takeovers of this store (restores and RaiseTerm only raise it).
func (db *DB) Term() int64 { return db.term.Load() }

// ClusterID is the store's identity, 32 hex digits, made once with the schema.
func (db *DB) ClusterID() string { return db.cluster }

// Address names the store without any secret: host, port, database and schema.
func (db *DB) Address() string { return db.address }

// Lost is closed when another controller has taken over, or when Postgres has forgotten what it had acknowledged: every
// Update fails with store.ErrStaleTerm (errors.Is) from then on.
func (db *DB) Lost() <-chan struct{} { return db.lost }

// LostBecause is why Lost is closed, for people; nil while it is open.
func (db *DB) LostBecause() error {
	if !db.isLost() {
		return nil
	}
	return db.why
}

// Backup writes a consistent copy while others read and write.
func (db *DB) Backup(ctx context.Context, w io.Writer) (int64, error) {
	if db.closed.Load() {
		return 0, errClosed
	}
	if db.backup == nil {
		return 0, errors.New("postgres: opened without Options.Backup")
	}
	return db.backup(ctx, db, w)
}

// Close waits for the Update under way and for the Views. Closing twice is fine.
func (db *DB) Close() error {
	if !db.closed.CompareAndSwap(false, true) {
		return nil
	}
	db.stop()
	db.writer.Wait()
	defer db.writer.Give()
	db.watching.Wait()
	db.readers.Close()
	db.writers.Close()
	return nil
}

// lose ends the handle and gives the reason, which is the first one.
func (db *DB) lose(why error) error {
	db.loseOnce.Do(func() {
		db.why = why
		close(db.lost)
	})
	return db.why
}

func (db *DB) isLost() bool {
	select {
	case <-db.lost:
		return true
	default:
		return false
	}
}
