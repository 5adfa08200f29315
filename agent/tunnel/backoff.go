package tunnel

import (
	"context"
	"errors"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

const backoffFrom = 250 * time.Millisecond

// backoff is full jitter: a random part (r in [0,1)) of a window that doubles with each failure up to most.
func backoff(failures int, most time.Duration, r float64) time.Duration {
	window := backoffFrom
	for i := 1; i < failures && window < most; i++ {
		window *= 2
	}
	return time.Duration(r * float64(min(window, most)))
}

// fate is what follows from the end of an attempt.
type fate int

const (
	again   fate = iota // dial again soon
	slowly              // dial again, but not soon: only an operator can change the answer
	renewed             // get a new certificate by the key first
	parked              // never dial again
	fatal               // before enrolment: give up and say so
)

// turnedAway is a Hello that the controller answered with a fault.
type turnedAway struct{ error }

func (t turnedAway) Unwrap() error { return t.error }

// fateOf decides about an error of an enrolled agent. Pure.
func fateOf(err error) fate {
	var over *dismissed
	if errors.As(err, &over) {
		if !over.why.Retry {
			return parked
		}
		return again
	}
	var refused turnedAway
	switch protocol.CodeOf(err) {
	case protocol.Unauthorized:
		return parked
	case protocol.Precondition:
		if errors.As(err, &refused) {
			return renewed // "your certificate has expired" is the one thing that a Hello says so
		}
		return again
	case protocol.Forbidden, protocol.Invalid, protocol.Stale:
		return slowly
	default:
		return again
	}
}

// joinFate decides about an error of a join: what another try cannot change ends it. Pure.
func joinFate(err error) fate {
	switch protocol.CodeOf(err) {
	case protocol.Unauthorized, protocol.Conflict, protocol.Invalid, protocol.Forbidden, protocol.Precondition:
		return fatal
	default:
		return again
	}
}

// dismissed is the end of a session that the controller announced.
type dismissed struct{ why protocol.GoodbyeRequest }

func (d *dismissed) Error() string { return "the controller ended the session: " + d.why.Reason }

// wait returns false when ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
