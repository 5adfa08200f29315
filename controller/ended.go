package controller

import (
	"errors"
	"strings"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
)

// ErrTakenOver ends a controller whose store is led by another one now.
var ErrTakenOver = fault.Wrap(store.ErrStaleTerm, fault.Stale, "another controller has taken over the store: this one has ended; games run on", "use the other one; to come back to this one, stop the other first")

// explained is a store that can tell why it is lost.
type explained interface{ LostBecause() error }

// ended makes ErrTakenOver of the end of the term, so that this controller is not started again and takes over in turn. A store
// that is lost for another reason says so itself, and a new start is its cure. Other errors pass.
func (a *App) ended(err error) error {
	if !errors.Is(err, store.ErrStaleTerm) || errors.Is(err, ErrTakenOver) {
		return err
	}
	because := err
	if a.because != nil {
		because = a.because.LostBecause()
	}
	if errors.Is(because, store.ErrForgotten) {
		return because
	}
	return ErrTakenOver
}

// atStart is err of a store that cannot be reached, for who starts the controller: it does not wait for the store by itself yet.
func atStart(err error) error {
	const running = "the controller goes on by itself when it answers"
	if next := fault.Next(err); strings.Contains(next, running) {
		return fault.Wrap(err, fault.KindOf(err), fault.Message(err), strings.ReplaceAll(next, running, "start it again when Postgres answers"))
	}
	return err
}
