// Package store keeps the controller's rows: typed tables in one small transactional API with two engines
// (store/bolt, embedded, and store/postgres) and one conformance suite (store/storetest).
//
// A room declares its tables as package variables and hands their Def to the engine when it opens:
//
//	var servers = store.Table[Server]{
//		Name: "servers",
//		Key:  func(s Server) string { return s.ID },
//		Indexes: []store.Index[Server]{
//			store.String("name", func(s Server) string { return s.Name }).Uniq(),
//			store.String("node", func(s Server) string { return s.Node }).When(func(s Server) bool { return s.Node != "" }),
//		},
//	}
//
// Rules inside a transaction: no I/O, no second View or Update, no use of the Tx after the closure has returned, and only
// from the closure's goroutine. An Update's closure may run more than once: it must not change what it captured except by
// assignment, and whatever has to happen once goes into AfterCommit.
package store

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/payperplay/payperplay/controller/fault"
)

// DB is one engine that is open. It is safe for use by many goroutines.
type DB interface {
	// View runs fn on a consistent snapshot; writers do not wait for it, nor it for them.
	View(ctx context.Context, fn func(Tx) error) error
	// Update runs fn as the only writer: all of it happens, durably, or nothing does. fn may run twice.
	// It fails with ErrStaleTerm when another controller has taken over, with kind read_only when the disk is full, and
	// with ctx's error when ctx ends before the commit. An error of fn comes back as it is.
	Update(ctx context.Context, fn func(Tx) error) error
	// Term is the term this handle leads with; it rises each time a controller takes over.
	Term() int64
	// Backup writes a consistent copy while others read and write; it returns the bytes written.
	Backup(ctx context.Context, w io.Writer) (int64, error)
	// Close waits for transactions under way.
	Close() error
}

// Tx is one transaction.
type Tx interface {
	// AfterCommit registers fn to run once after the transaction has committed, in the order of registration, on the
	// goroutine that called Update: never on roll-back, and never twice for a closure that ran twice. In a View it is an
	// error of the program: the transaction fails.
	AfterCommit(fn func())
	// Next takes the next value of a named sequence: 1, 2, 3 … in the order of commits, without gaps.
	Next(sequence string) (int64, error)
	// Writable tells an Update from a View.
	Writable() bool
	// Engine is for Table only; rooms do not call it.
	Engine() Engine
}

// Engine is what Table needs from a transaction. Only engines implement it and only this package calls it, always with
// keys, documents and values that passed the checks of text.go.
type Engine interface {
	// Get returns a row's document, valid until the transaction ends: ErrNotFound, *DamagedError.
	Get(table, key string) ([]byte, error)
	// Put inserts or replaces a row; values has one entry per index of the table's Def. A taken value of a unique index
	// is ErrConflict, and nothing of the row has changed then. ErrRanging while a Scan of the table is under way.
	Put(table, key string, doc []byte, values []Value) error
	// Delete removes a row; a missing one is no error. ErrRanging as in Put.
	Delete(table, key string) error
	// Count is the number of rows, kept, not counted.
	Count(table string) (int64, error)
	// Scan yields rows in order, streaming; a damaged row comes as an error and the scan goes on if yield says true.
	Scan(q Query, yield func(key string, doc []byte, err error) bool) error
}

// Query is one walk over a table or one of its indexes. Rows of equal index value come in the order of their keys.
type Query struct {
	Table string
	Index string // "" is the primary key
	// From (inclusive) and To (exclusive) bound the value; nil is an open end.
	From, To *Value
	// Equal asks for one value only; only rows whose primary key is above After count (below it in a reverse scan).
	Equal   *Value
	After   string
	Limit   int // 0: no limit
	Reverse bool
}

// RestoreSequence is a sequence that each start of a controller and each restore of a backup take one value of, so that a start
// sees whether the rows are older than they seem. Whoever puts a backup in the place of a store must take one.
const RestoreSequence = "restores"

// TermRaiser is a DB that can lead with a higher term than it opened with: an operator has decided that this controller is the
// true one although agents have followed another. It never lowers the term; ErrStaleTerm when another controller leads already.
type TermRaiser interface {
	// RaiseTerm makes Term at least atLeast, durably, before it returns.
	RaiseTerm(ctx context.Context, atLeast int64) error
}

// Errors of every engine. All of them carry a fault kind; compare with errors.Is.
var (
	ErrNotFound  = fault.New(fault.NotFound, "no such row", "")
	ErrConflict  = fault.New(fault.Conflict, "the value is taken", "choose another one")
	ErrStaleTerm = fault.New(fault.Stale, "another controller has taken over this store", "let this one end; the new leader serves")
	ErrMoved     = fault.New(fault.Precondition, "this store's state was moved to another address", "name that address with --store")
	// ErrForgotten is ErrStaleTerm too: this handle writes no more, and a new start is the cure.
	ErrForgotten = fault.Wrap(ErrStaleTerm, fault.Stale, "the store has forgotten acknowledged changes (a failover to a standby that lagged, or a restored database)",
		"start the controller again: it begins in recovery mode where nodes contradict")
	ErrInvalid = fault.New(fault.Invalid, "the text cannot be stored", "use valid UTF-8 without NUL, at most 512 bytes where it is a key or an index")
	ErrReadTx  = errors.New("store: a View cannot change anything")
	ErrTxDone  = errors.New("store: transaction used after its closure returned")
	ErrNested  = errors.New("store: transaction opened inside a transaction")
	ErrRanging = errors.New("store: table changed while a range over it is under way: collect first, then change")
)

// DamagedError is a row whose bytes are not those that were written.
type DamagedError struct {
	Table, Key, Why string
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("store: row %q of table %s is damaged: %s", e.Key, e.Table, e.Why)
}

// Unwrap gives it a kind and the way out.
func (e *DamagedError) Unwrap() error {
	return fault.New(fault.Unavailable, fmt.Sprintf("the row %q of table %s is damaged", e.Key, e.Table),
		"stop the controller, run `controller store check`, and restore a backup with `controller store restore`")
}

// Taken is the error an engine returns for a clash on a unique index; it is ErrConflict.
func Taken(table, index string) error {
	return fault.Wrap(ErrConflict, fault.Conflict, fmt.Sprintf("%s: the %s is taken", table, index), "choose another one")
}
