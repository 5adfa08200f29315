package simulate

import (
	"fmt"
	"slices"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/protocol"
)

const (
	restLimit = 20 * time.Minute // in which everything must have come to rest when the faults are over
	lookEvery = 2 * time.Second
)

// check verifies what must hold after a round: what the witnesses saw meanwhile, that everything comes to rest in time, and that another
// restart of either side then changes nothing.
func check(w *world) []violation {
	if !w.settle() {
		return w.violations()
	}
	w.checkRest()
	before := w.still()
	w.restartAll()
	if w.settle() {
		if after := w.still(); before != after {
			w.violate("I14", "a restart of everything changed something:\nbefore: %s\nafter:  %s", before, after)
		}
		w.checkRest()
	}
	return w.violations()
}

// settle waits until nothing is left to do and tells whether that came in time.
func (w *world) settle() bool {
	began, quiet, why := time.Now(), 0, ""
	for time.Since(began) < restLimit {
		w.unlock()
		if why = w.unrest(); why == "" {
			quiet++
		} else {
			quiet = 0
		}
		if quiet == 4 {
			w.note("world", "at rest after %s", time.Since(began))
			return true
		}
		if !pause(w.broken, lookEvery) {
			return false
		}
	}
	w.violate("converge", "not at rest %s after the last fault: %s", restLimit, why)
	return false
}

// unlock is the operator, who has seen to a node that was locked for being there twice.
func (w *world) unlock() {
	c := w.leader()
	if c == nil {
		return
	}
	for _, n := range w.truth.now().Nodes {
		if n.Locked {
			err := c.tun.Unlock(c.life, "operator", n.ID)
			w.note("operator", "unlocks %s: %v", n.Name, err)
		}
	}
}

func (t *truth) now() rows {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rows.clone()
}

// unrest says what is still to be done, "" for nothing.
func (w *world) unrest() string {
	c := w.leader()
	if c == nil {
		return "no controller leads"
	}
	now, live := w.truth.now(), w.truth.live()
	for _, m := range w.nodes {
		switch n := now.Nodes[m.id]; {
		case n.Session == nil:
			return m.name + " is not connected: " + m.process().tun.Status().Problem
		case n.Facts.Boot != m.process().boot:
			return m.name + " is known by an old boot"
		}
		if n := m.process().journal.Waiting(); n > 0 {
			return fmt.Sprintf("%s has %d reports to hand over", m.name, n)
		}
	}
	for _, s := range now.Servers {
		if why := w.unrestOf(s, now, live); why != "" {
			return fmt.Sprintf("server %s (%s): %s", s.Name, s.ID, why)
		}
	}
	for _, r := range live {
		if _, ok := now.Servers[r.Server]; !ok {
			return fmt.Sprintf("%s of the unknown server %s runs on %s", r.Container, r.Server, r.Machine)
		}
	}
	return ""
}

func (w *world) unrestOf(s fleet.Server, now rows, live []run) string {
	i := slices.IndexFunc(live, func(r run) bool { return r.Server == s.ID })
	switch {
	case s.Op != nil:
		return "op " + s.Op.String()
	case s.Desired == fleet.Deleted:
		return "is being deleted"
	case s.Wanted() == fleet.Running && s.Waiting != nil && i < 0:
		return w.roomFor(s, now)
	case s.Wanted() == fleet.Running && (s.Observed.State != protocol.StateRunning || i < 0):
		return fmt.Sprintf("is to run, is observed as %q, runs: %t", s.Observed.State, i >= 0)
	case s.Wanted() == fleet.Running && (now.Nodes[s.Node].Name != live[i].Machine || live[i].Epoch != s.Epoch):
		return fmt.Sprintf("runs on %s at epoch %d", live[i].Machine, live[i].Epoch)
	case s.Wanted() != fleet.Running && (!s.AtRest() || i >= 0):
		return fmt.Sprintf("is to be %s, is observed as %q, runs: %t", s.Wanted(), s.Observed.State, i >= 0)
	}
	return ""
}

// roomFor tells whether a server waits although there is room for it.
func (w *world) roomFor(s fleet.Server, now rows) string {
	used := fleet.Snapshot{Servers: now.Servers, Nodes: now.Nodes, Bookings: now.Bookings}.UsedByNode()
	own := now.Bookings[s.ID]
	for _, n := range now.Nodes {
		free := n.Capacity().Sub(used[n.ID])
		if own.Node == n.ID {
			free = free.Add(own.Resources())
		}
		if (s.Node == "" || s.Node == n.ID) && free.Fits(s.Need()) && n.Reachable(time.Now()) && !n.Unhealthy(time.Now()) {
			return "waits although " + n.Name + " has room for it"
		}
	}
	return ""
}

// checkRest verifies what holds when nothing happens.
func (w *world) checkRest() {
	now := w.truth.now()
	for _, s := range now.Servers {
		if s.Problem != nil && s.Desired != fleet.Running && !w.truth.excused(s.ID) {
			w.violate("converge", "server %s is to be %s, is %s, and was given up without a reason: %s", s.Name, s.Desired, s.Observed.State, s.Problem.Message)
		}
		b := now.Bookings[s.ID]
		if s.Wanted() != fleet.Running && b.Runs {
			w.violate("booked", "server %s is stopped and has %d MiB booked", s.Name, b.MemoryBytes/mib)
		}
	}
	for id := range now.Bookings {
		if _, ok := now.Servers[id]; !ok {
			w.violate("booked", "there is a booking of %s, which is gone", id)
		}
	}
	for _, m := range w.nodes {
		w.checkMachine(m, now)
	}
	w.checkLog()
}

// checkMachine: nothing is left of what is gone (I7).
func (w *world) checkMachine(m *machine, now rows) {
	m.engine.mu.Lock()
	defer m.engine.mu.Unlock()
	for _, c := range m.engine.list {
		if s, ok := now.Servers[c.Server]; !ok || s.Node != m.id {
			w.violate("I7", "container %s of %s is left on %s", c.ID, c.Server, m.name)
		}
	}
	for server := range m.engine.nets {
		if _, ok := now.Servers[server]; !ok {
			w.violate("I7", "the bridge of %s is left on %s", server, m.name)
		}
	}
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	for server := range m.disk.now.Volumes {
		if _, ok := now.Servers[server]; !ok {
			w.violate("I7", "the volume of %s is left on %s", server, m.name)
		}
	}
}

// checkLog: the log holds what was committed, and nothing else.
func (w *world) checkLog() {
	c := w.leader()
	after := int64(0)
	for {
		page, err := c.page(after)
		if err != nil {
			if c.alive() {
				w.violate("events", "the log cannot be read: %v (%s)", err, fault.KindOf(err))
			}
			return
		}
		for _, seq := range page {
			if seq != after+1 {
				w.violate("events", "the log has event %d after %d", seq, after)
			}
			after = seq
		}
		if len(page) == 0 {
			break
		}
	}
	w.truth.mu.Lock()
	defer w.truth.mu.Unlock()
	if n := len(w.truth.events); n > 0 && w.truth.events[n-1] != after {
		w.violate("events", "the log ends with event %d, committed were %d", after, w.truth.events[n-1])
	}
}

func (t *truth) excused(server string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.excuses[server]) > 0
}

// still is everything that a restart must not change.
func (w *world) still() string {
	now := w.truth.now()
	var out []string
	for _, s := range now.Servers {
		out = append(out, fmt.Sprintf("%s desired %s on %q epoch %d observed %s booked %d", s.Name, s.Desired, s.Node, s.Epoch, s.Observed.State, now.Bookings[s.ID].MemoryBytes))
	}
	for _, r := range w.truth.live() {
		out = append(out, fmt.Sprintf("%s of %s on %s", r.Container, r.Server, r.Machine))
	}
	slices.Sort(out)
	return fmt.Sprint(out)
}

// restartAll ends the controller and every agent by SIGKILL and starts them again.
func (w *world) restartAll() {
	w.note("world", "everything is restarted")
	w.mu.Lock()
	w.down = time.Second
	w.mu.Unlock()
	for _, m := range w.nodes {
		m.process().die("for a restart")
	}
	if c := w.leader(); c != nil {
		c.die("for a restart")
	}
	pause(w.broken, 3*time.Second)
	for _, m := range w.nodes {
		m.agent()
	}
}
