package simulate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/payperplay/payperplay/agent/supervisor"
	"github.com/payperplay/payperplay/agent/tunnel"
	"github.com/payperplay/payperplay/protocol"
)

// machine is a node's hardware: it holds the disk and the engine, and runs the agent's process.
type machine struct {
	w    *world
	i    int
	id   string // of the node
	name string
	spec nodeSpec

	disk   *disk
	engine *engine
	link   gate // to the controller

	mu     sync.Mutex
	boots  int
	up     bool
	main   *process
	runs   int
	slow   int // link: seconds
	losing int
	double int
	wires  map[*wire]bool

	clock   *wallClock
	out, in *letter // to and from the controller
}

func newMachine(w *world, i int, spec nodeSpec) *machine {
	m := &machine{w: w, i: i, id: fmt.Sprintf("node_%d", i+1), name: fmt.Sprintf("node%d", i+1), spec: spec,
		disk: newDisk(), wires: map[*wire]bool{}, clock: newWallClock(), out: newLetter(), in: newLetter()}
	m.engine = newEngine(m)
	return m
}

func (m *machine) facts(boot string) protocol.NodeFacts {
	return protocol.NodeFacts{Name: m.name, Hostname: m.name, MachineID: m.name, Boot: boot, Protocol: protocol.Version, Roles: []string{"worker"},
		Addresses: []string{"192.0.2." + fmt.Sprint(m.i+1)}, CPUs: m.spec.CPUs, MemoryBytes: m.spec.Memory, DiskBytes: m.spec.Disk,
		PortFrom: 25500, PortTo: 25500 + m.spec.Ports - 1, Docker: "simulated"}
}

// boot starts the machine and its agent.
func (m *machine) boot() {
	m.mu.Lock()
	if m.up {
		m.mu.Unlock()
		return
	}
	m.up = true
	m.boots++
	m.mu.Unlock()
	m.w.note(m.name, "boots")
	m.agent()
}

// powerOff is a power cut.
func (m *machine) powerOff() {
	m.mu.Lock()
	if !m.up {
		m.mu.Unlock()
		return
	}
	m.up = false
	p := m.main
	wires := m.open()
	m.mu.Unlock()
	m.w.note(m.name, "loses power")
	for _, x := range wires {
		x.silence()
	}
	if p != nil {
		p.die("with its machine")
	}
	m.engine.powerOff()
	m.disk.powerCut()
}

// open lists the wires. It needs mu.
func (m *machine) open() (out []*wire) {
	for x := range m.wires {
		out = append(out, x)
	}
	return out
}

// agent starts the agent's process unless one runs or the machine is off.
func (m *machine) agent() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.up || m.main != nil && m.main.alive() == nil {
		return
	}
	m.runs++
	m.main = newProcess(m, m.name, m.name)
	m.main.start()
}

func (m *machine) process() *process {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.main
}

// process is one agent process: the real supervisor and the real tunnel on what is simulated.
type process struct {
	m       *machine
	name    string
	boot    string
	journal *journal
	super   *supervisor.Supervisor
	tun     *tunnel.Agent
	gate    gate // shut while it is stopped by a signal

	ctx    context.Context
	cancel context.CancelFunc

	mu     sync.Mutex
	rnd    *rand.Rand // of its wire
	dead   bool
	ios    int // disk and engine calls
	dieAt  int // the call it dies at; 0: none
	after  bool
	listen map[string]func(protocol.Line)
}

var errDead = errors.New("this process is dead")

// newProcess needs the machine's mu.
func newProcess(m *machine, name, data string) *process {
	p := &process{m: m, name: name, boot: fmt.Sprintf("%s-boot-%d", name, m.boots), listen: map[string]func(protocol.Line){}, rnd: rnd(m.w.seed, "wire", name, m.runs)}
	p.ctx, p.cancel = context.WithCancel(m.w.ctx)
	p.journal = newJournal(p, m.disk, data, fmt.Sprintf("%s-run-%d", name, m.runs))
	return p
}

// start runs the rooms as package agent does.
func (p *process) start() {
	room := &consoles{p}
	engine := client{p.m.engine, p}
	var err error
	p.super, err = supervisor.New(supervisor.Options{Journal: p.journal, Engine: engine, Volumes: volumes{p.m.disk, p}, Console: room, Commands: room,
		Cluster: cluster, Node: p.m.id, PortFrom: 25500, PortTo: 25500 + p.m.spec.Ports - 1, Ping: engine.ping})
	if err != nil {
		panic(err)
	}
	p.tun, err = tunnel.New(tunnel.Options{Wire: &tunnel.Wire{Node: p.m.id, Name: p.m.name, Cluster: cluster, Dial: p.dial},
		Facts: func() protocol.NodeFacts { return p.m.facts(p.boot) }, Runtime: p.super, Console: noConsole{}, Health: health{p},
		Reports: p.journal, State: p.journal, Outdated: p.super.Outdated})
	if err != nil {
		panic(err)
	}
	p.m.w.note(p.name, "agent starts as %s on %s", p.journal.run, p.boot)
	p.m.w.bg.Go(func() {
		if err := p.super.Run(p.ctx); err != nil && p.die("its supervisor failed: "+err.Error()) {
			p.m.w.bg.Go(func() {
				if pause(p.m.w.ctx, 5*time.Second) { // systemd
					p.m.agent()
				}
			})
		}
	})
	p.m.w.bg.Go(func() { _ = p.tun.Run(p.ctx) })
}

func (p *process) alive() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return errDead
	}
	return nil
}

// io is passed before and after each disk and engine call: it may be the last.
func (p *process) io(what string) (done func() error, err error) {
	p.mu.Lock()
	if p.dead {
		p.mu.Unlock()
		return nil, errDead
	}
	p.ios++
	hit := p.dieAt > 0 && p.ios >= p.dieAt
	if hit {
		p.dieAt = 0
	}
	p.mu.Unlock()
	if hit && !p.after {
		p.die("before " + what)
		return nil, errDead
	}
	return func() error {
		if hit {
			p.die("after " + what)
		}
		return p.alive()
	}, nil
}

// arm lets the process die at its n-th call from now.
func (p *process) arm(n int, after bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dieAt, p.after = p.ios+n, after
}

func (p *process) disarm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dieAt = 0
}

// die is kill -9: from now on everything it tries fails, and its connections are reset.
func (p *process) die(why string) bool {
	p.mu.Lock()
	was := p.dead
	p.dead = true
	p.mu.Unlock()
	if was {
		return false
	}
	p.m.w.note(p.name, "agent dies %s", why)
	p.cancel()
	p.m.w.bg.Go(func() {
		p.m.mu.Lock()
		wires := p.m.open()
		p.m.mu.Unlock()
		for _, x := range wires {
			if x.p == p {
				x.agent.close(errDead)
			}
		}
	})
	return true
}

func (p *process) chance(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rnd.IntN(n)
}

func (p *process) some(from, to time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return from + time.Duration(p.rnd.Int64N(int64(to-from)))
}
