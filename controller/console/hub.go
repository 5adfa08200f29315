package console

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/payperplay/payperplay/protocol"
)

const (
	retryMin  = 100 * time.Millisecond
	retryMax  = 2 * time.Second
	lookEvery = 5 * time.Second // how often a hub looks whether its server has moved
	firstFill = 1_000           // lines a new stream starts with
)

// hub is one watched server: the one stream from its node, and the ring.
type hub struct {
	c      *Console
	server string
	ctx    context.Context
	cancel context.CancelFunc
	kicked chan struct{} // capacity 1
	pages  singleflight.Group

	mu      sync.RWMutex
	ring    ring
	last    int64 // newest number received
	head    int64 // newest number known to be on the node; -1 until it was asked
	node    string
	gen     int           // rises when the numbers begin anew: moved, or the history is another one
	conn    int           // rises with each stream
	caught  int64         // the node's newest number when this stream began: what comes up to there comes in bulk, and a viewer behind it is not slow
	away    string        // why there is no stream now; empty while there is one
	err     error         // the hub has ended
	wake    chan struct{} // closed at the next change
	viewers int
	idle    *time.Timer
}

// newHub makes a hub that outlives the viewer it is made for: it ends when the last one has left.
func (c *Console) newHub(ctx context.Context, server string) *hub {
	h := &hub{c: c, server: server, kicked: make(chan struct{}, 1), head: -1, wake: make(chan struct{})}
	h.ctx, h.cancel = context.WithCancel(context.WithoutCancel(ctx))
	h.idle = time.AfterFunc(idleClose, func() { c.retire(h) })
	h.idle.Stop()
	return h
}

// retire ends a hub that nobody has watched for a while.
func (c *Console) retire(h *hub) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h.mu.RLock()
	watched := h.viewers > 0
	h.mu.RUnlock()
	if !watched {
		h.finish(errClosing)
		c.forget(h)
	}
}

// forget needs c.mu.
func (c *Console) forget(h *hub) {
	if c.hubs[h.server] == h {
		delete(c.hubs, h.server)
	}
}

func (h *hub) kick() {
	select {
	case h.kicked <- struct{}{}:
	default:
	}
}

// finish ends the hub; viewers get err once they have read the ring.
func (h *hub) finish(err error) {
	h.cancel()
	h.idle.Stop()
	h.change(func() {
		if h.err == nil {
			h.err = err
		}
	})
}

// change alters the hub and wakes the viewers.
func (h *hub) change(fn func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	fn()
	close(h.wake)
	h.wake = make(chan struct{})
}

// run keeps the stream up until the hub ends or the server is deleted.
func (h *hub) run() {
	defer func() {
		if p := recover(); p != nil {
			h.c.log.Error("console stream panicked", "server", h.server, "panic", fmt.Sprint(p))
			h.finish(protocol.Faultf(protocol.Internal, "connect again", "the console stream failed"))
		}
		h.c.mu.Lock()
		h.c.forget(h)
		h.c.mu.Unlock()
	}()
	wait := retryMin
	for {
		started := time.Now()
		err := h.stream()
		if h.ctx.Err() != nil {
			return
		}
		if h.deleted(err) {
			h.finish(err)
			return
		}
		h.lost(err)
		if time.Since(started) > retryMax {
			wait = retryMin
		}
		select {
		case <-h.ctx.Done():
			return
		case <-h.kicked:
			wait = retryMin
		case <-time.After(wait/2 + rand.N(wait/2)):
			wait = min(2*wait, retryMax)
		}
	}
}

type whereError struct{ error }

func (e whereError) Unwrap() error { return e.error }

// deleted tells whether the server is gone for good: only our own records say that, never a node.
func (h *hub) deleted(err error) bool {
	var w whereError
	return errors.As(err, &w) && protocol.CodeOf(err) == protocol.NotFound
}

// lost tells the viewers, once, that there is no stream.
func (h *hub) lost(err error) {
	why := "the connection to the server's node is interrupted"
	switch {
	case errors.Is(err, errNoNode):
		why = "the server is not on a node yet"
	case errors.Is(err, errMoved):
		return // the next stream follows at once and tells
	}
	h.mu.RLock()
	told := h.away == why
	h.mu.RUnlock()
	if told {
		return
	}
	h.c.log.Debug("console stream lost", "server", h.server, "err", err)
	h.change(func() {
		h.away = why
		h.ring.add(h.notice(why+waiting), true)
	})
}

// notice needs h.mu. Its number is that of the line before it, so it does not move a viewer's cursor.
func (h *hub) notice(text string) protocol.Line {
	return protocol.Line{Seq: h.last, Time: time.Now().UTC(), Text: text, Kind: protocol.LineSystem}
}

// What viewers are told about the stream.
const (
	waiting = "; this goes on when it is back"
	back    = "connected again"
)

var (
	errNoNode = errors.New("no node")
	errMoved  = errors.New("moved")
)

// stream follows the server's console on the node where it is now, until that breaks or the server is elsewhere.
func (h *hub) stream() error {
	ctx, cancel := context.WithCancelCause(h.ctx)
	defer cancel(nil)
	node, err := h.where(ctx)
	if err != nil {
		return err
	}
	con, err := h.c.o.Agents.Console(node)
	if err != nil {
		return err
	}
	after, err := h.connect(ctx, con, node)
	if err != nil {
		return err
	}
	h.c.metrics.streams.Inc()
	defer h.c.metrics.streams.Dec()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		h.watchPlace(ctx, node, cancel)
	}()
	defer func() { cancel(nil); <-watched }()
	err = con.Follow(ctx, protocol.FollowRequest{Server: h.server, After: after}, func(b protocol.LineBatch) error {
		h.receive(b)
		return nil
	})
	if cause := context.Cause(ctx); cause != nil && h.ctx.Err() == nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	if err == nil {
		err = errors.New("the node ended the stream")
	}
	return err
}

func (h *hub) where(ctx context.Context) (string, error) {
	node, err := h.c.o.Where(ctx, h.server)
	if err != nil {
		return "", whereError{err}
	}
	if node == "" {
		return "", errNoNode
	}
	return node, nil
}

// watchPlace ends the stream when the server is no longer on node.
func (h *hub) watchPlace(ctx context.Context, node string, end context.CancelCauseFunc) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-h.kicked:
		}
		switch now, err := h.where(ctx); {
		case ctx.Err() != nil:
			return
		case h.deleted(err) || errors.Is(err, errNoNode):
			end(err)
			return
		case err == nil && now != node:
			end(errMoved)
			return
		}
	}
}

// connect asks the node what it holds, and gives the number to follow from.
func (h *hub) connect(ctx context.Context, con protocol.Console, node string) (after int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	now, err := con.Lines(ctx, protocol.LinesRequest{Server: h.server, Limit: 1, Tail: true})
	if err != nil {
		return 0, err
	}
	h.change(func() {
		moved := h.node != "" && h.node != node
		if moved || h.last > now.Head {
			h.gen++
			h.head = -1
		}
		if h.head < 0 { // nothing in the ring leads up to the lines that come now
			h.ring = ring{start: h.ring.end(), bytes: h.ring.bytes}
			h.last = max(0, now.First-1, now.Head-firstFill)
		}
		switch {
		case moved:
			h.ring.add(h.notice("the server has moved to another node; its console goes on there"), true)
		case h.away != "":
			h.ring.add(h.notice(back), true)
		}
		h.node, h.away, h.head, h.caught = node, "", now.Head, now.Head
		h.conn++
		after = h.last
	})
	return after, nil
}

// receive takes lines from the node.
func (h *hub) receive(b protocol.LineBatch) {
	h.c.metrics.lines.Add(float64(len(b.Lines)))
	h.change(func() {
		for _, l := range b.Lines {
			if l.Seq <= h.last {
				continue
			}
			h.last = l.Seq
			h.ring.add(l, false)
		}
		h.head = max(h.head, b.Head, h.last)
	})
}
