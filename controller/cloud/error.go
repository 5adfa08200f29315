package cloud

import (
	"errors"
	"fmt"
	"time"
)

// Kind says what a caller may do about an error.
type Kind string

// The kinds.
const (
	NotFound    Kind = "not_found"
	Exists      Kind = "exists"       // a machine or thing with that name is there
	NoStock     Kind = "no_stock"     // none of that type at that location now: try the next
	Limit       Kind = "limit"        // the project may not have more: an operator must ask the provider
	Invalid     Kind = "invalid"      // the order itself is wrong (type retired, image gone): try another or tell the operator
	Denied      Kind = "denied"       // token wrong, read-only, or not ours to touch: trying again cannot help
	RateLimited Kind = "rate_limited" // wait for After
	Busy        Kind = "busy"         // locked or in conflict: the same again in a moment
	Unavailable Kind = "unavailable"  // the provider fails or cannot be reached, and nothing was done
	Uncertain   Kind = "uncertain"    // the answer was lost: it may have been done
)

// Error is what went wrong at a provider. Message is for operators and holds no secret.
type Error struct {
	Kind    Kind
	Code    string // the provider's own word
	Message string
	Next    string        // what an operator does about it; empty = nothing, it mends itself
	After   time.Duration // of RateLimited: how long to wait
	Cause   error
}

func (e *Error) Error() string {
	if e.Code == "" {
		return e.Message
	}
	return fmt.Sprintf("%s (%s)", e.Message, e.Code)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// KindOf gives the kind of an error of a driver; "" for nil, Unavailable for any other error: a driver that forgot to say is not to be
// trusted with a second order, but Uncertain is for those who know.
func KindOf(err error) Kind {
	var e *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Kind
	default:
		return Unavailable
	}
}

// Passing tells whether the same call may work a little later by itself.
func Passing(err error) bool {
	switch KindOf(err) {
	case RateLimited, Busy, Unavailable, Uncertain:
		return true
	case NotFound, Exists, NoStock, Limit, Invalid, Denied:
	}
	return false
}
