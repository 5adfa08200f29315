// Package bolt is the embedded engine of package store: one bbolt file, one bucket per table and per index.
//
// bbolt has no checksums on data, so every value carries a CRC-32C over table, key and value, and every table a row count
// and a digest. A damaged row is an error when it is read; Check finds rows and index entries that are missing.
//
// The file:
//
//	_meta            magic, format, cluster, term; "s/<table>" count and digest; "q/<sequence>" last value (all framed, codec.go)
//	_schema          table -> its indexes at the last open, JSON (framed)
//	<table>          key -> crc, index values, document
//	<table>/<index>  value NUL? key -> nothing; in a unique index: value -> key
package bolt

import (
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/payperplay/payperplay/controller/store"
	"github.com/prometheus/client_golang/prometheus"
	bbolt "go.etcd.io/bbolt"
)

// Options for Open.
type Options struct {
	// Tables are the tables of all rooms. Tables in the file that are not named here stay as they are.
	Tables []store.TableDef
	// DoubleRun runs every Update's closure twice, the first time rolled back, and refuses a View inside a transaction: for tests.
	DoubleRun bool
	// MaxBytes bounds the file; a write beyond it fails as one on a full disk does. 0: no bound.
	MaxBytes int64
	// CompactAbove: a file of more bytes of which more than half are free is compacted by Open; 0: 64 MiB, negative: never.
	CompactAbove int64
	Logger       *slog.Logger          // nil: silent
	Metrics      prometheus.Registerer // nil: none
}

// DB is an open store file. It implements store.DB.
type DB struct {
	swapping sync.RWMutex   // held by who begins to read, and by a compaction while it puts the new file in
	b        *bbolt.DB      // changed with writer and swapping held
	page     int64          // bytes of its pages
	retired  sync.WaitGroup // files from before a compaction that still have readers

	path      string
	cluster   string
	term      atomic.Int64
	tables    map[string]*table
	doubleRun bool
	log       *slog.Logger
	m         *store.UpdateMetrics

	maxBytes    int64
	compactLive int64 // compactLive, smaller in tests

	writer store.Turn // held by the one Update under way
	broken atomic.Pointer[error]
	stuck  atomic.Bool // bbolt's write lock was lost in a panic: Close must not wait for it
	closed atomic.Bool
}

var _ store.DB = (*DB)(nil)

// Term is the number of times this store was opened for writing (restores only raise it).
func (db *DB) Term() int64 { return db.term.Load() }

// ClusterID is the store's identity, 32 hex digits, made once when the file was.
func (db *DB) ClusterID() string { return db.cluster }

// Path is the file.
func (db *DB) Path() string { return db.path }

// Close waits for the Update under way and for the Views, and closes the file. Closing twice is fine.
func (db *DB) Close() error {
	if !db.closed.CompareAndSwap(false, true) {
		return nil
	}
	db.writer.Wait()
	defer db.writer.Give()
	if db.stuck.Load() {
		return nil
	}
	err := db.b.Close()
	db.retired.Wait()
	return err
}
