package supervisor

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/payperplay/payperplay/agent/docker/dockertest"
	"github.com/payperplay/payperplay/protocol"
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
