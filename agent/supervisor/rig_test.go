package supervisor

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/payperplay/payperplay/agent/console"
	"github.com/payperplay/payperplay/agent/docker"
	"github.com/payperplay/payperplay/agent/docker/dockertest"
	"github.com/payperplay/payperplay/agent/host"
	"github.com/payperplay/payperplay/agent/state"
	"github.com/payperplay/payperplay/agent/volume"
	"github.com/payperplay/payperplay/protocol"
)

// rig is an agent without its tunnel, on the real engine. It can be ended and started again like a process.
type rig struct {
	t       testing.TB
	dir     string
	boot    string
	pool    netip.Prefix
	engine  *docker.Client
	journal *state.Journal
	volumes *volume.Store
	console *console.Console
	sup     *Supervisor
	end     context.CancelFunc
	wg      *sync.WaitGroup
}

type roomConsole struct{ *console.Console }

func (c roomConsole) Attach(ctx context.Context, server string, t *docker.Terminal, epoch, maxBytes int64) error {
	return c.Console.Attach(ctx, server, t, console.Upstream{Epoch: epoch, MaxBytes: maxBytes})
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), boot: "boot-1", pool: dockertest.Pool(), engine: dockertest.Client(t)}
	r.begin()
	t.Cleanup(func() { r.crash() })
	return r
}

func (r *rig) begin() {
	r.t.Helper()
	var err error
	must := func(e error) {
		if e != nil {
			r.t.Fatal(e)
		}
	}
	r.journal, err = state.Open(state.Options{Dir: r.dir, Boot: r.boot, BridgePool: r.pool})
	must(err)
	r.volumes, err = volume.New(volume.Options{Dir: r.dir, Cluster: r.engine.Cluster()})
	must(err)
	r.console, err = console.New(console.Options{Dir: r.dir + "/console", Boot: r.boot})
	must(err)
	r.sup, err = New(Options{Journal: r.journal, Engine: r.engine, Volumes: r.volumes, Console: roomConsole{r.console}, Commands: r.console,
		Cluster: r.engine.Cluster(), Node: r.engine.Node(), Bind: netip.MustParseAddr("127.0.0.1"), OOM: host.KilledForMemory})
	must(err)
	ctx, end := context.WithCancel(context.Background())
	r.end, r.wg = end, &sync.WaitGroup{}
	r.wg.Go(func() {
		if err := r.sup.Run(ctx); err != nil {
			r.t.Error(err)
		}
	})
	r.wg.Go(func() { _ = r.console.Run(ctx) })
}

// crash ends the process: games run on.
func (r *rig) crash() {
	if r.end == nil {
		return
	}
	r.end()
	r.wg.Wait()
	_ = r.console.Close()
	_ = r.volumes.Close()
	_ = r.journal.Close()
	r.end = nil
}

func (r *rig) grant(server string, epoch int64) protocol.Grant {
	return protocol.Grant{Server: server, Epoch: epoch, Node: r.engine.Node(), Boot: r.boot, Term: 1}
}

func (r *rig) start(spec protocol.Spec, epoch int64) protocol.Observed {
	r.t.Helper()
	reply, err := r.sup.Start(r.t.Context(), protocol.StartRequest{Spec: spec, Grant: r.grant(spec.Server, epoch), Fresh: true})
	if err != nil {
		r.t.Fatal(err)
	}
	return reply.Observed
}

func (r *rig) stop(req protocol.StopRequest) {
	r.t.Helper()
	if _, err := r.sup.Stop(r.t.Context(), req); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) observed(server string) protocol.Observed {
	inv, err := r.sup.Inventory(r.t.Context(), protocol.InventoryRequest{})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, o := range inv.Servers {
		if o.Server == server {
			return o
		}
	}
	return protocol.Observed{}
}

// await waits for what is wanted, driven by the reports.
func (r *rig) await(server string, within time.Duration, what string, ok func(protocol.Observed) bool) protocol.Observed {
	r.t.Helper()
	deadline := time.After(within)
	for {
		o := r.observed(server)
		if ok(o) {
			return o
		}
		select {
		case <-deadline:
			r.t.Fatalf("not %s within %s: %+v problem %+v exit %+v\n%s", what, within, o, o.Problem, o.Exit, r.lines(server))
		case <-r.journal.Wake():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (r *rig) awaitState(server string, s protocol.State) protocol.Observed {
	r.t.Helper()
	return r.await(server, 30*time.Second, string(s), func(o protocol.Observed) bool { return o.State == s })
}

func (r *rig) lines(server string) string {
	var b strings.Builder
	for _, l := range r.console.LastLines(server, 200) {
		fmt.Fprintf(&b, "%d %s %s\n", l.Seq, l.Kind, l.Text)
	}
	return b.String()
}

// states lists the states that were reported of the server, in order, without repetitions.
func (r *rig) states(server string) []protocol.State {
	reports, err := r.journal.Next(r.t.Context(), 0, 10_000)
	if err != nil {
		r.t.Fatal(err)
	}
	var out []protocol.State
	for _, p := range reports {
		if o := p.Fact.Observed; o != nil && o.Server == server && (len(out) == 0 || out[len(out)-1] != o.State) {
			out = append(out, o.State)
		}
	}
	return out
}
