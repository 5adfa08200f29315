package simulate

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/payperplay/payperplay/agent/state"
	"github.com/payperplay/payperplay/agent/supervisor"
	"github.com/payperplay/payperplay/agent/tunnel"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/plant"
)

// disk is what a node keeps: the agent's journal and the volumes. A write counts at once; what is synced survives the machine's death.
type disk struct {
	mu      sync.Mutex
	now     content // as processes see it
	durable content // as the machine would find it after a power cut
	full    int
}

// content is one state of a disk. Values are never changed in place.
type content struct {
	Rows       map[string]string // of servers, JSON
	Reports    []protocol.Report
	First      int64
	NextSeq    int64
	Term       int64
	Mark       []byte // never changed, only replaced
	Generation int64
	Bridges    map[string]netip.Prefix
	Orders     map[string]state.Order // newest, of servers that left or never came
	Volumes    map[string]volume
	Quarantine map[string]volume
}

// volume is a world: its identity and how much was written to it.
type volume struct {
	Epoch  int64
	Writes int
}

func newDisk() *disk {
	c := content{First: 1, NextSeq: 1, Rows: map[string]string{}, Bridges: map[string]netip.Prefix{}, Orders: map[string]state.Order{}, Volumes: map[string]volume{}, Quarantine: map[string]volume{}}
	return &disk{now: c, durable: c.clone()}
}

func (c content) clone() content {
	c.Rows, c.Bridges, c.Volumes, c.Quarantine, c.Orders = maps.Clone(c.Rows), maps.Clone(c.Bridges), maps.Clone(c.Volumes), maps.Clone(c.Quarantine), maps.Clone(c.Orders)
	c.Reports = slices.Clone(c.Reports)
	return c
}

// clone copies the disk, as somebody does who starts an agent on a copy of its data directory.
func (d *disk) clone() *disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &disk{now: d.now.clone(), durable: d.durable.clone()}
}

// powerCut forgets what was not synced.
func (d *disk) powerCut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = d.durable.clone()
}

func (d *disk) fill(by int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full += by
}

// sync makes everything durable. It needs mu.
func (d *disk) sync() { d.durable = d.now.clone() }

var errFull = protocol.Faultf(protocol.ReadOnly, "free space on the node's disk", "the node's disk is full: the agent cannot write its journal")

// journal is agent/state's on a simulated disk, for one process.
type journal struct {
	p    *process
	d    *disk
	id   string // of the data directory: a copy has its own
	run  string
	wake chan struct{}

	handed   int64
	progress map[string]int64
}

var (
	_ supervisor.Journal = (*journal)(nil)
	_ tunnel.Reports     = (*journal)(nil)
	_ tunnel.State       = (*journal)(nil)
)

func newJournal(p *process, d *disk, id, run string) *journal {
	return &journal{p: p, d: d, id: id, run: run, wake: make(chan struct{}, 1), handed: d.now.NextSeq - 1, progress: map[string]int64{}}
}

// write changes the disk and syncs it, unless the process dies before or the disk is full.
func (j *journal) write(what string, fn func(c *content) error) error {
	done, err := j.p.io("journal " + what)
	if err != nil {
		return err
	}
	j.d.mu.Lock()
	if j.d.full > 0 {
		j.d.mu.Unlock()
		return errFull
	}
	err = fn(&j.d.now)
	if err == nil {
		j.d.sync()
	}
	j.d.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case j.wake <- struct{}{}:
	default:
	}
	return done()
}

func (j *journal) Boot() string             { return j.p.boot }
func (j *journal) Run() string              { return j.run }
func (j *journal) Wake() <-chan struct{}    { return j.wake }
func (j *journal) read() (c content)        { j.d.mu.Lock(); defer j.d.mu.Unlock(); return j.d.now }
func (j *journal) NextSeq() int64           { return j.read().First }
func (j *journal) Waiting() int64           { c := j.read(); return c.NextSeq - c.First }
func (j *journal) Term() (int64, error)     { return j.read().Term, j.p.alive() }
func encode(row state.Server) string        { text, _ := json.Marshal(row); return string(text) }
func decode(text string) (row state.Server) { _ = json.Unmarshal([]byte(text), &row); return row }

// row gives a server's row as it would survive a power cut.
func (d *disk) row(server string) (state.Server, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	text, ok := d.durable.Rows[server]
	return decode(text), ok
}

func (j *journal) Save(_ context.Context, row state.Server, facts ...protocol.Fact) error {
	return j.write("save", func(c *content) error {
		if old, ok := c.Rows[row.ID()]; ok {
			j.p.m.w.stopHolds(j.p, decode(old), row)
		}
		c.Rows[row.ID()] = encode(row)
		j.append(c, facts)
		return nil
	})
}

func (j *journal) Drop(_ context.Context, server string, facts ...protocol.Fact) error {
	return j.write("drop", func(c *content) error {
		if o := decode(c.Rows[server]).Order; o.Number > 0 {
			c.Orders[server] = o
		}
		delete(c.Rows, server)
		delete(c.Bridges, server)
		j.append(c, facts)
		return nil
	})
}

func (j *journal) NoteOrder(_ context.Context, server string, o state.Order) error {
	return j.write("order", func(c *content) error { c.Orders[server] = o; return nil })
}

func (j *journal) LastOrder(_ context.Context, server string) (state.Order, error) {
	return j.d.lastOrder(server), j.p.alive()
}

// lastOrder is the newest order on the disk as processes see it.
func (d *disk) lastOrder(server string) state.Order {
	d.mu.Lock()
	defer d.mu.Unlock()
	if text, ok := d.now.Rows[server]; ok {
		return decode(text).Order
	}
	return d.now.Orders[server]
}

func (j *journal) Append(_ context.Context, facts ...protocol.Fact) error {
	return j.write("append", func(c *content) error { j.append(c, facts); return nil })
}

// append numbers facts as agent/state does: a newer progress text takes the place of one that was certainly not sent.
func (j *journal) append(c *content, facts []protocol.Fact) {
	for _, f := range facts {
		seq := c.NextSeq
		if f.Observed != nil {
			server := f.Observed.Server
			if f.Observed.Progress == "" {
				delete(j.progress, server)
			} else {
				if at := j.progress[server]; at > j.handed && at >= c.First {
					c.Reports = slices.Clone(c.Reports)
					c.Reports[at-c.First].Fact = copied(f)
					continue
				}
				j.progress[server] = seq
			}
		}
		r := protocol.Report{Boot: j.p.boot, Run: j.run, Seq: seq, At: time.Now().UTC().Round(0), Fact: copied(f)}
		c.Reports = append(slices.Clip(c.Reports), r)
		c.NextSeq++
		j.p.m.w.truth.report(j.p.m, j.id, r)
	}
}

func (j *journal) Servers(context.Context) ([]state.Server, error) {
	c := j.read()
	var out []state.Server
	for _, id := range slices.Sorted(maps.Keys(c.Rows)) {
		row := decode(c.Rows[id])
		eachTime(reflect.ValueOf(&row).Elem(), j.p.m.clock.reads)
		out = append(out, row)
	}
	return out, j.p.alive()
}

func (j *journal) Bridge(_ context.Context, server string, _ []netip.Prefix) (netip.Prefix, error) {
	var out netip.Prefix
	if p, ok := j.read().Bridges[server]; ok {
		return p, j.p.alive()
	}
	err := j.write("bridge", func(c *content) error {
		taken := map[netip.Prefix]bool{}
		for _, p := range c.Bridges {
			taken[p] = true
		}
		for i := range 255 {
			if out = netip.MustParsePrefix(fmt.Sprintf("10.213.%d.0/29", i)); !taken[out] {
				break
			}
		}
		c.Bridges[server] = out
		return nil
	})
	return out, err
}

func (j *journal) FreeBridge(_ context.Context, server string) error {
	return j.write("free bridge", func(c *content) error { delete(c.Bridges, server); return nil })
}

func (j *journal) SeeTerm(_ context.Context, term int64) error {
	if term == j.read().Term {
		return j.p.alive()
	}
	return j.write("term", func(c *content) error {
		if term < c.Term && !plant.On(plant.StaleTermWrite) {
			return protocol.Faultf(protocol.Stale, "an old copy of the controller is running", "the term %d is older than %d, which this node has seen", term, c.Term)
		}
		c.Term = term
		return nil
	})
}

func (j *journal) Generation(context.Context) (int64, error) {
	var out int64
	err := j.write("generation", func(c *content) error { c.Generation++; out = c.Generation; return nil })
	return out, err
}

func (j *journal) Next(_ context.Context, after int64, limit int) ([]protocol.Report, error) {
	if err := j.p.alive(); err != nil {
		return nil, err
	}
	j.d.mu.Lock()
	defer j.d.mu.Unlock()
	var out []protocol.Report
	for _, r := range j.d.now.Reports {
		if r.Seq > after && len(out) < limit {
			out = append(out, r)
			j.handed = max(j.handed, r.Seq)
		}
	}
	return out, nil
}

func (j *journal) Ack(ctx context.Context, seq int64) error {
	if seq < j.NextSeq() {
		return nil
	}
	return j.AckMarked(ctx, seq, nil)
}

func (j *journal) Mark() []byte { return j.read().Mark }

func (j *journal) AckMarked(_ context.Context, seq int64, mark []byte) error {
	return j.write("ack", func(c *content) error {
		if len(mark) > 0 {
			c.Mark = mark
		}
		for len(c.Reports) > 0 && c.Reports[0].Seq <= seq {
			j.p.m.w.truth.dropped(j.p.m, c.Reports[0])
			c.Reports = c.Reports[1:]
		}
		c.First = min(max(c.First, seq+1), c.NextSeq)
		return nil
	})
}

// Rebase is what agent/state does when the controller knows numbers that this journal never gave.
func (j *journal) Rebase(_ context.Context, after int64) error {
	return j.write("rebase", func(c *content) error {
		if after < c.NextSeq {
			return nil
		}
		next := after + 1
		c.Reports = slices.Clone(c.Reports)
		for i := range c.Reports {
			j.p.m.w.truth.renumbered(j.p.m, c.Reports[i], next)
			c.Reports[i].Seq = next
			next++
		}
		c.First, c.NextSeq, j.handed = after+1, next, after
		clear(j.progress)
		return nil
	})
}
