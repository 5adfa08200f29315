package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/payperplay/payperplay/controller/store"
)

// Check reads everything in the store and reports what is wrong: rows with a wrong checksum, rows that are missing or were
// put there by somebody else (by count and digest), index columns that differ from the document, indexes that are missing
// or have lost entries, sequences behind their table. tables are the declared ones; others are checked as far as they can
// be without. It changes nothing, and looks at one snapshot while others write. An error means that it could not look.
func Check(ctx context.Context, url string, tables []store.TableDef) (*store.Report, error) {
	s, err := dial(ctx, url)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.close() }()
	tx, err := s.conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, s.explain(err)
	}
	c := checking{session: s, tx: tx, r: store.NewReport(s.address), defs: map[string]store.TableDef{}}
	for _, def := range tables {
		c.defs[def.Name] = def
	}
	if err := c.run(ctx); err != nil {
		return nil, s.explain(err)
	}
	return c.r, nil
}

type checking struct {
	session
	tx   pgx.Tx
	r    *store.Report
	defs map[string]store.TableDef
	// there are the tables and indexes that Postgres has in the schema.
	there map[string]bool
}

// own are the engine's tables.
var own = []string{"_meta", "_schema", "_counts", "_sequences", "_leader", "_terms"}

func (c *checking) run(ctx context.Context) error {
	if _, err := c.tx.Exec(ctx, "SELECT set_config('enable_sort', 'off', true)"); err != nil {
		return err
	}
	rows, err := c.tx.Query(ctx, `SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_index i ON i.indexrelid = c.oid
		WHERE n.nspname = $1 AND c.relkind IN ('r', 'i') AND coalesce(i.indisvalid, true)`, string(c.schema))
	if err != nil {
		return err
	}
	c.there = map[string]bool{}
	var name string
	if _, err := pgx.ForEachRow(rows, []any{&name}, func() error { c.there[name] = true; return nil }); err != nil {
		return err
	}
	if len(c.there) == 0 {
		return c.noStore()
	}
	whole := true
	for _, name := range own {
		if !c.there[name] && c.there["_meta"] {
			c.r.Add(store.Finding{Table: name, What: "the table is missing"})
			whole = false
		}
	}
	id, err := c.readIdentity(ctx, c.tx)
	if err != nil {
		return err
	}
	c.r.Cluster = id.cluster
	if !whole {
		return nil
	}
	return c.tables(ctx)
}

func (c *checking) tables(ctx context.Context) error {
	if err := c.tx.QueryRow(ctx, c.sql("SELECT coalesce((SELECT term FROM @._leader), 0)")).Scan(&c.r.Term); err != nil {
		return err
	}
	if c.r.Term == 0 {
		c.r.Add(store.Finding{Table: "_leader", What: "its row is missing, or nobody has ever led"})
	}
	indexes, err := c.readSchema(ctx, c.tx)
	if err != nil {
		c.r.Fail("_schema", err)
		return nil
	}
	counts := map[string][2]int64{}
	rows, err := c.tx.Query(ctx, c.sql("SELECT name, rows, digest FROM @._counts"))
	if err != nil {
		return err
	}
	var name string
	var n, digest int64
	if _, err := pgx.ForEachRow(rows, []any{&name, &n, &digest}, func() error { counts[name] = [2]int64{n, digest}; return nil }); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if _, ok := indexes[name]; !ok {
			c.r.Add(store.Finding{Table: name, What: "no table of that name is known: its entry in _schema is missing"})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(indexes)) {
		kept, ok := counts[name]
		switch {
		case !c.there[name]:
			c.r.Add(store.Finding{Table: name, What: "the table is missing"})
			continue
		case !ok:
			c.r.Add(store.Finding{Table: "_counts", Key: name, What: "it is missing"})
		}
		if err := c.table(ctx, name, indexes[name], kept, ok); err != nil {
			return err
		}
	}
	return nil
}

func (c *checking) table(ctx context.Context, name string, indexes []store.IndexDef, kept [2]int64, known bool) error {
	def, declared := c.defs[name]
	var n, whole, digest int64
	want := make([]int64, len(indexes))
	last := ""
	err := c.each(ctx, c.tx, name, indexes, func(r store.Row, crc int32, damaged error) error {
		n, last = n+1, r.Key
		for i, v := range r.Values {
			if v.Set {
				want[i]++
			}
		}
		if damaged != nil {
			c.r.Fail(name, damaged)
			return nil
		}
		whole++
		digest ^= mix(crc)
		if declared {
			c.columns(name, def, indexes, r)
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.r.Tables = append(c.r.Tables, store.TableReport{Name: name, Rows: whole})
	switch {
	case known && kept[0] != n:
		c.r.Add(store.Finding{Table: name, What: fmt.Sprintf("it has %d rows and should have %d", n, kept[0])})
	case known && kept[1] != digest && whole == n:
		c.r.Add(store.Finding{Table: name, What: "its rows are not those that were written last: the digest differs"})
	}
	if err := c.sequence(ctx, name, def, last); err != nil {
		return err
	}
	for i, x := range indexes {
		if err := c.index(ctx, name, x, want[i]); err != nil {
			return err
		}
	}
	return nil
}

// columns compares the index columns with what the document says.
func (c *checking) columns(name string, def store.TableDef, indexes []store.IndexDef, r store.Row) {
	values, err := def.Values(r.Doc)
	if err != nil {
		c.r.Add(store.Finding{Table: name, Key: r.Key, What: "it does not decode: " + err.Error()})
		return
	}
	for i, x := range indexes {
		j := slices.Index(def.Indexes, x)
		if j < 0 {
			continue
		}
		got, want := r.Values[i], values[j]
		if got.Set != want.Set || got.Set && (got.Str != want.Str || got.Int != want.Int) {
			c.r.Add(store.Finding{Table: name, Key: r.Key, What: "the column of index " + x.Name + " differs from the document"})
		}
	}
}

// index compares the entries of an index with the rows: reading in its order goes through it.
func (c *checking) index(ctx context.Context, name string, x store.IndexDef, want int64) error {
	if !c.there[indexName(name, x.Name)] {
		c.r.Add(store.Finding{Table: name, What: "its index " + x.Name + " is missing"})
		return nil
	}
	order := ident(x.Name)
	if !x.Unique {
		order += ", key"
	}
	var n int64
	err := c.tx.QueryRow(ctx, fmt.Sprintf("SELECT count(*) FROM (SELECT 1 FROM %s WHERE %s IS NOT NULL ORDER BY %s OFFSET 0) x", c.name(name), ident(x.Name), order)).Scan(&n)
	if err == nil && n != want {
		c.r.Add(store.Finding{Table: name, What: fmt.Sprintf("index %s has %d entries and should have %d", x.Name, n, want)})
	}
	return err
}

// sequence looks at the sequence that numbers a log's rows: the next number must not be taken.
func (c *checking) sequence(ctx context.Context, name string, def store.TableDef, last string) error {
	number, err := strconv.ParseInt(last, 10, 64)
	if !def.Grows || err != nil || last != store.SeqKey(number) {
		return nil
	}
	var value int64
	if err := c.tx.QueryRow(ctx, c.sql("SELECT coalesce((SELECT value FROM @._sequences WHERE name = $1), -1)"), name).Scan(&value); err != nil {
		return err
	}
	if value >= 0 && value < number {
		c.r.Add(store.Finding{Table: "_sequences", Key: name, What: fmt.Sprintf("it is at %d, but the table has row %d", value, number)})
	}
	return nil
}
