package console

import (
	"bufio"
	"context"
	"io"

	"github.com/payperplay/payperplay/protocol"
)

// Export implements protocol.Console: the whole history as text, one line a line, each behind its time. Pieces of a long line are joined again.
func (c *Console) Export(ctx context.Context, req protocol.ExportRequest, w io.Writer) error {
	s, err := c.server(req.Server)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 32<<10)
	inside := false
	var failed error
	first, head := s.book.span()
	err = s.book.scan(ctx, first, func(l protocol.Line) bool {
		if l.Seq > head {
			return false
		}
		part := l.Kind == protocol.LinePart
		whole := l.Kind == "" || part
		if inside && !whole { // something else came between the pieces
			_ = out.WriteByte('\n')
			inside = false
		}
		if !inside {
			_, _ = out.Write(l.Time.AppendFormat(out.AvailableBuffer(), "2006-01-02T15:04:05.000Z07:00 "))
			_, _ = out.WriteString(kindPrefix(l.Kind))
		}
		_, failed = out.WriteString(l.Text)
		if inside = part; !inside {
			failed = out.WriteByte('\n')
		}
		return failed == nil
	})
	if err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	if inside {
		_ = out.WriteByte('\n')
	}
	return out.Flush()
}

// kindPrefix tells the agent's own lines from the game's in plain text.
func kindPrefix(k protocol.LineKind) string {
	switch k {
	case protocol.LineGap:
		return "[gap] "
	case protocol.LineSystem:
		return "[system] "
	default:
		return ""
	}
}
