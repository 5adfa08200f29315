package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/store/postgres/postgrestest"
)

// addressFile keeps a store's address, with its password, out of the command line.
func (r *rig) addressFile(store string) string {
	r.t.Helper()
	path := filepath.Join(r.dir, fmt.Sprintf("address-%x", len(store)))
	if err := os.WriteFile(path, []byte(store+"\n"), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return path
}

// serveOn starts the controller on another store and waits until the node is back.
func (r *rig) serveOn(store string) {
	r.t.Helper()
	r.controller.env = []string{"PAYPERPLAY_STORE=" + store}
	r.controller.start()
	r.waitReady()
	r.connected()
}

func (r *rig) connected() {
	r.t.Helper()
	r.eventually(40*time.Second, "the node is connected", func() (bool, string) {
		nodes, err := r.client.Nodes(r.t.Context())
		return err == nil && len(nodes) == 1 && nodes[0].Connected, fmt.Sprint(nodes, err)
	})
}

// same fails when a game was stopped or started since before was seen in these containers.
func (r *rig) same(before client.Server, containers []string) {
	r.t.Helper()
	after := r.waitState(before.Name, 30*time.Second, "running")
	if after.ID != before.ID || !after.StartedAt.Equal(*before.StartedAt) || after.Epoch != before.Epoch || after.Restarts != before.Restarts {
		r.t.Errorf("%s is another one: %+v, was %+v", before.Name, after, before)
	}
	now := r.containers()
	for _, id := range containers {
		if !slices.Contains(now, id) {
			r.t.Errorf("container %s is gone; %v are there", id, now)
		}
	}
}

// TestStoreMoves takes a running fleet from the file to Postgres and back, by the commands of docs/operations.md; the game
// notices nothing, and the store that was left does not start.
func TestStoreMoves(t *testing.T) {
	needE2E(t)
	t.Parallel()
	database := postgrestest.Database(t)
	r := newRig(t)
	game := r.create("game")
	containers := r.containers()
	file := filepath.Join(r.dir, "controller", "controller.db")

	oneClearLine(t, r.cli("store", "migrate", "--from", file, "--to-file", r.addressFile(database)), 1, "in use")
	r.controller.end(syscall.SIGTERM)
	var moved struct {
		Rows int64  `json:"rows"`
		To   string `json:"to"`
	}
	r.cliJSON(&moved, "store", "migrate", "--from", file, "--to-file", r.addressFile(database))
	if moved.Rows < 5 || strings.Contains(moved.To, postgrestest.Password) {
		t.Errorf("moved: %+v", moved)
	}
	oneClearLine(t, r.cli("serve", "--data", filepath.Join(r.dir, "controller"), "--http", r.http, "--tunnel", "127.0.0.1:0"), 1, "postgres://")
	r.serveOn(database)
	r.same(game, containers)
	r.must("server", "exec", "game", "--", "say", "on", "postgres")
	r.must("store", "check", "--store-file", r.addressFile(database))
	r.must("server", "create", "later", "--template", "testserver", "--memory", "64MiB", "--start", "--wait")
	later := r.server("later")
	containers = r.containers()

	back := filepath.Join(r.dir, "back.db")
	oneClearLine(t, r.cli("store", "migrate", "--from-file", r.addressFile(database), "--to", back), 1, "a controller uses")
	r.controller.end(syscall.SIGTERM)
	r.must("store", "migrate", "--from-file", r.addressFile(database), "--to", back)
	r.serveOn(back)
	r.same(game, containers)
	r.same(later, containers)
	r.must("server", "stop", "game", "--wait")
	r.must("store", "check", "--store", back)
	if log := r.read("controller.log"); strings.Contains(log, postgrestest.Password) {
		t.Error("the log shows the database's password")
	}
}

// TestF15PostgresRestarts under a followed console and a start: games run on, the API says 503 in time, and all goes on by
// itself. Then a backup of it is restored into a file, and the games are adopted.
func TestF15PostgresRestarts(t *testing.T) {
	needE2E(t)
	t.Parallel()
	server := postgrestest.New(t)
	database := server.Database(t)
	r := newRigOn(t, database, nil)
	game := r.create("game")
	containers := r.containers()
	f := r.follow("game")
	const seconds = 14
	r.must("server", "exec", "game", "--", fmt.Sprintf(flood, seconds))
	r.must("server", "create", "second", "--template", "testserver", "--memory", "64MiB", "--env", "START_DELAY=4s", "--start")

	server.Stop("fast")
	r.away()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	r.waitReady()
	checkNumbered(t, f.until(t, 60*time.Second, fmt.Sprintf("flood %d", 200*seconds)), "flood ")
	r.waitState("second", 60*time.Second, "running")
	r.same(game, containers)
	server.Stop("immediate") // a crash
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	r.waitReady()
	r.must("server", "stop", "second", "--wait")
	r.same(game, containers)

	backup := filepath.Join(r.dir, "backup.store")
	r.must("store", "backup", backup) // while it serves: nodes may soon know more than is in it (TestF25TimeTravel)
	r.controller.end(syscall.SIGTERM)
	r.must("store", "backup", backup, "--store-file", r.addressFile(database)) // and with nobody there: the last word
	r.must("store", "check", backup)
	file := filepath.Join(r.dir, "restored.db")
	r.must("store", "restore", backup, "--store", file)
	r.serveOn(file)
	r.same(game, containers)
	r.must("server", "start", "second", "--wait")
}

// away asks while Postgres is gone: reading, changing, readiness. The node stays connected, and the process lives.
func (r *rig) away() {
	r.t.Helper()
	var asking sync.WaitGroup
	for _, ask := range [][3]string{
		{"GET", "/api/servers/game", ""}, {"GET", "/api/servers", ""}, {"GET", "/api/nodes", ""}, {"GET", "/api/events", ""}, {"GET", "/api/conductor/status", ""},
		{"POST", "/api/servers/game/stop", ""}, {"POST", "/api/servers/game/command", `{"command":"list"}`}, {"POST", "/api/nodes/tokens", `{"name":"node-2"}`},
		{"POST", "/api/servers", `{"name":"third","template":"testserver","memory_bytes":67108864}`}, {"GET", "/api/store/backup", ""},
	} {
		asking.Go(func() {
			began := time.Now()
			status, h, p := r.call(ask[0], ask[1], ask[2])
			took := time.Since(began)
			if status != http.StatusServiceUnavailable || h.Get("Retry-After") == "" || !strings.HasPrefix(h.Get("Content-Type"), "application/problem+json") || p["next"] == "" || took > 8*time.Second {
				r.t.Errorf("%s %s without Postgres: %d after %v, %v %v", ask[0], ask[1], status, took, h, p)
			}
			if strings.Contains(fmt.Sprint(p), postgrestest.Password) {
				r.t.Errorf("the answer shows the password: %v", p)
			}
		})
	}
	asking.Wait()
	if status, _, _ := r.call("GET", "/healthz", ""); status != http.StatusOK {
		r.t.Errorf("healthz: %d", status)
	}
	status, _, p := r.call("GET", "/readyz?verbose", "")
	if status != http.StatusServiceUnavailable || !strings.Contains(fmt.Sprint(p), "store") {
		r.t.Errorf("readyz: %d %v", status, p)
	}
	oneClearLine(r.t, r.cli("server", "list"), 1, "Postgres")
}

// TestF24SecondControllerOnAFile is refused with one line, and the first serves on.
func TestF24SecondControllerOnAFile(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	res := r.cli("serve", "--data", filepath.Join(r.dir, "controller"), "--http", "127.0.0.1:0", "--tunnel", "127.0.0.1:0")
	oneClearLine(t, res, 1, "in use")
	if !strings.Contains(res.err, fmt.Sprintf("pid %d", r.controller.cmd.Process.Pid)) {
		t.Errorf("the line does not name the process: %s", res.err)
	}
	if _, err := r.client.Status(t.Context()); err != nil {
		t.Error(err)
	}
}
