package lifecycle_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/lifecycle"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/bolt"
	"github.com/payperplay/payperplay/protocol"
)

const gib = 1 << 30

// world is a controller's rooms over a real store, and agents that behave like the real ones in the memory of the test.
type world struct {
	meanwhile func()
	t         *testing.T
	path      string
	once      bool // transactions run once, where many are made
	db        *bolt.DB
	log       *event.Log
	lc        *lifecycle.Lifecycle
	halt      func() // ends the loop

	mu     sync.Mutex
	agents map[string]*agent // by node id

	recalled []string // nodes, "" is all
}

func (w *world) recall(_ context.Context, node, _ string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.recalled = append(w.recalled, node)
}

// recalls counts how often a node was asked to say hello again.
func (w *world) recalls(node string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range w.recalled {
		if id == node {
			n++
		}
	}
	return n
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, path: filepath.Join(t.TempDir(), "store.db"), agents: map[string]*agent{}}
	w.boot()
	t.Cleanup(w.crash)
	return w
}

// boot opens the store and the rooms, as a controller that starts does.
func (w *world) boot() {
	w.t.Helper()
	var err error
	w.db, err = bolt.Open(w.t.Context(), w.path, bolt.Options{Tables: append(fleet.Tables(), event.Tables()...), DoubleRun: !w.once})
	w.must(err)
	w.log, err = event.New(event.Options{DB: w.db})
	w.must(err)
	w.lc, err = lifecycle.New(lifecycle.Options{DB: w.db, Events: w.log, Agents: w, Catalogue: lifecycle.RenderFunc(w.render), Recall: w.recall, Logger: slog.New(slog.NewTextHandler(w.t.Output(), nil))})
	w.must(err)
}

// run starts the loop.
func (w *world) run() {
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.lc.Run(ctx) }()
	w.halt = func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("Run: %v", err)
		}
	}
}

// crash ends the controller; nothing but the store file survives.
func (w *world) crash() {
	if w.halt != nil {
		w.halt()
		w.halt = nil
	}
	if w.db != nil {
		_ = w.db.Close()
		w.db = nil
	}
}

// render is the catalogue; meanwhile happens what a test wants to have happened by then.
func (w *world) render(a lifecycle.Ask) (protocol.Spec, error) {
	if do := w.meanwhile; do != nil {
		w.meanwhile = nil
		do()
	}
	return render(a)
}

func render(a lifecycle.Ask) (protocol.Spec, error) {
	if a.Template != "test" {
		return protocol.Spec{}, fault.New(fault.NotFound, "no template "+a.Template, "")
	}
	if a.MemoryBytes == 0 {
		a.MemoryBytes = gib
	}
	return protocol.Spec{Template: a.Template, Version: a.Version, Env: a.Env, MemoryBytes: a.MemoryBytes, CPUMillis: a.CPUMillis, DiskBytes: a.DiskBytes, Image: "test"}, nil
}

// Runtime implements lifecycle.Agents.
func (w *world) Runtime(node string) (protocol.Runtime, error) {
	w.mu.Lock()
	a := w.agents[node]
	w.mu.Unlock()
	up := false
	if a != nil {
		a.tune(func() { up = a.connected })
	}
	if up {
		return a, nil
	}
	return nil, fault.New(fault.Unavailable, "node "+node+" is not connected", "")
}

// node makes a node with an agent. Memory is what servers may book.
func (w *world) node(name string, memory int64) *agent {
	w.t.Helper()
	total := memory
	for s, _ := fleet.Schedulable(total); s < memory; s, _ = fleet.Schedulable(total) {
		total += memory - s
	}
	a := &agent{w: w, id: "node_" + name, boot: "boot-1", servers: map[string]*protocol.Observed{}, details: map[string]protocol.Detail{}, newest: map[string]int64{}}
	w.mu.Lock()
	w.agents[a.id] = a
	w.mu.Unlock()
	w.must(w.db.Update(w.t.Context(), func(tx store.Tx) error {
		return fleet.Nodes.Put(tx, fleet.Node{ID: a.id, Name: name, Class: fleet.Local, Facts: protocol.NodeFacts{
			Name: name, Boot: a.boot, Arch: "amd64", Roles: []string{"worker"}, Addresses: []string{"192.0.2.1"}, CPUs: 1000, MemoryBytes: total,
			DiskBytes: 1 << 50, PortFrom: 20000, PortTo: 29999, Docker: "28",
		}})
	}))
	a.connect()
	return a
}

// create makes a server that is not started.
func (w *world) create(name string, memory int64) fleet.Server {
	w.t.Helper()
	s, err := w.lc.Create(w.t.Context(), "alice", lifecycle.CreateInput{Name: name, Template: "test", MemoryBytes: memory})
	w.must(err)
	return s
}

func (w *world) get(name string) entry {
	w.t.Helper()
	e, err := w.find(name)
	w.must(err)
	return e
}

// state expects what people see of a server.
func (w *world) state(name, want string) entry {
	w.t.Helper()
	e := w.get(name)
	if e.Status.State != want {
		w.t.Errorf("%s is %s (%s), want %s; observed %+v", name, e.Status.State, e.Status.Text, want, e.Observed)
	}
	return e
}

// booked expects what is booked on a node.
func (w *world) booked(a *agent, memory int64) {
	w.t.Helper()
	var used fleet.Resources
	w.must(w.db.View(w.t.Context(), func(tx store.Tx) (err error) {
		used, err = fleet.Used(tx, a.id)
		return err
	}))
	if used.MemoryBytes != memory {
		w.t.Errorf("%s has %s booked, want %s", a.id, protocol.FormatSize(used.MemoryBytes), protocol.FormatSize(memory))
	}
}

// events counts the events of a type.
func (w *world) events(kind string) int {
	w.t.Helper()
	n := 0
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	var head int64
	w.must(w.db.View(ctx, func(tx store.Tx) (err error) {
		head, err = w.log.Head(tx)
		return err
	}))
	if head == 0 {
		return 0
	}
	for e, err := range w.log.Follow(ctx, 0, event.Filter{}) {
		w.must(err)
		if e.Type == kind {
			n++
		}
		if e.Seq == head {
			break
		}
	}
	return n
}

func (w *world) must(err error) {
	if err != nil {
		w.t.Helper()
		w.t.Fatal(err)
	}
}
