package provision_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/provision"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/store/bolt"
	"github.com/payperplay/payperplay/controller/tunnel"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

var errNotYet = errors.New("the token cannot be used")

var errKilled = errors.New("this controller was killed")

// life of one controller. It ends when it is told to, and as soon as a failpoint was passed: nothing that it writes or asks for after
// that happens, as after a kill -9.
type life struct {
	dead  atomic.Bool
	point *atomic.Pointer[string]
}

func (l *life) isDead() bool {
	if p := l.point.Load(); p != nil && failpoint.Passed()[*p] > 0 {
		l.dead.Store(true)
	}
	return l.dead.Load()
}

// mortal is a store that a killed controller cannot write to any more.
type mortal struct {
	store.DB
	*life
	dieAt *atomic.Int64 // at which Update the controller is killed

	meanwhile *atomic.Pointer[func()] // what somebody does just before the next Update
	after     bool                    // the commit happens
}

func (m mortal) Update(ctx context.Context, fn func(store.Tx) error) error {
	if m.isDead() {
		return errKilled
	}
	if do := m.meanwhile.Swap(nil); do != nil {
		(*do)()
	}
	if m.dieAt.Load() > 0 && m.dieAt.Add(-1) == 0 {
		if m.after {
			_ = m.DB.Update(ctx, fn)
		}
		m.dead.Store(true)
		return errKilled
	}
	return m.DB.Update(ctx, func(tx store.Tx) error {
		if m.isDead() {
			return errKilled
		}
		return fn(tx)
	})
}

// lively is the provider as a killed controller reaches it: not any more.
type lively struct {
	*provider
	*life
}

func (l lively) gone() error {
	if l.isDead() {
		return context.Canceled
	}
	return nil
}

func (l lively) Create(ctx context.Context, o cloud.Order) (cloud.Machine, error) {
	if err := l.gone(); err != nil {
		return cloud.Machine{}, err
	}
	return l.provider.Create(ctx, o)
}

func (l lively) Delete(ctx context.Context, id string) error {
	if err := l.gone(); err != nil {
		return err
	}
	return l.provider.Delete(ctx, id)
}

func (l lively) Remove(ctx context.Context, t cloud.Thing) error {
	if err := l.gone(); err != nil {
		return err
	}
	return l.provider.Remove(ctx, t)
}

// world is a controller's rooms over a real store, and a cloud whose machines join.
type world struct {
	t      *testing.T
	db     *bolt.DB
	events *event.Log
	ca     *tunnel.Authority
	cloud  *provider
	link   *link
	capsMu sync.Mutex
	caps   provision.Caps
	opts   func(*provision.Options)
	cut    map[string]bool // nodes that were revoked

	p         *provision.Provision
	tun       *tunnel.Tunnel
	life      *life
	point     atomic.Pointer[string] // a failpoint at which the controller is killed
	dieAt     *atomic.Int64
	meanwhile atomic.Pointer[func()]
	halt      func()
	reg       *prometheus.Registry
}

// tokens are the rows of controller/tunnel: a test joins in the agents' place.
var tokens = store.Table[tunnel.JoinToken]{
	Name: "join_tokens", Key: func(t tunnel.JoinToken) string { return t.Hash },
	Indexes: []store.Index[tunnel.JoinToken]{
		store.Time("expires", func(t tunnel.JoinToken) time.Time { return t.Expires }),
		store.String("machine", func(t tunnel.JoinToken) string { return t.Machine }).Uniq().When(func(t tunnel.JoinToken) bool { return t.Machine != "" }),
	},
}

func newWorld(t *testing.T, seed uint64, opts ...func(*provision.Options)) *world {
	dir := t.TempDir()
	if seed != 0 { // many writes, and a kill is not a power failure: memory will do
		if shm, err := os.MkdirTemp("/dev/shm", "provision"); err == nil {
			t.Cleanup(func() { _ = os.RemoveAll(shm) })
			dir = shm
		}
	}
	tables := slices.Concat(event.Tables(), fleet.Tables(), tunnel.Tables(), provision.Tables())
	db, err := bolt.Open(t.Context(), filepath.Join(dir, "db"), bolt.Options{Tables: tables, DoubleRun: seed == 0})
	must(t, err)
	w := &world{
		t: t, db: db, cloud: newProvider(seed), caps: provision.Caps{MaxNodes: 5, MaxPerDay: 5 * fleet.Euro}, cut: map[string]bool{},
		link: &link{answer: map[string]func(context.Context) (protocol.CheckReply, error){}, gone: map[string]bool{}},
		opts: func(o *provision.Options) {
			for _, f := range opts {
				f(o)
			}
		},
	}
	w.cloud.cluster = db.ClusterID()
	w.cloud.busy = w.busy
	w.cloud.onCreate = func(cloud.Machine) {
		n := 0
		for _, r := range w.cloud.all {
			if r.ended.IsZero() && !r.byHand {
				n++
			}
		}
		if most := w.limits().MaxNodes; n > most {
			w.cloud.fault("%d machines of at most %d", n, most)
		}
	}
	w.events, err = event.New(event.Options{DB: db})
	must(t, err)
	w.ca, err = tunnel.OpenAuthority(filepath.Join(dir, "ca"), db.ClusterID(), nil)
	must(t, err)
	w.start()
	t.Cleanup(func() {
		w.crash()
		must(t, db.Close())
		for _, f := range w.cloud.faults {
			t.Error(f)
		}
	})
	return w
}

func (w *world) limits() provision.Caps {
	w.capsMu.Lock()
	defer w.capsMu.Unlock()
	return w.caps
}

func (w *world) limit(change func(*provision.Caps)) {
	w.capsMu.Lock()
	defer w.capsMu.Unlock()
	change(&w.caps)
}

// start is a controller that starts on the same store.
func (w *world) start() {
	w.life, w.dieAt, w.reg = &life{point: &w.point}, &atomic.Int64{}, prometheus.NewRegistry()
	own := w.life
	w.cloud.byHand(func() { w.cloud.kill = func() { own.dead.Store(true) } })
	db := mortal{DB: w.db, life: w.life, dieAt: w.dieAt, after: w.cloud.dieAfter, meanwhile: &w.meanwhile}
	var err error
	w.tun, err = tunnel.New(tunnel.Options{DB: db, CA: w.ca, Events: w.events})
	must(w.t, err)
	o := provision.Options{
		DB: db, Tunnel: w.link, Events: w.events, Cloud: lively{w.cloud, w.life}, Ground: lively{w.cloud, w.life}, Cluster: w.db.ClusterID(), Tokens: w.tun,
		Caps:     func(store.Tx) (provision.Caps, error) { return w.limits(), nil },
		UserData: func(_ provision.Machine, t tunnel.Token) ([]byte, error) { return []byte(t.Secret), nil },
		Revoke:   w.revoke, Metrics: w.reg, Night: -1,
	}
	w.opts(&o)
	w.p, err = provision.New(o)
	must(w.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = w.p.Run(ctx) }()
	w.halt = func() { cancel(); <-done }
}

func (w *world) crash() {
	w.life.dead.Store(true)
	w.halt()
}

func (w *world) revoke(ctx context.Context, actor, node string) error {
	if w.life.isDead() {
		return errKilled
	}
	return w.tun.Revoke(ctx, actor, node)
}

// update is a transaction of somebody who was not killed.
func (w *world) update(fn func(store.Tx) error) error {
	return w.db.Update(context.Background(), fn)
}

func (w *world) busy(label string) bool {
	is := false
	must(w.t, w.db.View(context.Background(), func(tx store.Tx) error {
		for n, err := range fleet.Nodes.Range(tx, "", nil, nil, 0, false) {
			if err != nil {
				return err
			}
			if n.Machine == "" || label != "mach-"+n.Machine[len(provision.MachinePrefix):] {
				continue
			}
			for range fleet.Servers.Match(tx, "node", n.ID, "", 1, false) {
				is = true
			}
		}
		return nil
	}))
	return is
}

// agents joins for the machines that have booted.
func (w *world) agents() {
	for _, r := range w.cloud.alive() {
		if r.joined || r.mute || r.byHand || time.Since(r.m.Created) < r.bootTime || r.m.State == cloud.Off {
			continue
		}
		sum := sha256.Sum256([]byte(r.data))
		var t tunnel.JoinToken
		may := func(tx store.Tx) (err error) {
			t, err = tokens.Get(tx, hex.EncodeToString(sum[:]))
			if err == nil && (t.Unbound || !t.Used.IsZero() || t.MachineID != r.m.ID || t.Address != r.m.IPv4 || !time.Now().Before(t.Expires)) {
				err = errNotYet
			}
			return err
		}
		if w.db.View(context.Background(), may) != nil {
			continue
		}
		err := w.update(func(tx store.Tx) error {
			if err := may(tx); err != nil {
				return err
			}
			t.Used, t.Node = time.Now(), "node_"+t.Machine
			if err := tokens.Put(tx, t); err != nil {
				return err
			}
			return fleet.Nodes.Put(tx, fleet.Node{ID: t.Node, Name: t.Name, Class: fleet.Cloud, Machine: t.Machine, Proving: true, JoinedAt: time.Now(),
				Session: &fleet.Session{ID: "s", Since: time.Now()}, LastSeen: time.Now(),
				Facts: protocol.NodeFacts{Name: t.Name, Roles: []string{"worker"}, CPUs: 8, MemoryBytes: 64 << 30, DiskBytes: 1 << 40, PortFrom: 20000, PortTo: 29999, Docker: "28"}})
		})
		if err != nil {
			continue
		}
		w.cloud.byHand(func() { w.cloud.of(r.m.ID).joined = true })
		w.link.set(t.Node, ok)
		w.p.Kick()
	}
}

// pass lets time go by, and agents join.
func (w *world) pass(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(min(5*time.Second, time.Until(end)))
		w.agents()
	}
}

func offer(kind, location string) provision.Candidate {
	return provision.Candidate{Type: kind, Location: location, Arch: "amd64", Image: "debian-13", Hourly: prices[kind]}
}

func (w *world) order(c ...provision.Candidate) provision.Machine {
	w.t.Helper()
	m, err := w.p.Order(context.Background(), "olga", provision.Request{Candidates: c, For: "a test"})
	must(w.t, err)
	return m
}

func (w *world) machine(id string) provision.Machine {
	w.t.Helper()
	m, err := w.p.Machine(context.Background(), id)
	must(w.t, err)
	return m
}

func (w *world) phase(id string, want provision.Phase) provision.Machine {
	w.t.Helper()
	m := w.machine(id)
	if m.Phase != want {
		w.t.Fatalf("machine is %s (%s), want %s; %+v", m.Phase, m.Explain(time.Now()), want, m)
	}
	return m
}

// place puts a server on a node as lifecycle does.
// place puts a server on a node, also on one that is closed: an adoption after a restore asks nobody.
func (w *world) place(id, node string) error {
	return w.update(func(tx store.Tx) error {
		n, err := fleet.Nodes.Get(tx, node)
		if err != nil {
			return err
		}
		if n.Cordoned || n.Proving {
			shut := n
			n.Cordoned, n.Proving = false, false
			if err := fleet.Nodes.Put(tx, n); err != nil {
				return err
			}
			defer func() { _ = fleet.Nodes.Put(tx, shut) }()
		}
		if err := fleet.Servers.Put(tx, fleet.Server{ID: "srv_" + id, Name: id, Desired: fleet.Stopped, MemoryBytes: 1 << 30}); err != nil {
			return err
		}
		_, err = fleet.Assign(tx, "srv_"+id, node, time.Now())
		return err
	})
}

func (w *world) remove(id string) {
	must(w.t, w.update(func(tx store.Tx) error {
		if _, err := fleet.Assign(tx, "srv_"+id, "", time.Now()); err != nil {
			return err
		}
		return fleet.Servers.Delete(tx, "srv_"+id)
	}))
	w.p.Kick()
}

func (w *world) happened(kind string) (n int) {
	page, _, err := w.events.Query(context.Background(), event.Filter{Limit: 1000})
	must(w.t, err)
	for _, e := range page {
		if e.Type == kind {
			n++
		}
	}
	return n
}

// sane says that cloud and rows agree: each machine of ours belongs to one row that costs, and the other way round.
func (w *world) sane() error {
	rows, err := w.p.Machines(context.Background(), false)
	if err != nil {
		return err
	}
	byID, byLabel := map[string]provision.Machine{}, map[string]bool{}
	for _, m := range rows {
		byID[m.CloudID] = m
		byLabel["mach-"+m.ID[len(provision.MachinePrefix):]] = true
	}
	var errs []error
	there := map[string]bool{}
	for _, r := range w.cloud.alive() {
		there[r.m.ID] = true
		if _, ok := byID[r.m.ID]; !ok && !r.byHand && !byLabel[r.m.Labels[cloud.LabelMachine]] {
			errs = append(errs, fmt.Errorf("machine %s (%s) is leaked", r.m.ID, r.m.Name))
		}
	}
	for _, m := range rows {
		if m.CloudID != "" && !there[m.CloudID] && m.Phase != provision.Deleting {
			errs = append(errs, fmt.Errorf("row %s is %s, and the machine is not there", m.ID, m.Phase))
		}
	}
	return errors.Join(errs...)
}
