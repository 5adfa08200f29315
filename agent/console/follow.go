package console

import (
	"context"
	"fmt"

	"github.com/payperplay/payperplay/protocol"
)

// Follow implements protocol.Console. A follower that is slow holds nobody up and loses nothing while the history has it: it reads from there,
// at its own pace. What was dropped before it came that far is told in a gap line, whose number is that of the last line it stands for.
func (c *Console) Follow(ctx context.Context, req protocol.FollowRequest, emit func(protocol.LineBatch) error) error {
	s, err := c.server(req.Server)
	if err != nil {
		return err
	}
	c.metrics.followers.Inc()
	defer c.metrics.followers.Dec()
	first, head := s.book.span()
	from := req.After + 1
	switch {
	case req.After < 0:
		from = max(first, head+req.After+1)
	case req.After == 0, req.After > head: // a cursor from the future belongs to another history: show all of this one
		from = first
	}
	r := s.book.reader(from)
	defer r.close()
	for {
		lines, skipped, err := r.read()
		if err != nil {
			return err
		}
		if skipped > 0 {
			lines = append([]protocol.Line{skippedLine(lines, r.next, skipped)}, lines...)
		}
		if len(lines) > 0 {
			_, head := s.book.span()
			if err := emit(protocol.LineBatch{Lines: lines, Head: head}); err != nil {
				return err
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.book.changed(r.next):
		}
	}
}

// skippedLine stands for n lines before lines (or before next).
func skippedLine(lines []protocol.Line, next, n int64) protocol.Line {
	l := protocol.Line{Seq: next - 1, Kind: protocol.LineGap, Text: fmt.Sprintf("%d lines skipped: older than the history this node keeps", n)}
	if len(lines) > 0 {
		l.Seq, l.Time = lines[0].Seq-1, lines[0].Time
	}
	return l
}
