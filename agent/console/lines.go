package console

import (
	"context"
	"strings"

	"github.com/payperplay/payperplay/protocol"
)

const (
	defaultLimit = 1_000
	maxLimit     = 10_000
	maxReply     = 1<<20 - 4<<10 // bytes of one reply as it travels: a message may have 1 MiB
	lineFrame    = 128           // what travels with a line's text: names, numbers, a time
)

// Lines implements protocol.Console: a range, a tail or a search of the history. Without From and Since it gives the newest Limit lines.
func (c *Console) Lines(ctx context.Context, req protocol.LinesRequest) (protocol.LinesReply, error) {
	s, err := c.server(req.Server)
	if err != nil {
		return protocol.LinesReply{}, err
	}
	if req.Limit < 0 || req.Limit > maxLimit {
		return protocol.LinesReply{}, protocol.Faultf(protocol.Invalid, "ask for fewer and go on from the last one", "limit is %d, want 1 to %d", req.Limit, maxLimit)
	}
	if req.Limit == 0 {
		req.Limit = defaultLimit
	}
	first, head := s.book.span()
	w := window{limit: req.Limit, tail: req.Tail || req.From == 0 && req.Since.IsZero()}
	to := head
	if req.To > 0 {
		to = min(to, req.To)
	}
	from := max(req.From, first)
	if w.tail && req.Search == "" && req.Since.IsZero() {
		from = max(from, to-int64(req.Limit)) // one more, to see whether the limit cut
	}
	needle := strings.ToLower(req.Search)
	err = s.book.scan(ctx, from, func(l protocol.Line) bool {
		if l.Seq > to {
			return false
		}
		if l.Time.Before(req.Since) || needle != "" && !strings.Contains(strings.ToLower(l.Text), needle) {
			return true
		}
		return w.add(l)
	})
	return protocol.LinesReply{Lines: w.lines(), First: first, Head: head, More: w.cut}, err
}

// scan calls fn for every line from a number on, until it says no or there are no more.
func (b *book) scan(ctx context.Context, from int64, fn func(protocol.Line) bool) error {
	r := b.reader(from)
	defer r.close()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		lines, _, err := r.read()
		if err != nil || len(lines) == 0 {
			return err
		}
		for _, l := range lines {
			if !fn(l) {
				return nil
			}
		}
	}
}

// window keeps the first or the last lines of what is added, bounded in count and bytes.
type window struct {
	limit int
	tail  bool
	kept  []protocol.Line
	bytes int
	cut   bool
}

// add tells whether more can be taken.
func (w *window) add(l protocol.Line) bool {
	if !w.tail && (len(w.kept) == w.limit || len(w.kept) > 0 && w.bytes+weight(l) > maxReply) {
		w.cut = true
		return false
	}
	w.kept = append(w.kept, l)
	w.bytes += weight(l)
	for w.tail && (len(w.kept) > w.limit || len(w.kept) > 1 && w.bytes > maxReply) {
		w.cut = true
		w.bytes -= weight(w.kept[0])
		w.kept[0] = protocol.Line{}
		w.kept = w.kept[1:]
	}
	return true
}

// weight is how many bytes a line takes in a reply, at most: what JSON escapes travels as \u00XX.
func weight(l protocol.Line) int {
	n := lineFrame + len(l.Text)
	for i := range len(l.Text) {
		switch b := l.Text[i]; {
		case b < 0x20, b == 0x7f, b == '<', b == '>', b == '&', b == 0xe2: // also U+2028 and U+2029, which begin with e2
			n += 5
		case b == '"', b == '\\':
			n++
		}
	}
	return n
}

func (w *window) lines() []protocol.Line {
	if w.kept == nil {
		return []protocol.Line{}
	}
	return w.kept
}

// LastLines gives the newest n lines, for a crash report. It gives none when the history cannot be read.
func (c *Console) LastLines(server string, n int) []protocol.Line {
	s, err := c.server(server)
	if err != nil || n <= 0 {
		return nil
	}
	_, head := s.book.span()
	w := window{limit: n, tail: true}
	r := s.book.reader(head - int64(n) + 1)
	defer r.close()
	for {
		lines, _, err := r.read()
		if err != nil {
			c.log.Warn("console history cannot be read", "server", server, "err", err)
			return w.kept
		}
		if len(lines) == 0 {
			return w.kept
		}
		for _, l := range lines {
			w.add(l)
		}
	}
}
