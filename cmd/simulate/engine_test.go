package simulate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/payperplay/payperplay/agent/docker"
	"github.com/payperplay/payperplay/agent/supervisor"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/minecraft"
)

// engine is a machine's containers. They outlive agents and die with the machine.
type engine struct {
	m    *machine
	hang gate

	mu     sync.Mutex
	rnd    *rand.Rand
	next   int
	list   []*container
	nets   map[string]bool
	images map[string]bool
	ears   map[chan string]bool
}

// container is one, with the game in it.
type container struct {
	docker.Container
	run   *run
	ready bool
	term  chan struct{} // asked to end
	kill  chan int      // ended from outside with this code
	asked bool
}

func newEngine(m *machine) *engine {
	return &engine{m: m, rnd: rnd(m.w.seed, "engine", m.i), nets: map[string]bool{}, images: map[string]bool{}, ears: map[chan string]bool{}}
}

func (e *engine) some(from, to time.Duration) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return from + time.Duration(e.rnd.Int64N(int64(to-from)))
}

// tell wakes who watches.
func (e *engine) tell(server string) {
	for ear := range e.ears {
		select {
		case ear <- server:
		default:
		}
	}
}

// find needs mu.
func (e *engine) find(id string) *container {
	for _, c := range e.list {
		if c.ID == id {
			return c
		}
	}
	return nil
}

// running gives the container of a server that runs, nil if none does. It needs mu.
func (e *engine) running(server string) *container {
	for _, c := range e.list {
		if c.Running && c.Server == server {
			return c
		}
	}
	return nil
}

// powerOff ends everything at once.
func (e *engine) powerOff() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.list {
		if c.Running {
			e.over(c, 137, false)
		}
	}
}

// over notes the end of a container. It needs mu.
func (e *engine) over(c *container, code int, oom bool) {
	if !c.Running {
		return
	}
	c.Running, c.Status, c.ExitCode, c.OOM, c.Finished, c.ready = false, "exited", code, oom, time.Now().UTC(), false
	close(c.kill)
	e.m.w.truth.end(c.run)
	e.m.w.note(e.m.name, "container %s of %s ended with %d", c.ID, c.Server, code)
	e.tell(c.Server)
}

// play is the game: it is ready after a while, writes to its world, and ends when it is asked to.
func (e *engine) play(c *container, ready, end time.Duration, stubborn bool) {
	readiness, writes := time.NewTimer(ready), time.NewTicker(20*time.Second)
	defer readiness.Stop()
	defer writes.Stop()
	var ends <-chan time.Time
	term := c.term
	for {
		select {
		case <-c.kill:
			return
		case <-e.m.w.ctx.Done():
			return
		case <-readiness.C:
			e.mu.Lock()
			c.ready = c.Running
			e.mu.Unlock()
		case <-writes.C:
			e.m.w.truth.wrote(c.run)
			e.m.disk.worldWrite(c.Server)
		case <-term:
			term = nil
			if !stubborn {
				ends = time.After(end)
			}
		case <-ends:
			e.mu.Lock()
			e.over(c, 0, false)
			e.mu.Unlock()
			return
		}
	}
}

// crash ends a server's game as the game itself does; false if it does not run.
func (e *engine) crash(server string, code int, oom bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.running(server)
	if c == nil {
		return false
	}
	e.over(c, code, oom)
	return true
}

// client is the engine as one agent process sees it.
type client struct {
	e *engine
	p *process
}

var _ supervisor.Engine = client{}

const engineLimit = 10 * time.Second

// call is one request: it takes time, the engine may hang, the process may die before or after it.
func (c client) call(ctx context.Context, what string, takes time.Duration, fn func() error) error {
	done, err := c.p.io("engine " + what)
	if err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, engineLimit)
	defer cancel()
	if !c.p.gate.pass(limit) || !c.e.hang.pass(limit) || !pause(limit, takes) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return protocol.Faultf(protocol.Timeout, "look at the Docker service on the node", "Docker is unresponsive: %s took too long", what)
	}
	if err := c.p.alive(); err != nil {
		return err
	}
	c.e.mu.Lock()
	err = fn()
	c.e.mu.Unlock()
	if err != nil {
		return err
	}
	return done()
}

func (c client) Name() string                     { return c.p.m.name }
func (c client) Terminal(string) *docker.Terminal { return &docker.Terminal{} }

func (c client) Create(ctx context.Context, r docker.Run) (id string, err error) {
	if err := docker.Check(r.Spec); err != nil {
		return "", err
	}
	err = c.call(ctx, "create", c.e.some(20*time.Millisecond, 200*time.Millisecond), func() error {
		for _, o := range c.e.list {
			if o.Server == r.Spec.Server && o.Epoch == r.Grant.Epoch && o.Attempt == r.Attempt {
				if o.Running {
					return fmt.Errorf("the name is in use by %s", o.ID)
				}
				c.e.list = slices.DeleteFunc(c.e.list, func(x *container) bool { return x == o })
				break
			}
		}
		c.e.next++
		id = fmt.Sprintf("%s-container-%04d", c.p.m.name, c.e.next)
		c.e.list = append(c.e.list, &container{Container: docker.Container{ID: id, Server: r.Spec.Server, Epoch: r.Grant.Epoch, Revision: r.Spec.Revision,
			Attempt: r.Attempt, Spec: r.Spec, Status: "created", IP: netip.AddrFrom4([4]byte{10, 213, 0, 2})},
			term: make(chan struct{}), kill: make(chan int)})
		return nil
	})
	return id, err
}

func (c client) Start(ctx context.Context, id string) error {
	ready, end := c.e.some(500*time.Millisecond, 8*time.Second), c.e.some(100*time.Millisecond, 2*time.Second)
	stubborn := c.e.some(0, 20) == 0
	return c.call(ctx, "start", c.e.some(50*time.Millisecond, time.Second), func() error {
		one := c.e.find(id)
		if one == nil {
			return protocol.Faultf(protocol.NotFound, "", "there is no container %s", id)
		}
		for _, o := range c.e.list {
			if o.Running && o.Spec.HostPort == one.Spec.HostPort {
				return protocol.Faultf(protocol.Conflict, "", "port %d is in use", one.Spec.HostPort)
			}
		}
		one.Running, one.Status, one.Started, one.PID = true, "running", time.Now().UTC(), 1000+c.e.next
		one.run = c.e.m.w.truth.begin(c.e.m, one.Server, id, one.Epoch, one.Spec.MemoryBytes)
		c.e.m.w.note(c.p.name, "container %s of %s runs, epoch %d, %d MiB", id, one.Server, one.Epoch, one.Spec.MemoryBytes/mib)
		c.e.m.w.granted(c.p, one.Server, one.Epoch)
		go c.e.play(one, ready, end, stubborn)
		c.e.tell(one.Server)
		return nil
	})
}

func (c client) Signal(ctx context.Context, id, signal string) error {
	return c.call(ctx, signal, time.Millisecond, func() error {
		one := c.e.find(id)
		if one == nil || !one.Running {
			return nil
		}
		c.e.m.w.truth.mayEnd(one.run, signal)
		if signal == "SIGKILL" {
			c.e.over(one, 137, false)
		} else {
			c.e.ask(one)
		}
		return nil
	})
}

// ask needs mu.
func (e *engine) ask(c *container) {
	if !c.asked {
		c.asked = true
		close(c.term)
	}
}

func (c client) Remove(ctx context.Context, id string) error {
	return c.call(ctx, "remove", 10*time.Millisecond, func() error {
		one := c.e.find(id)
		if one == nil {
			return nil
		}
		if one.Running {
			c.e.m.w.truth.mayEnd(one.run, "removal")
			c.e.over(one, 137, false)
		}
		c.e.list = slices.DeleteFunc(c.e.list, func(x *container) bool { return x == one })
		return nil
	})
}

func (c client) Inspect(ctx context.Context, id string) (out docker.Container, err error) {
	err = c.call(ctx, "inspect", 0, func() error {
		one := c.e.find(id)
		if one == nil {
			return protocol.Faultf(protocol.NotFound, "", "there is no container %s", id)
		}
		out = c.seen(one)
		return nil
	})
	return out, err
}

// seen is a container as the engine tells of it: by the machine's clock.
func (c client) seen(one *container) docker.Container {
	out := one.Container
	for _, t := range []*time.Time{&out.Started, &out.Finished} {
		if !t.IsZero() {
			*t = c.p.m.clock.reads(*t)
		}
	}
	return out
}

func (c client) List(ctx context.Context, server string) (out []docker.Container, err error) {
	err = c.call(ctx, "list", 0, func() error {
		for _, one := range c.e.list {
			if server == "" || one.Server == server {
				out = append(out, c.seen(one))
			}
		}
		return nil
	})
	return out, err
}

func (c client) EnsureNetwork(ctx context.Context, server string, _ netip.Prefix) error {
	return c.call(ctx, "network", 10*time.Millisecond, func() error { c.e.nets[server] = true; return nil })
}

func (c client) RemoveNetwork(ctx context.Context, server string) error {
	return c.call(ctx, "network removal", 10*time.Millisecond, func() error { delete(c.e.nets, server); return nil })
}

func (c client) Networks(ctx context.Context) (out []string, err error) {
	err = c.call(ctx, "networks", 0, func() error {
		for server := range c.e.nets {
			out = append(out, server)
		}
		slices.Sort(out)
		return nil
	})
	return out, err
}

// EnsureImage pulls an image the first time.
func (c client) EnsureImage(ctx context.Context, image, _ string, progress func(string)) (pulled bool, err error) {
	c.e.mu.Lock()
	has := c.e.images[image]
	c.e.mu.Unlock()
	if has {
		return false, c.p.alive()
	}
	for _, text := range []string{"pulling image: 20 %", "pulling image: 70 %"} {
		progress(text)
		if !pause(ctx, c.e.some(100*time.Millisecond, time.Second)) {
			return false, ctx.Err()
		}
	}
	err = c.call(ctx, "pull", time.Millisecond, func() error { c.e.images[image] = true; return nil })
	return err == nil, err
}

// Watch follows the engine's events.
func (c client) Watch(ctx context.Context, changed func(string)) {
	ear := make(chan string, 64)
	c.e.mu.Lock()
	c.e.ears[ear] = true
	c.e.mu.Unlock()
	defer func() {
		c.e.mu.Lock()
		defer c.e.mu.Unlock()
		delete(c.e.ears, ear)
	}()
	changed("")
	for {
		select {
		case <-ctx.Done():
			return
		case server := <-ear:
			if c.p.gate.pass(ctx) && c.e.hang.pass(ctx) && c.p.alive() == nil {
				changed(server)
			}
		}
	}
}

// ping asks the game in a container.
func (c client) ping(ctx context.Context, one docker.Container) (minecraft.Status, error) {
	if !c.p.gate.pass(ctx) {
		return minecraft.Status{}, ctx.Err()
	}
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	if g := c.e.find(one.ID); g != nil && g.Running && g.ready {
		return minecraft.Status{Version: "simulated", Online: 0, Max: 20}, nil
	}
	return minecraft.Status{}, fmt.Errorf("no answer")
}
