package supervisor

import (
	"testing"
	"time"

	"github.com/payperplay/payperplay/agent/docker/dockertest"
	"github.com/payperplay/payperplay/agent/state"
	"github.com/payperplay/payperplay/protocol"
)

// numbered gives orders with a number; each returns the refusal.
type numbered struct {
	*rig
	spec protocol.Spec
}

func (n numbered) begin(order int64) error {
	_, err := n.sup.Start(n.t.Context(), protocol.StartRequest{Spec: n.spec, Grant: n.grant(n.spec.Server, 1), Fresh: true, Order: order})
	return err
}

func (n numbered) stop(order int64) error {
	_, err := n.sup.Stop(n.t.Context(), protocol.StopRequest{Server: n.spec.Server, Epoch: 1, Grace: 5, Order: order})
	return err
}

func (n numbered) kill(order int64) error {
	_, err := n.sup.Kill(n.t.Context(), protocol.KillRequest{Server: n.spec.Server, Epoch: 1, Order: order})
	return err
}

func (n numbered) remove(order int64) error {
	_, err := n.sup.Remove(n.t.Context(), protocol.RemoveRequest{Server: n.spec.Server, Epoch: 1, Volume: protocol.VolumeDelete, Order: order})
	return err
}

func (n numbered) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

// late expects that an order is refused as one that was overtaken.
func (n numbered) late(what string, err error) {
	n.t.Helper()
	if protocol.CodeOf(err) != protocol.Stale || protocol.AsFault(err).Next == "" {
		n.t.Errorf("a late %s: %v", what, err)
	}
}

// newest is what the controller is told when it asks.
func (n numbered) newest() int64 {
	inv, err := n.sup.Inventory(n.t.Context(), protocol.InventoryRequest{Details: []string{n.spec.Server}})
	n.must(err)
	return inv.Orders[n.spec.Server]
}

// TestLateOrdersChangeNothing: what comes after a newer order is refused, also by the next process, and the game runs on.
func TestLateOrdersChangeNothing(t *testing.T) {
	t.Parallel()
	n := numbered{newRig(t), dockertest.Spec(t, "srv_a", nil)}
	n.must(n.begin(1))
	n.awaitState("srv_a", protocol.StateRunning)
	n.must(n.stop(2))
	n.awaitState("srv_a", protocol.StateStopped)
	n.spec.Revision = 7
	n.must(n.begin(3))
	was := n.awaitState("srv_a", protocol.StateRunning)
	for range 2 {
		n.late("stop", n.stop(2))
		n.late("kill", n.kill(2))
		n.late("removal", n.remove(1))
		n.spec.Revision = 6
		n.late("start", n.begin(1))
		n.must(n.begin(3)) // the same again
		if now := n.observed("srv_a"); now.State != protocol.StateRunning || now.Container != was.Container || now.Revision != 7 || n.newest() != 3 {
			t.Fatalf("newest order %d; %+v", n.newest(), now)
		}
		n.rig.crash()
		n.rig.begin()
		n.awaitState("srv_a", protocol.StateRunning)
	}
	n.must(n.stop(0)) // of a controller that numbers none
	n.awaitState("srv_a", protocol.StateStopped)
	n.must(n.stop(5))
	if n.newest() != 5 {
		t.Errorf("order %d is the newest after 5", n.newest())
	}
}

// TestLateOrdersOfAServerThatIsNotHere: a stop may overtake the start that it is for, and a start may come after the removal.
func TestLateOrdersOfAServerThatIsNotHere(t *testing.T) {
	t.Parallel()
	n := numbered{newRig(t), dockertest.Spec(t, "srv_a", nil)}
	nothing := func() {
		t.Helper()
		if o := n.observed("srv_a"); o.Server != "" {
			t.Errorf("%+v", o)
		}
	}
	n.must(n.stop(2))
	n.late("start", n.begin(1))
	n.rig.crash()
	n.rig.begin()
	n.late("start", n.begin(1))
	n.late("removal", n.remove(1))
	nothing()
	n.must(n.begin(3))
	n.awaitState("srv_a", protocol.StateRunning)
	n.must(n.remove(4))
	n.await("srv_a", 10*time.Second, "gone", func(o protocol.Observed) bool { return o.Server == "" })
	for range 2 {
		n.late("start", n.begin(3))
		n.late("kill", n.kill(3))
		nothing()
		if n.newest() != 4 {
			t.Errorf("order %d is the newest of a server that left after 4", n.newest())
		}
		n.rig.crash()
		n.rig.begin()
	}
	n.must(n.begin(5))
	n.awaitState("srv_a", protocol.StateRunning)
}

// TestStartAgainAfterItGaveUp: the same order to start once more, when the game has crashed for good since, starts nothing; a new one does.
func TestStartAgainAfterItGaveUp(t *testing.T) {
	t.Parallel()
	n := numbered{newRig(t), dockertest.Spec(t, "srv_a", map[string]string{"CRASH_AFTER": "100ms", "CRASH_CODE": "3"})}
	n.spec.Restart = protocol.RestartRule{Max: 1, WindowSeconds: 600}
	n.must(n.begin(1))
	gaveUp := func(o protocol.Observed) bool { return o.State == protocol.StateCrashed && o.Retry.IsZero() }
	was := n.await("srv_a", 30*time.Second, "given up", gaveUp)
	n.must(n.begin(1))
	if now := n.observed("srv_a"); !now.Since.Equal(was.Since) {
		t.Fatalf("it was started again: %+v", now)
	}
	delete(n.spec.Env, "CRASH_AFTER")
	n.must(n.begin(2))
	n.awaitState("srv_a", protocol.StateRunning)
}

// TestAStopMoreIsNoNews: an order that changes nothing is told once, as the newest that was taken, and the stop is as old as it was.
func TestAStopMoreIsNoNews(t *testing.T) {
	t.Parallel()
	n := numbered{newRig(t), dockertest.Spec(t, "srv_a", nil)}
	n.must(n.begin(1))
	n.awaitState("srv_a", protocol.StateRunning)
	n.must(n.stop(2))
	was := n.awaitState("srv_a", protocol.StateStopped)
	told := n.journal.NextSeq() + n.journal.Waiting()
	n.must(n.kill(3))
	n.must(n.stop(4))
	n.await("srv_a", 10*time.Second, "at rest", func(protocol.Observed) bool {
		r := n.sup.find("srv_a")
		return r.want() == state.WantStop
	})
	if now := n.observed("srv_a"); !now.Since.Equal(was.Since) || now.Order != 4 || was.Order != 2 {
		t.Errorf("stopped since %s at order %d, and then since %s at order %d", was.Since, was.Order, now.Since, now.Order)
	}
	if more := n.journal.NextSeq() + n.journal.Waiting() - told; more != 2 {
		t.Errorf("%d reports of two orders", more)
	}
}
