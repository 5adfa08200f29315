// Package rpc carries the calls of package protocol over one connection: typed calls, streams of values and raw bytes,
// each on its own yamux stream, with a deadline, a term and a trace id. It knows how bytes travel, not what they mean.
//
// A session is made of one (TLS) connection by NewSession. Both ends may call and serve at once:
//
//	agent:      s, err := rpc.NewSession(conn, rpc.Options{Client: true, Heartbeat: rpc.DefaultHeartbeat, …}); go s.Serve(ctx, mux)
//	controller: s, err := rpc.NewSession(conn, rpc.Options{Watch: shared, …});                                go s.Serve(ctx, mux)
//	            reply, err := rpc.Call(ctx, s, protocol.RuntimeStart, req)
//
// On the wire a call is: call frame {method, call id, term, deadline in ms, trace, body}, then one reply, or many items, or raw pieces,
// and at the end a frame that says so, so that a stream that was cut is never taken for a whole one. Closing the stream early cancels the call.
//
// Who is alive is decided by bytes received, not by answers to pings: a slow link is no dead link.
package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/yamux"
)

// Defaults and limits. Times are chosen so that a dead peer is noticed within 10 s on both ends.
const (
	DefaultHeartbeat  = 2500 * time.Millisecond
	DefaultDeadAfter  = 8 * time.Second
	DefaultCall       = 30 * time.Second // deadline of a call whose context has none
	DefaultMaxStreams = 256
	DefaultMaxMessage = 1 << 20   // bytes of one message
	MaxHello          = 4 << 20   // bytes of a Hello: it carries the inventory
	WindowControl     = 256 << 10 // bytes
	WindowBulk        = 16 << 20  // bytes: covers 1 Gbit/s at 100 ms and more

	maxBulkStreams = 16               // a peer can make us hold Window bytes for each stream, so large windows get few streams
	acceptBacklog  = 16               // also the number of streams that may be opened before the first is accepted
	keepIdle       = 3 * time.Second  // a kept stream is closed after so long without a call
	keepMax        = 4                // kept streams of a session
	serveIdle      = 30 * time.Second // the serving side waits so long for the next call on a stream
	progress       = time.Minute      // a raw stream that moves nothing for so long is given up
	writeStall     = 30 * time.Second // a single write to the connection that takes so long ends the session
	frameTimeout   = 5 * time.Minute  // yamux's valve: a frame waits at most so long for its turn
	pingsOpen      = 8                // pings that may be unanswered
	closeGrace     = time.Second      // for the peer to take our close notice
)

// Why a session ended, for errors.Is on Session.Err.
var (
	ErrDead     = errors.New("nothing was heard from the other side")
	ErrClosed   = errors.New("session closed")
	ErrStalled  = errors.New("the other side stopped reading")
	ErrHostile  = errors.New("the other side broke the rules of the tunnel")
	ErrPeerGone = errors.New("the other side closed the connection")
)

// Options say how a session behaves. The zero value of each field is usable.
type Options struct {
	Client bool         // yamux side: the dialler is the client
	Logger *slog.Logger // nil = discard
	// Term gives the controller's own term, sent with every call; on the agent the highest seen.
	Term func() int64
	// SawTerm is set on the agent only. It is called, one at a time, when a call carries a higher term than Term gives, before the handler runs:
	// persist it there. With it set, calls with a lower term are refused with protocol.Stale.
	SawTerm    func(term int64) error
	Heartbeat  time.Duration // ping this often; 0 = passive side, which only watches the silence
	DeadAfter  time.Duration // end the session when nothing was received for so long; 0 = DefaultDeadAfter
	MaxStreams int           // calls served at once; 0 = DefaultMaxStreams (16 with a large Window)
	MaxMessage int           // bytes; 0 = DefaultMaxMessage; a Hello may have MaxHello
	Window     uint32        // yamux window in bytes; 0 = WindowControl
	Watch      *Watch        // shared by all sessions of a process; nil = one of its own
	Metrics    *Metrics      // nil = none
}

func (o Options) withDefaults() (Options, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.DeadAfter == 0 {
		o.DeadAfter = DefaultDeadAfter
	}
	if o.Window == 0 {
		o.Window = WindowControl
	}
	if o.MaxStreams == 0 {
		o.MaxStreams = DefaultMaxStreams
		if o.Window > 1<<20 {
			o.MaxStreams = maxBulkStreams
		}
	}
	if o.MaxMessage == 0 {
		o.MaxMessage = DefaultMaxMessage
	}
	if o.Watch == nil {
		o.Watch = NewWatch(min(watchEvery, o.DeadAfter/8))
	}
	switch {
	case o.Window < WindowControl:
		return o, fmt.Errorf("rpc: window of %d bytes is under the %d that yamux starts with", o.Window, WindowControl)
	case o.Heartbeat < 0 || o.DeadAfter < 0 || o.Heartbeat >= o.DeadAfter:
		return o, fmt.Errorf("rpc: heartbeat %v does not fit dead-after %v", o.Heartbeat, o.DeadAfter)
	case o.MaxStreams < 0 || o.MaxMessage < 0:
		return o, errors.New("rpc: negative limit")
	case o.SawTerm != nil && o.Term == nil:
		return o, errors.New("rpc: SawTerm without Term")
	}
	return o, nil
}

// Session is one connection that both ends call over. All methods may be used from many goroutines.
type Session struct {
	opts Options
	conn *muxConn
	mux  *yamux.Session
	log  *slog.Logger

	done     chan struct{}
	endOnce  sync.Once
	endErr   error // written before done is closed
	draining atomic.Bool
	active   atomic.Int64 // calls being served
	calling  atomic.Int64 // calls being made
	used     atomic.Int64 // watch clock, ns: when the last call of either side ended

	termMu   sync.Mutex
	nextCall atomic.Uint64
	opened   chan struct{} // a place for each stream we have open; made by the first call

	keptMu sync.Mutex
	kept   []*clientStream
	nkept  atomic.Int32

	slot     int   // place in the watch
	nextBeat int64 // watch clock, ns
	pings    atomic.Int32
	rtt      atomic.Int64
}

// NewSession starts a session on conn and owns conn from then on. If it fails, conn is closed.
func NewSession(conn net.Conn, opts Options) (*Session, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	s := &Session{opts: opts, log: opts.Logger, done: make(chan struct{})}
	s.conn = newMuxConn(conn, s)
	cfg := &yamux.Config{
		AcceptBacklog:          acceptBacklog,
		EnableKeepAlive:        false, // the heartbeat is ours: a late ping answer must not end a living session
		KeepAliveInterval:      time.Hour,
		ConnectionWriteTimeout: frameTimeout,
		MaxStreamWindowSize:    opts.Window,
		StreamOpenTimeout:      0, // it would close the whole session; calls have deadlines
		StreamCloseTimeout:     serveIdle,
		Logger:                 &yamuxLog{session: s},
	}
	start := yamux.Server
	if opts.Client {
		start = yamux.Client
	}
	s.mux, err = start(s.conn, cfg)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("rpc: %w", err)
	}
	s.used.Store(opts.Watch.now())
	opts.Metrics.session(1)
	opts.Watch.add(s)
	return s, nil
}

// Serve answers the other side's calls until the session ends or ctx does (which closes the session). It gives the reason of the end.
// Handlers' contexts descend from ctx. Run it on a fresh goroutine: it lives as long as the session, and a goroutine that did the TLS handshake has a large stack.
func (s *Session) Serve(ctx context.Context, mux *Mux) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = s.Close(context.Cause(ctx)) })
	defer stop()
	return s.accept(ctx, mux)
}
