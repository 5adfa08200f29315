package e2e

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestF11Crash: exit code and last lines are shown, the agent tries again with a growing pause, and gives up at the cap.
func TestF11Crash(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.must("server", "create", "crasher", "--template", "testserver", "--memory", "64MiB", "--env", "CRASH_AFTER=300ms", "--env", "CRASH_CODE=42", "--start")
	r.eventually(time.Minute, "a restart after a crash with code 42", func() (bool, string) {
		s := r.server("crasher")
		return s.Restarts > 0 && s.Exit != nil && s.Exit.Code == 42 && len(s.Exit.LastLines) > 0, toText(s)
	})
	r.must("server", "stop", "crasher", "--wait")
	if s := r.server("crasher"); s.State != "stopped" {
		t.Errorf("after a stop between crashes: %s %s", s.State, s.Explain)
	}
	time.Sleep(3 * time.Second)
	if n := r.containers(); len(n) != 0 {
		t.Error("a stopped server was started again")
	}
}

// TestF11OutOfMemory: the reason is named and the advice is more memory.
func TestF11OutOfMemory(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.must("server", "create", "hog", "--template", "testserver", "--memory", "64MiB", "--env", "OOM_AFTER=500ms", "--start")
	r.eventually(time.Minute, "an exit by lack of memory", func() (bool, string) {
		s := r.server("hog")
		return s.Exit != nil && s.Exit.OOM && strings.Contains(s.Exit.Advice, "memory"), toText(s)
	})
}

// TestStopWins: while starting, and over a game that obeys neither the command nor SIGTERM.
func TestStopWins(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.must("server", "create", "slow", "--template", "testserver", "--memory", "64MiB", "--env", "START_DELAY=60s", "--start")
	r.waitState("slow", 30*time.Second, "starting")
	r.must("server", "stop", "slow", "--wait", "--timeout", "30s")
	r.create("stubborn", "REFUSE_STOP=true", "IGNORE_TERM=true")
	r.must("server", "stop", "stubborn", "--wait", "--timeout", "40s")
	if s := r.server("stubborn"); s.Exit == nil || !s.Exit.Killed || !s.Exit.Asked {
		t.Errorf("exit %+v", s.Exit)
	}
	r.create("victim", "REFUSE_STOP=true", "IGNORE_TERM=true")
	r.must("server", "stop", "victim")
	began := time.Now()
	r.must("server", "kill", "victim", "--wait")
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("a kill during a stop took %v", took)
	}
}

// TestStopTypedIntoTheConsole is an order to stop, not a crash that is mended.
func TestStopTypedIntoTheConsole(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create("game")
	r.must("server", "exec", "game", "--", "stop")
	s := r.waitState("game", 30*time.Second, "stopped")
	if s.Desired != "stopped" || s.Exit == nil || !s.Exit.Asked || s.Restarts != 0 {
		t.Errorf("desired %s, exit %+v, restarts %d", s.Desired, s.Exit, s.Restarts)
	}
}

// TestImageMissing: no registry can be reached; the message names the image and the way out, and nothing is held.
func TestImageMissing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	res := r.cli("server", "create", "big", "--template", "paper", "--memory", "2GiB", "--start", "--wait", "--timeout", "90s")
	if res.code != 1 || !strings.Contains(res.err, "itzg/minecraft-server") {
		t.Errorf("exit %d: %s", res.code, res.err)
	}
	lines := strings.Split(strings.TrimSpace(res.err), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, "docker load") && !strings.Contains(last, "docker pull") {
		t.Errorf("the last line has no way out: %s", last)
	}
}

// TestNotReadyWithoutPing: a line in the log is not readiness.
func TestNotReadyWithoutPing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.must("server", "create", "liar", "--template", "testserver", "--memory", "64MiB", "--env", "READY_LINE_ONLY=true", "--start")
	r.eventually(30*time.Second, "it says that it is done", func() (bool, string) {
		res := r.cli("server", "logs", "liar")
		return strings.Contains(res.out, "Done ("), res.out + res.err
	})
	time.Sleep(3 * time.Second)
	if s := r.server("liar"); s.State != "starting" {
		t.Errorf("state %s", s.State)
	}
}

// TestNoRoom: what fits nowhere waits and says what for; it starts by itself when room is freed.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.must("server", "create", "first", "--template", "testserver", "--memory", "2GiB", "--start", "--wait")
	r.must("server", "create", "second", "--template", "testserver", "--memory", "2GiB", "--start")
	s := r.waitState("second", 20*time.Second, "waiting")
	if s.Waiting == nil || s.Waiting.MemoryBytes != 2<<30 || s.Explain == "" || s.Next == "" {
		t.Errorf("%+v: %s; %s", s.Waiting, s.Explain, s.Next)
	}
	r.must("server", "stop", "first", "--wait")
	r.waitState("second", 30*time.Second, "running")
}

// TestRevokedNode: cut within 2 s, its game runs on, its agent says why and does not come back by itself.
func TestRevokedNode(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create("game")
	before := r.containers()
	r.must("node", "revoke", "node-1", "--yes")
	began := time.Now()
	r.eventually(2*time.Second, "the node is cut", func() (bool, string) {
		s := r.server("game")
		return s.State == "unknown", s.State
	})
	t.Logf("cut after %v", time.Since(began))
	r.eventually(10*time.Second, "the agent says why", func() (bool, string) {
		log := r.read("agent.log")
		return strings.Contains(log, "revoked"), log[max(0, len(log)-300):]
	})
	if len(before) != 1 {
		t.Fatalf("%d containers", len(before))
	}
}

// TestAgentRestartsClean: SIGTERM of the agent stops no game either.
func TestAgentRestartsClean(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	before := r.create("game")
	r.agent.end(syscall.SIGTERM)
	r.waitState("game", 20*time.Second, "unknown")
	r.agent.start()
	after := r.waitState("game", 20*time.Second, "running")
	if !after.StartedAt.Equal(*before.StartedAt) {
		t.Error("the game was started again")
	}
}
