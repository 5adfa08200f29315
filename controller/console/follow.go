package console

import (
	"context"
	"fmt"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

const (
	pageLines   = 1_000
	afterSkip   = 32 << 10              // bytes a slow viewer is left with after lines were skipped for it
	gatherEach  = 40 * time.Microsecond // per viewer: how long lines are gathered between two batches, so that many viewers do not cost a batch each per line
	gatherMax   = 40 * time.Millisecond
	gatherFrom  = 20 // viewers; fewer get every line at once
	pageBackoff = 500 * time.Millisecond
)

// Follow shows the console to one viewer: the lines after number after (-N = the last N, 0 = all), then live ones, until ctx ends, emit fails,
// or the server is deleted. What a viewer was too slow for, or what the node no longer keeps, is told in a gap line.
func (c *Console) Follow(ctx context.Context, server string, after int64, emit func(protocol.LineBatch) error) error {
	return c.FollowAs(ctx, "", server, after, emit)
}

// FollowAs is Follow for an actor whose viewers are counted.
func (c *Console) FollowAs(ctx context.Context, actor, server string, after int64, emit func(protocol.LineBatch) error) error {
	if _, err := c.o.Where(ctx, server); err != nil {
		return err
	}
	h, err := c.join(ctx, actor, server)
	if err != nil {
		return err
	}
	defer c.leave(actor, h)
	v := viewer{h: h, emit: emit, cursor: after, pos: -1}
	h.mu.RLock()
	v.gen = h.gen
	h.mu.RUnlock()
	return v.run(ctx)
}

func (c *Console) join(ctx context.Context, actor, server string) (*hub, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errClosing
	}
	h := c.hubs[server]
	if h == nil {
		h = c.newHub(ctx, server)
		c.hubs[server] = h
		c.hubsWG.Go(h.run)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch limit := c.o.MaxViewersPerActor; {
	case h.viewers >= c.o.MaxViewers:
		c.metrics.refused.Inc()
		return nil, protocol.Faultf(protocol.Exhausted, "try again later", "%d people watch this console already", h.viewers)
	case limit > 0 && actor != "" && c.actors[actor] >= limit:
		c.metrics.refused.Inc()
		return nil, protocol.Faultf(protocol.Exhausted, "close a console", "you watch %d consoles already", limit)
	}
	if actor != "" {
		c.actors[actor]++
	}
	h.viewers++
	h.idle.Stop()
	c.metrics.viewers.Inc()
	return h, nil
}

func (c *Console) leave(actor string, h *hub) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.actors[actor]--; c.actors[actor] <= 0 {
		delete(c.actors, actor)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.viewers--
	c.metrics.viewers.Dec()
	if h.viewers == 0 && h.err == nil {
		h.idle.Reset(idleClose)
	}
}

// viewer is one who watches. It lives on the goroutine of its Follow.
type viewer struct {
	h      *hub
	emit   func(protocol.LineBatch) error
	cursor int64 // number of the last line given; negative = the last -cursor lines, until the head is known
	pos    int64 // in the ring; -1 = the next line is not there
	gen    int
	conn   int
	live   bool   // has caught up since the stream began: from then on it can be too slow
	told   string // why there is no stream, as far as this viewer was told
}

// view is what a viewer does next.
type view struct {
	batch protocol.LineBatch
	page  bool            // read older lines from the node first
	wake  <-chan struct{} // nothing to give: wait for this
	err   error
	many  int // viewers
}

func (v *viewer) run(ctx context.Context) error {
	for {
		n := v.look()
		if n.err != nil && len(n.batch.Lines) == 0 {
			return n.err
		}
		if len(n.batch.Lines) > 0 {
			if err := v.emit(n.batch); err != nil {
				return err
			}
			if err := gather(ctx, n.many); err != nil {
				return err
			}
			continue
		}
		if n.page {
			if err := v.page(ctx, n.wake); err != nil {
				return err
			}
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-n.wake:
		}
	}
}

// gather waits a little between batches when many watch.
func gather(ctx context.Context, viewers int) error {
	if viewers < gatherFrom {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(min(time.Duration(viewers)*gatherEach, gatherMax)):
		return nil
	}
}

// look takes what the ring has for the viewer.
func (v *viewer) look() view {
	h := v.h
	h.mu.RLock()
	defer h.mu.RUnlock()
	n := view{wake: h.wake, err: h.err, many: h.viewers}
	if v.gen != h.gen {
		v.gen, v.cursor, v.pos, v.live = h.gen, 0, h.ring.start, false
	}
	if v.conn != h.conn {
		v.conn, v.live = h.conn, false
	}
	if v.pos < 0 && !v.enter(&n) {
		return n
	}
	if v.pos < h.ring.start && !v.live {
		v.pos, n.page = -1, true
		return n
	}
	var gap []protocol.Line
	if v.live && h.ring.behind(v.pos) > viewerLag {
		gap = v.skip()
	}
	lines, pos := h.ring.read(v.pos)
	v.pos = pos
	n.batch.Lines = append(gap, v.fresh(lines, pos-int64(len(lines)))...)
	n.batch.Head = max(h.head, v.cursor)
	if pos == h.ring.end() && h.last >= h.caught {
		v.live = true
	}
	if pos < h.ring.end() && len(n.batch.Lines) == 0 {
		closed := make(chan struct{}) // only lines that it has already: go on at once
		close(closed)
		n.wake, n.err = closed, nil
	}
	return n
}

// enter finds the viewer's place in the ring. It is false when there is none: then n says what to do.
func (v *viewer) enter(n *view) bool {
	h := v.h
	if v.told != h.away {
		v.told = h.away
		text := back
		if h.away != "" {
			text = h.away + waiting
		}
		l := protocol.Line{Seq: max(v.cursor, 0), Time: time.Now().UTC(), Text: text, Kind: protocol.LineSystem}
		n.batch = protocol.LineBatch{Lines: []protocol.Line{l}, Head: max(h.head, l.Seq)}
		return false
	}
	if h.head < 0 {
		return false
	}
	if v.cursor < 0 {
		v.cursor = max(0, h.head+v.cursor)
	}
	pos, ok := h.ring.find(v.cursor)
	if v.cursor <= h.head && ok || v.cursor == h.last {
		v.pos = pos
		return true
	}
	n.page = true
	return false
}

// skip moves a viewer that is too slow near the end and gives the gap line for what it missed.
func (v *viewer) skip() []protocol.Line {
	r := &v.h.ring
	v.pos = r.catchUp(v.pos, afterSkip)
	upTo := v.h.last
	if v.pos < r.end() {
		if s := r.slots[v.pos-r.start]; s.note {
			upTo = s.line.Seq
		} else {
			upTo = s.line.Seq - 1
		}
	}
	missed := upTo - v.cursor
	if missed <= 0 {
		return nil
	}
	v.cursor = upTo
	v.h.c.metrics.skipped.Add(float64(missed))
	return []protocol.Line{{Seq: upTo, Time: time.Now().UTC(), Kind: protocol.LineGap, Text: fmt.Sprintf("%d lines skipped: this viewer was too slow for them", missed)}}
}

// fresh leaves out what the viewer has, and gives notices the number of the line before them. first is the position of lines[0].
func (v *viewer) fresh(lines []protocol.Line, first int64) []protocol.Line {
	kept := lines[:0]
	for i, l := range lines {
		switch r := &v.h.ring; {
		case r.slots[first+int64(i)-r.start].note:
			l.Seq = v.cursor
		case l.Seq <= v.cursor:
			continue
		default:
			v.cursor = l.Seq
		}
		kept = append(kept, l)
	}
	return kept
}
