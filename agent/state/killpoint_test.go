package state

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/failpoint/killtest"
)

// TestF02KilledAtEachCommit dies before and after transactions of the journal: a grant that was answered for is there, with the term
// it came with, and no report is missing.
func TestF02KilledAtEachCommit(t *testing.T) {
	killtest.Run(t, commits())
}

// TestF14JournalIsSyncedFirst: nothing is answered for before the journal's file, and its name, are on the disk.
func TestF14JournalIsSyncedFirst(t *testing.T) { killtest.Synced(t, commits(), reserveName) }

func commits() killtest.Case {
	return killtest.Case{
		Points: []string{"state.open.before", "state.open.after", "state.commit.before", "state.commit.after"},
		Work: func(ctx context.Context, dir string, acked func(int)) error {
			for range 3 { // opened three times, so that each point is passed often enough
				j, err := Open(Options{Dir: dir, Boot: "boot-1", BridgePool: netip.MustParsePrefix("10.213.0.0/24")})
				if err != nil {
					return err
				}
				rows, err := j.Servers(ctx)
				if err != nil {
					return err
				}
				n := int64(len(rows)) + 1
				if err := j.SeeTerm(ctx, n); err != nil {
					return err
				}
				id := fmt.Sprint("srv_", n)
				row := Server{Spec: protocol.Spec{Server: id}, Grant: protocol.Grant{Server: id, Epoch: n, Boot: "boot-1"}, Want: WantRun}
				if err := j.Save(ctx, row, observed(id, protocol.StateStarting, "")); err != nil {
					return err
				}
				acked(int(n))
				if err := j.Close(); err != nil {
					return err
				}
			}
			return nil
		},
		Check: func(t *testing.T, dir string, acked int) {
			j := open(t, dir)
			defer func() { _ = j.Close() }()
			if term, err := j.Term(); err != nil || term < int64(acked) {
				t.Errorf("term %d (%v), %d was acknowledged", term, err, acked)
			}
			rows, err := j.Servers(t.Context())
			if err != nil || len(rows) < acked {
				t.Errorf("%d servers (%v), %d were acknowledged", len(rows), err, acked)
			}
			for _, row := range rows {
				if id := fmt.Sprint("srv_", row.Grant.Epoch); row.ID() != id || row.Grant.Server != id || row.Grant.Boot != "boot-1" {
					t.Errorf("a row by half: %+v", row)
				}
			}
			reports, err := j.Next(t.Context(), 0, 100)
			if err != nil || len(reports) != len(rows) {
				t.Errorf("%d reports (%v) of %d servers", len(reports), err, len(rows))
			}
			for i, r := range reports {
				if r.Seq != int64(i+1) {
					t.Errorf("report %d has the number %d", i+1, r.Seq)
				}
			}
		},
	}
}
