package supervisor

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/payperplay/payperplay/agent/docker/dockertest"
	"github.com/payperplay/payperplay/agent/state"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStartCommandStop(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	spec := dockertest.Spec(t, "srv_a", nil)
	if o := r.start(spec, 1); o.State != protocol.StateStarting {
		t.Fatalf("%+v", o)
	}
	o := r.awaitState("srv_a", protocol.StateRunning)
	if o.Epoch != 1 || o.Ready.IsZero() || o.Started.IsZero() || o.Container == "" || o.Address == "" || o.Runtime == "" {
		t.Fatalf("%+v", o)
	}
	r.start(spec, 1) // idempotent
	reply, err := r.console.Command(t.Context(), protocol.CommandRequest{Server: "srv_a", Epoch: 1, Command: "list"})
	if err != nil || !strings.Contains(reply.Output, "players online") || reply.Via != "rcon" {
		t.Fatalf("%+v %v", reply, err)
	}
	r.stop(protocol.StopRequest{Server: "srv_a", Epoch: 1})
	o = r.awaitState("srv_a", protocol.StateStopped)
	if o.Exit == nil || !o.Exit.Asked || o.Exit.Killed || o.Exit.Code != 0 {
		t.Fatalf("exit %+v\n%s", o.Exit, r.lines("srv_a"))
	}
	if !strings.Contains(r.lines("srv_a"), "Saving worlds") {
		t.Fatalf("the game was not asked to stop:\n%s", r.lines("srv_a"))
	}
	if got := r.states("srv_a"); !slices.Equal(got, []protocol.State{"starting", "running", "stopping", "stopped"}) {
		t.Fatal(got)
	}
	r.start(spec, 1)
	r.awaitState("srv_a", protocol.StateRunning)
	if _, err := r.sup.Kill(t.Context(), protocol.KillRequest{Server: "srv_a", Epoch: 1}); err != nil {
		t.Fatal(err)
	}
	o = r.awaitState("srv_a", protocol.StateStopped)
	if !o.Exit.Asked || !o.Exit.Killed || o.Exit.Code != 137 {
		t.Fatalf("%+v", o.Exit)
	}
	if _, err := r.sup.Remove(t.Context(), protocol.RemoveRequest{Server: "srv_a", Epoch: 1, Volume: protocol.VolumeDelete}); err != nil {
		t.Fatal(err)
	}
	r.await("srv_a", 10*time.Second, "gone", func(o protocol.Observed) bool { return o.Server == "" })
	left, _ := r.engine.List(t.Context(), "")
	nets, _ := r.engine.Networks(t.Context())
	vols, _ := r.volumes.List()
	if len(left)+len(nets)+len(vols) != 0 {
		t.Fatalf("left behind: %v %v %v", left, nets, vols)
	}
	reports, _ := r.journal.Next(t.Context(), 0, 1000)
	if last := reports[len(reports)-1].Fact.Removed; last == nil || last.Server != "srv_a" || last.Quarantined {
		t.Fatalf("%+v", reports[len(reports)-1])
	}
}

func TestF11CrashLoopGivesUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	spec := dockertest.Spec(t, "srv_a", map[string]string{"CRASH_AFTER": "100ms", "CRASH_CODE": "3"})
	spec.Restart = protocol.RestartRule{Max: 2, WindowSeconds: 600}
	r.start(spec, 1)
	o := r.await("srv_a", 40*time.Second, "given up", func(o protocol.Observed) bool {
		return o.State == protocol.StateCrashed && o.Problem != nil && o.Retry.IsZero()
	})
	if o.Exit.Code != 3 || o.Exit.Asked || o.Exit.OOM || o.Restarts != 3 || o.Exit.Advice == "" || len(o.Exit.LastLine) == 0 || len(o.Exit.LastLine) > 20 {
		t.Fatalf("%+v %+v", o, o.Exit)
	}
	crashes := 0
	reports, _ := r.journal.Next(t.Context(), 0, 1000)
	for _, p := range reports {
		if p.Fact.Observed != nil && p.Fact.Observed.State == protocol.StateCrashed {
			crashes++
		}
	}
	if crashes != 3 {
		t.Fatalf("%d crashes reported, want 3 (one start and two restarts)", crashes)
	}
	// A new order starts counting anew.
	delete(spec.Env, "CRASH_AFTER")
	spec.Revision = 2
	r.start(spec, 1)
	if o := r.awaitState("srv_a", protocol.StateRunning); o.Revision != 2 || o.Restarts != 0 {
		t.Fatalf("%+v", o)
	}
}

func TestF11OutOfMemory(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	spec := dockertest.Spec(t, "srv_a", map[string]string{"OOM_AFTER": "300ms"})
	spec.MemoryBytes = 32 << 20
	spec.Restart.Max = -1
	r.start(spec, 1)
	o := r.awaitState("srv_a", protocol.StateCrashed)
	if !o.Exit.OOM || !strings.Contains(o.Exit.Advice, "more memory") || !strings.Contains(o.Exit.Advice, "32MiB") {
		t.Fatalf("%+v", o.Exit)
	}
}

func TestRefusesToStop(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	spec := dockertest.Spec(t, "srv_a", map[string]string{"REFUSE_STOP": "true", "IGNORE_TERM": "true"})
	spec.Stop.GraceSeconds = 300 // the order's counts
	r.start(spec, 1)
	r.awaitState("srv_a", protocol.StateRunning)
	began := time.Now()
	r.stop(protocol.StopRequest{Server: "srv_a", Epoch: 1, Grace: 3})
	if _, err := r.sup.Start(t.Context(), protocol.StartRequest{Spec: spec, Grant: r.grant("srv_a", 1)}); protocol.CodeOf(err) != protocol.Conflict {
		t.Fatalf("a start while it stops: %v", err)
	}
	o := r.awaitState("srv_a", protocol.StateStopped)
	if took := time.Since(began); took < 2900*time.Millisecond || took > time.Minute {
		t.Errorf("the grace of 3 s took %s", took)
	}
	if !o.Exit.Killed || !o.Exit.Asked {
		t.Fatalf("%+v", o.Exit)
	}
	if !strings.Contains(r.lines("srv_a"), "Ignoring terminated") {
		t.Errorf("no SIGTERM before SIGKILL:\n%s", r.lines("srv_a"))
	}
}

func TestStopWinsOverStart(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	spec := dockertest.Spec(t, "srv_a", map[string]string{"START_DELAY": "60s"})
	for i := range 5 {
		r.start(spec, 1)
		if i > 0 {
			<-time.After(time.Duration(i*i*15) * time.Millisecond) // another moment of the start each time
		}
		if i%2 == 0 {
			r.stop(protocol.StopRequest{Server: "srv_a", Epoch: 1})
		} else if _, err := r.sup.Kill(t.Context(), protocol.KillRequest{Server: "srv_a"}); err != nil {
			t.Fatal(err)
		}
		r.awaitState("srv_a", protocol.StateStopped) // the game itself would take a minute to start
		if live := r.sup.Live(); len(live) != 0 {
			t.Fatalf("round %d: it runs: %+v", i, live)
		}
		all, _ := r.engine.List(t.Context(), "srv_a")
		for _, c := range all {
			if c.Running {
				t.Fatalf("round %d: a container runs after the stop", i)
			}
		}
	}
}

func TestNotReadyInTimeFails(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	spec := dockertest.Spec(t, "srv_a", map[string]string{"READY_LINE_ONLY": "true"})
	spec.Ready.TimeoutSeconds = 2
	r.start(spec, 1)
	o := r.awaitState("srv_a", protocol.StateFailed)
	if o.Problem == nil || o.Problem.Code != protocol.Timeout || !strings.Contains(o.Problem.Message, "not ready after 2s") || o.Problem.Next == "" {
		t.Fatalf("%+v", o.Problem)
	}
	if len(r.sup.Live()) != 0 {
		t.Fatal("it still runs")
	}
}

func TestReadyNeedsThePatternToo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	spec := dockertest.Spec(t, "srv_a", nil)
	spec.Ready.LogPattern = `Done \([0-9.]+s\)!`
	r.start(spec, 1)
	r.awaitState("srv_a", protocol.StateRunning)
	spec = dockertest.Spec(t, "srv_b", nil)
	spec.Ready.LogPattern, spec.Ready.TimeoutSeconds = `never printed`, 2
	r.start(spec, 1)
	if o := r.awaitState("srv_b", protocol.StateFailed); !strings.Contains(o.Problem.Message, "never printed") {
		t.Fatalf("%+v", o.Problem)
	}
}

func TestMissingImageNamesTheWayOut(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	spec := dockertest.Spec(t, "srv_a", nil)
	spec.Image, spec.BuildHint = "payperplay/no-such-game:9", "run scripts/images/build no-such-game on the node"
	r.start(spec, 1)
	o := r.awaitState("srv_a", protocol.StateFailed)
	if o.Problem.Code != protocol.NotFound || !strings.Contains(o.Problem.Message, spec.Image) || !strings.Contains(o.Problem.Message, r.engine.Node()) || o.Problem.Next != spec.BuildHint {
		t.Fatalf("%+v", o.Problem)
	}
	r.stop(protocol.StopRequest{Server: "srv_a"})
	r.awaitState("srv_a", protocol.StateStopped)
}

func TestRestartKeepsTheGrant(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	spec := dockertest.Spec(t, "srv_a", nil)
	r.start(spec, 4)
	first := r.awaitState("srv_a", protocol.StateRunning)
	r.stop(protocol.StopRequest{Server: "srv_a", Epoch: 4, Restart: true})
	second := r.await("srv_a", 20*time.Second, "restarted", func(o protocol.Observed) bool {
		return o.State == protocol.StateRunning && o.Container != first.Container
	})
	if second.Epoch != 4 || second.Restarts != 0 {
		t.Fatalf("%+v", second)
	}
	if got := r.states("srv_a"); !slices.Equal(got, []protocol.State{"starting", "running", "stopping", "stopped", "starting", "running"}) {
		t.Fatal(got)
	}
}

// ended tells whether at is when the game ended, by its own last words, and not when somebody noticed.
func ended(r *rig, server string, at time.Time) bool {
	for _, l := range r.console.LastLines(server, 50) {
		if strings.Contains(l.Text, "crash report has been saved") && at.Sub(l.Time).Abs() < 1500*time.Millisecond {
			return true
		}
	}
	return false
}

// TestF02AgentDiesAndAdopts: the game runs on, its console goes on, a crash meanwhile is told rightly.
func TestF02AgentDiesAndAdopts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, id := range []string{"srv_runs", "srv_crashes", "srv_starts", "srv_stops"} {
		env := map[string]string{}
		switch id {
		case "srv_crashes":
			env["CRASH_AFTER"], env["CRASH_CODE"] = "1500ms", "9"
		case "srv_starts":
			env["START_DELAY"] = "3s"
		case "srv_stops":
			env["REFUSE_STOP"], env["IGNORE_TERM"] = "true", "true"
		}
		r.start(dockertest.Spec(t, id, env), 2)
	}
	runs := r.awaitState("srv_runs", protocol.StateRunning)
	r.awaitState("srv_crashes", protocol.StateRunning)
	r.awaitState("srv_stops", protocol.StateRunning)
	r.stop(protocol.StopRequest{Server: "srv_stops", Epoch: 2, Grace: 4})
	r.crash()
	<-time.After(2 * time.Second) // away, while one crashes and one becomes ready
	r.begin()
	if o := r.awaitState("srv_runs", protocol.StateRunning); o.Container != runs.Container || !o.Started.Equal(runs.Started) {
		t.Fatalf("not adopted: %+v", o)
	}
	o := r.await("srv_crashes", 10*time.Second, "seen to have crashed", func(o protocol.Observed) bool { return o.Exit != nil })
	if o.Exit.Code != 9 || o.Exit.Asked || len(o.Exit.LastLine) == 0 || !ended(r, "srv_crashes", o.Exit.At) {
		t.Fatalf("%+v", o.Exit)
	}
	r.awaitState("srv_starts", protocol.StateRunning)
	if o := r.awaitState("srv_stops", protocol.StateStopped); !o.Exit.Asked || !o.Exit.Killed {
		t.Fatalf("the stop was forgotten: %+v", o.Exit)
	}
	if reply, err := r.console.Command(t.Context(), protocol.CommandRequest{Server: "srv_runs", Epoch: 2, Command: "list"}); err != nil || reply.Via != "rcon" {
		t.Fatalf("RCON after adoption: %+v %v", reply, err)
	}
	if n := strings.Count(r.lines("srv_runs"), "Done ("); n != 1 {
		t.Fatalf("%d ready lines\n%s", n, r.lines("srv_runs"))
	}
}

// TestF23NewBootStartsNothing: after a reboot only a fresh grant starts a server.
func TestF23NewBootStartsNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	spec := dockertest.Spec(t, "srv_a", nil)
	r.start(spec, 1)
	o := r.awaitState("srv_a", protocol.StateRunning)
	old := r.grant("srv_a", 1)
	r.crash()
	if err := r.engine.Signal(t.Context(), o.Container, "SIGKILL"); err != nil {
		t.Fatal(err)
	}
	r.boot = "boot-2"
	r.begin()
	o = r.awaitState("srv_a", protocol.StateAbsent)
	if o.Problem == nil || !strings.Contains(o.Problem.Message, "new grant") {
		t.Fatalf("%+v", o)
	}
	if _, err := r.sup.Start(t.Context(), protocol.StartRequest{Spec: spec, Grant: old}); protocol.CodeOf(err) != protocol.Stale {
		t.Fatalf("a grant of the last boot: %v", err)
	}
	if len(r.sup.Live()) != 0 {
		t.Fatal("it runs without a grant")
	}
	if _, err := r.sup.Start(t.Context(), protocol.StartRequest{Spec: spec, Grant: r.grant("srv_a", 1)}); err != nil {
		t.Fatal(err)
	}
	r.awaitState("srv_a", protocol.StateRunning)
}

func TestGrantsThatDoNotCount(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	spec := dockertest.Spec(t, "srv_a", nil)
	r.start(spec, 5)
	r.awaitState("srv_a", protocol.StateRunning)
	for name, c := range map[string]struct {
		change func(*protocol.StartRequest)
		want   protocol.Code
	}{
		"older epoch": {func(q *protocol.StartRequest) { q.Grant.Epoch = 4 }, protocol.Stale},
		"other boot":  {func(q *protocol.StartRequest) { q.Grant.Boot = "x" }, protocol.Stale},
		"older term":  {func(q *protocol.StartRequest) { q.Grant.Term = 0 }, protocol.Stale},
		"other node":  {func(q *protocol.StartRequest) { q.Grant.Node = "x" }, protocol.Invalid},
		"other id":    {func(q *protocol.StartRequest) { q.Grant.Server = "x" }, protocol.Invalid},
		"bad spec":    {func(q *protocol.StartRequest) { q.Spec.DataDir = "/etc" }, protocol.Invalid},
	} {
		q := protocol.StartRequest{Spec: spec, Grant: r.grant("srv_a", 5)}
		c.change(&q)
		if _, err := r.sup.Start(t.Context(), q); protocol.CodeOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := r.sup.Stop(t.Context(), protocol.StopRequest{Server: "srv_a", Epoch: 4}); protocol.CodeOf(err) != protocol.Stale {
		t.Errorf("a stop of an older epoch: %v", err)
	}
	if o, err := r.sup.Stop(t.Context(), protocol.StopRequest{Server: "srv_none", Epoch: 4}); err != nil || o.Observed.State != protocol.StateAbsent {
		t.Errorf("a stop of nothing: %+v %v", o, err)
	}
}

// TestStaleEpochGoesToQuarantine: a node that comes back with an old epoch stops the game and keeps its files aside.
func TestStaleEpochGoesToQuarantine(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.start(dockertest.Spec(t, "srv_a", nil), 1)
	r.start(dockertest.Spec(t, "srv_b", nil), 3)
	r.awaitState("srv_a", protocol.StateRunning)
	r.awaitState("srv_b", protocol.StateRunning)
	if err := r.sup.Outdated(t.Context(), map[string]int64{"srv_a": 2, "srv_b": 3, "srv_other": 9}); err != nil {
		t.Fatal(err)
	}
	r.await("srv_a", 20*time.Second, "gone", func(o protocol.Observed) bool { return o.Server == "" })
	aside, _ := filepath.Glob(filepath.Join(r.dir, "quarantine", "srv_a-1-*", "data", "world"))
	if len(aside) != 1 {
		t.Fatalf("the world is not in quarantine: %v", aside)
	}
	if o := r.observed("srv_b"); o.State != protocol.StateRunning {
		t.Fatalf("the other server was touched: %+v", o)
	}
	reports, _ := r.journal.Next(t.Context(), 0, 1000)
	last := reports[len(reports)-1].Fact.Removed
	if last == nil || !last.Quarantined || last.Epoch != 1 {
		t.Fatalf("%+v", reports[len(reports)-1].Fact)
	}
}

// TestMissingIdentityRefusesStart: the volume's disk is not mounted, so the game must not make a new world.
func TestMissingIdentityRefusesStart(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	spec := dockertest.Spec(t, "srv_a", nil)
	if _, err := r.sup.Start(t.Context(), protocol.StartRequest{Spec: spec, Grant: r.grant("srv_a", 1)}); err != nil {
		t.Fatal(err)
	}
	o := r.awaitState("srv_a", protocol.StateFailed)
	if o.Problem.Code != protocol.NotFound || !strings.Contains(o.Problem.Message, "identity file") {
		t.Fatalf("%+v", o.Problem)
	}
}

// TestLostJournal: running games are found by their labels, volumes by their identity; nothing is started or deleted.
func TestLostJournal(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.start(dockertest.Spec(t, "srv_runs", nil), 3)
	r.start(dockertest.Spec(t, "srv_down", nil), 4)
	was := r.awaitState("srv_runs", protocol.StateRunning)
	r.awaitState("srv_down", protocol.StateRunning)
	r.stop(protocol.StopRequest{Server: "srv_down"})
	r.awaitState("srv_down", protocol.StateStopped)
	r.crash()
	if err := os.Remove(filepath.Join(r.dir, state.FileName)); err != nil {
		t.Fatal(err)
	}
	r.begin()
	if o := r.awaitState("srv_runs", protocol.StateRunning); o.Container != was.Container || o.Epoch != 3 {
		t.Fatalf("%+v", o)
	}
	if o := r.observed("srv_down"); o.State != protocol.StateAbsent || o.Epoch != 4 {
		t.Fatalf("%+v", o)
	}
}

// TestPortInUse names the port and the way out.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	spec := dockertest.Spec(t, "srv_a", nil)
	spec.HostPort = l.Addr().(*net.TCPAddr).Port
	r.start(spec, 1)
	o := r.awaitState("srv_a", protocol.StateFailed)
	if o.Problem.Code != protocol.Conflict || !strings.Contains(o.Problem.Message, strconv.Itoa(spec.HostPort)) {
		t.Fatalf("%+v", o.Problem)
	}
	_ = l.Close()
	r.start(spec, 1)
	r.awaitState("srv_a", protocol.StateRunning)
}

// TestBridgeTakenByAnother: another agent of this machine has the network that comes next.
func TestBridgeTakenByAnother(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	other := dockertest.Client(t)
	if err := other.EnsureNetwork(t.Context(), "srv_other", netip.PrefixFrom(r.pool.Addr(), 29)); err != nil {
		t.Fatal(err)
	}
	r.start(dockertest.Spec(t, "srv_a", nil), 1)
	r.awaitState("srv_a", protocol.StateRunning)
	if got, _ := r.journal.Bridge(t.Context(), "srv_a", nil); got.Addr() == r.pool.Addr() {
		t.Fatal(got)
	}
}

// TestFailuresAtEveryStep breaks the start once at each fsync and call; whatever is said then, a new order runs the server, once.
func TestFailuresAtEveryStep(t *testing.T) {
	r := newRig(t)
	t.Cleanup(func() { _ = failpoint.Arm("") })
	for i, point := range []string{"volume.identity.before", "volume.identity.after", "docker.create.before", "docker.create.after", "docker.start.before", "docker.start.after", "state.commit.before", "state.commit.after"} {
		id := fmt.Sprintf("srv_%d", i)
		spec := dockertest.Spec(t, id, nil)
		if err := failpoint.Arm(point + "=error@1"); err != nil {
			t.Fatal(err)
		}
		_, err := r.sup.Start(t.Context(), protocol.StartRequest{Spec: spec, Grant: r.grant(id, 1), Fresh: true})
		if err == nil {
			o := r.await(id, 20*time.Second, "decided", func(o protocol.Observed) bool {
				return o.State == protocol.StateFailed || o.State == protocol.StateRunning
			})
			if o.State == protocol.StateFailed && (o.Problem == nil || o.Problem.Next == "") {
				t.Errorf("%s: %+v", point, o)
			}
		}
		if failpoint.Passed()[point] == 0 {
			t.Errorf("%s was not passed", point)
		}
		_ = failpoint.Arm("")
		r.start(spec, 1)
		r.awaitState(id, protocol.StateRunning)
		list, err := r.engine.List(t.Context(), id)
		running := 0
		for _, c := range list {
			if c.Running {
				running++
			}
		}
		if running != 1 || err != nil {
			t.Fatalf("%s: %d containers run, %v", point, running, err)
		}
		if _, err := r.sup.Kill(t.Context(), protocol.KillRequest{Server: id}); err != nil {
			t.Fatal(err)
		}
		r.awaitState(id, protocol.StateStopped)
	}
}
