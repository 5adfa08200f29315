package simulate

import (
	"github.com/payperplay/payperplay/agent/state"
	"github.com/payperplay/payperplay/protocol"
)

// orderOf gives the server and the number of a request that is an order to an agent.
func orderOf(req any) (server string, o state.Order, is bool) {
	switch r := req.(type) {
	case protocol.StartRequest:
		return r.Spec.Server, state.Order{Epoch: r.Grant.Epoch, Number: r.Order}, true
	case protocol.StopRequest:
		return r.Server, state.Order{Epoch: r.Epoch, Number: r.Order}, true
	case protocol.KillRequest:
		return r.Server, state.Order{Epoch: r.Epoch, Number: r.Order}, true
	case protocol.RemoveRequest:
		return r.Server, state.Order{Epoch: r.Epoch, Number: r.Order}, true
	}
	return "", o, false
}

// newestOf is what an agent remembers by: a copy of a disk remembers for itself.
type newestOf struct {
	disk   *disk
	server string
}

// orderArrives checks that an order was committed before it left, and gives the newest that the machine has taken by now.
func (t *truth) orderArrives(m *machine, req any) (newest state.Order) {
	server, o, is := orderOf(req)
	if !is {
		return newest
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if s, ok := t.rows.Servers[server]; ok && s.Order < o.Number || o.Number == 0 {
		t.w.violate("order", "%s got order %d for %s, the newest that was committed is %d", m.name, o.Number, server, s.Order)
	}
	return t.newest[newestOf{m.disk, server}]
}

// orderTaken checks that an order was not taken after a newer one.
func (t *truth) orderTaken(m *machine, req any, newest state.Order) {
	server, o, is := orderOf(req)
	if !is {
		return
	}
	t.w.note(m.name, "takes %T %d of %s", req, o.Number, server)
	t.mu.Lock()
	defer t.mu.Unlock()
	if o.Before(newest) {
		t.w.violate("order", "%s took order %d (epoch %d) for %s after it had taken order %d (epoch %d)", m.name, o.Number, o.Epoch, server, newest.Number, newest.Epoch)
	}
	if at := (newestOf{m.disk, server}); t.newest[at].Before(o) {
		t.newest[at] = o
	}
}
