package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
)

// The tables are changed after the takeover, when nobody writes in an old form any more; the version before may still
// read. A new index is a nullable column (a short lock), filled in batches, and an index made CONCURRENTLY; only then does
// _schema call it complete. An index that this version does not know is left in place, and called incomplete: rows written
// from now on lack it, so the version that knows it builds it anew when it comes back. Tables it does not know stay as they are.

// migrate brings the tables to what the rooms declare.
func (db *DB) migrate(ctx context.Context, conn *pgxpool.Conn) error {
	there, err := db.readSchema(ctx, conn)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(db.tables)) {
		t := db.tables[name]
		complete, found := there[name]
		switch {
		case !found:
			err = db.led(ctx, conn, func(tx pgx.Tx) error { return db.createTable(ctx, tx, t.def.Name, t.def.Indexes) })
		case !slices.Equal(complete, t.def.Indexes):
			err = db.change(ctx, conn, t, complete)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readSchema reads which indexes of each table are complete.
func (s source) readSchema(ctx context.Context, q querier) (map[string][]store.IndexDef, error) {
	rows, err := q.Query(ctx, s.sql("SELECT name, indexes FROM @._schema"))
	if err != nil {
		return nil, err
	}
	out := map[string][]store.IndexDef{}
	var name string
	var doc []byte
	_, err = pgx.ForEachRow(rows, []any{&name, &doc}, func() error {
		var indexes []store.IndexDef
		if err := json.Unmarshal(doc, &indexes); err != nil {
			return &store.DamagedError{Table: "_schema", Key: name, Why: err.Error()}
		}
		out[name] = indexes
		return nil
	})
	return out, err
}

func (s source) writeSchema(ctx context.Context, tx pgx.Tx, table string, indexes []store.IndexDef) error {
	doc, err := json.Marshal(indexes)
	if err != nil {
		return err
	}
	if indexes == nil {
		doc = []byte("[]")
	}
	_, err = tx.Exec(ctx, s.sql("INSERT INTO @._schema (name, indexes) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET indexes = excluded.indexes"), table, doc)
	return err
}

// led runs fn in a transaction of the writer. It waits for a lock only a moment at a time, because readers of the version
// before queue behind it, and tries again.
func (db *DB) led(ctx context.Context, conn *pgxpool.Conn, fn func(pgx.Tx) error) error {
	deadline := time.Now().Add(openTimeout)
	for n := 1; ; n++ {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, db.sql("SELECT @._begin($1, $2, $3)"), db.Term(), db.kept.Load(), db.op); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "SELECT set_config('lock_timeout', '300ms', true)"); err != nil {
				return err
			}
			return fn(tx)
		})
		switch v := judge(err); {
		case v == stale:
			return store.ErrStaleTerm
		case v == forgot:
			return store.ErrForgotten
		case v != clash && v != away, time.Now().After(deadline), conn.Conn().IsClosed():
			return err
		}
		if err := pause(ctx, n); err != nil {
			return err
		}
	}
}

// createTable makes a table that is empty, with its indexes.
func (s source) createTable(ctx context.Context, tx pgx.Tx, name string, indexes []store.IndexDef) error {
	columns := []string{`key text COLLATE "C"`, "_crc integer NOT NULL", "doc jsonb NOT NULL"}
	for _, x := range indexes {
		columns = append(columns, ident(x.Name)+" "+columnType(x.Kind))
	}
	columns = append(columns, fmt.Sprintf("CONSTRAINT %s PRIMARY KEY (key)", ident(indexName(name, "key"))))
	if _, err := tx.Exec(ctx, fmt.Sprintf("CREATE TABLE %s (%s)", s.name(name), strings.Join(columns, ", "))); err != nil {
		return err
	}
	for _, x := range indexes {
		if _, err := tx.Exec(ctx, s.createIndex(name, x, "")); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, s.sql("INSERT INTO @._counts (name, rows, digest) VALUES ($1, 0, 0)"), name); err != nil {
		return err
	}
	return s.writeSchema(ctx, tx, name, indexes)
}

func (s source) createIndex(table string, x store.IndexDef, how string) string {
	unique, columns := "", ident(x.Name)+", key"
	if x.Unique {
		unique, columns = "UNIQUE ", ident(x.Name)
	}
	return fmt.Sprintf("CREATE %sINDEX %s %s ON %s (%s)", unique, how, ident(indexName(table, x.Name)), s.name(table), columns)
}

// change adds the indexes that are missing.
func (db *DB) change(ctx context.Context, conn *pgxpool.Conn, t *table, complete []store.IndexDef) error {
	name := t.def.Name
	var keep, missing []store.IndexDef
	for _, x := range t.def.Indexes {
		if slices.Contains(complete, x) {
			keep = append(keep, x)
		} else {
			missing = append(missing, x)
		}
	}
	err := db.led(ctx, conn, func(tx pgx.Tx) error {
		// What is rebuilt is called incomplete first: a version that dies half-way, or an older one, leaves no doubt.
		if err := db.writeSchema(ctx, tx, name, keep); err != nil {
			return err
		}
		for _, x := range missing {
			sql := fmt.Sprintf("ALTER TABLE %s DROP COLUMN IF EXISTS %s, ADD COLUMN %[2]s %s", db.name(name), ident(x.Name), columnType(x.Kind))
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		db.log.Info("building new indexes of a table", "table", name, "indexes", len(missing))
		if err := db.fill(ctx, conn, t, missing); err != nil {
			return err
		}
	}
	for _, x := range missing {
		if err := db.buildIndex(ctx, conn, name, x); err != nil {
			return err
		}
	}
	return db.led(ctx, conn, func(tx pgx.Tx) error { return db.writeSchema(ctx, tx, name, t.def.Indexes) })
}

// fill computes the new columns, a batch of rows a transaction.
func (db *DB) fill(ctx context.Context, conn *pgxpool.Conn, t *table, missing []store.IndexDef) error {
	const size = 500
	var which []int
	var sets []string
	for i, x := range t.def.Indexes {
		if slices.Contains(missing, x) {
			which = append(which, i)
			sets = append(sets, fmt.Sprintf("%s = $%d", ident(x.Name), len(which)+1))
		}
	}
	update := fmt.Sprintf("UPDATE %s SET %s WHERE key = $1", t.name, strings.Join(sets, ", "))
	read := fmt.Sprintf("SELECT key, _crc, doc FROM %s WHERE key > $1 ORDER BY key LIMIT %d", t.name, size)
	for last, n := "", size; n == size; {
		from := last
		err := db.led(ctx, conn, func(tx pgx.Tx) error {
			rows, err := tx.Query(ctx, read, from)
			if err != nil {
				return err
			}
			batch := &pgx.Batch{}
			var key string
			var crc int32
			var doc []byte
			n = 0
			_, err = pgx.ForEachRow(rows, []any{&key, &crc, &doc}, func() error {
				n, last = n+1, key
				if err := verify(t.seed, t.def.Name, key, crc, doc); err != nil {
					return err
				}
				values, err := t.def.Values(doc)
				if err != nil {
					return fmt.Errorf("new indexes for table %s, row %q: %w", t.def.Name, key, err)
				}
				args := []any{key}
				for _, i := range which {
					args = append(args, argument(values[i]))
				}
				batch.Queue(update, args...)
				return nil
			})
			if err != nil || n == 0 {
				return err
			}
			return tx.SendBatch(ctx, batch).Close()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// buildIndex makes an index without locking the table, which may take as long as it takes.
func (db *DB) buildIndex(ctx context.Context, conn *pgxpool.Conn, table string, x store.IndexDef) error {
	exec := func(sql string) error {
		_, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
		return err
	}
	// It waits for transactions that are older than itself, and nobody waits for it.
	if err := errors.Join(exec("SET statement_timeout = 0"), exec("SET lock_timeout = 0")); err != nil {
		return err
	}
	defer func() { _ = errors.Join(exec("RESET statement_timeout"), exec("RESET lock_timeout")) }()
	drop := "DROP INDEX CONCURRENTLY IF EXISTS " + db.name(indexName(table, x.Name)) // of an earlier attempt
	if err := exec(drop); err != nil {
		return err
	}
	err := exec(db.createIndex(table, x, "CONCURRENTLY"))
	if err == nil {
		return nil
	}
	_ = exec(drop)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "23505" {
		return fault.Wrap(err, fault.Conflict, fmt.Sprintf("the table %s cannot have the unique index %s: rows have the same value", table, x.Name),
			"run the version before and change one of them")
	}
	return err
}
