package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Failpoints at which a daemon that was started again may kill itself: before and after its fsyncs and calls.
var (
	agentPoints = []string{
		"agent.tunnel.dial", "agent.tunnel.hello", "agent.tunnel.report", "console.write", "console.sync", "docker.create", "docker.start",
		"rpc.call", "rpc.serve", "state.commit", "volume.identity",
	}
	controllerPoints = []string{
		"lifecycle.order", "lifecycle.start", "rpc.call", "rpc.serve", "store.commit", "tunnel.hello", "tunnel.report",
	}
)

var nextMetrics atomic.Int32

// chaos is one run: a rig, what torments it, and what has to be true in the end.
type chaos struct {
	*rig
	seed     uint64
	deadline time.Time
	began    time.Time
	agentD   *keeper
	ctrlD    *keeper
	wards    []*ward
	steady   *ward // nobody orders anything of this one
	node     string
	watch    *watch

	mu  sync.Mutex
	log []string // what was done, for whoever has to read a failure
}

// TestChaos torments one node with three servers for PPP_CHAOS_SECONDS (30): daemons killed at random moments and at failpoints, daemons
// and link frozen, link cut, owners who order at random. Then it is calm, and the invariants of reliability.md §2.1 must hold.
// PPP_CHAOS_SEED repeats what was done, though not when the machine did its part.
func TestChaos(t *testing.T) {
	t.Parallel()
	c := newChaos(t)
	t.Logf("PPP_CHAOS_SEED=%d PPP_CHAOS_SECONDS=%d", c.seed, int(time.Until(c.deadline).Round(time.Second)/time.Second))
	t.Cleanup(func() {
		if t.Failed() || os.Getenv("PPP_CHAOS_SEED") != "" {
			t.Logf("seed %d, what was done:\n%s", c.seed, strings.Join(c.log, "\n"))
		}
	})
	before := c.goroutines()
	c.agentD, c.ctrlD = c.keep(c.agent, agentPoints, 1), c.keep(c.controller, controllerPoints, 2)
	var wg sync.WaitGroup
	wg.Go(c.tormentDaemons)
	wg.Go(c.tormentLink)
	for i, w := range c.wards {
		rng := c.rng(uint64(10 + i))
		if w == c.steady {
			wg.Go(func() { c.talk(w, rng) })
		} else {
			wg.Go(func() { c.own(w, rng) })
		}
	}
	wg.Wait()
	c.calm()
	c.settle(45 * time.Second)
	c.invariants(before)
	c.restartChangesNothing()
}

func newChaos(t *testing.T) *chaos {
	t.Helper()
	seconds := number(t, "PPP_CHAOS_SECONDS", 30)
	c := &chaos{seed: number(t, "PPP_CHAOS_SEED", uint64(time.Now().UnixNano())%1e6), began: time.Now()}
	metrics := fmt.Sprintf("127.0.0.1:%d", 18000+number(t, "PPP_E2E_RIG", 0)+uint64(nextMetrics.Add(1)))
	c.rig = newRigWith(t, []string{"--metrics", metrics})
	nodes, err := c.client.Nodes(t.Context())
	if err != nil || len(nodes) != 1 {
		t.Fatal(nodes, err)
	}
	c.node = nodes[0].ID
	c.watch = c.newWatch()
	for _, name := range []string{"steady", "w1", "w2"} {
		w := &ward{name: name}
		c.wards = append(c.wards, w)
		c.createWard(w, c.rng(99))
	}
	c.steady = c.wards[0]
	for _, w := range c.wards {
		s := c.waitState(w.name, 30*time.Second, "running")
		if w == c.steady {
			w.started = *s.StartedAt
		}
	}
	c.deadline = time.Now().Add(time.Duration(seconds) * time.Second)
	return c
}

func number(t *testing.T, env string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(env)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", env, err)
	}
	return n
}

func (c *chaos) rng(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(c.seed, stream)) }

func (c *chaos) over() bool { return !time.Now().Before(c.deadline) }

// sleep waits, but not beyond the deadline.
func (c *chaos) sleep(d time.Duration) { time.Sleep(min(d, time.Until(c.deadline))) }

func (c *chaos) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = append(c.log, fmt.Sprintf("%s %6.2f ", time.Now().UTC().Format("15:04:05.000"), time.Since(c.began).Seconds())+fmt.Sprintf(format, args...))
}

// between gives a duration of from…to seconds.
func between(rng *rand.Rand, from, to float64) time.Duration {
	return time.Duration((from + rng.Float64()*(to-from)) * float64(time.Second))
}

func (c *chaos) tormentDaemons() {
	rng := c.rng(3)
	pace := []float64{2, 5, 12}[rng.IntN(3)] // some seeds leave it time to get into states that take a while
	for !c.over() {
		switch n := rng.IntN(10); {
		case n < 3:
			c.agentD.kill()
		case n < 6:
			c.ctrlD.kill()
		case n < 7:
			c.agentD.kill()
			c.ctrlD.kill()
		case n < 8:
			c.agentD.freeze(between(rng, 1, 12))
		case n < 9:
			c.ctrlD.freeze(between(rng, 1, 12))
		default:
			[]*keeper{c.agentD, c.ctrlD}[rng.IntN(2)].end()
		}
		c.sleep(between(rng, 0.3, pace))
	}
}

func (c *chaos) tormentLink() {
	rng := c.rng(4)
	for !c.over() {
		c.sleep(between(rng, 1, 10))
		mode := []string{"cut", "frozen"}[rng.IntN(2)]
		d := between(rng, 0.2, 4)
		if rng.IntN(4) == 0 {
			d = between(rng, 4, 15)
		}
		c.note("link %s for %v", mode, d)
		c.link.set(mode)
		c.sleep(d)
		c.link.set("open")
	}
}

// keeper starts a daemon again when it was killed; until it is calm, now and then with a failpoint that kills it.
type keeper struct {
	c      *chaos
	p      *proc
	points []string
	rng    *rand.Rand
	stop   chan struct{}
	done   chan struct{}

	mu    sync.Mutex
	plan  string // of the running process
	asked bool   // to end
}

func (c *chaos) keep(p *proc, points []string, stream uint64) *keeper {
	k := &keeper{c: c, p: p, points: points, rng: c.rng(stream), stop: make(chan struct{}), done: make(chan struct{})}
	go k.run()
	return k
}

func (k *keeper) run() {
	defer close(k.done)
	for {
		select {
		case <-k.p.exited:
		case <-k.stop:
			return
		}
		k.mu.Lock()
		asked := k.asked
		k.mu.Unlock()
		status, _ := k.p.cmd.ProcessState.Sys().(syscall.WaitStatus)
		if killed := status.Signaled() && status.Signal() == syscall.SIGKILL; !killed && (!asked || status.ExitStatus() > 0) {
			k.c.t.Errorf("%s ended by itself: %v", k.p.name, k.p.cmd.ProcessState)
		}
		select {
		case <-time.After(between(k.rng, 0, 2)):
		case <-k.stop:
		}
		k.start(k.choose())
	}
}

func (k *keeper) choose() string {
	if k.rng.IntN(2) == 0 || k.c.over() {
		return ""
	}
	at := 1 + k.rng.IntN(4)
	if k.rng.IntN(3) == 0 {
		at = 1 + k.rng.IntN(40)
	}
	return fmt.Sprintf("%s.%s=kill@%d", k.points[k.rng.IntN(len(k.points))], []string{"before", "after"}[k.rng.IntN(2)], at)
}

func (k *keeper) start(plan string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.c.note("%s starts %s", k.p.name, plan)
	k.plan, k.asked, k.p.env = plan, false, nil
	if plan != "" {
		k.p.env = []string{"PPP_FAILPOINTS=" + plan}
	}
	k.p.start()
}

func (k *keeper) signal(sig syscall.Signal) {
	k.mu.Lock()
	defer k.mu.Unlock()
	_ = k.p.cmd.Process.Signal(sig) // it may be dead already
}

func (k *keeper) kill() {
	k.c.note("kill -9 %s", k.p.name)
	k.signal(syscall.SIGKILL)
}

// end asks the daemon to end, as an update does.
func (k *keeper) end() {
	k.c.note("SIGTERM %s", k.p.name)
	k.mu.Lock()
	k.asked = true
	exited, p := k.p.exited, k.p.cmd.Process
	k.mu.Unlock()
	_ = p.Signal(syscall.SIGTERM)
	select {
	case <-exited:
	case <-time.After(20 * time.Second):
		k.c.t.Errorf("%s did not end within 20 s of SIGTERM", k.p.name)
		_ = p.Kill()
	}
}

func (k *keeper) freeze(d time.Duration) {
	k.c.note("freeze %s for %v", k.p.name, d)
	k.signal(syscall.SIGSTOP)
	k.c.sleep(d)
	k.signal(syscall.SIGCONT)
}

// release ends the keeping. A process that runs without a failpoint is left as it is, so that a start hides nothing.
func (k *keeper) release() {
	close(k.stop)
	<-k.done
	gone := false
	select {
	case <-k.p.exited:
		gone = true
	default:
	}
	if gone || k.plan != "" {
		if !gone {
			k.p.end(syscall.SIGKILL)
		}
		k.start("")
	}
}

// calm ends all torment.
func (c *chaos) calm() {
	c.link.set("open")
	c.agentD.release()
	c.ctrlD.release()
	c.note("calm")
}

// call bounds one request.
func (c *chaos) call() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(c.t.Context()), 40*time.Second)
}
