package provision_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/provision"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/bolt"
	"github.com/payperplay/payperplay/controller/tunnel"
	"github.com/payperplay/payperplay/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// link is the tunnel's side of a few nodes: what each answers to Check.
type link struct {
	mu     sync.Mutex
	answer map[string]func(ctx context.Context) (protocol.CheckReply, error)
	gone   map[string]bool
	most   int
	now    int
}

func (l *link) Connected() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for id := range l.answer {
		if !l.gone[id] {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

func (l *link) Host(id string) (protocol.Host, error) { return host{l: l, id: id}, nil }

func (l *link) Live(id string) tunnel.Live {
	l.mu.Lock()
	defer l.mu.Unlock()
	return tunnel.Live{Connected: l.answer[id] != nil && !l.gone[id], LastSeen: time.Now()}
}

func (l *link) set(id string, fn func(ctx context.Context) (protocol.CheckReply, error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer[id] = fn
}

type host struct {
	protocol.Host
	l  *link
	id string
}

func (h host) Check(ctx context.Context, _ protocol.CheckRequest) (protocol.CheckReply, error) {
	h.l.mu.Lock()
	fn := h.l.answer[h.id]
	h.l.now++
	h.l.most = max(h.l.most, h.l.now)
	h.l.mu.Unlock()
	defer func() {
		h.l.mu.Lock()
		defer h.l.mu.Unlock()
		h.l.now--
	}()
	return fn(ctx)
}

func ok(context.Context) (protocol.CheckReply, error) {
	return protocol.CheckReply{OK: true, Docker: "28"}, nil
}

func sick(why ...string) func(context.Context) (protocol.CheckReply, error) {
	return func(context.Context) (protocol.CheckReply, error) {
		return protocol.CheckReply{Problems: why, Degraded: []string{"no quota"}}, nil
	}
}

func hung(ctx context.Context) (protocol.CheckReply, error) {
	<-ctx.Done()
	return protocol.CheckReply{}, ctx.Err()
}

type rig struct {
	t      *testing.T
	db     *bolt.DB
	events *event.Log
	link   *link
	p      *provision.Provision
	told   []string
}

func newRig(t *testing.T, nodes ...string) *rig {
	db, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "db"), bolt.Options{Tables: slices.Concat(event.Tables(), fleet.Tables(), tunnel.Tables(), provision.Tables()), DoubleRun: true})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	r := &rig{t: t, db: db, link: &link{answer: map[string]func(context.Context) (protocol.CheckReply, error){}, gone: map[string]bool{}}}
	r.events, err = event.New(event.Options{DB: db})
	must(t, err)
	r.p, err = provision.New(provision.Options{DB: db, Tunnel: r.link, Events: r.events, OnChange: func(n string) { r.told = append(r.told, n) }})
	must(t, err)
	for _, id := range nodes {
		must(t, db.Update(t.Context(), func(tx store.Tx) error {
			return fleet.Nodes.Put(tx, fleet.Node{ID: "node_" + id, Name: id, Session: &fleet.Session{ID: "s", Since: time.Now()}})
		}))
		r.link.set("node_"+id, ok)
	}
	return r
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) node(name string) (n fleet.Node) {
	r.t.Helper()
	must(r.t, r.db.View(context.Background(), func(tx store.Tx) (err error) {
		n, err = fleet.FindNode(tx, name)
		return err
	}))
	return n
}

func (r *rig) happened() []string {
	page, _, err := r.events.Query(context.Background(), event.Filter{Limit: 1000})
	must(r.t, err)
	var out []string
	for _, e := range page {
		out = append(out, e.Type)
	}
	return out
}

func TestSweepWritesHealthAndTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "a", "b")
		step := func(want ...string) {
			t.Helper()
			before := len(r.happened())
			must(t, r.p.Sweep(t.Context()))
			if got := r.happened()[before:]; !slices.Equal(got, want) {
				t.Errorf("events %v, want %v", got, want)
			}
			time.Sleep(time.Minute)
		}
		step("node.healthy", "node.healthy")
		step()
		r.link.set("node_b", sick("Docker does not answer"))
		step("node.unhealthy")
		step()
		if n := r.node("b"); n.State(time.Now()) != "unhealthy" || n.Health.OK || n.Health.Problems[0] != "Docker does not answer" || time.Since(n.Health.At) != time.Minute || len(n.Facts.Degraded) != 1 || n.Facts.Docker != "" {
			t.Errorf("node %+v", n)
		}
		r.link.set("node_b", sick("Docker does not answer", "the disk is nearly full\x00"))
		step("node.unhealthy")
		r.link.set("node_b", ok)
		step("node.healthy")
		if n := r.node("b"); n.State(time.Now()) != "ready" || n.Facts.Docker != "28" {
			t.Errorf("node %+v", n)
		}
		if len(r.told) == 0 {
			t.Error("nobody was told")
		}
	})
}

// TestF10HungNodeShowsWithinTheDeadline: a check that never ends is written down within 15 s of the sweep's start and holds up nobody.
func TestF10HungNodeShowsWithinTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "a", "b", "c")
		r.link.set("node_b", hung)
		start := time.Now()
		must(t, r.p.Sweep(t.Context()))
		if took := time.Since(start); took > 15*time.Second {
			t.Errorf("the sweep took %s", took)
		}
		if n := r.node("b"); n.Health.OK || len(n.Health.Problems) != 1 {
			t.Errorf("node %+v", n.Health)
		}
		if !r.node("a").Health.OK || !r.node("c").Health.OK {
			t.Error("the others were not checked")
		}
	})
}

// TestSweepIsBounded: a thousand nodes, never more than 32 checks at once, one transaction; a node that leaves meanwhile is not called sick.
func TestSweepIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		slow := func(ctx context.Context) (protocol.CheckReply, error) {
			time.Sleep(10 * time.Millisecond)
			return ok(ctx)
		}
		must(t, r.db.Update(t.Context(), func(tx store.Tx) error {
			for i := range 200 {
				if err := fleet.Nodes.Put(tx, fleet.Node{ID: fmt.Sprintf("node_%d", i), Name: fmt.Sprintf("n-%d", i)}); err != nil {
					return err
				}
			}
			return nil
		}))
		for i := range 200 {
			r.link.set(fmt.Sprintf("node_%d", i), slow)
		}
		r.link.set("node_7", func(ctx context.Context) (protocol.CheckReply, error) {
			r.link.mu.Lock()
			r.link.gone["node_7"] = true
			r.link.mu.Unlock()
			return protocol.CheckReply{}, protocol.Faultf(protocol.Unavailable, "", "gone")
		})
		must(t, r.p.Sweep(t.Context()))
		if r.link.most > 32 {
			t.Errorf("%d checks at once", r.link.most)
		}
		if n := r.node("n-7"); !n.Health.At.IsZero() {
			t.Errorf("a node that left is called %+v", n.Health)
		}
		if n := r.node("n-8"); !n.Health.OK || n.LastSeen.IsZero() {
			t.Errorf("node %+v", n)
		}
	})
}

func TestRunSweepsEachMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "a")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		checks := 0
		r.link.set("node_a", func(ctx context.Context) (protocol.CheckReply, error) { checks++; return ok(ctx) })
		go func() { defer close(done); _ = r.p.Run(ctx) }()
		time.Sleep(10*time.Minute + time.Second)
		cancel()
		<-done
		if checks < 10 || checks > 12 {
			t.Errorf("%d checks in ten minutes", checks)
		}
	})
}

func TestCordon(t *testing.T) {
	r := newRig(t, "a")
	for range 2 {
		must(t, r.p.Cordon(t.Context(), "olga", "a"))
	}
	if n := r.node("a"); !n.Cordoned || n.UpdatedBy != "olga" || n.State(time.Now()) != "cordoned" {
		t.Errorf("node %+v", n)
	}
	must(t, r.p.Uncordon(t.Context(), "olga", "node_a"))
	if n := r.node("a"); n.Cordoned || n.Reason != "" {
		t.Errorf("node %+v", n)
	}
	if got := r.happened(); !slices.Equal(got, []string{"node.cordoned", "node.uncordoned"}) {
		t.Errorf("events %v", got)
	}
	if err := r.p.Cordon(t.Context(), "olga", "nobody"); protocol.CodeOf(err) != protocol.NotFound {
		t.Errorf("unknown node: %v", err)
	}
}
