package console

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/payperplay/payperplay/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node keeps consoles in memory as the agent does on disk. Its link to the controller can be cut.
type node struct {
	mu      sync.Mutex
	lines   []protocol.Line // with the numbers first…head, all of one server
	first   int64
	down    bool
	changed chan struct{}
	streams int // ever opened
	open    int
	pages   int
	sent    []protocol.CommandRequest
}

func newNode() *node { return &node{first: 1, changed: make(chan struct{})} }

func (n *node) bump() {
	close(n.changed)
	n.changed = make(chan struct{})
}

// say adds lines "line <number>", padded to size.
func (n *node) say(count, size int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for range count {
		seq := n.first + int64(len(n.lines))
		n.lines = append(n.lines, protocol.Line{Seq: seq, Time: time.Now(), Text: fmt.Sprintf("%-*s", size, fmt.Sprintf("line %d", seq))})
	}
	n.bump()
}

func (n *node) drop(count int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	count = min(count, len(n.lines))
	n.lines, n.first = n.lines[count:], n.first+int64(count)
}

func (n *node) cut(down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = down
	n.bump()
}

func (n *node) counts() (streams, open int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.streams, n.open
}

// inside looks at the room's own counts.
func inside(c *Console) (hubs, actors int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.hubs), len(c.actors)
}

func (n *node) head() int64 { return n.first + int64(len(n.lines)) - 1 }

var errDown = protocol.Faultf(protocol.Unavailable, "wait", "the node is away")

func (n *node) Lines(_ context.Context, req protocol.LinesRequest) (protocol.LinesReply, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down {
		return protocol.LinesReply{}, errDown
	}
	n.pages++
	r := protocol.LinesReply{First: n.first, Head: n.head()}
	for _, l := range n.lines {
		if l.Seq >= req.From && len(r.Lines) < req.Limit && !req.Tail {
			r.Lines = append(r.Lines, l)
		}
	}
	return r, nil
}

func (n *node) Follow(ctx context.Context, req protocol.FollowRequest, emit func(protocol.LineBatch) error) error {
	n.mu.Lock()
	n.streams++
	n.open++
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		n.open--
		n.mu.Unlock()
	}()
	after := req.After
	for {
		n.mu.Lock()
		if n.down {
			n.mu.Unlock()
			return errDown
		}
		if after > n.head() {
			after = 0
		}
		if after+1 < n.first {
			skipped := n.first - 1 - after
			after = n.first - 1
			n.mu.Unlock()
			if err := emit(protocol.LineBatch{Lines: []protocol.Line{{Seq: after, Kind: protocol.LineGap, Text: fmt.Sprintf("%d lines skipped", skipped)}}}); err != nil {
				return err
			}
			continue
		}
		from := int(after + 1 - n.first)
		b := protocol.LineBatch{Lines: append([]protocol.Line(nil), n.lines[from:min(len(n.lines), from+300)]...), Head: n.head()}
		changed := n.changed
		n.mu.Unlock()
		if len(b.Lines) > 0 {
			if err := emit(b); err != nil {
				return err
			}
			after = b.Lines[len(b.Lines)-1].Seq
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

func (n *node) Command(_ context.Context, req protocol.CommandRequest) (protocol.CommandReply, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sent = append(n.sent, req)
	return protocol.CommandReply{Output: "ok", Via: "rcon"}, nil
}

func (n *node) Export(_ context.Context, _ protocol.ExportRequest, w io.Writer) error {
	_, err := io.WriteString(w, "text")
	return err
}

// cluster says where the one server is.
type cluster struct {
	mu    sync.Mutex
	nodes map[string]*node
	place string
	gone  bool
}

func (c *cluster) Console(name string) (protocol.Console, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.nodes[name]
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down {
		return nil, errDown
	}
	return n, nil
}

func (c *cluster) where(context.Context, string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return "", protocol.Faultf(protocol.NotFound, "", "the server was deleted")
	}
	return c.place, nil
}

func (c *cluster) set(fn func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fn()
}

func setup(t testing.TB, o Options) (*Console, *cluster, *node) {
	t.Helper()
	n := newNode()
	cl := &cluster{nodes: map[string]*node{"a": n}, place: "a"}
	o.Agents, o.Where, o.Metrics = cl, cl.where, prometheus.NewRegistry()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c, cl, n
}

// watcher is someone who watches, and comes back with the last number when the connection ends.
type watcher struct {
	mu     sync.Mutex
	lines  []protocol.Line
	cursor int64
	slow   func()
}

func (w *watcher) emit(b protocol.LineBatch) error {
	w.mu.Lock()
	for _, l := range b.Lines {
		w.lines = append(w.lines, l)
		w.cursor = l.Seq
	}
	slow := w.slow
	w.mu.Unlock()
	if slow != nil {
		slow()
	}
	return nil
}

func (w *watcher) seen() []protocol.Line {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]protocol.Line(nil), w.lines...)
}

// exact checks that the lines after number from up to head came once each and in order; gaps count for what they stand for only if allowed.
func exact(lines []protocol.Line, from, head int64, gaps bool) error {
	next := from + 1
	for _, l := range lines {
		switch l.Kind {
		case protocol.LineSystem:
			if l.Seq != next-1 && next > from+1 {
				return fmt.Errorf("notice %q has number %d after line %d", l.Text, l.Seq, next-1)
			}
			continue
		case protocol.LineGap:
			n := int64(0)
			if _, err := fmt.Sscanf(l.Text, "%d lines skipped", &n); err != nil || !gaps || l.Seq != next-1+n || n < 1 {
				return fmt.Errorf("gap %q with number %d after line %d", l.Text, l.Seq, next-1)
			}
		default:
			if l.Seq != next {
				return fmt.Errorf("line %d after line %d", l.Seq, next-1)
			}
		}
		next = l.Seq + 1
	}
	if next != head+1 {
		return fmt.Errorf("ends with line %d, want %d", next-1, head)
	}
	return nil
}
