package open

import (
	"context"
	"io"
	"time"

	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/postgres"
)

type postgresEngine struct{}

func (postgresEngine) open(ctx context.Context, a Address, o Options) (DB, error) {
	sweepScratch(o.Scratch, time.Now())
	db, err := postgres.Open(ctx, a.url, postgres.Options{
		Tables: o.Tables, Logger: o.Logger, Metrics: o.Metrics,
		Backup: func(ctx context.Context, src store.Source, w io.Writer) (int64, error) {
			return Backup(ctx, src, o.Scratch, w)
		},
	})
	if err != nil {
		return nil, err
	}
	return db, nil
}

func (postgresEngine) read(ctx context.Context, a Address) (reader, error) {
	return postgres.Read(ctx, a.url)
}

func (postgresEngine) hold(ctx context.Context, a Address, force bool) (store.Origin, error) {
	if !force {
		if err := postgres.Led(ctx, a.url); err != nil {
			return nil, err
		}
	}
	return postgres.Hold(ctx, a.url)
}

func (postgresEngine) stage(ctx context.Context, a Address) (store.Stage, error) {
	return postgres.NewStage(ctx, a.url)
}

func (postgresEngine) check(ctx context.Context, a Address, tables []store.TableDef) (*store.Report, error) {
	return postgres.Check(ctx, a.url, tables)
}
