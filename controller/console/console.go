// Package console brings servers' consoles to people. However many watch a server, one stream comes from its node; a short ring in
// memory hands the lines to the viewers, each at its own pace. The history is on the node: a viewer that wants older lines than the
// ring holds, or was away, reads them there and then joins the live lines, without gap or double at the seam.
//
// Nothing here is the truth. After a restart of the controller viewers come back with the number of the last line they saw.
package console

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/payperplay/payperplay/protocol"
)

// Limits of the room.
const (
	DefaultMaxViewers = 5_000
	viewerLag         = 256 << 10        // bytes a live viewer may be behind before lines are skipped for it
	idleClose         = 10 * time.Second // the stream from the node ends this long after the last viewer left
	callWithin        = 10 * time.Second // one read of history
	commandWithin     = 15 * time.Second
)

// Agents gives the console of a node. The error is an Unavailable fault while the node is away.
type Agents interface {
	Console(node string) (protocol.Console, error)
}

// Options are what the room needs.
type Options struct {
	Agents Agents
	// Where names the node a server is on, "" when it is on none yet. A NotFound fault means that the server was deleted.
	Where              func(ctx context.Context, server string) (node string, err error)
	MaxViewers         int // per server; 0 = DefaultMaxViewers
	MaxViewersPerActor int // over all servers; 0 = no limit
	Logger             *slog.Logger
	Metrics            prometheus.Registerer
}

func (o *Options) validate() error {
	if o.Agents == nil || o.Where == nil {
		return errors.New("console: Agents and Where are needed")
	}
	if o.MaxViewers == 0 {
		o.MaxViewers = DefaultMaxViewers
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Console is the room.
type Console struct {
	o       Options
	log     *slog.Logger
	metrics *metrics
	typing  typing

	mu     sync.Mutex
	hubs   map[string]*hub
	actors map[string]int // viewers by actor
	closed bool
	hubsWG sync.WaitGroup
}

// New makes the room.
func New(o Options) (*Console, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	m, err := newMetrics(o.Metrics)
	if err != nil {
		return nil, err
	}
	return &Console{o: o, log: o.Logger.With("component", "console"), metrics: m, hubs: map[string]*hub{}, actors: map[string]int{}, typing: newTyping()}, nil
}

// Close ends all streams; viewers get an Unavailable fault.
func (c *Console) Close() error {
	c.mu.Lock()
	c.closed = true
	for _, h := range c.hubs {
		h.finish(errClosing)
	}
	c.mu.Unlock()
	c.hubsWG.Wait()
	return nil
}

var errClosing = protocol.Faultf(protocol.Unavailable, "connect again", "the controller is shutting down")

// Kick says that something about where the server runs may have changed, so that its stream looks at once.
func (c *Console) Kick(server string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.hubs[server]; h != nil {
		h.kick()
	}
}

// Lines reads the history. A server that was never on a node has none.
func (c *Console) Lines(ctx context.Context, req protocol.LinesRequest) (protocol.LinesReply, error) {
	con, err := c.agent(ctx, req.Server)
	if err != nil || con == nil {
		return protocol.LinesReply{Lines: []protocol.Line{}}, err
	}
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	return con.Lines(ctx, req)
}

// Export writes the whole history as text to w.
func (c *Console) Export(ctx context.Context, server string, w io.Writer) error {
	con, err := c.agent(ctx, server)
	if err != nil || con == nil {
		return err
	}
	return con.Export(ctx, protocol.ExportRequest{Server: server}, w)
}

// agent gives the console of the server's node, nil when the server is on none.
func (c *Console) agent(ctx context.Context, server string) (protocol.Console, error) {
	node, err := c.o.Where(ctx, server)
	if err != nil || node == "" {
		return nil, err
	}
	return c.o.Agents.Console(node)
}
