package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/store/postgres/postgrestest"
)

// TestF24StoppedLeader: a controller stands still (SIGSTOP), another one takes over its database and its agent, and then the
// first wakes with orders in its sockets. It can change nothing: no row, no server; and it ends by itself with one line.
func TestF24StoppedLeader(t *testing.T) {
	needE2E(t)
	t.Parallel()
	pause := 12 * time.Second
	if os.Getenv("PPP_SOAK") != "" {
		pause = 60 * time.Second
	}
	server := postgrestest.New(t)
	database := server.Database(t)
	var host string
	var port int
	second := newLink(t, "127.0.0.1:1")
	t.Cleanup(second.close)
	second.set("cut")
	a := newRigOn(t, database, []string{"--controller", second.addr()})
	if _, err := fmt.Sscanf(strings.Replace(a.http, ":", " ", 1), "%s %d", &host, &port); err != nil {
		t.Fatal(err)
	}
	game := a.create("game")
	a.must("server", "create", "idle", "--template", "testserver", "--memory", "64MiB")
	containers := a.containers()

	b := *a
	b.http = fmt.Sprintf("%s:%d", host, port+2)
	data := filepath.Join(a.dir, "controller-b")
	b.controller = &proc{t: t, name: "controller", log: filepath.Join(a.dir, "controller-b.log"), env: a.controller.env,
		args: []string{"serve", "--data", data, "--http", b.http, "--tunnel", fmt.Sprintf("%s:%d", host, port+3), "--log-level", "debug"}}
	// Without the cluster's CA it is refused, and leaves the first one in peace.
	oneClearLine(t, a.cliEnv(a.controller.env, b.controller.args...), 1, "copy the directory ca")
	if a.controller.gone(3 * time.Second) {
		t.Fatal("the leader ended because of a controller that was refused")
	}
	for _, what := range []string{"ca", "operator.token"} {
		if out := copyAll(filepath.Join(a.dir, "controller", what), filepath.Join(data, what)); out != nil {
			t.Fatal(out)
		}
	}

	a.controller.signal(syscall.SIGSTOP)
	asleep := time.Now()
	orders := a.orders() // they wait in the sockets of a process that stands still
	b.controller.start()
	t.Cleanup(func() { b.controller.end(syscall.SIGTERM) })
	b.waitReady()
	var err error
	if b.client, err = client.New(client.Options{Endpoint: "http://" + b.http, Token: a.token()}); err != nil {
		t.Fatal(err)
	}
	second.retarget(fmt.Sprintf("%s:%d", host, port+3))
	b.eventually(60*time.Second, "the agent works for the other controller", func() (bool, string) {
		res := b.cli("server", "exec", "game", "--", "say", "under", "new", "management")
		return res.code == 0, res.err
	})
	b.same(game, containers)
	time.Sleep(time.Until(asleep.Add(pause)))
	rows := server.SQL(t, "db1", "SELECT string_agg(name || rows || '/' || digest, ' ' ORDER BY name) FROM payperplay._counts WHERE name IN ('servers', 'bookings', 'events')")

	a.controller.signal(syscall.SIGCONT)
	if !a.controller.gone(15 * time.Second) {
		t.Error("the old leader goes on")
		_ = a.controller.cmd.Process.Kill()
	}
	if code := a.controller.cmd.ProcessState.ExitCode(); code != 3 {
		t.Errorf("the old leader ended with %d", code)
	}
	a.controller.cmd = nil
	if log := a.read("controller.log"); !strings.Contains(log, "Error: another controller has taken over the store") {
		t.Error("the old leader does not say why it ended")
	}
	for range 4 {
		if got := <-orders; got >= 200 && got < 300 {
			t.Errorf("the old leader took an order: %d", got)
		}
	}
	if now := server.SQL(t, "db1", "SELECT string_agg(name || rows || '/' || digest, ' ' ORDER BY name) FROM payperplay._counts WHERE name IN ('servers', 'bookings', 'events')"); now != rows {
		t.Errorf("rows changed:\n%s\n%s", rows, now)
	}
	b.same(game, containers)
	if s := b.server("idle"); s.State != "stopped" {
		t.Errorf("idle is %s", s.State)
	}
	b.must("server", "start", "idle", "--wait")
	b.must("server", "delete", "idle", "--yes", "--wait")
	a.controller = b.controller // it is the one to take down
	a.http, a.client = b.http, b.client
}

// orders sends changes and gives the status of each answer; 0 is none.
func (r *rig) orders() <-chan int {
	r.t.Helper()
	out := make(chan int, 4)
	for _, ask := range []string{"POST /api/servers/game/kill", "POST /api/servers/game/stop", "DELETE /api/servers/idle", "POST /api/servers/idle/start"} {
		method, path, _ := strings.Cut(ask, " ")
		req, err := http.NewRequestWithContext(r.t.Context(), method, "http://"+r.http+path, http.NoBody)
		if err != nil {
			r.t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+r.token())
		go func() {
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				out <- 0
				return
			}
			_ = resp.Body.Close()
			out <- resp.StatusCode
		}()
	}
	return out
}

func copyAll(from, to string) error {
	if info, err := os.Stat(from); err != nil {
		return err
	} else if info.IsDir() {
		return os.CopyFS(to, os.DirFS(from))
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}
