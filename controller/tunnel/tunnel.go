// Package tunnel accepts agents: it enrols them, keeps their sessions, takes in their reports and gives the rest of the
// controller each node's facets. Agents dial; nothing here ever dials an agent.
//
// Connections by ALPN: ppp-join (no certificate: trade a join token, or a proof of the bound key, for one), ppp-control
// (one per node: Hello, then calls both ways) and ppp-bulk (asked for by ticket, shared per node).
//
// What is true of a node is in fleet's row of it; this room writes the fields that come from the agent and from the
// session: facts, bound key, generation, lock, acknowledged reports, last seen. In memory are only the sessions themselves.
package tunnel

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/rpc"
)

// Events is the part of the event log that this room writes to.
type Events interface {
	Append(tx store.Tx, e event.Event) (event.Event, error)
}

// Options of a Tunnel.
type Options struct {
	DB     store.DB
	CA     *Authority
	Events Events
	// Inventory takes a node's full inventory in the transaction of its Hello; Fact takes one report in the transaction
	// that acknowledges it. A fault of kind invalid, not_found, stale, conflict or precondition from Fact drops the report
	// (counted and logged); any other error keeps it for another try. nil: nothing is done with them.
	Inventory func(tx store.Tx, node string, inventory []protocol.Observed) error
	Fact      func(tx store.Tx, node string, r protocol.Report) error
	// OnChange is called after a commit that changed what is known of a node: it joined, came, went, reported. It must not block.
	OnChange func(node string)

	Heartbeat    time.Duration // told to agents; 0 = rpc.DefaultHeartbeat
	DeadAfter    time.Duration // silence after which either side gives up; 0 = rpc.DefaultDeadAfter
	BulkIdle     time.Duration // a bulk connection that nobody uses is closed after it; 0 = 60 s
	Pending      int           // handshakes under way at once; 0 = 1024
	PendingPerIP int           // of one address; 0 = half of Pending
	Logger       *slog.Logger
	Metrics      prometheus.Registerer
}

func (o *Options) validate() error {
	if o.DB == nil || o.CA == nil || o.Events == nil {
		return errors.New("tunnel: Options need DB, CA and Events")
	}
	if o.Inventory == nil {
		o.Inventory = func(store.Tx, string, []protocol.Observed) error { return nil }
	}
	if o.Fact == nil {
		o.Fact = func(store.Tx, string, protocol.Report) error { return nil }
	}
	if o.OnChange == nil {
		o.OnChange = func(string) {}
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = rpc.DefaultHeartbeat
	}
	if o.DeadAfter == 0 {
		o.DeadAfter = rpc.DefaultDeadAfter
	}
	if o.BulkIdle <= 0 {
		o.BulkIdle = time.Minute
	}
	if o.Pending <= 0 {
		o.Pending = 1024
	}
	if o.PendingPerIP <= 0 {
		o.PendingPerIP = (o.Pending + 1) / 2
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
	return nil
}

// Tunnel is the controller's end of all tunnels.
type Tunnel struct {
	opts  Options
	db    store.DB
	ca    *Authority
	log   *slog.Logger
	m     *metrics
	rpcm  *rpc.Metrics
	watch *rpc.Watch
	mux   *rpc.Mux
	batch batcher
	limit *limiter
	gate  gate

	entrance *tls.Config // of every connection, until it has said what it came for
	confMu   sync.Mutex
	confCert *tls.Certificate
	configs  map[string]*tls.Config // by ALPN, for confCert

	work sync.WaitGroup // handshakes and sessions

	mu      sync.Mutex
	nodes   map[string]*node
	tickets map[string]*bulkWait
	down    bool
}

// node is what is in memory of one node.
type node struct {
	name     string
	barred   bool      // revoked or locked by this process: no session may appear any more
	expected bool      // it was connected when the controller went down
	lastSeen time.Time // of the last session's end, or as stored
	current  *peer     // nil: not connected
	bulk     *bulkLink
	opening  chan struct{} // closed when the bulk connection under way is there or has failed
}

// up is the session that counts: one that has ended or was barred may be in the table for another moment.
func (n *node) up() *peer {
	if n == nil || n.current == nil || n.barred || n.current.session.Err() != nil {
		return nil
	}
	return n.current
}

// New makes a Tunnel. Serve runs it.
func New(opts Options) (*Tunnel, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	t := &Tunnel{
		opts: opts, db: opts.DB, ca: opts.CA, log: opts.Logger.With("component", "tunnel"),
		watch: rpc.NewWatch(0), gate: newGate(2 * runtime.GOMAXPROCS(0)),
		limit: newLimiter(opts.PendingPerIP, 256, 1), nodes: map[string]*node{}, tickets: map[string]*bulkWait{},
	}
	t.batch.db, t.entrance = opts.DB, t.newEntrance()
	t.m = newMetrics(opts.Metrics, t)
	var err error
	if t.rpcm, err = rpc.NewMetrics(opts.Metrics); err != nil {
		return nil, err
	}
	t.mux = rpc.NewMux(t.authorize)
	rpc.ServeHome(t.mux, home{t})
	return t, nil
}

// emit appends an event of a node.
func (t *Tunnel) emit(tx store.Tx, kind, node, actor string, data map[string]any) error {
	_, err := t.opts.Events.Append(tx, event.Event{Type: kind, Node: node, Actor: actor, Data: event.JSON(data)})
	return err
}

// agentActor is the actor of what an agent causes.
func agentActor(node string) string { return "agent:" + node }

// Live is what is known of a node's connection at this moment.
type Live struct {
	Connected bool
	LastSeen  time.Time     // zero: never
	RTT       time.Duration // of the last sample; 0: none yet
	Session   string
}

// Live tells about a node's connection without asking the store.
func (t *Tunnel) Live(id string) Live {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[id]
	if n == nil {
		return Live{}
	}
	if p := n.up(); p != nil {
		return Live{Connected: true, LastSeen: p.session.LastHeard(), RTT: time.Duration(p.rtt.Load()), Session: p.id}
	}
	return Live{LastSeen: n.seen()}
}

// Connected lists the ids of the nodes that are connected now.
func (t *Tunnel) Connected() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]string, 0, len(t.nodes))
	for id, n := range t.nodes {
		if n.up() != nil {
			out = append(out, id)
		}
	}
	return out
}

// seen is the last sign of life of a node that is not up.
func (n *node) seen() time.Time {
	if n.current != nil {
		return n.current.session.LastHeard()
	}
	return n.lastSeen
}

// entry gives the memory of a node; mu is held.
func (t *Tunnel) entry(id string) *node {
	n := t.nodes[id]
	if n == nil {
		n = &node{}
		t.nodes[id] = n
	}
	return n
}

// peerOf gives a node's session or says clearly that there is none.
func (t *Tunnel) peerOf(id string) (*peer, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[id]
	if p := n.up(); p != nil {
		return p, nil
	}
	name, seen := id, "it has not been seen since it was enrolled"
	if n != nil && n.name != "" {
		name = n.name
	}
	if n != nil && !n.seen().IsZero() {
		seen = "it was last seen at " + n.seen().UTC().Format(time.RFC3339)
	}
	return nil, fault.New(fault.Unavailable, "node "+name+" is not connected; "+seen, "check that its machine and its agent are running; games on it go on meanwhile")
}

type peerKey struct{}

func withPeer(ctx context.Context, p *peer) context.Context {
	return context.WithValue(ctx, peerKey{}, p)
}

func peerFrom(ctx context.Context) (*peer, error) {
	p, ok := ctx.Value(peerKey{}).(*peer)
	if !ok {
		return nil, fault.New(fault.Unauthorized, "the call came over no session", "")
	}
	return p, nil
}
