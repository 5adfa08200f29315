package postgres

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/postgres/postgrestest"
	"github.com/payperplay/payperplay/controller/store/storetest"
)

// TestWhatIsSaid: each way in which an operator's settings can be wrong says what and what to do, and never the password.
func TestWhatIsSaid(t *testing.T) {
	good := postgrestest.Database(t)
	server := postgrestest.Shared(t)
	server.SQL(t, "postgres", "CREATE ROLE guest LOGIN PASSWORD 'test-Secret'")
	at := strings.Index(good, "@")
	tests := []struct{ name, url, says, next string }{
		{"wrong password", strings.Replace(good, postgrestest.Password, "hunter2-Secret", 1), "refused the login of user payperplay", "password"},
		{"wrong user", strings.Replace(good, "//payperplay:", "//nobody:", 1), "refused the login of user nobody", "pg_hba"},
		{"wrong database", strings.Replace(good, "/db", "/nodb", 1), "has no database nodb", "createdb"},
		{"wrong port", good[:at] + "@127.0.0.1:1/x?sslmode=disable", "cannot be reached at 127.0.0.1:1", "whether it runs"},
		{"wrong host", good[:at] + "@no-such-host.invalid:5432/x?sslmode=disable", "cannot be reached at no-such-host.invalid:5432", "whether it runs"},
		{"a server without TLS", strings.Replace(good, "sslmode=disable", "sslmode=verify-full", 1), "cannot be reached", "whether it runs"},
		{"no right", strings.Replace(good, "//payperplay:", "//guest:", 1), "the user guest may not do this", "GRANT CREATE"},
		{"no URL", "postgres://a:test-Secret@b:c:d/%zz", "URL cannot be read", "%"},
		{"a setting that is none", good + "&no_such_setting=1", "no_such_setting", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var logged bytes.Buffer
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			db, err := Open(ctx, test.url, Options{Tables: storetest.Tables(), Logger: slog.New(slog.NewTextHandler(&logged, nil))})
			if err == nil {
				_ = db.Close()
				t.Fatal("it opened")
			}
			if !strings.Contains(err.Error(), test.says) || !strings.Contains(fault.Next(err), test.next) {
				t.Errorf("%v\nnext: %s", err, fault.Next(err))
			}
			for _, text := range []string{err.Error(), fault.Message(err), fault.Next(err), logged.String()} {
				if strings.Contains(text, "Secret") {
					t.Errorf("the password is in %q", text)
				}
			}
		})
	}
}

// TestWaysToNameTheServer: a password file and the environment as with psql, a unix socket, several hosts.
func TestWaysToNameTheServer(t *testing.T) {
	url := postgrestest.Database(t)
	server := postgrestest.Shared(t)
	name := url[strings.LastIndex(url, "/")+1 : strings.Index(url, "?")]
	bare := strings.Replace(url, ":"+postgrestest.Password, "", 1)
	try := func(what, url, address string) {
		t.Helper()
		db, err := Open(t.Context(), url, Options{Tables: storetest.Tables()})
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return
		}
		if !strings.Contains(db.Address(), address) || strings.Contains(db.Address(), "Secret") {
			t.Errorf("%s: the address is %s", what, db.Address())
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	try("unix socket", server.SocketURL(name), "/"+name)
	try("several hosts", strings.Replace(url, "@127.0.0.1", "@127.0.0.1:1,127.0.0.1", 1), "127.0.0.1:1,127.0.0.1")
	file := filepath.Join(t.TempDir(), "pgpass")
	if err := os.WriteFile(file, []byte("*:*:*:payperplay:"+postgrestest.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PGPASSFILE", file)
	try("password file", bare, name)
	t.Setenv("PGPASSFILE", "/nowhere")
	t.Setenv("PGPASSWORD", postgrestest.Password)
	try("PGPASSWORD", bare, name)
	db := openAt(t, url, Options{Tables: storetest.Tables()})
	putIn(t, db, storetest.Items, storetest.Item{ID: "a"})
	if got := server.SQL(t, name, "SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = current_database() AND usename = 'payperplay' AND pid <> pg_backend_pid()"); got != "payperplay" {
		t.Errorf("connections call themselves %q", got)
	}
}

// TestF15PoolExhausted: readers that fill the pool get an answer in bounded time, and stop no writer.
func TestF15PoolExhausted(t *testing.T) {
	db := openAt(t, postgrestest.Database(t)+"&pool_max_conns=2&connect_timeout=1", Options{Tables: storetest.Tables()})
	putIn(t, db, storetest.Items, storetest.Item{ID: "a"})
	get := func(tx store.Tx) error { _, err := storetest.Items.Get(tx, "a"); return err }
	leave := make(chan struct{})
	left := make(chan error)
	for range 2 {
		inside := make(chan struct{})
		go func() {
			left <- db.View(t.Context(), func(tx store.Tx) error { err := get(tx); close(inside); <-leave; return err })
		}()
		<-inside
	}
	start := time.Now()
	err := db.View(t.Context(), get)
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(fault.Message(err), "all 2 connections") || time.Since(start) > 5*time.Second {
		t.Errorf("View with a full pool: %v after %v", err, time.Since(start))
	}
	putIn(t, db, storetest.Items, storetest.Item{ID: "b"})
	close(leave)
	for range 2 {
		if err := <-left; err != nil {
			t.Error(err)
		}
	}
	if err := db.View(t.Context(), get); err != nil {
		t.Error(err)
	}
}
