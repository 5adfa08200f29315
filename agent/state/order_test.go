package state

import (
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/payperplay/payperplay/protocol"
)

func TestOrderBefore(t *testing.T) {
	for _, c := range []struct {
		a, b Order
		want bool
	}{
		{Order{}, Order{1, 1}, true}, {Order{1, 1}, Order{1, 1}, false}, {Order{1, 2}, Order{1, 1}, false}, {Order{1, 1}, Order{1, 2}, true},
		{Order{1, 9}, Order{2, 3}, true}, {Order{2, 3}, Order{1, 9}, false},
	} {
		if got := c.a.Before(c.b); got != c.want {
			t.Errorf("%v before %v: %t", c.a, c.b, got)
		}
	}
}

// TestOrdersSurvive: the newest order of a server is known to the next process, also when the server has left or never came.
func TestOrdersSurvive(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	last := func(server string, want Order) {
		t.Helper()
		if got, err := j.LastOrder(t.Context(), server); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", server, got, err, want)
		}
	}
	row := Server{Spec: protocol.Spec{Server: "srv_a"}, Order: Order{2, 7}}
	if err := j.Save(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	if err := j.NoteOrder(t.Context(), "srv_b", Order{1, 3}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		last("srv_a", Order{2, 7})
		last("srv_b", Order{1, 3})
		last("srv_c", Order{})
		j = reopen(t, j, dir)
	}
	if err := j.Drop(t.Context(), "srv_a"); err != nil {
		t.Fatal(err)
	}
	if err := j.Drop(t.Context(), "srv_c"); err != nil { // was never here
		t.Fatal(err)
	}
	j = reopen(t, j, dir)
	last("srv_a", Order{2, 7})
	row.Order = Order{2, 8}
	if err := j.Save(t.Context(), row); err != nil { // the row counts before what is remembered
		t.Fatal(err)
	}
	last("srv_a", Order{2, 8})
}

// TestOrdersAreForgotten: what is remembered of servers that are not here ends with its time, by a clock that was turned either way.
func TestOrdersAreForgotten(t *testing.T) {
	j := open(t, t.TempDir())
	now := time.Now()
	for server, at := range map[string]time.Time{"srv_old": now.Add(-keepOrder - time.Hour), "srv_ahead": now.Add(keepOrder + time.Hour), "srv_recent": now.Add(-keepOrder + time.Hour)} {
		if err := j.do(t.Context(), func(tx *bolt.Tx) error {
			return put(tx, bucketOrders, []byte(server), absentOrder{Order{1, 1}, at})
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.NoteOrder(t.Context(), "srv_new", Order{1, 1}); err != nil {
		t.Fatal(err)
	}
	for server, kept := range map[string]bool{"srv_old": false, "srv_ahead": false, "srv_recent": true, "srv_new": true} {
		if o, err := j.LastOrder(t.Context(), server); err != nil || (o.Number == 1) != kept {
			t.Errorf("%s: %v, %v", server, o, err)
		}
	}
}
