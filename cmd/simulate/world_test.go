package simulate

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/tunnel"
)

// cluster is the id of all simulated clusters.
const cluster = "simulated"

// world is one simulated cluster with its users, faults and witnesses.
type world struct {
	t     *testing.T
	dir   string // of the controller's store
	seed  uint64
	plan  plan
	ca    *tunnel.Authority
	trace *trace
	truth *truth
	nodes []*machine
	clock *wallClock // the controllers'

	ctx    context.Context // of everything; ends with the simulation
	cancel context.CancelFunc
	broken context.Context // ends with the first violation
	stop   context.CancelFunc
	bg     sync.WaitGroup // users, faults, readers
	writes store.Turn     // of all controllers: a commit and its witness are one step

	mu    sync.Mutex
	round int
	began time.Time          // the round
	ctl   *controllerProcess // the one that leads; nil: none
	bad   []violation
	lifes int           // of controllers
	down  time.Duration // how long the controller stays away when it ends
	full  int           // the store's disk is
	fails int           // the store does, now and then
}

// violation is a broken invariant.
type violation struct {
	Round     int
	At        time.Duration
	Invariant string
	Text      string
}

func (v violation) String() string {
	return fmt.Sprintf("round %d, %s: invariant %s: %s", v.Round, v.At, v.Invariant, v.Text)
}

var genesis = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // of every bubble

func since() time.Duration { return time.Since(genesis).Round(time.Millisecond) }

// rnd is the chance of one actor: what others do never changes what it draws.
func rnd(seed uint64, actor ...any) *rand.Rand {
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, actor...)
	return rand.New(rand.NewPCG(seed, h.Sum64())) //nolint:gosec // chance must repeat
}

// newWorld builds the cluster of a plan; nothing runs yet.
func newWorld(t *testing.T, dir string, seed uint64, ca *tunnel.Authority) *world {
	w := &world{t: t, dir: dir, seed: seed, plan: draw(seed), ca: ca, trace: newTrace(), clock: newWallClock(), writes: store.NewTurn()}
	w.ctx, w.cancel = context.WithCancel(t.Context())
	w.broken, w.stop = context.WithCancel(w.ctx)
	w.truth = newTruth(w)
	for i, spec := range w.plan.Nodes {
		w.nodes = append(w.nodes, newMachine(w, i, spec))
	}
	return w
}

func (w *world) store() string { return filepath.Join(w.dir, "controller.db") }

// violate notes a broken invariant; the first one ends the simulation.
func (w *world) violate(invariant, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.mu.Lock()
	v := violation{w.round, since(), invariant, text}
	w.bad = append(w.bad, v)
	w.mu.Unlock()
	w.note("VIOLATION", "%s", v)
	w.stop()
}

func (w *world) violations() []violation {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bad
}

func (w *world) leader() *controllerProcess {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ctl
}

func (w *world) lead(c *controllerProcess) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ctl = c
}

// note adds a line to the trace. who is the actor.
func (w *world) note(who, format string, args ...any) {
	w.trace.add(fmt.Sprintf("%12s %-14s %s", since(), who, fmt.Sprintf(format, args...)))
}

// act notes what the plan did: an order or a fault. Two runs of a seed have the same of these.
func (w *world) act(who, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.mu.Lock()
	at := time.Since(w.began)
	w.mu.Unlock()
	w.trace.plan(fmt.Sprintf("%d %12s %-14s %s", w.round, at, who, text))
	w.note(who, "%s", text)
}

// pause waits for d, or until the simulation or ctx ends; false then.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// drain lets everything end that is not waiting for something: virtual time does not pass before.
func (w *world) drain() { time.Sleep(time.Nanosecond) }

// trace is what happened, in order.
type trace struct {
	mu    sync.Mutex
	lines []string
	plans []string
}

func newTrace() *trace { return &trace{} }

func (t *trace) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, line)
}

func (t *trace) plan(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.plans = append(t.plans, line)
}

func (t *trace) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n") + "\n"
}

func (t *trace) tail(n int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines[max(0, len(t.lines)-n):], "\n")
}
