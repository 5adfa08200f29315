package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/payperplay/payperplay/controller/api/client"
)

// TestTourCLI is the whole tour from a terminal, on each engine: catalogue, create, console, settings, stop, start, restart, kill, delete.
func TestTourCLI(t *testing.T) { onEngines(t, tourCLI) }

func tourCLI(t *testing.T, store string) {
	r := newRigOn(t, store, nil)

	var nodes []map[string]any
	r.cliJSON(&nodes, "node", "list")
	for _, key := range []string{"name", "roles", "state", "last_seen"} {
		if _, ok := nodes[0][key]; !ok {
			t.Errorf("node list -o json has no %q: %v", key, nodes[0])
		}
	}
	if out := r.must("template", "list"); !strings.Contains(out, "flying-squid") || !strings.Contains(out, "paper") {
		t.Errorf("template list: %s", out)
	}

	var made map[string]any
	r.cliJSON(&made, "server", "create", "friends", "--template", "testserver", "--memory", "64MiB", "--env", "MOTD=Hello there", "--start", "--wait")
	if made["state"] != "running" || made["memory_bytes"] != float64(64<<20) {
		t.Fatalf("created: %v", made)
	}
	var shown map[string]any
	r.cliJSON(&shown, "server", "show", "friends")
	for _, key := range []string{"name", "node", "desired", "observed", "epoch", "memory_bytes", "address"} {
		if v, ok := shown[key]; !ok || v == "" {
			t.Errorf("server show -o json: %q is %v", key, v)
		}
	}
	if shown["node"] != "node-1" || shown["desired"] != "running" || shown["observed"] != "running" || shown["epoch"] != float64(1) {
		t.Errorf("shown: %v", shown)
	}

	if out := r.must("server", "exec", "friends", "--", "list"); !strings.Contains(out, "players online") {
		t.Errorf("exec list answered %q", out)
	}
	r.must("server", "exec", "friends", "--", "say", "dinner", "is", "ready")
	dec := json.NewDecoder(strings.NewReader(r.must("server", "logs", "friends", "--tail", "50", "-o", "json")))
	var seen bool
	for dec.More() {
		var l struct {
			Seq  int64  `json:"seq"`
			Time string `json:"time"`
			Text string `json:"text"`
		}
		if err := dec.Decode(&l); err != nil {
			t.Fatal(err)
		}
		seen = seen || l.Seq > 0 && l.Time != "" && strings.Contains(l.Text, "dinner is ready")
	}
	if !seen {
		t.Error("what was said is not in the logs")
	}
	if out := r.must("server", "logs", "friends", "--search", "dinner"); !strings.Contains(out, "dinner is ready") {
		t.Errorf("search found %q", out)
	}
	file := filepath.Join(r.dir, "friends.log")
	r.must("server", "logs", "friends", "--download", file)
	if b, err := os.ReadFile(file); err != nil || !strings.Contains(string(b), "dinner is ready") {
		t.Errorf("download: %v, %d bytes", err, len(b))
	}

	var set client.Server
	r.cliJSON(&set, "server", "set", "friends", "memory=80MiB", "MOTD=Back again")
	if set.MemoryBytes != 80<<20 || set.Env["MOTD"] != "Back again" || !set.RestartRequired {
		t.Errorf("set: %+v", set)
	}
	r.must("server", "restart", "friends", "--wait")
	if s := r.server("friends"); s.RestartRequired || s.State != "running" || s.Epoch != 1 {
		t.Errorf("after the restart: %s, restart required %v, epoch %d", s.State, s.RestartRequired, s.Epoch)
	}
	r.must("server", "stop", "friends", "--wait")
	if s := r.server("friends"); s.State != "stopped" || s.Exit == nil || !s.Exit.Asked {
		t.Errorf("after the stop: %s, exit %+v", s.State, s.Exit)
	}
	if n := r.containers(); len(n) != 0 {
		t.Errorf("%d containers run after the stop", len(n))
	}
	r.must("server", "start", "friends", "--wait")
	r.must("server", "kill", "friends", "--wait")
	r.must("server", "start", "friends", "--wait")

	if out := r.must("status"); !strings.Contains(out, "1 running") {
		t.Errorf("status: %s", out)
	}
	if out := r.must("event", "list", "--type", "server.*", "--server", "friends"); !strings.Contains(out, "server.started") || !strings.Contains(out, "server.created") {
		t.Errorf("events: %s", out)
	}
	r.backupAndCheck(store)

	r.must("server", "delete", "friends", "--yes", "--wait")
	if res := r.cli("server", "show", "friends"); res.code != 1 || !strings.Contains(res.err, "friends") {
		t.Errorf("show after delete: %d %s", res.code, res.err)
	}
	r.nothingLeft()
}

func (r *rig) backupAndCheck(store string) {
	r.t.Helper()
	backup := filepath.Join(r.dir, "backup.store")
	r.must("store", "backup", backup)
	r.must("store", "check", backup)
	if store == "" {
		r.must("store", "check", "--data", filepath.Join(r.dir, "controller"))
	} else {
		r.must("store", "check", "--store-file", r.addressFile(store))
		r.must("store", "backup", backup, "--store-file", r.addressFile(store))
	}
	foreign := filepath.Join(r.dir, "foreign")
	if err := os.WriteFile(foreign, []byte(strings.Repeat("not ours ", 1000)), 0o600); err != nil {
		r.t.Fatal(err)
	}
	if res := r.cli("store", "restore", foreign, "--data", filepath.Join(r.dir, "controller")); res.code == 0 || strings.Count(strings.TrimSpace(res.err), "\n") != 0 {
		r.t.Errorf("restore of a foreign file: exit %d, %q", res.code, res.err)
	}
}

// nothingLeft says whether anything of this rig's servers is left in Docker or on the node's disk.
func (r *rig) nothingLeft() {
	r.t.Helper()
	nodes, err := r.client.Nodes(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, what := range [][]string{{"ps", "-aq"}, {"network", "ls", "-q"}} {
		out, err := exec.Command("docker", append(what, "--filter", "label=payperplay.node="+nodes[0].ID)...).Output()
		if err != nil || strings.TrimSpace(string(out)) != "" {
			r.t.Errorf("docker %v: %v %s", what, err, out)
		}
	}
	left, err := filepath.Glob(filepath.Join(r.dir, "agent", "volumes", "*"))
	if err != nil || len(left) != 0 {
		r.t.Errorf("volumes left: %v %v", left, err)
	}
	if n := nodes[0]; n.MemoryBookedBytes != 0 || n.PortsBooked != 0 || n.DiskBookedBytes != 0 {
		r.t.Errorf("still booked: %d bytes, %d ports, %d bytes of disk", n.MemoryBookedBytes, n.PortsBooked, n.DiskBookedBytes)
	}
}
