package postgres_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/postgres"
	"github.com/payperplay/payperplay/controller/store/postgres/postgrestest"
	"github.com/payperplay/payperplay/protocol"
)

// TestReports reads rows of the real rooms through the views, as somebody who may only do that.
func TestReports(t *testing.T) {
	server := postgrestest.Shared(t)
	url := server.Database(t)
	name := url[strings.LastIndex(url, "/")+1 : strings.Index(url, "?")]
	var logged bytes.Buffer
	opts := postgres.Options{Tables: append(event.Tables(), fleet.Servers.Def(), fleet.Nodes.Def()), Logger: slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	open := func() *postgres.DB {
		t.Helper()
		db, err := postgres.Open(t.Context(), url, opts)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	db := open()
	log, err := event.New(event.Options{DB: db})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2025, 11, 22, 1, 2, 3, 456000000, time.UTC)
	err = db.Update(t.Context(), func(tx store.Tx) error {
		if err := fleet.Servers.Put(tx, fleet.Server{ID: "srv_1", Name: "lobby", Owner: "me", Desired: fleet.Running, Node: "node_1", Epoch: 3, MemoryBytes: 2 << 30,
			Observed: protocol.Observed{State: "running", Since: at}, Players: []string{"Alex", "Steve"}, CreatedAt: at}); err != nil {
			return err
		}
		if err := fleet.Servers.Put(tx, fleet.Server{ID: "srv_2", Name: "empty", Hold: &fleet.Hold{Reason: "unpaid"}}); err != nil {
			return err
		}
		if err := fleet.Nodes.Put(tx, fleet.Node{ID: "node_1", Name: "n1", Facts: protocol.NodeFacts{CPUs: 4, Degraded: []string{"cgroup v1"}}, Session: &fleet.Session{ID: "s"}, JoinedAt: at}); err != nil {
			return err
		}
		_, err := log.Append(tx, event.Event{Type: "server.started", Server: "srv_1", Actor: "me", At: at, Data: event.JSON(map[string]int{"port": 25565})})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	server.SQL(t, name, `CREATE ROLE reporter; GRANT USAGE ON SCHEMA payperplay TO reporter;
		GRANT SELECT ON payperplay.report_servers, payperplay.report_nodes, payperplay.report_events TO reporter`)
	read := func(sql, want string) {
		t.Helper()
		if got := server.SQL(t, name, "SET TimeZone = 'UTC'; SET ROLE reporter; "+sql); got != want {
			t.Errorf("%s\n gives %s\n want  %s", sql, got, want)
		}
	}
	check := func() {
		t.Helper()
		read("SELECT id, name, owner, node, epoch, desired, observed, observed_since, players, memory_bytes, hold, created_at FROM payperplay.report_servers ORDER BY id",
			"srv_1|lobby|me|node_1|3|running|running|2025-11-22 01:02:03.456+00|2|2147483648||2025-11-22 01:02:03.456+00\nsrv_2|empty|||0||||0|0|unpaid|")
		read("SELECT id, name, cpus, connected, last_seen, cordoned, degraded, joined_at FROM payperplay.report_nodes", `node_1|n1|4|t||f|["cgroup v1"]|2025-11-22 01:02:03.456+00`)
		read("SELECT seq, at, type, server, actor, data FROM payperplay.report_events", `1|2025-11-22 01:02:03.456+00|server.started|srv_1|me|{"port": 25565}`)
	}
	check()
	// A version with another form of a view replaces it; one that somebody stands on stays, and the controller serves.
	server.SQL(t, name, "UPDATE payperplay._meta SET value = 'old' WHERE key LIKE 'view/%'; DROP VIEW payperplay.report_events; CREATE VIEW payperplay.report_events AS SELECT key::bigint AS seq FROM payperplay.events")
	open()
	server.SQL(t, name, "GRANT SELECT ON payperplay.report_events TO reporter")
	check()
	if logged.Len() > 0 && !strings.Contains(logged.String(), "fsync") {
		t.Errorf("logged %s", &logged)
	}
	server.SQL(t, name, `UPDATE payperplay._meta SET value = 'old' WHERE key = 'view/report_events'; DROP VIEW payperplay.report_events;
		CREATE VIEW payperplay.report_events AS SELECT 1 AS one; CREATE VIEW mine AS SELECT * FROM payperplay.report_events`)
	open()
	if !strings.Contains(logged.String(), "stays as it was") {
		t.Errorf("nothing was logged of the view that could not be replaced: %s", &logged)
	}
}

// TestReportsMeetAReader: somebody reads a view while a new version wants to replace it. It is replaced afterwards and not made
// anew: who may read it still may.
func TestReportsMeetAReader(t *testing.T) {
	server := postgrestest.Shared(t)
	url := server.Database(t)
	name := url[strings.LastIndex(url, "/")+1 : strings.Index(url, "?")]
	open := func() error {
		db, err := postgres.Open(t.Context(), url, postgres.Options{Tables: event.Tables()})
		if err != nil {
			return err
		}
		return db.Close()
	}
	if err := open(); err != nil {
		t.Fatal(err)
	}
	server.SQL(t, name, "UPDATE payperplay._meta SET value = 'old' WHERE key LIKE 'view/%'; CREATE ROLE patient; GRANT SELECT ON payperplay.report_events TO patient")
	reader, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close(t.Context()) }()
	if _, err := reader.Exec(t.Context(), "BEGIN; SELECT FROM payperplay.report_events"); err != nil {
		t.Fatal(err)
	}
	opened := make(chan error, 1)
	go func() { opened <- open() }()
	const waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'payperplay.report_events'::regclass"
	for _, want := range []int{1, 0, 1} { // it waits, gives up, and waits again
		for n, end := -1, time.Now().Add(30*time.Second); n != want; {
			if err := reader.QueryRow(t.Context(), waits).Scan(&n); err != nil || time.Now().After(end) {
				t.Fatalf("%d wait, want %d: %v", n, want, err)
			}
		}
	}
	if _, err := reader.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
	if got := server.SQL(t, name, "SELECT has_table_privilege('patient', 'payperplay.report_events', 'SELECT'), (SELECT value <> 'old' FROM payperplay._meta WHERE key = 'view/report_events')"); got != "t|t" {
		t.Errorf("may still read | is replaced: %s", got)
	}
}
