package simulate

import (
	"encoding/json"
	"time"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fleet"
)

// staleStamp is how old a time may be that the controller takes for now and writes down: an order waits for its turn, a session's end is
// noticed late.
const staleStamp = 2 * time.Minute

// checkStamps: what is judged by its age is written down by the controller's clock, whatever a node's clock says; and the log's clock never
// goes back, whatever the controller's does. It needs mu.
func (t *truth) checkStamps(ch change, rec *record) {
	for id, s := range ch.servers {
		if s == nil {
			continue
		}
		was := t.rows.Servers[id]
		t.checkStamp("server "+id+" is observed", was.ObservedAt, s.ObservedAt)
		t.checkStamp("server "+id+" is desired", was.DesiredAt, s.DesiredAt)
		if s.Op != nil && (was.Op == nil || was.Op.ID != s.Op.ID) {
			t.checkStamp("an operation on server "+id+" begins", time.Time{}, s.Op.Started)
		}
	}
	for id, n := range ch.nodes {
		if n == nil {
			continue
		}
		was := t.rows.Nodes[id]
		t.checkStamp(id+" is seen", was.LastSeen, n.LastSeen)
		t.checkStamp(id+" says what it has", was.InventoryAt, n.InventoryAt)
		t.checkStamp(id+" is looked at", was.Health.At, n.Health.At)
		if n.Session != nil && (was.Session == nil || was.Session.ID != n.Session.ID) {
			t.checkStamp(id+" has a session", time.Time{}, n.Session.Since)
			t.checkSkew(*n)
		}
	}
	for id, b := range ch.bookings {
		if b != nil {
			t.checkStamp("server "+id+" is booked", t.rows.Bookings[id].BookedAt, b.BookedAt)
		}
	}
	for id, stone := range changed[fleet.Tombstone](rec.puts["tombstones"]) {
		if stone != nil {
			t.checkStamp("server "+id+" is buried", time.Time{}, stone.At)
		}
	}
}

func (t *truth) checkStamp(what string, was, is time.Time) {
	if age := time.Since(is); !is.IsZero() && !is.Equal(was) && (age < 0 || age > staleStamp) {
		t.w.violate("clock", "%s, by a time that is %s old by the controller's clock", what, age)
	}
}

// checkSkew: how wrong a node's clock is shown to be is how wrong it is, against the controller's.
func (t *truth) checkSkew(n fleet.Node) {
	for _, m := range t.w.nodes {
		if m.name != n.Facts.Hostname || !m.clock.steady(staleStamp) || !t.w.clock.steady(staleStamp) {
			continue
		}
		shown, is := time.Duration(n.ClockSkewMS)*time.Millisecond, m.clock.ahead()-t.w.clock.ahead()
		if (shown - is).Abs() > staleStamp {
			t.w.violate("clock", "the clock of %s is shown to be %s ahead, it is %s", m.name, shown, is)
		}
	}
}

// checkLogged follows the clock of the log: it never goes back, and nothing happens after it was logged. It needs mu.
func (t *truth) checkLogged(e event.Event, doc []byte) {
	var row struct {
		Logged time.Time `json:"logged"`
	}
	if err := json.Unmarshal(doc, &row); err != nil {
		panic(err)
	}
	if row.Logged.Before(t.latest) {
		t.w.violate("events", "event %d (%s) was logged %s before the one that it follows", e.Seq, e.Type, t.latest.Sub(row.Logged))
	}
	if e.At.After(row.Logged) {
		t.w.violate("events", "event %d (%s) happened %s after it was logged", e.Seq, e.Type, e.At.Sub(row.Logged))
	}
	t.latest = row.Logged
}
