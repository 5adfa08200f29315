package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/api/client"
)

// TestF25TimeTravel: an old backup is restored under an agent that knows more. It is noticed, games run on, nothing is started, and an
// operator decides server by server.
func TestF25TimeTravel(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const small = "64MiB"
	r.create("before")
	r.create("gone")
	r.must("server", "create", "ahead", "--template", "testserver", "--memory", small)
	backup := filepath.Join(r.dir, "old.store")
	r.must("store", "backup", backup)

	// The time that will be forgotten.
	r.must("server", "start", "ahead", "--wait")
	r.must("server", "delete", "gone", "--yes", "--wait")
	r.must("server", "create", "after", "--template", "testserver", "--memory", small, "--start", "--wait")
	was := r.server("after")
	games := r.containers()
	slices.Sort(games)
	head := r.newest()

	r.controller.end(syscall.SIGTERM)
	r.must("store", "restore", backup, "--data", filepath.Join(r.dir, "controller"))
	r.controller.start()
	r.waitReady()
	found := r.findings(map[string]string{"ahead": "ahead", "after": "unknown", "gone": "missing"})

	// Nothing was started, nothing was stopped.
	r.unchanged(games)
	st, err := r.client.Status(t.Context())
	if err != nil || st.Recovery == nil || !strings.Contains(r.must("status"), "Recovery:") {
		t.Fatalf("the status does not say it: %+v, %v", st.Recovery, err)
	}
	if m := r.metric("payperplay_recovery_mode"); m != "1" {
		t.Errorf("the gauge is %q", m)
	}
	if f := found["after"]; f.Store != nil || f.Agent == nil || f.Agent.State != "running" || f.Agent.Since == nil || !f.Agent.Since.Equal(*was.StartedAt) {
		t.Errorf("after: %+v %+v", f.Store, f.Agent)
	}
	oneClearLine(t, r.cli("server", "create", "new", "--template", "testserver"), 1, "recovery")
	oneClearLine(t, r.cli("server", "start", "ahead"), 1, "recovery")
	oneClearLine(t, r.cli("server", "delete", "gone", "--yes"), 1, "recovery")
	oneClearLine(t, r.cli("server", "stop", "ahead"), 1, "recovery")
	oneClearLine(t, r.cli("recovery", "end"), 1, "server gone")
	oneClearLine(t, r.cli("recovery", "adopt", "gone"), 1, "forget")
	oneClearLine(t, r.cli("recovery", "forget", "after"), 1, "adopt")
	if res := r.cli("server", "exec", "before", "--", "list"); res.code != 0 {
		t.Errorf("a command to a running game: %s", res.err)
	}
	if res := r.cli("server", "logs", "before"); res.code != 0 || !strings.Contains(res.out, "Done") {
		t.Errorf("its console: %s %s", res.out, res.err)
	}
	r.unchanged(games)

	// The choices.
	oneClearLine(t, r.cli("recovery", "adopt", "after"), 1, "server gone") // which has the port that after got when gone was deleted
	r.must("recovery", "forget", "gone")
	r.must("recovery", "adopt", "--all")
	if s := r.waitState("after", 20*time.Second, "running"); s.ID != was.ID || s.Epoch != was.Epoch || s.Port != was.Port || s.Desired != "running" || !s.StartedAt.Equal(*was.StartedAt) {
		t.Errorf("after was adopted as %s, want %s", toText(s), toText(was))
	}
	r.must("recovery", "adopt", "ahead") // again is no error
	r.must("recovery", "forget", "gone")
	r.unchanged(games)
	r.must("recovery", "end")
	if st, err := r.client.Status(t.Context()); err != nil || st.Recovery != nil {
		t.Errorf("after the end: %+v, %v", st.Recovery, err)
	}

	// Orders work again, no number of an event is given twice, and the store is sound.
	r.eventually(20*time.Second, "the node is back", func() (bool, string) {
		nodes, err := r.client.Nodes(t.Context())
		return err == nil && nodes[0].Connected, "not connected"
	})
	r.must("server", "stop", "after", "--wait")
	r.must("server", "start", "after", "--wait")
	r.must("server", "delete", "ahead", "--yes", "--wait")
	if now := r.newest(); now <= head+1000 {
		t.Errorf("event %d follows %d, which somebody has read", now, head)
	}
	r.must("store", "check", "--data", filepath.Join(r.dir, "controller"))
	if s := r.server("before"); s.State != "running" {
		t.Errorf("before is %s", s.State)
	}
}

// TestF25KeepSetsAside: the other choice: the store is right, and what the node has is kept for 7 days.
func TestF25KeepSetsAside(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.must("server", "create", "keeps", "--template", "testserver", "--memory", "64MiB")
	data := filepath.Join(r.dir, "controller")
	old := filepath.Join(r.dir, "old.db")
	r.controller.end(syscall.SIGTERM)
	copyFile(t, filepath.Join(data, "controller.db"), old)
	for range 2 { // two terms go by
		r.controller.start()
		r.waitReady()
		if r.server("keeps").State == "stopped" {
			r.eventually(30*time.Second, "the node is back", func() (bool, string) {
				nodes, err := r.client.Nodes(t.Context())
				return err == nil && nodes[0].Connected, "not connected"
			})
			r.must("server", "start", "keeps", "--wait")
		}
		r.waitState("keeps", 30*time.Second, "running")
		r.controller.end(syscall.SIGTERM)
	}
	// The file is put back by hand: nothing says that it is old but the agent.
	copyFile(t, old, filepath.Join(data, "controller.db"))
	r.controller.start()
	r.waitReady()
	r.eventually(60*time.Second, "the higher term is noticed", func() (bool, string) {
		out := r.must("recovery", "show", "-o", "json")
		return strings.Contains(out, `"sign": "term"`), out
	})
	r.must("recovery", "lead", "--yes")
	r.findings(map[string]string{"keeps": "ahead"})
	if n := containersOf(t, r.server("keeps").ID); len(n) != 1 {
		t.Fatalf("%d containers", len(n))
	}
	r.must("recovery", "keep", "keeps")
	r.eventually(30*time.Second, "the stale copy is set aside", func() (bool, string) {
		entries, _ := os.ReadDir(filepath.Join(r.dir, "agent", "quarantine"))
		return len(entries) == 1 && len(containersOf(t, r.server("keeps").ID)) == 0, toText(entries)
	})
	r.must("recovery", "end")
	r.must("server", "start", "keeps", "--wait")
	if s := r.server("keeps"); s.Epoch <= 2 {
		t.Errorf("the next epoch is %d: one that was given before", s.Epoch)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func containersOf(t *testing.T, server string) []string {
	t.Helper()
	out, err := exec.Command("docker", "ps", "-q", "--filter", "label=payperplay.server="+server).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// findings waits until exactly these servers contradict the store, each by its sign, and everything a choice needs is known.
func (r *rig) findings(want map[string]string) map[string]client.RecoveryFinding {
	r.t.Helper()
	got := map[string]client.RecoveryFinding{}
	r.eventually(90*time.Second, "the contradictions are found", func() (bool, string) {
		rec, err := r.client.Recovery(r.t.Context())
		if err != nil {
			return false, err.Error()
		}
		clear(got)
		ok := rec.Open
		for _, f := range rec.Findings {
			if f.Server == "" || f.Choice != "" {
				continue
			}
			got[f.Server] = f
			ok = ok && want[f.Server] == f.Sign && len(f.Choices) > 0 && (f.Sign != "unknown" || len(f.Choices) == 2)
		}
		return ok && len(got) == len(want), toText(rec)
	})
	return got
}

// unchanged: the very same containers run as before.
func (r *rig) unchanged(games []string) {
	r.t.Helper()
	now := r.containers()
	slices.Sort(now)
	if !slices.Equal(now, games) {
		r.t.Errorf("containers %v, want %v", now, games)
	}
}

// newest is the number of the newest event.
func (r *rig) newest() int64 {
	r.t.Helper()
	p, err := r.client.Events(r.t.Context(), client.EventsQuery{Newest: true, Limit: 1})
	if err != nil || len(p.Items) != 1 {
		r.t.Fatal(p, err)
	}
	return p.Items[0].Seq
}

// metric reads one metric without labels.
func (r *rig) metric(name string) string {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, "http://"+r.http+"/metrics", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b := new(strings.Builder)
	if err := resp.Write(b); err != nil {
		r.t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}
