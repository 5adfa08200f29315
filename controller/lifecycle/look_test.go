package lifecycle_test

import (
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
)

// entry is a server as people see it.
type entry struct {
	fleet.Server
	NodeName string
	Status   fleet.Status
}

// find reads a server by name, or by id also while it is being deleted.
func (w *world) find(nameOrID string) (e entry, err error) {
	err = w.db.View(w.t.Context(), func(tx store.Tx) error {
		s, err := fleet.FindServer(tx, nameOrID)
		if err != nil {
			return err
		}
		e, err = look(tx, s)
		return err
	})
	return e, err
}

// all reads the servers by name; those being deleted have none.
func (w *world) all() (out []entry) {
	w.t.Helper()
	w.must(w.db.View(w.t.Context(), func(tx store.Tx) error {
		out = nil
		for s, err := range fleet.Servers.Range(tx, "name", nil, nil, 0, false) {
			if err != nil {
				return err
			}
			e, err := look(tx, s)
			if err != nil {
				return err
			}
			out = append(out, e)
		}
		return nil
	}))
	return out
}

func look(tx store.Tx, s fleet.Server) (entry, error) {
	e := entry{Server: s}
	if s.Node == "" {
		e.Status = fleet.State(s, nil, time.Now())
		return e, nil
	}
	n, err := fleet.Nodes.Get(tx, s.Node)
	switch {
	case err == nil:
		e.NodeName, e.Status = n.Name, fleet.State(s, &n, time.Now())
	case fault.KindOf(err) == fault.NotFound:
		e.Status, err = fleet.State(s, nil, time.Now()), nil
	}
	return e, err
}
