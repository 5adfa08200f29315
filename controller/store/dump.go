package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
)

// Header says what a store holds; it comes before the rows.
type Header struct {
	Cluster   string           `json:"cluster"` // 32 hex digits
	Term      int64            `json:"term"`    // of the last controller that led
	Tables    []TableHead      `json:"tables"`  // by name
	Sequences map[string]int64 `json:"sequences"`
}

// TableHead is one table: as it is in the store, whether or not this program declares it.
type TableHead struct {
	Name    string     `json:"name"`
	Indexes []IndexDef `json:"indexes"`
	Rows    int64      `json:"rows"`
}

// Rows is the number of rows of all tables.
func (h Header) Rows() (n int64) {
	for _, t := range h.Tables {
		n += t.Rows
	}
	return n
}

// Row is one row on its way from store to store. Doc may be another spelling of the JSON that was written (spaces, order
// of keys, as jsonb has it), never another value. It and Values are valid until the callback or the loop's turn ends.
type Row struct {
	Table, Key string
	Doc        []byte
	Values     []Value // one per index of the TableHead, in its order
}

// Source gives all there is in a store, from one consistent snapshot while others read and write, streaming: head once,
// then each row, tables by name, keys in byte order. An error of a callback ends it and comes back as it is; a damaged
// row ends it with *DamagedError.
type Source interface {
	Dump(ctx context.Context, head func(Header) error, row func(Row) error) error
}

// Origin is a store that nobody leads and nobody can open while this is held. To hold it may raise its term.
type Origin interface {
	Source
	// Retire writes durably that the store's state lives at another address from now on, which must show no password:
	// Open then fails with an error that is ErrMoved and names it. nil takes the mark away.
	Retire(ctx context.Context, mark *Moved) error
	// Moved is the mark, nil if there is none.
	Moved(ctx context.Context) (*Moved, error)
	Close() error
}

// Moved is the mark of a store that was left.
type Moved struct {
	To string    `json:"to"`
	At time.Time `json:"at"`
}

// MovedError is what Open says of the store at address, which was left.
func MovedError(address string, m Moved) error {
	return fault.Wrap(ErrMoved, fault.Precondition,
		fmt.Sprintf("the store %s was left on %s: its state lives at %s now", address, m.At.UTC().Format("2006-01-02 15:04 UTC"), m.To),
		"start with --store "+m.To+"; if the move did not end, run `controller store migrate` once more; only when nothing ever ran there, take the mark away with `controller store unmark`")
}

// Stage is a place that was empty and is being filled. No controller can open it before Publish has returned; after
// Close without Publish, an error or the end of the process it is empty again or can be filled anew.
// (Postgres: one transaction is enough, Publish being its commit.)
type Stage interface {
	Source // of what Load has written, also before Publish
	// Load takes everything of another store's Dump: the cluster's id, the term as given, sequences, tables with their
	// indexes, declared here or not, and the rows with their Values as given. Once per Stage.
	Load(ctx context.Context, head Header, rows iter.Seq2[Row, error]) error
	Publish(ctx context.Context) error
	Close() error
}

var errEnough = errors.New("store: enough rows")

// RowsOf is src's rows as a sequence; head is called first. An error comes as the last element.
func RowsOf(ctx context.Context, src Source, head func(Header) error) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		err := src.Dump(ctx, head, func(r Row) error {
			if !yield(r, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(Row{}, err)
		}
	}
}
