package postgres

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
)

const (
	magic  = "payperplay store"
	format = 1 // raised when schema.sql changes; history: 1 (2026-11) first
)

//go:embed schema.sql
var schemaSQL string

//go:embed functions.sql
var functionsSQL string

// Open opens the store at url, making its schema first if there is none, and takes it over: the term rises, and a
// controller that led it before can change nothing any more. It fails with the way out when Postgres cannot be reached or
// refuses us, when the schema is not ours, of a newer version, or was left for another store.
func Open(ctx context.Context, url string, opts Options) (*DB, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if err := store.CheckDefs(opts.Tables); err != nil {
		return nil, err
	}
	s, err := parse(url)
	if err != nil {
		return nil, err
	}
	s.config.ConnConfig.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if n.SeverityUnlocalized == "WARNING" { // such as a commit that no standby has confirmed in time
			opts.Logger.Warn("Postgres warns", "code", n.Code, "message", n.Message)
		}
	}
	db := &DB{
		source: s, tables: map[string]*table{}, doubleRun: opts.DoubleRun, backup: opts.Backup, log: opts.Logger,
		writer: store.NewTurn(), seqs: map[string]int64{}, lost: make(chan struct{}),
	}
	for _, def := range opts.Tables {
		db.tables[def.Name] = newTable(s.schema, def)
	}
	// The pools live as long as the handle, not as long as the caller's context.
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	db.stop = stop
	if db.writers, err = s.pool(life, writerIdle, 3); err != nil {
		stop()
		return nil, err
	}
	if db.readers, err = s.pool(life, readerIdle, 0); err != nil {
		stop()
		db.writers.Close()
		return nil, err
	}
	if db.m, err = newMetrics(opts.Metrics, db.writers, db.readers); err == nil {
		err = db.begin(ctx)
	}
	if err != nil {
		return nil, errors.Join(s.explain(err), db.Close())
	}
	db.watching.Go(func() { db.watch(life) })
	return db, nil
}

// begin makes the schema, takes over, and brings the tables to what the rooms declare: in this order, so that nobody
// writes in an old form while an index is built.
func (db *DB) begin(ctx context.Context) error {
	conn, err := acquire(ctx, db.writers)
	if err != nil {
		return err
	}
	defer release(ctx, conn)
	if err := db.checkServer(ctx, conn); err != nil {
		return err
	}
	if err := db.takeOver(ctx, conn); err != nil {
		return err
	}
	if err := db.migrate(ctx, conn); err != nil {
		return err
	}
	db.reports(ctx, conn)
	return nil
}

func (db *DB) checkServer(ctx context.Context, conn *pgxpool.Conn) error {
	var encoding, fsync string
	var version int
	err := conn.QueryRow(ctx, "SELECT pg_encoding_to_char(encoding), current_setting('fsync'), current_setting('server_version_num')::int FROM pg_database WHERE datname = current_database()").
		Scan(&encoding, &fsync, &version)
	switch {
	case err != nil:
		return err
	case encoding != "UTF8":
		return fault.New(fault.Precondition, fmt.Sprintf("the database %s has the encoding %s", db.database, encoding),
			"make one with `createdb --encoding=UTF8 --template=template0 NAME` and name it in the store's URL")
	case version < 140000:
		return fault.New(fault.Precondition, fmt.Sprintf("Postgres %d is too old", version/10000), "use version 14 or newer")
	case fsync != "on":
		db.log.Warn("Postgres runs with fsync off: what is committed can be lost with its machine", "address", db.address)
	}
	return nil
}

// identity is what _meta says about the schema.
type identity struct {
	cluster string
	format  int
	moved   *store.Moved
	found   bool
}

type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// readIdentity refuses a schema that is not ours or that a newer version has written.
func (s source) readIdentity(ctx context.Context, q querier) (id identity, err error) {
	var tables, ours int
	err = q.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE c.relname = '_meta')
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm')`, string(s.schema)).Scan(&tables, &ours)
	switch {
	case err != nil || tables == 0:
		return id, err
	case ours == 0:
		return id, s.notOurs()
	}
	rows, err := q.Query(ctx, s.sql("SELECT key, value FROM @._meta"))
	if err != nil {
		return id, err
	}
	meta := map[string]string{}
	var key, value string
	if _, err = pgx.ForEachRow(rows, []any{&key, &value}, func() error { meta[key] = value; return nil }); err != nil {
		return id, err
	}
	if meta["magic"] != magic {
		return id, s.notOurs()
	}
	id.found, id.cluster = true, meta["cluster"]
	if id.format, err = strconv.Atoi(meta["format"]); err != nil || id.cluster == "" {
		return id, &store.DamagedError{Table: "_meta", Key: "format", Why: "it or the cluster's id cannot be read"}
	}
	if id.format > format {
		return id, fault.New(fault.Precondition,
			fmt.Sprintf("the store %s has format %d, this controller knows formats up to %d", s.address, id.format, format),
			"run the newer controller that wrote it")
	}
	if text := meta["moved"]; text != "" {
		id.moved = &store.Moved{}
		if err := json.Unmarshal([]byte(text), id.moved); err != nil {
			return id, &store.DamagedError{Table: "_meta", Key: "moved", Why: err.Error()}
		}
	}
	return id, nil
}

func (s source) notOurs() error {
	return fault.New(fault.Invalid, fmt.Sprintf("the schema %s of database %s at %s is not a PayPerPlay store", s.schema, s.database, s.server()),
		"name another one with schema=NAME in the store's URL: it will be made")
}

// create makes the schema and the engine's own tables; cluster "" makes a new identity.
func (s source) create(ctx context.Context, tx pgx.Tx, cluster string) error {
	var exists bool
	if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)", string(s.schema)).Scan(&exists); err != nil {
		return err
	}
	if !exists {
		if _, err := tx.Exec(ctx, "CREATE SCHEMA "+pgx.Identifier{string(s.schema)}.Sanitize()); err != nil {
			return err
		}
	}
	if _, err := tx.Conn().PgConn().Exec(ctx, s.sql(schemaSQL)).ReadAll(); err != nil {
		return err
	}
	if err := s.functions(ctx, tx); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, s.sql("INSERT INTO @._meta VALUES ('magic', $1), ('format', $2), ('cluster', coalesce(nullif($3, ''), replace(gen_random_uuid()::text, '-', '')))"),
		magic, strconv.Itoa(format), cluster)
	return err
}

// functions makes the engine's functions unless they are there.
func (s source) functions(ctx context.Context, tx pgx.Tx) error {
	var there bool
	err := tx.QueryRow(ctx, "SELECT to_regprocedure($1) IS NOT NULL", s.name("_begin")+"(bigint, bigint, bigint)").Scan(&there)
	if err != nil || there {
		return err
	}
	text := strings.ReplaceAll(s.sql(functionsSQL), "%LOCK%", strconv.FormatInt(s.lock(), 10))
	_, err = tx.Conn().PgConn().Exec(ctx, text).ReadAll()
	return err
}

// takeOver raises the term. It waits for a transaction of the predecessor: the server ends one that stands still.
func (db *DB) takeOver(ctx context.Context, conn *pgxpool.Conn) error {
	deadline := time.Now().Add(openTimeout)
	for n := 1; ; n++ {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return db.raise(ctx, tx) })
		if judge(err) != away || time.Now().After(deadline) || conn.Conn().IsClosed() {
			return err
		}
		if err := pause(ctx, n); err != nil {
			return err
		}
	}
}

func (db *DB) raise(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", db.lock()); err != nil {
		return err
	}
	id, err := db.readIdentity(ctx, tx)
	if err != nil {
		return err
	}
	if id.moved != nil {
		return store.MovedError(db.address, *id.moved)
	}
	if !id.found {
		if err := db.create(ctx, tx, ""); err != nil {
			return err
		}
		if id, err = db.readIdentity(ctx, tx); err != nil {
			return err
		}
	}
	if err := db.functions(ctx, tx); err != nil {
		return err
	}
	db.cluster = id.cluster
	term, op, err := db.raiseTerm(ctx, tx)
	db.leads(term, op)
	return err
}

// raiseTerm ends the term of whoever leads and keeps its last operation, so that it can still find out what became of it.
func (s source) raiseTerm(ctx context.Context, tx pgx.Tx) (term, op int64, err error) {
	_, err = tx.Exec(ctx, s.sql("INSERT INTO @._terms (term, op) SELECT term, op FROM @._leader ON CONFLICT (term) DO NOTHING"))
	if err != nil {
		return 0, 0, err
	}
	op = firstOp()
	if err := tx.QueryRow(ctx, s.sql("UPDATE @._leader SET term = term + 1, op = $1 RETURNING term"), op).Scan(&term); err != nil {
		return 0, 0, err
	}
	_, err = tx.Exec(ctx, s.sql("DELETE FROM @._terms WHERE term < $1 - 1000"), term)
	return term, op, err
}

// watch looks for a newer leader and at the store's size.
func (db *DB) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		round, cancel := context.WithTimeout(ctx, answerTimeout)
		var term, op int64
		mine := db.Term()
		kept := db.kept.Load() // of mine or a later term: leads sets it first
		err := db.readers.QueryRow(round, db.sql("SELECT term, op FROM @._leader")).Scan(&term, &op)
		switch {
		case judge(err) == away && ctx.Err() == nil:
			db.away.Store(time.Now().UnixNano())
		case err != nil:
		case term < mine, term == mine && op < kept:
			_ = db.lose(store.ErrForgotten)
		case term > max(db.rising.Load(), db.Term()): // in this order: RaiseTerm sets the term before it clears rising
			_ = db.lose(store.ErrStaleTerm)
		default:
			db.away.Store(0)
		}
		if err == nil && db.m != nil && n%30 == 0 {
			db.measure(round)
		}
		cancel()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (db *DB) measure(ctx context.Context) {
	var size int64
	err := db.readers.QueryRow(ctx, "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind = 'r'", string(db.schema)).Scan(&size)
	if err == nil {
		db.m.size.Store(size)
	}
}
