// Package open knows both engines of package store: it opens a store by its address, and copies one into the other.
//
// A backup is the same for both: a store file of the embedded engine, with checksums of its own. So one command checks it,
// and it can be restored into either engine.
package open

import (
	"context"
	"io"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/postgres"
)

// Options of Open.
type Options struct {
	Tables []store.TableDef // of all rooms
	// Scratch is the directory where a backup of Postgres is put together; "" is the system's for temporary files.
	Scratch string
	Logger  *slog.Logger          // nil: silent
	Metrics prometheus.Registerer // nil: none
}

// DB is an open store of either engine.
type DB interface {
	store.DB
	store.Source
	ClusterID() string
	// Lost is closed when another controller has taken over; it never is for a file, which one process has alone.
	Lost() <-chan struct{}
}

// engine is what this package needs of an engine.
type engine interface {
	open(ctx context.Context, a Address, o Options) (DB, error)
	read(ctx context.Context, a Address) (reader, error)
	// hold refuses a store that a controller leads; force ends that controller where it can be ended from here.
	hold(ctx context.Context, a Address, force bool) (store.Origin, error)
	stage(ctx context.Context, a Address) (store.Stage, error)
	check(ctx context.Context, a Address, tables []store.TableDef) (*store.Report, error)
}

// reader is a store that is only looked at.
type reader interface {
	store.Source
	io.Closer
}

func engineOf(a Address) engine {
	if a.Engine == Postgres {
		return postgresEngine{}
	}
	return boltEngine{}
}

// Open opens the store at address, making it first when the place is empty, and leads: the term rises.
func Open(ctx context.Context, address string, o Options) (DB, error) {
	a, err := Parse(address)
	if err != nil {
		return nil, err
	}
	return At(ctx, a, o)
}

// TakesOver tells whether Open ends another controller that leads the store, instead of being refused.
func (a Address) TakesOver() bool { return a.Engine == Postgres }

// Peek reads one row of a store that a controller may lead, without leading it: what has to be right before Open takes it
// over. cluster is "" when there is no store yet, doc nil when there is no such row. Not for a file, which Open just refuses.
func (a Address) Peek(ctx context.Context, table, key string) (cluster string, doc []byte, err error) {
	if a.Engine != Postgres {
		return "", nil, nil
	}
	r, err := postgres.Read(ctx, a.url)
	if fault.KindOf(err) == fault.NotFound {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	defer closing(r, &err)
	return r.Peek(ctx, table, key)
}

// At is Open for an address that was parsed.
func At(ctx context.Context, a Address, o Options) (DB, error) { return engineOf(a).open(ctx, a, o) }

// Check reads every row of the store at address and reports what is wrong. A file must not be open elsewhere, and is better
// checked in a process of its own (bolt.Check says why); Postgres is checked while it serves.
func Check(ctx context.Context, address string, tables []store.TableDef) (*store.Report, error) {
	a, err := Parse(address)
	if err != nil {
		return nil, err
	}
	return engineOf(a).check(ctx, a, tables)
}

// Unmark takes the mark away that a move has left; it gives the mark, nil when there was none.
func Unmark(ctx context.Context, address string) (mark *store.Moved, err error) {
	a, err := Parse(address)
	if err != nil {
		return nil, err
	}
	o, err := engineOf(a).hold(ctx, a, false)
	if err != nil {
		return nil, err
	}
	defer closing(o, &err)
	mark, err = o.Moved(ctx)
	if err != nil || mark == nil {
		return nil, err
	}
	return mark, o.Retire(ctx, nil)
}

// closing closes c and lets its error count only where there is no other.
func closing(c io.Closer, err *error) {
	if cerr := c.Close(); *err == nil {
		*err = cerr
	}
}
