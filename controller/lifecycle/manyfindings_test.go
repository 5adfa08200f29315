package lifecycle_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// reads counts what is read of a store inside one transaction.
type reads struct {
	store.Tx
	n *int
}

func (r reads) Engine() store.Engine { return readsEngine{r.Tx.Engine(), r.n} }

type readsEngine struct {
	store.Engine
	n *int
}

func (e readsEngine) Get(table, key string) ([]byte, error) {
	*e.n++
	return e.Engine.Get(table, key)
}

func (e readsEngine) Scan(q store.Query, yield func(string, []byte, error) bool) error {
	return e.Engine.Scan(q, func(key string, doc []byte, err error) bool {
		*e.n++
		return yield(key, doc, err)
	})
}

// TestF25ManyFindingsAreLinear: what is read to write down a contradiction, to ask about a server that waits, and to decide about it does
// not grow with how many others wait.
func TestF25ManyFindingsAreLinear(t *testing.T) {
	each := func(t *testing.T, w *world, count int) (noted, asked, decided float64) {
		t.Helper()
		var found []protocol.Observed
		for i := range count {
			found = append(found, protocol.Observed{Server: fmt.Sprintf("srv_%d_%05d", count, i), Epoch: 1, State: protocol.StateRunning})
		}
		did := func(do func(tx store.Tx) error) float64 {
			n := 0
			w.must(w.db.Update(t.Context(), func(tx store.Tx) error { n = 0; return do(reads{tx, &n}) }))
			return float64(n) / float64(count)
		}
		noted = did(func(tx store.Tx) error { return fleet.Inventory(tx, w.log, "node_many", found, time.Now()) })
		asked = did(func(tx store.Tx) error {
			for _, o := range found {
				if g, err := fleet.ReadGate(tx, fleet.Server{ID: o.Server}); err != nil || g.Sign != fleet.SignUnknown {
					return fmt.Errorf("%s: %+v, %w", o.Server, g, err)
				}
			}
			return nil
		})
		decided = did(func(tx store.Tx) error {
			for _, o := range found {
				if _, err := fleet.Decide(tx, o.Server, fleet.Kept, "olga", time.Now()); err != nil {
					return err
				}
			}
			return nil
		})
		w.must(w.db.View(t.Context(), func(tx store.Tx) error {
			r, err := fleet.ReadRecovery(tx)
			if r.Undecided != 0 {
				t.Errorf("%d wait after all were decided", r.Undecided)
			}
			return err
		}))
		return noted, asked, decided
	}
	scene(t, func(t *testing.T, w *world) {
		w.node("n1", gib) // with another node, a single one's word is written down and opens nothing
		const most = 8    // each; with 2,000 others that were read it would be 2,000
		for _, count := range []int{200, 2000} {
			if noted, asked, decided := each(t, w, count); noted > most || asked > most || decided > most {
				t.Errorf("%d contradictions: %.1f rows are read for each to write it down, %.1f to ask, %.1f to decide", count, noted, asked, decided)
			}
		}
	})
}
