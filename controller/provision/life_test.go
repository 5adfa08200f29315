package provision_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/provision"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

func TestAMachinesLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		m := w.order(offer("small", "fsn1"))
		if err := fleet.CheckName("node", m.Name); err != nil || len(m.Name) > 63 || m.Phase != provision.Ordering {
			t.Errorf("%+v: %v", m, err)
		}
		w.pass(10 * time.Second)
		m = w.phase(m.ID, provision.Booting)
		r := w.cloud.alive()[0]
		if r.m.Name != m.Name || r.m.Labels[cloud.LabelMachine] == "" || strings.Contains(r.m.Labels[cloud.LabelMachine], "_") || m.CloudID != r.m.ID || m.IPv4 != r.m.IPv4 ||
			!m.JoinBy.Equal(m.SentAt.Add(8*time.Minute)) {
			t.Errorf("%+v of %+v", m, r.m)
		}
		w.pass(20 * time.Second)
		m = w.phase(m.ID, provision.Serving)
		if n := w.nodeOf(m); n.Proving || n.Name != m.Name || m.EmptyAt.IsZero() || m.ServingAt.Sub(m.JoinedAt) > time.Second {
			t.Errorf("%+v on %+v", n, m)
		}
		must(t, w.place("a", m.Node))
		w.pass(10 * time.Second)
		if m = w.phase(m.ID, provision.Serving); !m.EmptyAt.IsZero() {
			t.Error("a machine with a server counts as empty")
		}
		if err := w.p.Release(t.Context(), "olga", m.Name, "no need"); fault.KindOf(err) != fault.Conflict {
			t.Errorf("a machine with a server was released: %v", err)
		}
		w.remove("a")
		row := fleet.Server{ID: "srv_b", Name: "b", Desired: fleet.Stopped, Node: m.Node} // as nothing in the product makes it: without a booking
		must(t, w.update(func(tx store.Tx) error { return fleet.Servers.Put(tx, row) }))
		if err := w.p.Release(t.Context(), "olga", m.Name, "no need"); fault.KindOf(err) != fault.Conflict {
			t.Errorf("a machine with a server's row was released: %v", err)
		}
		must(t, w.update(func(tx store.Tx) error { return fleet.Servers.Delete(tx, row.ID) }))
		w.pass(10 * time.Second)
		for range 2 {
			must(t, w.p.Release(t.Context(), "olga", m.Name, "no need"))
		}
		if n := w.nodeOf(m); !n.Cordoned {
			t.Error("servers may be placed on a machine that goes")
		}
		w.pass(2 * time.Minute)
		m = w.phase(m.ID, provision.Gone)
		if n := w.nodeOf(m); !n.Revoked || len(w.cloud.alive()) != 0 || m.Why != "no need" || m.DeletedAt.IsZero() {
			t.Errorf("%+v, %+v", n, m)
		}
		for _, kind := range []string{"scaling.machine_ordered", "scaling.machine_created", "scaling.machine_joined", "scaling.machine_serving", "scaling.machine_released", "scaling.machine_gone"} {
			if w.happened(kind) != 1 {
				t.Errorf("%d events %s", w.happened(kind), kind)
			}
		}
		if n := testutil.CollectAndCount(w.reg, "payperplay_machine_boot_seconds"); n != 2 {
			t.Errorf("%d boot histograms", n)
		}
	})
}

func (w *world) nodeOf(m provision.Machine) fleet.Node {
	w.t.Helper()
	return (&rig{t: w.t, db: w.db}).node("node_" + m.ID)
}

func TestOrderRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		for name, req := range map[string]provision.Request{
			"nothing":  {},
			"no price": {Candidates: []provision.Candidate{{Type: "x", Location: "y", Image: "z"}}},
			"no place": {Candidates: []provision.Candidate{{Type: "x", Image: "z", Hourly: 1}}},
			"builder":  {Role: cloud.RoleBuilder, Candidates: []provision.Candidate{offer("small", "fsn1")}},
		} {
			if _, err := w.p.Order(t.Context(), "olga", req); fault.KindOf(err) != fault.Invalid {
				t.Errorf("%s: %v", name, err)
			}
		}
		r := newRig(t)
		_, err := r.p.Order(t.Context(), "olga", provision.Request{Candidates: []provision.Candidate{offer("small", "fsn1")}})
		if fault.KindOf(err) != fault.Precondition || !strings.Contains(fault.Next(err), "HETZNER_CLOUD_TOKEN") {
			t.Errorf("without a cloud: %v", err)
		}
		if _, err := r.p.Collect(t.Context(), "olga", true); fault.KindOf(err) != fault.Precondition {
			t.Errorf("without a cloud: %v", err)
		}
	})
}

// TestS13CapsInTheTransaction: many orders at once never go beyond the caps.
func TestS13CapsInTheTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		results := make(chan error)
		for range 20 {
			go func() {
				_, err := w.p.Order(t.Context(), "olga", provision.Request{Candidates: []provision.Candidate{offer("big", "fsn1")}})
				results <- err
			}()
		}
		taken := 0
		for range 20 {
			if err := <-results; err == nil {
				taken++
			} else if fault.KindOf(err) != fault.Exhausted {
				t.Error(err)
			}
		}
		if w.pass(time.Minute); taken != w.limits().MaxNodes || len(w.cloud.alive()) != w.limits().MaxNodes {
			t.Errorf("%d orders were taken, %d machines are there, at most %d", taken, len(w.cloud.alive()), w.limits().MaxNodes)
		}
	})
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		m := w.order(offer("small", "fsn1"))
		w.pass(time.Minute)
		m = w.phase(m.ID, provision.Serving)
		must(t, w.place("a", m.Node))
		for range 2 {
			d, err := w.p.Drain(t.Context(), "olga", m.Name, time.Hour)
			must(t, err)
			if d.Done || !d.Draining || len(d.Left) != 1 || d.Left[0] != "a" || time.Until(d.By) != time.Hour || !strings.Contains(d.Explain, "a") {
				t.Errorf("%+v", d)
			}
		}
		w.phase(m.ID, provision.Draining)
		w.pass(61 * time.Minute)
		w.phase(m.ID, provision.Draining)
		if w.happened("node.drain_overdue") != 1 || w.happened("node.draining") != 1 {
			t.Error("nobody was told that the drain is late")
		}
		must(t, w.p.Undrain(t.Context(), "olga", m.Name))
		if w.phase(m.ID, provision.Serving); w.nodeOf(m).Cordoned {
			t.Error("the node is cordoned still")
		}
		_, err := w.p.Drain(t.Context(), "olga", m.Name, 0)
		must(t, err)
		w.remove("a")
		w.pass(time.Minute)
		if w.phase(m.ID, provision.Gone); len(w.cloud.alive()) != 0 {
			t.Error("the machine is there still")
		}
		if err := w.p.Undrain(t.Context(), "olga", m.Node); fault.KindOf(err) != fault.Conflict {
			t.Errorf("undrain of what is gone: %v", err)
		}
	})
}

func TestDrainOfALocalNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "a")
		d, err := r.p.Drain(t.Context(), "olga", "a", 0)
		must(t, err)
		if n := r.node("a"); !n.Cordoned || n.Reason != "drained by olga" || !d.Done || !strings.Contains(d.Explain, "switched off") {
			t.Errorf("%+v, %+v", n, d)
		}
		must(t, r.p.Uncordon(t.Context(), "olga", "a"))
		d, err = r.p.DrainStatus(t.Context(), "a")
		if must(t, err); d.Draining || r.node("a").Cordoned {
			t.Errorf("%+v", d)
		}
	})
}

// TestAServerThatComesLate: a choice of node that was made before the release and booked after it takes the deletion back.
func TestAServerThatComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		m := w.order(offer("small", "fsn1"))
		w.pass(time.Minute)
		m = w.phase(m.ID, provision.Serving)
		must(t, w.p.Release(t.Context(), "olga", m.ID, ""))
		time.Sleep(time.Second)
		must(t, w.place("late", m.Node))
		w.pass(time.Minute)
		if m = w.phase(m.ID, provision.Serving); w.nodeOf(m).Cordoned || len(w.cloud.alive()) != 1 || w.happened("scaling.machine_kept") != 1 {
			t.Errorf("%+v", m)
		}
	})
}

// TestTheTransactionDecides: what comes between the loop's look and its transaction counts.
func TestTheTransactionDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		m := w.order(offer("small", "fsn1"))
		w.pass(30 * time.Second)
		m = w.phase(m.ID, provision.Serving)
		for name, begin := range map[string]func() error{
			"release": func() error { return w.p.Release(t.Context(), "olga", m.ID, "") },
			"drain":   func() error { _, err := w.p.Drain(t.Context(), "olga", m.Name, 0); return err },
		} {
			must(t, begin())
			place := func() { must(t, w.place(name, m.Node)) }
			w.meanwhile.Store(&place)
			w.pass(8 * time.Second)
			if w.meanwhile.Load() != nil {
				t.Errorf("%s: nothing was written", name)
			}
			if now := w.machine(m.ID); now.Phase != provision.Serving && now.Phase != provision.Draining || len(w.cloud.alive()) != 1 {
				t.Errorf("%s: %+v", name, now)
			}
			w.meanwhile.Store(nil)
			must(t, w.p.Undrain(t.Context(), "olga", m.Node))
			w.remove(name)
			w.pass(8 * time.Second)
		}
	})
}

func TestProvingWaitsForTheMetadataBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		m := w.order(offer("small", "fsn1"))
		w.pass(20 * time.Second)
		open := func(context.Context) (protocol.CheckReply, error) {
			return protocol.CheckReply{OK: true, Docker: "28", Degraded: []string{"containers reach the metadata address 169.254.169.254"}}, nil
		}
		w.agents()
		w.link.set("node_"+m.ID, open)
		w.pass(3 * time.Minute)
		m = w.phase(m.ID, provision.Proving)
		if !w.nodeOf(m).Proving || m.Problem == nil || !strings.Contains(m.Problem.Message, "metadata") {
			t.Errorf("%+v", m.Problem)
		}
		w.link.set(m.Node, ok)
		w.pass(10 * time.Second)
		if m = w.phase(m.ID, provision.Serving); m.Problem != nil || w.nodeOf(m).Proving {
			t.Errorf("%+v", m.Problem)
		}
		w.cloud.byHand(func() { w.cloud.all[0].m.State = cloud.Off })
		w.pass(time.Minute)
		if m = w.phase(m.ID, provision.Serving); m.Problem == nil || !strings.Contains(m.Problem.Message, "off") {
			t.Errorf("a machine that is off: %+v", m.Problem)
		}
	})
}

func TestTrimMachines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		m := w.order(offer("small", "fsn1"))
		must(t, w.p.Release(t.Context(), "olga", m.ID, ""))
		w.pass(3 * time.Minute)
		w.phase(m.ID, provision.Gone)
		trimmed := func() int {
			n := 0
			must(t, w.update(func(tx store.Tx) (err error) {
				n, err = provision.TrimMachines(tx, time.Now(), 10)
				return err
			}))
			return n
		}
		if trimmed() != 0 {
			t.Error("the row is gone already")
		}
		w.crash()
		time.Sleep(41 * 24 * time.Hour)
		if w.start(); trimmed() != 1 {
			t.Error("the row is there for ever")
		}
	})
}
