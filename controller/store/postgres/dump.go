package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

// Dump gives everything in the store as of now, tables that no room declares too.
func (db *DB) Dump(ctx context.Context, head func(store.Header) error, row func(store.Row) error) error {
	if db.closed.Load() {
		return errClosed
	}
	conn, err := acquire(ctx, db.readers)
	if err != nil {
		return db.explain(err)
	}
	defer release(ctx, conn)
	return db.dump(ctx, conn.Conn(), head, row)
}

// dump reads one snapshot. Errors of the callbacks pass.
func (s source) dump(ctx context.Context, conn *pgx.Conn, head func(store.Header) error, row func(store.Row) error) error {
	if err := failpoint.Hit("store.dump.before"); err != nil {
		return err
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return s.explain(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := s.dumpIn(ctx, tx, head, row); err != nil {
		return err
	}
	return failpoint.Hit("store.dump.after")
}

func (s source) dumpIn(ctx context.Context, tx pgx.Tx, head func(store.Header) error, row func(store.Row) error) error {
	h, digests, err := s.readHead(ctx, tx)
	if err != nil {
		return s.explain(err)
	}
	if err := head(h); err != nil {
		return err
	}
	for _, t := range h.Tables {
		var n, digest int64
		err := s.each(ctx, tx, t.Name, t.Indexes, func(r store.Row, crc int32, err error) error {
			if err != nil {
				return err
			}
			n, digest = n+1, digest^mix(crc)
			return row(r)
		})
		if err != nil {
			return err
		}
		if n != t.Rows || digest != digests[t.Name] {
			return &store.DamagedError{Table: t.Name, Why: fmt.Sprintf("it has %d rows and should have %d, or they are not those that were written last", n, t.Rows)}
		}
	}
	return nil
}

// readHead reads what the engine keeps besides the rows.
func (s source) readHead(ctx context.Context, tx pgx.Tx) (h store.Header, digests map[string]int64, err error) {
	id, err := s.readIdentity(ctx, tx)
	if err != nil {
		return h, nil, err
	}
	if !id.found {
		return h, nil, s.notOurs()
	}
	h = store.Header{Cluster: id.cluster, Tables: []store.TableHead{}, Sequences: map[string]int64{}}
	if err := tx.QueryRow(ctx, s.sql("SELECT term FROM @._leader")).Scan(&h.Term); err != nil {
		return h, nil, err
	}
	indexes, err := s.readSchema(ctx, tx)
	if err != nil {
		return h, nil, err
	}
	rows, err := tx.Query(ctx, s.sql("SELECT name, rows, digest FROM @._counts"))
	if err != nil {
		return h, nil, err
	}
	var name string
	var n, digest int64
	counts := map[string]int64{}
	digests = map[string]int64{}
	if _, err = pgx.ForEachRow(rows, []any{&name, &n, &digest}, func() error { counts[name], digests[name] = n, digest; return nil }); err != nil {
		return h, nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(indexes)) {
		if _, ok := counts[name]; !ok {
			return h, nil, &store.DamagedError{Table: "_counts", Key: name, Why: "it is missing"}
		}
		h.Tables = append(h.Tables, store.TableHead{Name: name, Indexes: indexes[name], Rows: counts[name]})
	}
	rows, err = tx.Query(ctx, s.sql("SELECT name, value FROM @._sequences"))
	if err != nil {
		return h, nil, err
	}
	_, err = pgx.ForEachRow(rows, []any{&name, &n}, func() error { h.Sequences[name] = n; return nil })
	return h, digests, err
}

// each reads a table in the order of its keys, batch by batch: one long statement would meet the server's time limit.
// A damaged row comes with an error. What the callback returns ends the walk and passes.
func (s source) each(ctx context.Context, tx pgx.Tx, table string, indexes []store.IndexDef, fn func(r store.Row, crc int32, damaged error) error) error {
	columns := []string{"key", "_crc", "doc"}
	for _, x := range indexes {
		columns = append(columns, ident(x.Name))
	}
	seed := crcTable(table)
	size, last := batchSizes[1], ""
	for {
		sql := fmt.Sprintf("SELECT %s FROM %s WHERE key > $1 ORDER BY key LIMIT %d", strings.Join(columns, ", "), s.name(table), size)
		rows, err := tx.Query(ctx, sql, last)
		if err != nil {
			return s.explain(err)
		}
		n, bytes := 0, 0
		var stop error
		for stop == nil && rows.Next() {
			r := store.Row{Table: table, Values: make([]store.Value, len(indexes))}
			var crc int32
			if err := rows.Scan(scanRow(&r, &crc, indexes)...); err != nil {
				rows.Close()
				return s.explain(err)
			}
			n, bytes, last = n+1, bytes+len(r.Doc), r.Key
			stop = fn(r, crc, verify(seed, table, r.Key, crc, r.Doc))
		}
		rows.Close()
		if stop != nil {
			return stop
		}
		if err := rows.Err(); err != nil {
			return s.explain(err)
		}
		if n < size {
			return nil
		}
		if size = batchSizes[len(batchSizes)-1]; bytes/n*size > 8*batchBytes {
			size = batchSizes[1]
		}
	}
}

// scanRow has a place for each column of each's statement.
func scanRow(r *store.Row, crc *int32, indexes []store.IndexDef) []any {
	into := []any{&r.Key, crc, &r.Doc}
	for i, x := range indexes {
		into = append(into, &column{x.Kind, &r.Values[i]})
	}
	return into
}

// column reads an index column into a value.
type column struct {
	kind store.Kind
	into *store.Value
}

// Scan takes what the driver has decoded: text, int64, bool or nil.
func (c *column) Scan(v any) error {
	*c.into = store.Value{Set: v != nil, Kind: c.kind}
	switch v := v.(type) {
	case nil:
	case string:
		c.into.Str = v
	case []byte:
		c.into.Str = string(v)
	case int64:
		c.into.Int = v
	case bool:
		if v {
			c.into.Int = 1
		}
	default:
		return fmt.Errorf("postgres: an index column holds a %T", v)
	}
	return nil
}
