package state

import (
	"bytes"
	"testing"

	"github.com/payperplay/payperplay/protocol"
)

// TestF25TheMarkIsKept: what a controller vouched for is on the disk with the acknowledgement that it is about.
func TestF25TheMarkIsKept(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	if m := j.Mark(); m != nil {
		t.Errorf("there was a mark: %q", m)
	}
	if err := j.Append(t.Context(), observed("srv_1", protocol.StateRunning, "")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		mark, want []byte
	}{{[]byte("one"), []byte("one")}, {nil, []byte("one")}, {bytes.Repeat([]byte("x"), maxMark+1), []byte("one")}, {[]byte("two"), []byte("two")}} {
		if err := j.AckMarked(t.Context(), 1, c.mark); err != nil {
			t.Fatal(err)
		}
		if got := j.Mark(); !bytes.Equal(got, c.want) || j.Waiting() != 0 || j.NextSeq() != 2 {
			t.Errorf("after %d bytes: %q, %d wait, next %d", len(c.mark), got, j.Waiting(), j.NextSeq())
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if got := open(t, dir).Mark(); string(got) != "two" {
		t.Errorf("after a restart: %q", got)
	}
}
