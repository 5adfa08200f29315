package simulate

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/payperplay/payperplay/agent/state"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/protocol"
)

// truth is what really happened: which container ran when, what every world was written by, which reports the nodes made and which
// the controller took, and the rows as the last commit left them. No part of the product reads it.
type truth struct {
	w  *world
	mu sync.Mutex

	runs   []*run
	worlds map[string]*history // by server

	rows    rows
	events  []int64                                // numbers, in the order of commits
	logged  map[int64]moment                       // of each event: when it was committed
	latest  time.Time                              // of the log's clock
	term    int64                                  // of the newest leader
	made    map[string]map[int64][]protocol.Report // by node and number
	taken   map[string]int                         // by node, run and number: how often
	wanted  map[string]time.Time                   // by server: when it was last not to run, or to restart
	excuses map[string][]string                    // by server: why it may have been given up
	gone    map[string]bool                        // servers
	acked   int                                    // orders
	newest  map[newestOf]state.Order               // orders that agents took
}

type moment struct {
	at time.Time
	by *controllerProcess
}

// run is one container from its start to its end.
type run struct {
	Server    string
	Machine   string
	Container string
	Epoch     int64
	Memory    int64
	Start     time.Time
	End       time.Time // zero: it runs
}

// history is what a world was written by: I1 asks that epochs never fall and that one writer is there at a time.
type history struct {
	Epoch  int64 // of the newest writer
	Writes int64
}

// rows are the controller's, by id.
type rows struct {
	Servers  map[string]fleet.Server
	Nodes    map[string]fleet.Node
	Bookings map[string]fleet.Booking
}

func newRows() rows {
	return rows{map[string]fleet.Server{}, map[string]fleet.Node{}, map[string]fleet.Booking{}}
}

func (r rows) clone() rows {
	return rows{maps.Clone(r.Servers), maps.Clone(r.Nodes), maps.Clone(r.Bookings)}
}

func newTruth(w *world) *truth {
	return &truth{w: w, worlds: map[string]*history{}, rows: newRows(), logged: map[int64]moment{}, made: map[string]map[int64][]protocol.Report{},
		taken: map[string]int{}, wanted: map[string]time.Time{}, excuses: map[string][]string{}, gone: map[string]bool{}, newest: map[newestOf]state.Order{}}
}

// begin notes that a container runs.
func (t *truth) begin(m *machine, server, container string, epoch, memory int64) *run {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := &run{Server: server, Machine: m.name, Container: container, Epoch: epoch, Memory: memory, Start: time.Now()}
	used := memory
	for _, o := range t.runs {
		if !o.End.IsZero() {
			continue
		}
		if o.Server == server {
			t.w.violate("I1", "world %s runs twice: %s epoch %d on %s since %s, and %s epoch %d on %s", server, o.Container, o.Epoch, o.Machine, o.Start.Sub(genesis), container, epoch, m.name)
		}
		if o.Machine == m.name {
			used += o.Memory
		}
	}
	if most, _ := fleet.Schedulable(m.spec.Memory); used > most {
		t.w.violate("booked", "machine %s runs games of %d MiB, it has %d MiB for them", m.name, used/mib, most/mib)
	}
	t.runs = append(t.runs, r)
	t.write(r)
	return r
}

// write notes a write of a world. It needs mu.
func (t *truth) write(r *run) {
	h := t.worlds[r.Server]
	if h == nil {
		h = &history{}
		t.worlds[r.Server] = h
	}
	h.Writes++
	if r.Epoch < h.Epoch {
		t.w.violate("I1", "world %s was written by epoch %d on %s after epoch %d", r.Server, r.Epoch, r.Machine, h.Epoch)
	}
	h.Epoch = max(h.Epoch, r.Epoch)
}

func (t *truth) end(r *run) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r != nil && r.End.IsZero() {
		t.write(r)
		r.End = time.Now()
	}
}

// live lists the containers that run now.
func (t *truth) live() []run {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []run
	for _, r := range t.runs {
		if r.End.IsZero() {
			out = append(out, *r)
		}
	}
	return out
}

// liveOf gives the container of a server that runs now. It needs mu.
func (t *truth) liveOf(server string) *run {
	for _, r := range slices.Backward(t.runs) {
		if r.End.IsZero() && r.Server == server {
			return r
		}
	}
	return nil
}

// excuse notes a reason why a server may be given up without a fault of ours.
func (t *truth) excuse(server, format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.excuses[server] = append(t.excuses[server], fmt.Sprintf(format, args...))
}

// mayEnd checks that an agent ends a game only when somebody wanted that (I13): since the container started, its server was at some
// time not to run, or to restart, or is of a newer epoch.
func (t *truth) mayEnd(r *run, how string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r == nil {
		return
	}
	s, known := t.rows.Servers[r.Server]
	if !known || s.Epoch > r.Epoch || !t.wanted[r.Server].Before(r.Start) || s.Wanted() != fleet.Running || s.Op != nil && s.Op.Kind == fleet.OpRestart {
		return
	}
	t.w.violate("I13", "%s of %s (%s) on %s: nobody asked for that; desired is %s", how, r.Server, r.Container, r.Machine, s.Desired)
}
