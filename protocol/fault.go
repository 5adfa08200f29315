package protocol

import (
	"context"
	"errors"
	"fmt"
)

// Code says what kind of failure a Fault is. The texts travel the wire: do not rename, only add.
type Code string

// The codes. controller/fault maps the same words to HTTP.
const (
	Invalid      Code = "invalid"      // the request can never work as it is
	NotFound     Code = "not_found"    // the thing is not here (or not the caller's)
	Conflict     Code = "conflict"     // the thing exists already, or another operation holds it
	Precondition Code = "precondition" // it changed since the caller read it
	Unauthorized Code = "unauthorized" // who are you?
	Forbidden    Code = "forbidden"    // not with these rights
	Exhausted    Code = "exhausted"    // no room, quota or port left
	Unavailable  Code = "unavailable"  // a part that is needed is away; try again
	Timeout      Code = "timeout"      // the deadline passed; the outcome may be unknown
	ReadOnly     Code = "read_only"    // the disk is full: reads work, writes do not
	Stale        Code = "stale"        // an older term, epoch or generation; the newer one counts
	Internal     Code = "internal"     // our fault; details are in the log only
)

// Fault is an error that may cross the tunnel and reach a person:
// what happened and why (Message), and what to do next (Next).
type Fault struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	Next    string `json:"next,omitempty"`
}

func (f *Fault) Error() string {
	if f.Next == "" {
		return f.Message
	}
	return f.Message + "; " + f.Next
}

// Is makes errors.Is(err, &Fault{Code: NotFound}) ask for the code alone.
func (f *Fault) Is(target error) bool {
	t, ok := target.(*Fault)
	return ok && t.Code == f.Code && t.Message == ""
}

// Faultf makes a Fault; next may be empty.
func Faultf(code Code, next, format string, args ...any) *Fault {
	return &Fault{Code: code, Message: fmt.Sprintf(format, args...), Next: next}
}

// CodeOf tells the kind of err: that of the Fault in its chain, Timeout for a passed deadline, else Internal. nil has no code.
func CodeOf(err error) Code {
	var f *Fault
	switch {
	case err == nil:
		return ""
	case errors.As(err, &f):
		return f.Code
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	case errors.Is(err, context.Canceled):
		return Unavailable
	default:
		return Internal
	}
}

// AsFault turns any error into one that may leave the process: a Fault stays as it is, everything else loses its details.
func AsFault(err error) *Fault {
	var f *Fault
	switch {
	case err == nil:
		return nil
	case errors.As(err, &f):
		return f
	case errors.Is(err, context.DeadlineExceeded):
		return &Fault{Code: Timeout, Message: "the deadline passed", Next: "try again; what was asked may have happened"}
	case errors.Is(err, context.Canceled):
		return &Fault{Code: Unavailable, Message: "the call was given up", Next: "try again"}
	default:
		return &Fault{Code: Internal, Message: "internal error", Next: "see the log of the other side"}
	}
}
