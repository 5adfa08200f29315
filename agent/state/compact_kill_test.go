package state

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/failpoint/killtest"
)

// TestF02KilledWhileCompacting dies at each step of the journal's compaction: the old or the new file has the name, whole.
func TestF02KilledWhileCompacting(t *testing.T) {
	at := func(dir string) (*Journal, error) {
		return Open(Options{Dir: dir, Boot: "boot-1", BridgePool: netip.MustParsePrefix("10.213.0.0/24")})
	}
	killtest.Run(t, killtest.Case{
		Points: []string{"state.compact.before", "state.compact.synced", "state.compact.rename.before", "state.compact.rename.after", "state.compact.after"},
		Work: func(ctx context.Context, dir string, acked func(int)) error {
			j, err := at(dir)
			if err != nil {
				return err
			}
			n := j.NextSeq() + j.Waiting()
			for range 3 {
				var facts []protocol.Fact
				for i := range 300 {
					facts = append(facts, observed(fmt.Sprintf("%0300d", i), protocol.StateRunning, ""))
				}
				if err := j.Append(ctx, facts...); err != nil {
					return err
				}
				n += 300
				acked(int(n - 1))
				if err := j.Ack(ctx, n-10); err != nil {
					return err
				}
				if err := j.compact(filepath.Join(dir, FileName), 16<<10); err != nil {
					return err
				}
			}
			return j.Close()
		},
		Check: func(t *testing.T, dir string, acked int) {
			j, err := at(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = j.Close() }()
			if last := j.NextSeq() + j.Waiting() - 1; last < int64(acked) {
				t.Errorf("the newest report is %d, %d was acknowledged", last, acked)
			}
			reports, err := j.Next(t.Context(), 0, 1<<20)
			if err != nil || int64(len(reports)) != j.Waiting() {
				t.Errorf("%d reports, %d wait, %v", len(reports), j.Waiting(), err)
			}
			if _, err := os.Stat(leftover(filepath.Join(dir, FileName))); !os.IsNotExist(err) {
				t.Error("a copy is left over")
			}
		},
	})
}
