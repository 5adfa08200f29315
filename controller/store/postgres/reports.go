package postgres

import (
	"context"
	"errors"
	"regexp"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// report is a view for people: plain columns from a table's documents. Columns are added at the end and keep their names, so
// that what somebody built on them goes on.
type report struct{ name, table, sql string }

var reports = []report{
	{"report_servers", "servers", `SELECT key AS id, doc->>'name' AS name, doc->>'owner' AS owner, doc->>'template' AS template, doc->>'version' AS version,
		doc->>'node' AS node, (doc->>'epoch')::bigint AS epoch, doc->>'desired' AS desired,
		doc->'observed'->>'state' AS observed, @time{doc->'observed'->>'since'} AS observed_since,
		CASE jsonb_typeof(doc->'players') WHEN 'array' THEN jsonb_array_length(doc->'players') ELSE 0 END AS players,
		(doc->>'memory_bytes')::bigint AS memory_bytes, (doc->>'cpu_millis')::bigint AS cpu_millis, (doc->>'disk_bytes')::bigint AS disk_bytes,
		doc->'hold'->>'reason' AS hold, doc->'problem'->>'message' AS problem,
		@time{doc->>'created_at'} AS created_at, @time{doc->>'updated_at'} AS updated_at FROM @.servers`},
	{"report_nodes", "nodes", `SELECT key AS id, doc->>'name' AS name, doc->>'owner' AS owner, doc->>'class' AS class,
		doc->'facts'->>'agent_version' AS agent_version, (doc->'facts'->>'cpus')::bigint AS cpus,
		(doc->'facts'->>'memory_bytes')::bigint AS memory_bytes, (doc->'facts'->>'disk_bytes')::bigint AS disk_bytes,
		coalesce(jsonb_typeof(doc->'session') = 'object', false) AS connected, @time{doc->>'last_seen'} AS last_seen,
		coalesce((doc->>'cordoned')::boolean, false) AS cordoned, coalesce((doc->>'locked')::boolean, false) AS locked,
		coalesce((doc->>'revoked')::boolean, false) AS revoked, doc->'facts'->'degraded' AS degraded, @time{doc->>'joined_at'} AS joined_at FROM @.nodes`},
	{"report_events", "events", `SELECT key::bigint AS seq, @time{doc->>'at'} AS at, doc->>'type' AS type, doc->>'server' AS server, doc->>'node' AS node,
		doc->>'owner' AS owner, doc->>'actor' AS actor, doc->'data' AS data FROM @.events`},
}

var timeColumn = regexp.MustCompile(`@time\{([^}]*)\}`)

// text is the view's query. A time that Go has not set is in no calendar of people: NULL.
func (r report) text(s schema) string {
	const unset = `NULLIF((${1})::timestamptz, '0001-01-01 00:00:00+00')`
	return s.sql(timeColumn.ReplaceAllString(r.sql, unset))
}

// reports makes the views of the tables that are there. One that cannot be made (somebody's own view stands on an older form
// of it) is left as it was: a report is no reason not to serve.
func (db *DB) reports(ctx context.Context, conn *pgxpool.Conn) {
	for _, r := range reports {
		if db.tables[r.table] == nil {
			continue
		}
		text := r.text(db.schema)
		err := db.led(ctx, conn, func(tx pgx.Tx) error { return db.report(ctx, tx, r.name, text) })
		if err != nil {
			db.log.Warn("a view for reports stays as it was", "view", r.name, "error", err)
		}
	}
}

func (db *DB) report(ctx context.Context, tx pgx.Tx, name, text string) error {
	var same bool
	err := tx.QueryRow(ctx, db.sql("SELECT EXISTS (SELECT 1 FROM @._meta WHERE key = $1 AND value = $2) AND to_regclass($3) IS NOT NULL"), "view/"+name, text, db.name(name)).Scan(&same)
	if err != nil || same {
		return err
	}
	// A replaced view keeps who may read it; one whose columns have changed must be made anew.
	replace := func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "CREATE OR REPLACE VIEW "+db.name(name)+" AS "+text)
		return err
	}
	if err := pgx.BeginFunc(ctx, tx, replace); err != nil {
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "42P16" { // invalid_table_definition: other columns
			return err
		}
		if _, err := tx.Exec(ctx, "DROP VIEW "+db.name(name)); err != nil {
			return err
		}
		if err := replace(tx); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, db.sql("INSERT INTO @._meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value"), "view/"+name, text)
	return err
}
