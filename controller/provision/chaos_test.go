package provision_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/provision"
	"github.com/payperplay/payperplay/controller/store"
)

// chaos is a run of random operations on a world whose provider fails now and then and whose controller is killed at random places.
type chaos struct {
	*world
	rng     *rand.Rand
	names   int
	servers map[string]bool
	byHand  int // machines that vanished
	kills   int
}

// How much of it: make the numbers larger to look for something, as in go test -run TestI3 -args -chaos.runs 200.
var (
	chaosRuns       = flag.Int("chaos.runs", 3, "random runs of TestI3CloudEqualsRows")
	chaosOperations = flag.Int("chaos.ops", 250, "operations in each")
)

// TestI3CloudEqualsRows: whatever happens, nothing is leaked, nothing wrongly deleted, nothing ordered twice, and no cap is exceeded; a
// minute after the last fault the cloud holds what the rows say, and everything comes to an end.
func TestI3CloudEqualsRows(t *testing.T) {
	for seed := range uint64(*chaosRuns) {
		t.Run(fmt.Sprint(seed+1), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runChaos(t, seed+1) })
		})
	}
}

func runChaos(t *testing.T, seed uint64) {
	w := newWorld(t, seed)
	c := &chaos{world: w, rng: rand.New(rand.NewPCG(seed, 1)), servers: map[string]bool{}}
	w.limit(func(l *provision.Caps) {
		*l = provision.Caps{MaxNodes: 2 + c.rng.IntN(5), MaxPerDay: 24 * prices["small"] * fleet.MicroEuro(20+c.rng.IntN(80)) / 10}
	})
	w.cloud.byHand(func() {
		w.cloud.rate, w.cloud.slow, w.cloud.lag, w.cloud.mute = 0.1, 2*time.Second, time.Minute, 0.1
	})
	for range *chaosOperations {
		c.step()
		w.pass(time.Duration(c.rng.IntN(40)) * time.Second)
		if w.life.isDead() {
			c.kills++
			w.crash()
			w.start()
		}
	}
	w.cloud.byHand(func() { w.cloud.rate, w.cloud.dieAt, w.cloud.mute = 0, 0, 0 })
	w.dieAt.Store(0)
	w.pass(time.Minute)
	if w.life.isDead() {
		w.crash()
		w.start()
		w.pass(time.Minute)
	}
	if err := w.sane(); err != nil {
		t.Errorf("a minute after the last fault: %v", err)
	}
	c.calm()
	for day, sum := range w.cloud.bill() {
		if sum > w.limits().MaxPerDay {
			t.Errorf("%s cost %s, the cap is %s", day, sum, w.limits().MaxPerDay)
		}
	}
	t.Logf("%d creates, %d deletes, %d machines, %d kills, %d vanished, %d days", w.cloud.count("create"), w.cloud.count("delete"), w.cloud.made(), c.kills, c.byHand, len(w.cloud.bill()))
}

// calm ends everything and looks.
func (c *chaos) calm() {
	w, ctx := c.world, context.Background()
	for id := range c.servers {
		c.remove(id)
	}
	w.pass(40 * time.Minute) // orders end after 30
	rows, err := w.p.Machines(ctx, false)
	must(w.t, err)
	for _, m := range rows {
		must(w.t, w.p.Release(ctx, "olga", m.ID, "the end"))
	}
	w.pass(3 * time.Minute)
	_, err = w.p.Collect(ctx, "olga", false)
	must(w.t, err)
	w.pass(3 * time.Minute)
	if err := w.sane(); err != nil {
		w.t.Error(err)
	}
	rows, err = w.p.Machines(ctx, false)
	must(w.t, err)
	for _, m := range rows {
		w.t.Errorf("%s has not come to an end: %s, %+v", m.Name, m.Phase, m)
	}
	for _, r := range w.cloud.alive() {
		if r.m.Labels[cloud.LabelCluster] == w.cloud.cluster {
			w.t.Errorf("machine %s is left over", r.m.Name)
		}
	}
}

func (c *chaos) step() {
	ctx := context.Background()
	switch n := c.rng.IntN(100); {
	case n < 30:
		for range 1 + c.rng.IntN(3) {
			go c.order()
		}
	case n < 44:
		c.placeSome()
	case n < 58:
		for id := range c.servers {
			c.remove(id)
			delete(c.servers, id)
			break
		}
	case n < 72:
		if m, ok := c.some(); ok {
			_ = c.p.Release(ctx, "autoscale", m.ID, "not needed")
		}
	case n < 76:
		if m, ok := c.some(); ok {
			_, _ = c.p.Drain(ctx, "olga", m.Node, time.Hour)
		}
	case n < 78:
		if m, ok := c.some(); ok {
			_ = c.p.Undrain(ctx, "olga", m.Node)
		}
	case n < 80:
		c.vanish()
	case n < 82:
		c.cloud.byHand(func() {
			c.names++
			o := cloud.Order{Name: fmt.Sprint("other-", c.names), Type: "small"}
			if c.rng.IntN(2) == 0 { // one that an operator or an earlier life of the store has left
				o.Labels = c.labels()
			}
			c.cloud.add(o, true)
		})
	case n < 84:
		c.cloud.byHand(func() { k := "small@fsn1"; c.cloud.empty[k] = !c.cloud.empty[k] })
	case n < 88:
		_, _ = c.p.Collect(ctx, "olga", c.rng.IntN(2) == 0)
	case n < 96:
		after := c.rng.IntN(2) == 0
		c.cloud.byHand(func() { c.cloud.dieAt, c.cloud.dieAfter = 1+c.rng.IntN(6), after })
	default:
		c.dieAt.Store(int64(1 + c.rng.IntN(4)))
	}
}

func (c *chaos) order() {
	all := []provision.Candidate{offer("small", "fsn1"), offer("big", "nbg1"), offer("small", "hel1")}
	_, _ = c.p.Order(context.Background(), "autoscale", provision.Request{Candidates: all, For: "a test", Anyway: true})
}

// placeSome places servers as lifecycle does, on a view of the fleet that is up to a second old.
func (c *chaos) placeSome() {
	var open []string
	must(c.t, c.db.View(context.Background(), func(tx store.Tx) error {
		open = nil
		for n, err := range fleet.Nodes.Range(tx, "", nil, nil, 0, false) {
			if err == nil && !n.Cordoned && !n.Revoked && !n.Proving {
				open = append(open, n.ID)
			}
		}
		return nil
	}))
	if len(open) == 0 {
		return
	}
	time.Sleep(time.Duration(c.rng.IntN(1000)) * time.Millisecond)
	c.names++
	id := fmt.Sprint("s", c.names)
	if c.place(id, open[c.rng.IntN(len(open))]) == nil {
		c.servers[id] = true
	}
}

// some picks a machine that costs.
func (c *chaos) some() (provision.Machine, bool) {
	rows, err := c.p.Machines(context.Background(), false)
	must(c.t, err)
	if len(rows) == 0 {
		return provision.Machine{}, false
	}
	return rows[c.rng.IntN(len(rows))], true
}

// vanish deletes a machine as somebody with the same token does; the servers on it are restored elsewhere, which is not told here.
func (c *chaos) vanish() {
	all := c.cloud.alive()
	if len(all) == 0 {
		return
	}
	r := all[c.rng.IntN(len(all))]
	c.cloud.byHand(func() { c.cloud.of(r.m.ID).ended = time.Now() })
	c.byHand++
	var on []string
	must(c.t, c.db.View(context.Background(), func(tx store.Tx) error {
		on = nil
		for s, err := range fleet.Servers.Range(tx, "", nil, nil, 0, false) {
			if err != nil {
				return err
			}
			if n, err := fleet.Nodes.Get(tx, s.Node); err == nil && r.m.Labels[cloud.LabelMachine] == "mach-"+n.Machine[len(provision.MachinePrefix):] {
				on = append(on, s.Name)
			}
		}
		return nil
	}))
	slices.Sort(on)
	for _, id := range on {
		c.remove(id)
		delete(c.servers, id)
	}
}
