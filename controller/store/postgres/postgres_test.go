package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/postgres/postgrestest"
	"github.com/payperplay/payperplay/controller/store/storetest"
)

func open(t *testing.T, tables []store.TableDef, opts ...storetest.Option) store.DB {
	t.Helper()
	return openAt(t, freshSchema(t), Options{Tables: tables, DoubleRun: slices.Contains(opts, storetest.DoubleRun), Backup: plainBackup})
}

// freshSchema is cheaper than a new database: the suite makes dozens.
func freshSchema(t testing.TB) string {
	t.Helper()
	n := schemas.next.Add(1)
	schemas.once.Do(func() { schemas.url = postgrestest.Database(t) })
	return fmt.Sprintf("%s&schema=Suite%%20%d", schemas.url, n)
}

var schemas struct {
	once sync.Once
	url  string
	next atomic.Int64
}

// plainBackup stands in for the portable file, which is made by a room above this one.
func plainBackup(ctx context.Context, src store.Source, w io.Writer) (n int64, err error) {
	write := func(v any) error {
		doc, err := json.Marshal(v)
		if err != nil {
			return err
		}
		m, err := w.Write(append(doc, '\n'))
		n += int64(m)
		return err
	}
	err = src.Dump(ctx, func(h store.Header) error { return write(h) }, func(r store.Row) error { return write(r.Key + " " + string(r.Doc)) })
	return n, err
}

func openAt(t testing.TB, url string, opts Options) *DB {
	t.Helper()
	db, err := Open(t.Context(), url, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return db
}

// raw runs SQL behind the engine's back; "@" is the schema.
func raw(t testing.TB, db *DB, sql string, args ...any) {
	t.Helper()
	conn, err := pgx.ConnectConfig(context.Background(), db.config.ConnConfig.Copy())
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Exec(context.Background(), db.sql(sql), args...)
	if err := errors.Join(err, conn.Close(context.Background())); err != nil {
		t.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	storetest.Run(t, open, storetest.Hooks{Damage: func(t *testing.T, db store.DB, table, key string) {
		raw(t, db.(*DB), "UPDATE @."+ident(table)+" SET doc = jsonb_set(doc, '{n}', '1') WHERE key = $1", key)
	}})
}
