package simulate

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/payperplay/payperplay/agent/state"
	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// committed is told of every commit, in order: it checks what must hold in every transaction and keeps the rows.
func (t *truth) committed(c *controllerProcess, rec *record) {
	ch := change{changed[fleet.Server](rec.puts["servers"]), changed[fleet.Node](rec.puts["nodes"]), changed[fleet.Booking](rec.puts["bookings"]), nil}
	for _, e := range changed[event.Event](rec.puts["events"]) {
		if e != nil {
			ch.events = append(ch.events, *e)
		}
	}
	slices.SortFunc(ch.events, func(a, b event.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	t.mu.Lock()
	defer t.mu.Unlock()
	if term := c.db.Term(); term < t.term {
		t.w.violate("term", "%s wrote with term %d, the leader has %d", c.name, term, t.term)
	}
	t.checkReports(ch, rec)
	t.checkStamps(ch, rec)
	if _, entered := rec.puts["recovery"]; entered {
		t.w.violate("recovery", "the controller takes its store for an old one: %v", ch.events)
	}
	t.checkEvents(c, ch, rec)
	for id, s := range ch.servers {
		t.checkServer(id, s, ch, rec)
		if was := t.rows.Servers[id]; s != nil && !fleet.MarkOf(s.Observed).Equal(fleet.MarkOf(was.Observed)) {
			t.w.note(c.name, "%s is seen as %q since %s, start in flight: %t", id, s.Observed.State, s.Observed.Since.Sub(genesis), s.InFlight())
		}
	}
	was := t.booked()
	t.keep(ch)
	t.checkBooked(ch, was, len(rec.tellers) > 0)
	for _, e := range ch.events {
		t.w.note(c.name, "event %d %s %s %s", e.Seq, e.Type, e.Server, e.Node)
	}
}

// keep takes the rows over. It needs mu, as all below.
func (t *truth) keep(ch change) {
	now := time.Now()
	for id, s := range ch.servers {
		if s == nil {
			delete(t.rows.Servers, id)
			t.gone[id] = true
			t.wanted[id] = now
			continue
		}
		if was := t.rows.Servers[id]; was.Wanted() != fleet.Running || s.Wanted() != fleet.Running || s.Op != nil && s.Op.Kind == fleet.OpRestart || was.Op != nil && was.Op.Kind == fleet.OpRestart {
			t.wanted[id] = now
		}
		t.rows.Servers[id] = *s
	}
	take(t.rows.Nodes, ch.nodes)
	take(t.rows.Bookings, ch.bookings)
	for _, e := range ch.events {
		t.events = append(t.events, e.Seq)
	}
}

func take[T any](rows map[string]T, changed map[string]*T) {
	for id, row := range changed {
		if row == nil {
			delete(rows, id)
		} else {
			rows[id] = *row
		}
	}
}

// checkEvents: numbers have no holes, and what changed for people has an event.
func (t *truth) checkEvents(c *controllerProcess, ch change, rec *record) {
	next := int64(1)
	if n := len(t.events); n > 0 {
		next = t.events[n-1] + 1
	}
	told := map[string]bool{}
	for _, e := range ch.events {
		if e.Seq != next {
			t.w.violate("events", "event %d (%s) was committed, %d was due", e.Seq, e.Type, next)
		}
		next = e.Seq + 1
		t.checkLogged(e, rec.puts["events"][store.SeqKey(e.Seq)])
		told[e.Server] = true
		t.logged[e.Seq] = moment{time.Now(), c}
	}
	for id, s := range ch.servers {
		was, known := t.rows.Servers[id]
		if quiet := known && s != nil && s.Desired == was.Desired && s.DesiredAt.Equal(was.DesiredAt); !quiet && !told[id] {
			t.w.violate("events", "server %s came, went or is desired otherwise, without an event", id)
		}
	}
}

// checkReports: each report counts once, and none is called known that was not looked at.
func (t *truth) checkReports(ch change, rec *record) {
	for _, r := range rec.taken {
		key := fmt.Sprint(r.node, " ", r.Run, " ", r.Seq)
		if t.taken[key]++; t.taken[key] > 1 {
			t.w.violate("reports", "report %d of %s was taken %d times", r.Seq, r.node, t.taken[key])
		}
	}
	for id, n := range ch.nodes {
		was, known := t.rows.Nodes[id]
		if n != nil && (n.Session == nil) != (was.Session == nil) {
			t.w.note("store", "%s has a session: %t", id, n.Session != nil)
		}
		if n == nil || !known || n.AckSeq == was.AckSeq {
			continue
		}
		if n.AckSeq < was.AckSeq {
			t.w.violate("reports", "%s had acknowledged up to %d, and then %d", id, was.AckSeq, n.AckSeq)
		}
		for seq := was.AckSeq + 1; seq <= n.AckSeq; seq++ {
			t.checkSkipped(id, seq, ch, rec)
		}
	}
}

// checkSkipped: a report that was acknowledged was taken, unless the node may not speak of its server.
func (t *truth) checkSkipped(node string, seq int64, ch change, rec *record) {
	all := t.made[node][seq]
	if len(all) != 1 {
		return // of a copy of the data directory: nobody can tell which
	}
	r := all[0]
	if slices.ContainsFunc(rec.taken, func(x takenReport) bool { return x.node == node && x.Run == r.Run && x.Seq == seq }) {
		return
	}
	for _, o := range protocol.HomeReport.Objects(protocol.ReportBatch{Reports: []protocol.Report{r}}) {
		s, ok := t.rows.Servers[o.ID]
		if next, put := ch.servers[o.ID]; put && next == nil {
			ok = false
		}
		if !ok || s.Node != node || o.Epoch > s.Epoch {
			return
		}
	}
	t.w.violate("reports", "report %d of %s was acknowledged and not taken: %s", seq, node, brief(r))
}

func brief(r protocol.Report) string { text, _ := json.Marshal(r.Fact); return string(text) }

// checkServer: node and epoch change together, a world that may run is not moved, and a node speaks of its own servers only.
func (t *truth) checkServer(id string, s *fleet.Server, ch change, rec *record) {
	was, known := t.rows.Servers[id]
	if s == nil {
		if r := t.liveOf(id); r != nil && !t.nodeOf(r.Machine).Revoked {
			t.w.violate("I1", "server %s was forgotten while %s runs on %s", id, r.Container, r.Machine)
		}
		return
	}
	if !known {
		return
	}
	if s.Order < was.Order {
		t.w.violate("order", "the number of the last order for server %s fell from %d to %d", id, was.Order, s.Order)
	}
	if s.Node != was.Node {
		if s.Epoch <= was.Epoch {
			t.w.violate("epoch", "server %s went from %q to %q, and its epoch from %d to %d", id, was.Node, s.Node, was.Epoch, s.Epoch)
		}
		if r := t.liveOf(id); r != nil {
			t.w.violate("I1", "server %s was moved from %q to %q while %s runs on %s", id, was.Node, s.Node, r.Container, r.Machine)
		}
	} else if s.Epoch < was.Epoch {
		t.w.violate("epoch", "the epoch of server %s fell from %d to %d", id, was.Epoch, s.Epoch)
	}
	if len(rec.taken) > 0 && s.Node == was.Node && !rec.tellers[s.Node] && !reflect.DeepEqual(s.Observed, was.Observed) {
		t.w.violate("I9", "what is observed of server %s of %s was changed by %v", id, s.Node, slices.Collect(maps.Keys(rec.tellers)))
	}
	if s.Ordered && s.Boot != was.Boot && s.Wanted() != fleet.Running {
		t.w.violate("recheck", "server %s was granted a start although it is to be %s", id, s.Wanted())
	}
	_ = ch
}

func (t *truth) nodeOf(machine string) fleet.Node {
	for _, n := range t.rows.Nodes {
		if n.Name == machine {
			return n
		}
	}
	return fleet.Node{}
}

// booked sums what is booked on each node.
func (t *truth) booked() map[string]fleet.Resources {
	used := map[string]fleet.Resources{}
	for _, b := range t.rows.Bookings {
		used[b.Node] = used[b.Node].Add(b.Resources())
	}
	return used
}

// checkBooked: what is booked is never negative and never more than a node has, and a game that runs has its memory booked. reported: the
// transaction took reports, and what a node says that runs is booked without asking for room.
func (t *truth) checkBooked(ch change, was map[string]fleet.Resources, reported bool) {
	if len(ch.bookings) == 0 {
		return
	}
	used := t.booked()
	for id, b := range ch.bookings {
		s := t.rows.Servers[id]
		if b != nil && s.ID != "" && b.Node != s.Node {
			t.w.violate("booked", "server %s is on %q and booked on %q", id, s.Node, b.Node)
		}
		if r := t.liveOf(id); r != nil && (b == nil || b.MemoryBytes < r.Memory) && s.Epoch <= r.Epoch {
			t.w.violate("booked", "%s of server %s runs on %s with %d MiB, booked are %+v", r.Container, id, r.Machine, r.Memory/mib, b)
		}
		if b == nil {
			continue
		}
		if b.MemoryBytes < 0 || b.CPUMillis < 0 || b.DiskBytes < 0 {
			t.w.violate("booked", "server %s has booked %d bytes of memory", b.Server, b.MemoryBytes)
		}
		if reported || used[b.Node].MemoryBytes <= was[b.Node].MemoryBytes && used[b.Node].DiskBytes <= was[b.Node].DiskBytes {
			continue
		}
		if short := t.rows.Nodes[b.Node].Capacity().Sub(used[b.Node]); short.MemoryBytes < 0 || short.CPUMillis < 0 || short.DiskBytes < 0 || short.Ports < 0 {
			t.w.violate("booked", "on %s %+v more is booked than there is", b.Node, short)
		}
	}
}

// led notes a new leader.
func (t *truth) led(c *controllerProcess) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if term := c.db.Term(); term <= t.term {
		t.w.violate("term", "%s leads with term %d after %d", c.name, term, t.term)
	}
	t.term = c.db.Term()
}

// compare checks that a store that was opened again holds what was committed (I5).
func (t *truth) compare(c *controllerProcess) {
	t.w.drain() // of the last commit of the one that died
	now := newRows()
	err := c.db.inner.View(context.WithoutCancel(c.ctx), func(tx store.Tx) error {
		snap, err := fleet.Read(tx, time.Now())
		now = rows{snap.Servers, snap.Nodes, snap.Bookings}
		return err
	})
	if err != nil {
		t.w.violate("I5", "the store cannot be read: %v", err)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	text := func(v any) string { out, _ := json.Marshal(v); return string(out) }
	if text(now.Servers) != text(t.rows.Servers) || text(now.Bookings) != text(t.rows.Bookings) || text(now.Nodes) != text(t.rows.Nodes) {
		t.w.violate("I5", "the store that was opened again is not what was committed")
	}
}

// report notes what a node has to tell.
func (t *truth) report(m *machine, _ string, r protocol.Report) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.made[m.id] == nil {
		t.made[m.id] = map[int64][]protocol.Report{}
	}
	t.made[m.id][r.Seq] = append(t.made[m.id][r.Seq], r)
}

func (t *truth) renumbered(m *machine, r protocol.Report, seq int64) {
	r.Seq = seq
	t.report(m, "", r)
}

// dropped is told what a node forgets because it was acknowledged: the controller must have it.
func (t *truth) dropped(m *machine, r protocol.Report) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.rows.Nodes[m.id]; n.AckSeq < r.Seq {
		t.w.violate("reports", "%s forgets report %d, the controller has them up to %d: %s", m.name, r.Seq, n.AckSeq, brief(r))
	}
}

func (t *truth) wrote(r *run) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.End.IsZero() {
		t.write(r)
	}
}

// granted checks that a container that starts has a grant on the node's disk, of this boot (I1).
func (w *world) granted(p *process, server string, epoch int64) {
	row, ok := p.m.disk.row(server)
	if !ok || row.Grant.Epoch < epoch || row.Grant.Boot != p.boot {
		w.violate("grant", "%s of epoch %d starts on boot %s; on the disk is a grant of epoch %d for boot %q", server, epoch, p.boot, row.Grant.Epoch, row.Grant.Boot)
	}
}

// promised checks an accepted start: its grant is on the disk, and it is not of a replaced controller.
func (w *world) promised(x *wire, g protocol.Grant) {
	row, ok := x.p.m.disk.row(g.Server)
	if x.p.alive() == nil && (!ok || row.Grant.Epoch < g.Epoch || row.Grant.Boot != g.Boot) {
		w.violate("grant", "%s took a start of %s at epoch %d; on its disk is a grant of epoch %d for boot %q", x.p.name, g.Server, g.Epoch, row.Grant.Epoch, row.Grant.Boot)
	}
	if own := x.p.journal.read().Term; g.Term < own {
		w.violate("term", "%s took a start of %s of term %d, it has seen %d", x.p.name, g.Server, g.Term, own)
	}
}

// stopHolds checks that a stop that an agent has taken is not undone before it has ended the game.
func (w *world) stopHolds(p *process, was, is state.Server) {
	stopping := (was.Want == state.WantStop || was.Want == state.WantKill) && was.Stop != nil && !was.Stop.Restart && was.Observed.State == protocol.StateStopping
	if stopping && is.Want == state.WantRun && is.Observed.State != protocol.StateStopped {
		w.violate("stop", "%s was stopping %s and goes back to running it", p.name, was.ID())
	}
}
