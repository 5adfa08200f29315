package simulate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/lifecycle"
	"github.com/payperplay/payperplay/controller/provision"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/bolt"
	"github.com/payperplay/payperplay/controller/tunnel"
	"github.com/payperplay/payperplay/protocol"
)

// controllerProcess is one life of the controller: the real rooms on the real embedded store.
type controllerProcess struct {
	w      *world
	name   string
	db     *database
	events *event.Log
	tun    *tunnel.Tunnel
	life1  *lifecycle.Lifecycle
	nodes  *provision.Provision
	door   *quiet

	ctx    context.Context // what runs; ends when it is told to end, or dies
	cancel context.CancelFunc
	life   context.Context // what agents call; ends a little later
	end    context.CancelFunc
	wg     sync.WaitGroup

	mu   sync.Mutex
	dead bool
	heir *controllerProcess // who took over while this one was still there
}

func (c *controllerProcess) successor() *controllerProcess {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heir
}

// quiet is a listener that nobody dials: agents come over wires, from the moment on when somebody accepts here.
type quiet struct {
	once  sync.Once
	done  chan struct{}
	ready chan struct{}
	first sync.Once
}

func (q *quiet) Accept() (net.Conn, error) {
	q.first.Do(func() { close(q.ready) })
	<-q.done
	return nil, net.ErrClosed
}
func (q *quiet) Close() error   { q.once.Do(func() { close(q.done) }); return nil }
func (q *quiet) Addr() net.Addr { return &net.TCPAddr{} }

// serve starts a controller on the world's store, as package controller wires it, and makes it the leader.
func (w *world) serve(n int) (*controllerProcess, error) {
	tables := slices.Concat(fleet.Tables(), event.Tables(), tunnel.Tables(), provision.Tables())
	inner, err := bolt.Open(w.ctx, w.store(), bolt.Options{Tables: tables, DoubleRun: w.plan.DoubleRun})
	if err != nil {
		return nil, err
	}
	return w.start(inner, n)
}

// takeOver lets a second controller lead; the first one does not know yet.
func (w *world) takeOver(from *controllerProcess) (*controllerProcess, error) {
	inner, err := from.db.inner.Successor(w.ctx)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.lifes++
	n := w.lifes
	w.mu.Unlock()
	c, err := w.start(inner, n)
	if err == nil {
		from.mu.Lock()
		from.heir = c
		from.mu.Unlock()
		context.AfterFunc(c.ctx, func() { from.die("with its successor: they share a file here") })
	}
	return c, err
}

// start runs the rooms on an open store and makes them the leader.
func (w *world) start(inner *bolt.DB, n int) (*controllerProcess, error) {
	c := &controllerProcess{w: w, name: fmt.Sprintf("controller%d", n), door: &quiet{done: make(chan struct{}), ready: make(chan struct{})}}
	c.ctx, c.cancel = context.WithCancel(w.ctx)
	c.life, c.end = context.WithCancel(w.ctx)
	c.db = newDatabase(c, inner, n)
	w.truth.led(c)
	if n == 1 {
		if err := w.enrol(c.db); err != nil {
			return nil, err
		}
	}
	if err := c.make(); err != nil {
		return nil, err
	}
	w.truth.compare(c)
	w.lead(c)
	c.run("tunnel", func(ctx context.Context) error { return c.tun.Serve(ctx, c.door) })
	c.run("lifecycle", c.life1.Run)
	c.run("provision", c.nodes.Run)
	w.note(c.name, "leads with term %d", c.db.Term())
	return c, nil
}

// enrol writes the rows that enrolment would.
func (w *world) enrol(db store.DB) error {
	return db.Update(w.ctx, func(tx store.Tx) error {
		for _, m := range w.nodes {
			n := fleet.Node{ID: m.id, Name: m.name, Owner: "operator", Class: fleet.Local, Facts: m.facts(""), JoinedAt: time.Now().UTC(), JoinedBy: "operator"}
			if err := fleet.Nodes.Put(tx, n); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *controllerProcess) make() (err error) {
	if c.events, err = event.New(event.Options{DB: c.db, Now: c.w.clock.now}); err != nil {
		return err
	}
	kick := func(string) {
		if c.life1 != nil {
			c.life1.Kick()
		}
	}
	c.tun, err = tunnel.New(tunnel.Options{DB: c.db, CA: c.w.ca, Events: c.events, OnChange: kick,
		Inventory: func(tx store.Tx, node string, inv []protocol.Observed) error {
			told(tx).tellers[node] = true
			return fleet.Inventory(tx, c.events, node, inv, time.Now().UTC())
		},
		Fact: func(tx store.Tx, node string, r protocol.Report) error {
			told(tx).tellers[node] = true
			err := fleet.Fact(tx, c.events, node, r, time.Now().UTC())
			if err == nil {
				told(tx).taken = append(told(tx).taken, takenReport{node, r})
			}
			return err
		}})
	if err != nil {
		return err
	}
	c.life1, err = lifecycle.New(lifecycle.Options{DB: c.db, Events: c.events, Agents: c.tun, Catalogue: lifecycle.RenderFunc(render)})
	if err != nil {
		return err
	}
	c.nodes, err = provision.New(provision.Options{DB: c.db, Tunnel: c.tun, Events: c.events, OnChange: kick})
	return err
}

// render is a catalogue of one template.
func render(a lifecycle.Ask) (protocol.Spec, error) {
	if a.MemoryBytes == 0 {
		a.MemoryBytes = gib
	}
	if a.MemoryBytes > 16*gib {
		return protocol.Spec{}, fault.New(fault.Invalid, "too much memory", "ask for less")
	}
	return protocol.Spec{Template: a.Template, Version: "1", Image: "simulated/game:1", DataDir: "/data", GamePort: 25565, MemoryBytes: a.MemoryBytes,
		CPUMillis: 250, DiskBytes: gib, Env: a.Env, Ready: protocol.ReadyRule{TimeoutSeconds: 120},
		Stop: protocol.StopRule{Flush: []string{"save-all flush"}, Command: "stop", GraceSeconds: 10}}, nil
}

func (c *controllerProcess) run(name string, fn func(context.Context) error) {
	c.wg.Go(func() {
		err := fn(c.ctx)
		if code := fault.KindOf(err); code == fault.ReadOnly || code == fault.Unavailable {
			c.die("because of its store: " + err.Error()) // systemd starts it again
			return
		}
		if err != nil && c.ctx.Err() == nil && c.alive() && c.successor() == nil {
			c.w.violate("I14", "%s of %s ended: %v", name, c.name, err)
		}
	})
}

func (c *controllerProcess) alive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.dead
}

// accepts tells whether agents and users get in.
func (c *controllerProcess) accepts() bool {
	select {
	case <-c.door.ready:
		return c.alive() && c.ctx.Err() == nil
	default:
		return false
	}
}

var errGone = errors.New("the controller's process is dead")

// die is kill -9: the file is what the last commit left.
func (c *controllerProcess) die(why string) {
	c.mu.Lock()
	was := c.dead
	c.dead = true
	c.mu.Unlock()
	if was {
		return
	}
	c.w.note(c.name, "controller dies %s", why)
	c.cancel()
	c.end()
}

// stopGently is SIGTERM.
func (c *controllerProcess) stopGently() {
	c.w.note(c.name, "controller is told to end")
	c.cancel()
	c.w.bg.Go(func() {
		pause(c.w.ctx, 3*time.Second)
		c.end()
	})
}

// leave waits for the end of a controller that was told to end or has died, and lets go of the file.
func (c *controllerProcess) leave() {
	c.wg.Wait()
	c.end()
	c.mu.Lock()
	c.dead = true
	replaced := c.heir != nil
	c.mu.Unlock()
	if replaced {
		return // the file is the successor's
	}
	if err := c.db.inner.Close(); err != nil {
		c.w.violate("I14", "the store does not close: %v", err)
	}
}
