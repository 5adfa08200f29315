package state

import (
	"testing"

	"github.com/payperplay/payperplay/protocol"
)

// TestRebase: reports of a journal that is younger than what the controller has of it are numbered after that, in order, and stay so.
func TestRebase(t *testing.T) {
	dir := t.TempDir()
	j := reopen(t, nil, dir)
	fact := func(server string) protocol.Fact {
		return protocol.Fact{Observed: &protocol.Observed{Server: server, Epoch: 1, State: protocol.StateRunning}}
	}
	if err := j.Append(t.Context(), fact("a"), fact("b")); err != nil {
		t.Fatal(err)
	}
	if err := j.Rebase(t.Context(), 1); err != nil || j.NextSeq() != 1 {
		t.Fatalf("a number that was given here: %v, next %d", err, j.NextSeq())
	}
	if err := j.Rebase(t.Context(), 500); err != nil {
		t.Fatal(err)
	}
	j = reopen(t, j, dir)
	if err := j.Append(t.Context(), fact("c")); err != nil {
		t.Fatal(err)
	}
	got, err := j.Next(t.Context(), 500, 10)
	if err != nil || len(got) != 3 || j.Waiting() != 3 || j.NextSeq() != 501 {
		t.Fatalf("%d reports, %d waiting, next %d: %v", len(got), j.Waiting(), j.NextSeq(), err)
	}
	for i, r := range got {
		if r.Seq != int64(501+i) || r.Fact.Observed.Server != string(rune('a'+i)) {
			t.Errorf("report %d: seq %d of %s", i, r.Seq, r.Fact.Observed.Server)
		}
	}
}

func reopen(t *testing.T, old *Journal, dir string) *Journal {
	t.Helper()
	if old != nil {
		if err := old.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return open(t, dir)
}
