// Package console keeps every server's console on the node: it follows the container's output, writes it to a bounded history
// on disk with a sequence number per line, and hands it to any number of followers from there. Commands go in by RCON or stdin.
//
// The order of things is the promise: a line is first written to the history together with the place in Docker's log it came from
// (one write call), and only then seen by a follower. A kill -9 at any point therefore neither loses nor repeats a line, and a
// number that someone saw always means the same line. docs/decisions/0002-console-from-logs.md says why the source is Docker's log and not attach.
package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/payperplay/payperplay/protocol"
)

// Limits of the room.
const (
	DefaultMaxBytes = 10 << 20 // history of one server on disk
	MinMaxBytes     = 256 << 10
	maxServers      = 10_000
	syncEvery       = time.Second
	frozenAfter     = 5 * time.Second // two ticks further apart than this: the process was frozen
)

// Options are what the room needs.
type Options struct {
	Dir      string // DATA/console; one folder per server
	Boot     string // boot id of the machine; after another boot up to a second of unsynced lines may be missing
	MaxBytes int64  // history per server in bytes; 0 = DefaultMaxBytes
	Logger   *slog.Logger
	Metrics  prometheus.Registerer
}

func (o *Options) validate() error {
	if o.Dir == "" {
		return errors.New("console: Dir is empty")
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.MaxBytes < MinMaxBytes {
		return fmt.Errorf("console: MaxBytes is %d, want at least %d", o.MaxBytes, MinMaxBytes)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Source is one container, as agent/docker offers it.
type Source interface {
	// ID is the container's full id; another id is another log.
	ID() string
	// Logs opens the container's log with timestamps, both streams, as Docker's raw multiplexed stream (8-byte headers left in).
	// since is inclusive; zero means from the first line kept. With follow it ends when the container stops, or with ctx.
	Logs(ctx context.Context, since time.Time, follow bool) (io.ReadCloser, error)
	// Stdin opens the container's standard input only.
	Stdin(ctx context.Context) (io.WriteCloser, error)
	// Ended says that the container ran and runs no more, or is gone. Created and not yet started is not ended.
	Ended(ctx context.Context) (bool, error)
}

// Upstream is what Attach needs to know about the server.
type Upstream struct {
	Epoch    int64 // commands that name another epoch are refused; 0 = not checked
	MaxBytes int64 // history of this server in bytes; 0 = the room's default
}

// Console is the room. It implements protocol.Console.
type Console struct {
	o       Options
	log     *slog.Logger
	metrics *metrics

	mu      sync.Mutex
	servers map[string]*server
	closed  bool
}

var _ protocol.Console = (*Console)(nil)

// server is all that belongs to one server.
type server struct {
	id   string
	book *book

	write    sync.Mutex // held over append and the watchers, so that these see lines in order
	watchers map[int]func(protocol.Line)
	watchSeq int

	mu    sync.Mutex // guards what follows
	tail  *tail
	epoch int64
	rcon  *rconLine
	stdin stdinLine
}

// New opens the room. Histories are opened when they are first asked for.
func New(o Options) (*Console, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("console: make %s: %w", o.Dir, err)
	}
	m, err := newMetrics(o.Metrics)
	if err != nil {
		return nil, err
	}
	c := &Console{o: o, log: o.Logger.With("component", "console"), metrics: m, servers: map[string]*server{}}
	return c, c.measure(o.Metrics)
}

// Run syncs the histories to disk once a second, and makes all tails look again after the process was frozen
// (Docker's follower may have skipped a whole log file meanwhile). It ends with ctx.
func (c *Console) Run(ctx context.Context) error {
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			now := time.Now()
			if now.Sub(last) > frozenAfter {
				c.reopen()
			}
			c.sync()
			last = time.Now() // a slow disk is not a freeze
		}
	}
}

// Close stops all tails and writes everything to disk.
func (c *Console) Close() error {
	c.mu.Lock()
	c.closed = true
	all := c.list()
	c.mu.Unlock()
	for _, s := range all {
		s.detach()
	}
	var errs []error
	for _, s := range all {
		errs = append(errs, s.book.close())
	}
	return errors.Join(errs...)
}

func (c *Console) sync() {
	c.mu.Lock()
	all := c.list()
	c.mu.Unlock()
	for _, s := range all {
		if err := s.book.sync(); err != nil {
			c.metrics.failures.Inc()
			c.log.Warn("console history was not synced", "server", s.id, "err", err)
		}
	}
}

func (c *Console) reopen() {
	c.mu.Lock()
	all := c.list()
	c.mu.Unlock()
	for _, s := range all {
		s.mu.Lock()
		if s.tail != nil {
			s.tail.lookAgain()
		}
		s.mu.Unlock()
	}
}

// list needs c.mu.
func (c *Console) list() []*server {
	all := make([]*server, 0, len(c.servers))
	for _, s := range c.servers {
		all = append(all, s)
	}
	return all
}

var serverID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// server gives the server's entry; its history is opened, not made: the folder comes with the first line.
func (c *Console) server(id string) (*server, error) {
	if !serverID.MatchString(id) {
		return nil, protocol.Faultf(protocol.Invalid, "give the server's id", "%.70q is not a server id", id)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.servers[id]; s != nil {
		return s, nil
	}
	if c.closed {
		return nil, protocol.Faultf(protocol.Unavailable, "try again", "the agent is shutting down")
	}
	if len(c.servers) >= maxServers {
		return nil, protocol.Faultf(protocol.Exhausted, "remove servers from this node", "this node keeps %d consoles already", maxServers)
	}
	b, err := openBook(filepath.Join(c.o.Dir, id), c.o.MaxBytes, c.o.Boot)
	if err != nil {
		return nil, fmt.Errorf("console of %s: %w", id, err)
	}
	s := &server{id: id, book: b, watchers: map[int]func(protocol.Line){}}
	c.servers[id] = s
	return s, nil
}

// known gives the entry of a server that has one in memory.
func (c *Console) known(id string) *server {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.servers[id]
}
