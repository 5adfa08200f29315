// Package fault gives an error of the controller a kind, a text for people, the next step and a cause that is never shown.
// A kind is mapped once to HTTP (Status) and once to the wire: an *Error anywhere in a chain answers errors.As for a
// *protocol.Fault, so protocol.CodeOf and protocol.AsFault understand it, and a Fault from an agent has a kind here.
package fault

import "github.com/payperplay/payperplay/protocol"

// Kind is the wire's code: one list of words for both sides (protocol/fault.go says what each means).
type Kind = protocol.Code

// The kinds.
const (
	Invalid      = protocol.Invalid
	NotFound     = protocol.NotFound
	Conflict     = protocol.Conflict
	Precondition = protocol.Precondition
	Unauthorized = protocol.Unauthorized
	Forbidden    = protocol.Forbidden
	Exhausted    = protocol.Exhausted
	Unavailable  = protocol.Unavailable
	Timeout      = protocol.Timeout
	ReadOnly     = protocol.ReadOnly
	Stale        = protocol.Stale
	Internal     = protocol.Internal
)

// Error is what happened (Msg), what the reader can do (Next), and the cause (Err), which only logs see.
type Error struct {
	Kind      Kind
	Msg, Next string
	Err       error
}

// Error is for logs.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Msg
	}
	return e.Msg + ": " + e.Err.Error()
}

// Unwrap gives errors.Is and errors.As the cause.
func (e *Error) Unwrap() error { return e.Err }

// As turns e into a Fault for the wire; an internal one loses its text.
func (e *Error) As(target any) bool {
	f, ok := target.(**protocol.Fault)
	if ok {
		*f = &protocol.Fault{Code: e.Kind, Message: e.Msg, Next: e.Next}
		if e.Kind == Internal {
			(*f).Message = "Internal error"
		}
	}
	return ok
}

// New makes an error; next may be empty.
func New(kind Kind, msg, next string) error { return &Error{Kind: kind, Msg: msg, Next: next} }

// Wrap gives err a kind, a text and a next step; a nil err stays nil.
func Wrap(err error, kind Kind, msg, next string) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: kind, Msg: msg, Next: next, Err: err}
}

// KindOf is the kind of the outermost fault in err's chain, Internal if there is none, "" for nil.
func KindOf(err error) Kind { return protocol.CodeOf(err) }

// ToProtocol is err as it may cross the tunnel; nil for nil.
func ToProtocol(err error) *protocol.Fault { return protocol.AsFault(err) }

// FromProtocol is a fault of the other side as an error here; nil for nil.
func FromProtocol(f *protocol.Fault) error {
	if f == nil {
		return nil
	}
	return &Error{Kind: f.Code, Msg: f.Message, Next: f.Next}
}

// Message is the text to show, Next the next step. Neither ever tells of internals.
func Message(err error) string {
	if f := ToProtocol(err); f != nil && f.Code != Internal {
		return f.Message
	} else if f == nil {
		return ""
	}
	return "Internal error"
}

// Next is the next step for the person who reads the error, "" if there is none.
func Next(err error) string {
	if f := ToProtocol(err); f != nil && f.Code != Internal {
		return f.Next
	}
	return ""
}
