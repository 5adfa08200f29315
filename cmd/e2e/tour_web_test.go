package e2e

import (
	"bytes"
	"context"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/store/postgres/postgrestest"
	"github.com/payperplay/payperplay/scripts/bot"
)

// TestTourWeb is the whole tour in a browser, on each engine and on a real game: log in, create a flying-squid server, watch it
// start, type a command, see what a bot that has joined says, look at charts and nodes. Pictures are left in build/screenshots,
// and in postgres/ there.
func TestTourWeb(t *testing.T) { onEngines(t, tourWeb) }

func tourWeb(t *testing.T, store string) {
	r := newRigOn(t, store, nil)
	const said = "greetings-from-the-bot"
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	browser := exec.CommandContext(ctx, "node", "e2e/tour.mjs")
	browser.Dir = filepath.Join(root, "web", "ui")
	browser.Env = append(os.Environ(), "BASE_URL=http://"+r.http, "OPERATOR_TOKEN="+r.token(), "TEMPLATE=flying-squid", "SERVER_NAME=squid", "SET=ONLINE_MODE=false", "WATCH="+said, "KEEP=1")
	if store != "" { // the other engine's pictures are kept
		browser.Env = append(browser.Env, "SCREENSHOTS=../../build/screenshots/postgres")
	}
	var out bytes.Buffer
	browser.Stdout, browser.Stderr = &out, &out
	if err := browser.Start(); err != nil {
		t.Fatal(err)
	}
	// The bot comes when the server that the browser made is up, and says its line until the browser has seen it.
	r.waitServer("squid")
	s := r.waitState("squid", 2*time.Minute, "running")
	_, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	player, err := bot.Run(ctx, bot.Options{Port: number, Name: "walker", Version: "1.21.4", Say: said, Stay: 2 * time.Minute, Timeout: 3 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer player.Stop()
	r.eventually(30*time.Second, "the player is counted", func() (bool, string) {
		s := r.server("squid")
		return s.Usage != nil && s.Usage.Players != nil && *s.Usage.Players == 1, toText(s.Usage)
	})
	r.eventually(30*time.Second, "an event tells who joined", func() (bool, string) {
		_, _, p := r.call("GET", "/api/events?type=player.joined&server=squid", "")
		return bytes.Contains([]byte(toText(p)), []byte("walker")), toText(p)
	})
	if store != "" {
		r.reported(store, "squid|running|running")
	}
	if err := browser.Wait(); err != nil {
		t.Fatalf("the browser's tour: %v\n%s", err, out.String())
	}
	r.must("server", "stop", "squid", "--wait")
}

// reported waits until the view for people who report, in the database that the browser's tour runs on, shows this row.
func (r *rig) reported(store, row string) {
	r.t.Helper()
	at, err := url.Parse(store)
	if err != nil {
		r.t.Fatal(err)
	}
	r.eventually(30*time.Second, "report_servers shows "+row, func() (bool, string) {
		got := postgrestest.Shared(r.t).SQL(r.t, strings.TrimPrefix(at.Path, "/"), "SELECT name, desired, observed FROM payperplay.report_servers")
		return got == row, got
	})
}

func (r *rig) waitServer(name string) {
	r.t.Helper()
	r.eventually(time.Minute, "there is a server "+name, func() (bool, string) {
		_, err := r.client.Server(r.t.Context(), name)
		return err == nil, toText(err)
	})
}
