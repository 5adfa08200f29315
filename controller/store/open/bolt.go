package open

import (
	"context"

	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/bolt"
)

type boltEngine struct{}

// boltDB is a file: the lock on it is never lost.
type boltDB struct{ *bolt.DB }

func (boltDB) Lost() <-chan struct{} { return nil }

func (boltEngine) open(ctx context.Context, a Address, o Options) (DB, error) {
	db, err := bolt.Open(ctx, a.Path, bolt.Options{Tables: o.Tables, Logger: o.Logger, Metrics: o.Metrics})
	if err != nil {
		return nil, err
	}
	return boltDB{db}, nil
}

func (boltEngine) read(ctx context.Context, a Address) (reader, error) {
	return bolt.Read(ctx, a.Path)
}

func (boltEngine) hold(ctx context.Context, a Address, _ bool) (store.Origin, error) {
	return bolt.Hold(ctx, a.Path)
}

func (boltEngine) stage(_ context.Context, a Address) (store.Stage, error) {
	return bolt.NewStage(a.Path)
}

func (boltEngine) check(ctx context.Context, a Address, _ []store.TableDef) (*store.Report, error) {
	return bolt.Check(ctx, a.Path)
}
