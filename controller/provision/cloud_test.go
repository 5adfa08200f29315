package provision_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fleet"
)

// provider is a cloud in the memory of a test: names are unique, reads lag behind, answers are lost, machines boot and vanish.
type provider struct {
	cluster string

	mu       sync.Mutex
	rng      *rand.Rand
	seq      int
	all      []*rented1
	things   []cloud.Thing
	calls    map[string]int
	script   map[string][]fate // of the next calls of a kind, before chance
	rate     float64           // of calls that go wrong
	slow     time.Duration     // a call takes up to this long
	lag      time.Duration     // by which ByName and List may be late; Get by at most 25 s
	mute     float64           // of machines whose agent never joins
	empty    map[string]bool   // "type@location" without stock
	busy     func(label string) bool
	onCreate func(m cloud.Machine)
	dieAt    int // at which call the controller is killed; 0: never
	dieAfter bool
	kill     func()
	faults   []string // what must never happen, and did
}

// fate is what becomes of a call.
type fate struct {
	kind cloud.Kind // of the error; "" = it is carried out and answered
	done bool       // it is carried out all the same
}

// rented1 is a machine and its times.
type rented1 struct {
	m        cloud.Machine
	data     string // user-data
	hourly   fleet.MicroEuro
	lag      time.Duration
	ended    time.Time
	byHand   bool // not ordered by us
	mute     bool // its agent never joins
	joined   bool
	unlisted bool // List never has it
	bootTime time.Duration
}

var prices = map[string]fleet.MicroEuro{"small": 8_000, "big": 20_000, "huge": 90_000}

func newProvider(seed uint64) *provider {
	return &provider{rng: rand.New(rand.NewPCG(seed, 7)), calls: map[string]int{}, script: map[string][]fate{}, empty: map[string]bool{}, busy: func(string) bool { return false }}
}

func (p *provider) fault(format string, args ...any) {
	p.faults = append(p.faults, fmt.Sprintf(format, args...))
}

// next scripts the fates of the next calls of a kind.
func (p *provider) next(call string, fates ...fate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.script[call] = append(p.script[call], fates...)
}

func (p *provider) count(call string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[call]
}

// call runs do under the chances of the day.
func (p *provider) call(ctx context.Context, name string, do func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls[name]++
	if p.slow > 0 {
		wait := time.Duration(p.rng.Int64N(int64(p.slow)))
		p.mu.Unlock()
		time.Sleep(wait)
		p.mu.Lock()
	}
	if p.dieAt > 0 {
		if p.dieAt--; p.dieAt == 0 {
			p.kill()
			if p.dieAfter && ctx.Err() == nil {
				_ = do()
			}
			return context.Canceled
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var f fate
	if s := p.script[name]; len(s) > 0 {
		f, p.script[name] = s[0], s[1:]
	} else if p.rng.Float64() < p.rate {
		f = []fate{{kind: cloud.RateLimited}, {kind: cloud.Busy}, {kind: cloud.Unavailable}, {kind: cloud.Uncertain}, {kind: cloud.Uncertain, done: true}}[p.rng.IntN(5)]
	}
	if f.kind == "" {
		return do()
	}
	if f.done {
		if err := do(); err != nil {
			return err
		}
	}
	return &cloud.Error{Kind: f.kind, Code: "scripted", Message: "it went wrong", Next: "do something about " + string(f.kind), After: 3 * time.Second}
}

func (p *provider) Create(ctx context.Context, o cloud.Order) (out cloud.Machine, err error) {
	err = p.call(ctx, "create", func() error {
		for _, r := range p.all {
			if r.m.Name == o.Name && r.ended.IsZero() {
				return &cloud.Error{Kind: cloud.Exists, Code: "uniqueness_error", Message: "the name is used"}
			}
		}
		if p.empty[o.Type+"@"+o.Location] {
			return &cloud.Error{Kind: cloud.NoStock, Code: "resource_unavailable", Message: "none of that type"}
		}
		if prices[o.Type] == 0 {
			return &cloud.Error{Kind: cloud.Invalid, Code: "invalid_input", Message: "no such type"}
		}
		out = p.add(o, false)
		return nil
	})
	return out, err
}

// add makes a machine, with mu held.
func (p *provider) add(o cloud.Order, byHand bool) cloud.Machine {
	p.seq++
	m := cloud.Machine{
		ID: fmt.Sprint(p.seq), Name: o.Name, Labels: o.Labels, Type: o.Type, Location: o.Location, Image: o.Image, State: cloud.Starting,
		Created: time.Now(), IPv4: fmt.Sprintf("203.0.%d.%d", p.seq/250, p.seq%250+1),
	}
	for _, r := range p.all {
		if l := m.Labels[cloud.LabelMachine]; !byHand && r.ended.IsZero() && l != "" && r.m.Labels[cloud.LabelMachine] == l {
			p.fault("two machines for %s", l)
		}
	}
	r := &rented1{m: m, data: string(o.UserData), hourly: prices[o.Type], byHand: byHand, bootTime: 20 * time.Second, mute: p.rng.Float64() < p.mute}
	if p.lag > 0 {
		r.lag = time.Duration(p.rng.Int64N(int64(p.lag)))
	}
	p.all = append(p.all, r)
	if p.onCreate != nil && !byHand {
		p.onCreate(m)
	}
	return m
}

// seen is the machine as a read that is late by at most most shows it.
func (r *rented1) seen(most time.Duration) (cloud.Machine, bool) {
	late, now := min(r.lag, most), time.Now()
	if now.Sub(r.m.Created) < late {
		return cloud.Machine{}, false
	}
	if r.ended.IsZero() {
		if r.m.State == cloud.Starting && now.Sub(r.m.Created) > 5*time.Second {
			r.m.State = cloud.On
		}
		return r.m, true
	}
	return r.m, now.Sub(r.ended) < late
}

func (p *provider) read(ctx context.Context, call string, most time.Duration, is func(cloud.Machine) bool) (out cloud.Machine, err error) {
	err = p.call(ctx, call, func() error {
		for i := len(p.all) - 1; i >= 0; i-- {
			if m, ok := p.all[i].seen(most); ok && is(m) {
				out = m
				return nil
			}
		}
		return &cloud.Error{Kind: cloud.NotFound, Message: "no such machine"}
	})
	return out, err
}

func (p *provider) Get(ctx context.Context, id string) (cloud.Machine, error) {
	return p.read(ctx, "get", 25*time.Second, func(m cloud.Machine) bool { return m.ID == id })
}

func (p *provider) ByName(ctx context.Context, name string) (cloud.Machine, error) {
	return p.read(ctx, "byname", time.Minute, func(m cloud.Machine) bool { return m.Name == name })
}

func (p *provider) List(ctx context.Context) (out []cloud.Machine, err error) {
	err = p.call(ctx, "list", func() error {
		out = nil
		for _, r := range p.all {
			if m, ok := r.seen(time.Minute); ok && !r.unlisted && m.Labels[cloud.LabelCluster] == p.cluster {
				out = append(out, m)
			}
		}
		return nil
	})
	return out, err
}

func (p *provider) Delete(ctx context.Context, id string) error {
	return p.call(ctx, "delete", func() error {
		for _, r := range p.all {
			if r.m.ID != id || !r.ended.IsZero() {
				continue
			}
			if r.m.Labels[cloud.LabelManagedBy] != cloud.ManagedBy || r.m.Labels[cloud.LabelCluster] != p.cluster {
				p.fault("machine %s without our labels was deleted", r.m.Name)
			}
			if l := r.m.Labels[cloud.LabelMachine]; l != "" && p.busy(l) {
				p.fault("machine %s was deleted with servers on it", r.m.Name)
			}
			r.ended = time.Now()
		}
		return nil
	})
}

func (p *provider) Leftovers(ctx context.Context) (out []cloud.Thing, err error) {
	all, err := p.List(ctx)
	for _, m := range all {
		out = append(out, cloud.Thing{Kind: cloud.ThingMachine, ID: m.ID, Name: m.Name, Labels: m.Labels, Created: m.Created})
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return append(out, p.things...), err
}

func (p *provider) Remove(ctx context.Context, t cloud.Thing) error {
	return p.call(ctx, "remove", func() error {
		for i, x := range p.things {
			if x.Kind == t.Kind && x.ID == t.ID {
				p.things = append(p.things[:i:i], p.things[i+1:]...)
				return nil
			}
		}
		return nil
	})
}

// made counts the machines that ever were.
func (p *provider) made() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.all)
}

// alive are the machines that are there, as they are now.
func (p *provider) alive() (out []rented1) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.all {
		if r.ended.IsZero() {
			out = append(out, *r)
		}
	}
	return out
}

// of gives the machine itself to somebody who holds mu.
func (p *provider) of(id string) *rented1 {
	for _, r := range p.all {
		if r.m.ID == id {
			return r
		}
	}
	return nil
}

// byHand does something as somebody with the same token.
func (p *provider) byHand(do func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	do()
}

// bill sums the started hours of our orders by day.
func (p *provider) bill() map[string]fleet.MicroEuro {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[string]fleet.MicroEuro{}
	for _, r := range p.all {
		end := r.ended
		if end.IsZero() {
			end = time.Now()
		}
		for h := r.m.Created; !r.byHand && (h.Equal(r.m.Created) || h.Before(end)); h = h.Add(time.Hour) {
			out[h.UTC().Format(time.DateOnly)] += r.hourly
		}
	}
	return out
}
