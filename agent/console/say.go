package console

import (
	"strings"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

// put writes lines with the new place (nil = unchanged) and then shows them to the watchers.
func (c *Console) put(s *server, lines []protocol.Line, p *place) error {
	s.write.Lock()
	defer s.write.Unlock()
	if err := s.book.append(lines, p); err != nil {
		return err
	}
	c.metrics.lines.Add(float64(len(lines)))
	for _, l := range lines {
		for _, fn := range s.watchers {
			fn(l)
		}
	}
	return nil
}

// record writes text as lines of a kind, one per line of text.
func (c *Console) record(s *server, kind protocol.LineKind, text string) ([]protocol.Line, error) {
	now := time.Now().UTC()
	var lines []protocol.Line
	for row := range strings.Lines(text) {
		row = strings.TrimRight(row, "\r\n")
		lines = pieces(lines, protocol.Line{Time: now, Kind: kind, Text: clean([]byte(row))}, false)
	}
	if len(lines) == 0 {
		lines = []protocol.Line{{Time: now, Kind: kind}}
	}
	return lines, c.put(s, lines, nil)
}
