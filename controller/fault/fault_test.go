package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/payperplay/payperplay/protocol"
)

func TestWhatAnErrorTells(t *testing.T) {
	tests := []struct {
		name      string
		err       error
		kind      Kind
		msg, next string
		status    int
	}{
		{"nil", nil, "", "", "", 200},
		{"plain", io.ErrUnexpectedEOF, Internal, "Internal error", "", 500},
		{"new", New(NotFound, "no server x", "list them"), NotFound, "no server x", "list them", 404},
		{"wrapped by fmt", fmt.Errorf("lifecycle: %w", New(Exhausted, "no room", "add a node")), Exhausted, "no room", "add a node", 429},
		{"the outermost counts", Wrap(New(NotFound, "row", ""), Conflict, "busy", "wait"), Conflict, "busy", "wait", 409},
		{"internal hides its text", New(Internal, "password is hunter2", ""), Internal, "Internal error", "", 500},
		{"internal hides what is below", Wrap(New(NotFound, "secret", "x"), Internal, "bug", ""), Internal, "Internal error", "", 500},
		{"deadline", fmt.Errorf("call: %w", context.DeadlineExceeded), Timeout, "the deadline passed", "try again; what was asked may have happened", 504},
		{"cancelled", context.Canceled, Unavailable, "the call was given up", "try again", 503},
		{"from an agent", fmt.Errorf("rpc: %w", &protocol.Fault{Code: Stale, Message: "old epoch", Next: "read again"}), Stale, "old epoch", "read again", 409},
		{"from the wire", FromProtocol(&protocol.Fault{Code: ReadOnly, Message: "disk full"}), ReadOnly, "disk full", "", 507},
	}
	for _, test := range tests {
		if KindOf(test.err) != test.kind || Message(test.err) != test.msg || Next(test.err) != test.next || Status(KindOf(test.err)) != test.status {
			t.Errorf("%s: kind %q, message %q, next %q, status %d; want %+v", test.name,
				KindOf(test.err), Message(test.err), Next(test.err), Status(KindOf(test.err)), test)
		}
	}
}

func TestEveryKindHasAStatusAndCrossesTheWire(t *testing.T) {
	kinds := []Kind{Invalid, NotFound, Conflict, Precondition, Unauthorized, Forbidden, Exhausted, Unavailable, Timeout, ReadOnly, Stale}
	for _, kind := range kinds {
		if s := Status(kind); s == http.StatusInternalServerError || s < 400 {
			t.Errorf("kind %s has status %d", kind, s)
		}
		f := ToProtocol(fmt.Errorf("x: %w", New(kind, "m", "n")))
		if f.Code != kind || f.Message != "m" || f.Next != "n" {
			t.Errorf("kind %s crosses as %+v", kind, f)
		}
		if back := FromProtocol(f); KindOf(back) != kind || Message(back) != "m" || Next(back) != "n" {
			t.Errorf("kind %s comes back as %v", kind, back)
		}
	}
	if ToProtocol(nil) != nil || FromProtocol(nil) != nil || Wrap(nil, Invalid, "", "") != nil {
		t.Error("nil does not stay nil")
	}
	if f := ToProtocol(New(Internal, "the query text", "")); f.Message != "Internal error" {
		t.Errorf("an internal error crosses as %q", f.Message)
	}
}

func TestTheCauseIsKept(t *testing.T) {
	err := Wrap(io.ErrNoProgress, Timeout, "too slow", "")
	if !errors.Is(err, io.ErrNoProgress) || err.Error() != "too slow: "+io.ErrNoProgress.Error() || Message(err) != "too slow" {
		t.Errorf("%v, shown as %q", err, Message(err))
	}
}
