package bolt

import (
	"context"

	"github.com/payperplay/payperplay/controller/store"
)

var _ store.TermRaiser = (*DB)(nil)

// RaiseTerm makes the term at least atLeast, in the file first. What is committed after it is of the new term.
func (db *DB) RaiseTerm(ctx context.Context, atLeast int64) error {
	return db.Update(ctx, func(stx store.Tx) error {
		t, ok := stx.Engine().(*tx)
		if !ok || atLeast <= db.Term() {
			return nil
		}
		t.raised = atLeast
		return t.putMetaInt("term", atLeast)
	})
}
