package postgres_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/postgres"
	"github.com/payperplay/payperplay/controller/store/postgres/postgrestest"
)

// row is what a room's row looks like: indexes that a usual change does not touch.
type row struct {
	ID    string    `json:"id"`
	Name  string    `json:"name"`
	Node  string    `json:"node"`
	Epoch int64     `json:"epoch"`
	Seen  time.Time `json:"seen"`
	Text  string    `json:"text"`
}

var rows = store.Table[row]{
	Name: "rows",
	Key:  func(v row) string { return v.ID },
	Indexes: []store.Index[row]{
		store.String("name", func(v row) string { return v.Name }).Uniq(),
		store.String("node", func(v row) string { return v.Node }),
	},
}

type rawEvent struct {
	Seq  int64     `json:"seq"`
	At   time.Time `json:"at"`
	Type string    `json:"type"`
	Item string    `json:"item"`
}

const rawTables = `CREATE TABLE rows (key text COLLATE "C" PRIMARY KEY, doc jsonb NOT NULL, name text COLLATE "C", node text COLLATE "C");
CREATE UNIQUE INDEX ON rows (name); CREATE INDEX ON rows (node, key);
CREATE TABLE events (key text COLLATE "C" PRIMARY KEY, doc jsonb NOT NULL, server text COLLATE "C"); CREATE INDEX ON events (server, key);
CREATE TABLE seqs (name text PRIMARY KEY, value bigint NOT NULL); INSERT INTO seqs VALUES ('events', 0)`

// BenchmarkUpdate is performance.md §4: our Update with one put and one event against raw pgx transactions that write the same
// rows, an event and its gap-free number, with the same indexes, on the same server, in turn in one run. "pgx" is the
// transaction as one writes it: begin, upsert the row, take the number, insert the event, commit, one call each.
// "batch" is the tightest that raw pgx can do: the number in a first round trip, all the rest in a second.
// The figures are ratios of the medians.
func BenchmarkUpdate(b *testing.B) {
	ctx := b.Context()
	db, err := postgres.Open(ctx, postgrestest.Database(b), postgres.Options{Tables: append(event.Tables(), rows.Def())})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	log, err := event.New(event.Options{DB: db})
	if err != nil {
		b.Fatal(err)
	}
	raw, err := pgx.Connect(ctx, postgrestest.Database(b))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = raw.Close(ctx) }()
	if _, err := raw.PgConn().Exec(ctx, rawTables).ReadAll(); err != nil {
		b.Fatal(err)
	}
	item := func(i int) row {
		return row{ID: fmt.Sprintf("server-%04d", i%1000), Name: fmt.Sprint("name", i%1000), Node: "node-1", Epoch: int64(i), Seen: time.Now().UTC(), Text: "a row of some length, as a server's is"}
	}
	ours := func(i int) error {
		return db.Update(ctx, func(tx store.Tx) error {
			v := item(i)
			if err := rows.Put(tx, v); err != nil {
				return err
			}
			_, err := log.Append(tx, event.Event{Type: "server.started", Server: v.ID, Node: v.Node, Owner: "me", Actor: "loop"})
			return err
		})
	}
	ways := []func(int) error{ours, func(i int) error { return rawPlain(ctx, raw, item(i)) }, func(i int) error { return rawBatch(ctx, raw, item(i)) }}
	took := make([][]time.Duration, len(ways))
	for i := 0; b.Loop(); i++ {
		for w, way := range ways {
			start := time.Now()
			if err := way(i); err != nil {
				b.Fatal(err)
			}
			took[w] = append(took[w], time.Since(start))
		}
	}
	for w, name := range []string{"ours-ns", "pgx-ns", "batch-ns"} {
		slices.Sort(took[w])
		b.ReportMetric(float64(median(took[w])), name)
	}
	b.ReportMetric(float64(median(took[0]))/float64(median(took[1])), "ratio")
	b.ReportMetric(float64(median(took[0]))/float64(median(took[2])), "ratio-batch")
}

func median(d []time.Duration) time.Duration { return d[len(d)/2] }

const (
	upsert = "INSERT INTO rows (key, doc, name, node) VALUES ($1, $2, $3, $4) ON CONFLICT (key) DO UPDATE SET doc = $2, name = $3, node = $4"
	number = "UPDATE seqs SET value = value + 1 WHERE name = 'events' RETURNING value"
	insert = "INSERT INTO events (key, doc, server) VALUES ($1, $2, $3)"
)

func rawPlain(ctx context.Context, conn *pgx.Conn, v row) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		doc, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, upsert, v.ID, doc, v.Name, v.Node); err != nil {
			return err
		}
		var n int64
		if err := tx.QueryRow(ctx, number).Scan(&n); err != nil {
			return err
		}
		if doc, err = json.Marshal(rawEvent{Seq: n, At: time.Now().UTC(), Type: "server.started", Item: v.ID}); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, insert, store.SeqKey(n), doc, v.ID)
		return err
	})
}

func rawBatch(ctx context.Context, conn *pgx.Conn, v row) error {
	doc, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var n int64
	first := &pgx.Batch{}
	first.Queue("BEGIN")
	first.Queue(number).QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
	if err := conn.SendBatch(ctx, first).Close(); err != nil {
		return err
	}
	ev, err := json.Marshal(rawEvent{Seq: n, At: time.Now().UTC(), Type: "server.started", Item: v.ID})
	if err != nil {
		return err
	}
	second := &pgx.Batch{}
	second.Queue(upsert, v.ID, doc, v.Name, v.Node)
	second.Queue(insert, store.SeqKey(n), ev, v.ID)
	second.Queue("COMMIT")
	return conn.SendBatch(ctx, second).Close()
}

// BenchmarkGet reads rows by key, one View each, beside one statement of raw pgx.
func BenchmarkGet(b *testing.B) {
	ctx := b.Context()
	url := postgrestest.Database(b)
	db, err := postgres.Open(ctx, url, postgres.Options{Tables: []store.TableDef{rows.Def()}})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	err = db.Update(ctx, func(tx store.Tx) error {
		for i := range 10_000 {
			if err := rows.Put(tx, row{ID: fmt.Sprint(i), Name: fmt.Sprint("n", i)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	raw, err := pgx.Connect(ctx, url)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = raw.Close(ctx) }()
	var mine, yard []time.Duration
	for i := 0; b.Loop(); i++ {
		key := fmt.Sprint(i % 10_000)
		start := time.Now()
		if err := db.View(ctx, func(tx store.Tx) error { _, err := rows.Get(tx, key); return err }); err != nil {
			b.Fatal(err)
		}
		mine = append(mine, time.Since(start))
		start = time.Now()
		var doc []byte
		if err := raw.QueryRow(ctx, "SELECT doc FROM payperplay.rows WHERE key = $1", key).Scan(&doc); err != nil {
			b.Fatal(err)
		}
		yard = append(yard, time.Since(start))
	}
	slices.Sort(mine)
	slices.Sort(yard)
	b.ReportMetric(float64(median(mine)), "ours-ns")
	b.ReportMetric(float64(median(yard)), "pgx-ns")
	b.ReportMetric(float64(median(mine))/float64(median(yard)), "ratio")
}
