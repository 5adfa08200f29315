package simulate

import (
	"fmt"
	"time"

	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/protocol"
)

// lives starts the controller again whenever it is gone.
func (w *world) lives() {
	for w.ctx.Err() == nil {
		w.mu.Lock()
		w.lifes++
		n := w.lifes
		w.mu.Unlock()
		c, err := w.serve(n)
		if err != nil {
			w.violate("I14", "the controller does not start: %v", err)
			return
		}
		for c != nil {
			<-c.ctx.Done()
			if c.successor() == nil {
				w.lead(nil)
			}
			c.leave()
			c = c.successor()
		}
		w.mu.Lock()
		wait := w.down
		w.mu.Unlock()
		pause(w.broken, wait)
	}
}

// strike lets one fault happen and ends it after its time.
func (w *world) strike(f mishap) {
	m := w.nodes[f.Node]
	w.act("fault", "%s %s for %s (%d)", f.Kind, m.name, f.For, f.Arg)
	switch f.Kind {
	case "agent-crash":
		m.process().die("by SIGKILL")
	case "agent-crash-at-io":
		p := m.process()
		p.arm(1+f.Arg%40, f.Arg%2 == 0)
		select {
		case <-p.ctx.Done():
		case <-time.After(30 * time.Second):
			p.disarm()
		case <-w.broken.Done():
		}
	case "machine-death":
		m.powerOff()
	case "cut":
		for _, x := range m.lines() {
			x.cut("reset by a middle box")
		}
	case "game-crash", "game-oom":
		w.gameOver(f)
	case "lie":
		w.lie(m, f)
	case "controller-crash", "controller-crash-at-commit", "controller-restart", "takeover":
		w.strikeController(f)
	default:
		w.hold(m, f)
		return
	}
	pause(w.broken, f.For)
	switch f.Kind {
	case "agent-crash", "agent-crash-at-io":
		m.agent()
	case "machine-death":
		m.boot()
	}
}

// hold is a fault that has a beginning and an end.
func (w *world) hold(m *machine, f mishap) {
	var begin, end func()
	count := func(n *int) (func(), func()) {
		add := func(by int) func() { return func() { m.mu.Lock(); *n += by; m.mu.Unlock() } }
		return add(1), add(-1)
	}
	p := m.process()
	switch f.Kind {
	case "partition":
		begin, end = m.link.close, m.link.reopen
	case "pause":
		begin, end = p.gate.close, p.gate.reopen
	case "engine-hangs":
		begin, end = m.engine.hang.close, m.engine.hang.reopen
	case "blind":
		begin = func() { w.each(func(m *machine) { m.link.close() }) }
		end = func() { w.each(func(m *machine) { m.link.reopen() }) }
	case "slow":
		begin, end = func() { m.mu.Lock(); m.slow += 1 + f.Arg%5; m.mu.Unlock() }, func() { m.mu.Lock(); m.slow -= 1 + f.Arg%5; m.mu.Unlock() }
	case "lose-replies":
		begin, end = count(&m.losing)
	case "double":
		begin, end = count(&m.double)
	case "clock", "drift":
		begin, end = w.wrongClock(m.clock, f)
	case "controller-clock", "controller-drift":
		begin, end = w.wrongClock(w.clock, f)
	case "node-disk-full":
		begin, end = func() { m.disk.fill(1) }, func() { m.disk.fill(-1) }
	case "store-disk-full":
		begin, end = func() { w.trouble(1, 0) }, func() { w.trouble(-1, 0) }
	case "store-fails":
		begin, end = func() { w.trouble(0, 1) }, func() { w.trouble(0, -1) }
	case "clone":
		var twin *machine
		begin = func() { twin = w.twin(m) }
		end = func() { twin.powerOff() }
	default:
		panic("no fault " + f.Kind)
	}
	begin()
	pause(w.broken, f.For)
	end()
}

func (w *world) each(fn func(*machine)) {
	for _, m := range w.nodes {
		fn(m)
	}
}

// trouble lets the store of this and later controllers fail.
func (w *world) trouble(full, fails int) {
	w.mu.Lock()
	w.full, w.fails = w.full+full, w.fails+fails
	w.mu.Unlock()
}

func (m *machine) lines() []*wire {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.open()
}

func (w *world) strikeController(f mishap) {
	c := w.leader()
	w.mu.Lock()
	w.down = f.For
	w.mu.Unlock()
	if c == nil {
		return
	}
	switch f.Kind {
	case "controller-crash":
		c.die("by SIGKILL")
	case "controller-crash-at-commit":
		c.db.arm(1+f.Arg%20, f.Arg%2 == 0)
		select {
		case <-c.ctx.Done():
		case <-time.After(30 * time.Second):
			c.db.disarm()
		case <-w.broken.Done():
		}
	case "controller-restart":
		c.stopGently()
	case "takeover":
		w.replace(c, f)
	}
}

// replace lets another controller take over while some agents still follow the old one, as when that one was stopped for a while.
func (w *world) replace(c *controllerProcess, f mishap) {
	if c.successor() != nil || !c.accepts() {
		return
	}
	if _, err := w.takeOver(c); err != nil {
		w.violate("I14", "the take-over failed: %v", err)
		return
	}
	for i, m := range w.nodes {
		if (f.Arg>>i)&1 == 0 {
			continue
		}
		for _, x := range m.lines() {
			x.cut("reset at the take-over")
		}
	}
	pause(w.broken, f.For)
	c.die("at last")
}

// gameOver ends the game of some server that runs.
func (w *world) gameOver(f mishap) {
	live := w.truth.live()
	if len(live) == 0 {
		return
	}
	r := live[f.Arg%len(live)]
	for _, m := range w.nodes {
		if m.name == r.Machine && m.engine.crash(r.Server, 1+f.Arg%3, f.Kind == "game-oom") {
			w.truth.excuse(r.Server, "its game crashed")
		}
	}
}

// lie lets a node speak of a server that is not its own.
func (w *world) lie(m *machine, f mishap) {
	var victim fleet.Server
	w.truth.mu.Lock()
	for _, s := range w.truth.rows.Servers {
		if s.Node != "" && s.Node != m.id && (victim.ID == "" || s.ID < victim.ID) {
			victim = s
		}
	}
	w.truth.mu.Unlock()
	if victim.ID == "" {
		return
	}
	p := m.process()
	// An epoch that is not behind would be a sign that the store is old: one lying node can bring the whole cluster into recovery mode.
	o := protocol.Observed{Server: victim.ID, Epoch: victim.Epoch - 1, State: protocol.StateStopped, Since: time.Now().UTC()}
	err := p.journal.Append(p.ctx, protocol.Fact{Observed: &o}, protocol.Fact{Player: &protocol.PlayerFact{Server: victim.ID, Epoch: victim.Epoch, Name: "nobody", Joined: true}},
		protocol.Fact{Removed: &protocol.RemovedFact{Server: victim.ID, Epoch: victim.Epoch}})
	w.note(m.name, "says that %s of %s is stopped and removed (%v, %d)", victim.Name, victim.Node, err, f.Arg)
}

// twin is a machine that was made of a copy of another one's disk and runs beside it.
func (w *world) twin(of *machine) *machine {
	of.mu.Lock()
	n := of.runs
	of.mu.Unlock()
	m := newMachine(w, of.i, of.spec)
	m.name = fmt.Sprintf("%s-twin%d", of.name, n)
	m.disk = of.disk.clone()
	m.boot()
	return m
}

// heal lets everything that died come back.
func (w *world) heal() {
	for _, m := range w.nodes {
		m.boot()
		if p := m.process(); p != nil {
			p.disarm()
		}
		m.agent()
	}
	if c := w.leader(); c != nil {
		c.db.disarm()
	}
}
