package e2e

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/api/client"
)

const flood = "flood 200 %d" // lines a second, seconds: well below the 1,000 lines/s up to which nothing may be lost

// create makes a running test server.
func (r *rig) create(name string, env ...string) client.Server {
	r.t.Helper()
	args := []string{"server", "create", name, "--template", "testserver", "--memory", "64MiB", "--start", "--wait"}
	for _, e := range env {
		args = append(args, "--env", e)
	}
	r.must(args...)
	return r.server(name)
}

// survive runs one fault while a console that prints numbered lines is followed from a terminal, and a second server starts.
// Then: the same container runs, no line is lost or doubled, and the second server runs.
func survive(t *testing.T, fault func(r *rig)) {
	t.Helper()
	t.Parallel()
	r := newRig(t)
	before := r.create("game")
	f := r.follow("game")
	containers := r.containers()
	seconds := 8
	r.must("server", "exec", "game", "--", fmt.Sprintf(flood, seconds))
	r.must("server", "create", "second", "--template", "testserver", "--memory", "64MiB", "--env", "START_DELAY=3s", "--start")

	fault(r)

	got := f.until(t, 60*time.Second, fmt.Sprintf("flood %d", 200*seconds))
	checkNumbered(t, got, "flood ")
	r.waitState("second", 60*time.Second, "running")
	after := r.waitState("game", 30*time.Second, "running")
	if !after.StartedAt.Equal(*before.StartedAt) || after.Restarts != 0 || after.Epoch != before.Epoch {
		t.Errorf("the game was started again: started %v, then %v; restarts %d", before.StartedAt, after.StartedAt, after.Restarts)
	}
	still := false
	for _, id := range r.containers() {
		still = still || id == containers[0]
	}
	if !still {
		t.Error("the container was replaced")
	}
	// The history on the node says the same as what was followed.
	page, err := r.client.Logs(t.Context(), "game", client.LogsQuery{From: 1, Limit: 10000})
	if err != nil {
		t.Fatal(err)
	}
	checkNumbered(t, page.Lines, "flood ")
}

// TestF01ControllerKilled: kill -9 of the controller while a console is followed and a server starts.
func TestF01ControllerKilled(t *testing.T) {
	survive(t, func(r *rig) {
		time.Sleep(time.Second)
		r.controller.end(syscall.SIGKILL)
		time.Sleep(2 * time.Second)
		r.controller.start()
	})
}

// TestF02AgentKilled: kill -9 of the agent: containers run on and are adopted.
func TestF02AgentKilled(t *testing.T) {
	survive(t, func(r *rig) {
		time.Sleep(time.Second)
		r.agent.end(syscall.SIGKILL)
		time.Sleep(2 * time.Second)
		r.agent.start()
	})
}

// TestF01F02BothKilled at once.
func TestF01F02BothKilled(t *testing.T) {
	survive(t, func(r *rig) {
		time.Sleep(time.Second)
		r.agent.end(syscall.SIGKILL)
		r.controller.end(syscall.SIGKILL)
		time.Sleep(2 * time.Second)
		r.agent.start()
		r.controller.start()
	})
}

// TestF05CutOneSecond: the network is gone for a second.
func TestF05CutOneSecond(t *testing.T) {
	survive(t, func(r *rig) {
		r.link.set("cut")
		time.Sleep(time.Second)
		r.link.set("open")
	})
}

// TestF05BlackholeTwoMinutes: nothing passes for two minutes; the node is shown as unreachable, nothing is started elsewhere.
func TestF05BlackholeTwoMinutes(t *testing.T) {
	if testing.Short() {
		t.Skip("takes two minutes")
	}
	survive(t, func(r *rig) {
		r.link.set("frozen")
		began := time.Now()
		r.waitState("game", 15*time.Second, "unknown")
		if took := time.Since(began); took > 11*time.Second {
			r.t.Errorf("the controller noticed after %v", took)
		}
		if n := len(r.containers()); n == 0 {
			r.t.Error("the game was stopped because the controller is away")
		}
		time.Sleep(2*time.Minute - time.Since(began))
		r.link.set("open")
	})
}

// TestF04FrozenAgent: a stopped agent process is noticed within 10 s, and everything goes on when it thaws.
func TestF04FrozenAgent(t *testing.T) {
	survive(t, func(r *rig) {
		r.agent.signal(syscall.SIGSTOP)
		began := time.Now()
		r.waitState("game", 15*time.Second, "unknown")
		if took := time.Since(began); took > 11*time.Second {
			r.t.Errorf("noticed after %v", took)
		}
		r.agent.signal(syscall.SIGCONT)
	})
}

// TestF04FrozenController: the agent notices and dials again; the CLI's follow does too.
func TestF04FrozenController(t *testing.T) {
	survive(t, func(r *rig) {
		r.controller.signal(syscall.SIGSTOP)
		time.Sleep(12 * time.Second)
		r.controller.signal(syscall.SIGCONT)
	})
}
