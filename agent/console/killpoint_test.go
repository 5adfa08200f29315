package console

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/failpoint/killtest"
)

// TestF02ConsoleKilledAtEachStep dies at each write and sync of a history: every line that a reader may have seen is there under its
// number, and no number is given twice.
func TestF02ConsoleKilledAtEachStep(t *testing.T) {
	killtest.Run(t, killtest.Case{
		Points: []string{"console.shelf.before", "console.shelf.synced", "console.shelf.renamed", "console.shelf.after",
			"console.roll.after", "console.write.before", "console.write.after", "console.sync.before", "console.sync.after"},
		At: []int{1, 2},
		Work: func(_ context.Context, dir string, acked func(int)) error {
			for range 2 { // opened and closed, so that the shelf is written again
				b, err := openBook(filepath.Join(dir, "s"), MinMaxBytes, "boot")
				if err != nil {
					return err
				}
				for range 2 * MinMaxBytes / segmentsPerBook / 4000 { // two segments
					n := int(b.head) + 1
					line := testLine(n)
					line.Text += string(make([]byte, 4000))
					if err := b.append([]protocol.Line{line}, nil); err != nil {
						return err
					}
					acked(n)
					if err := b.sync(); err != nil {
						return err
					}
				}
				if err := b.close(); err != nil {
					return err
				}
			}
			return nil
		},
		Check: func(t *testing.T, dir string, acked int) {
			b := mustOpen(t, filepath.Join(dir, "s"), MinMaxBytes, "boot")
			defer crash(b)
			if b.head < int64(acked) {
				t.Errorf("the newest line is %d, %d was acknowledged", b.head, acked)
			}
			lines, skipped := readAll(t, b, 1)
			for i, l := range lines {
				if want := testLine(int(l.Seq)); !l.Time.Equal(want.Time) || i > 0 && l.Seq != lines[i-1].Seq+1 {
					t.Fatalf("line %d is that of %v", l.Seq, l.Time)
				}
			}
			if int64(len(lines))+skipped != b.head {
				t.Errorf("%d lines and %d dropped ones of %d", len(lines), skipped, b.head)
			}
		},
	})
}
