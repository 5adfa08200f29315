package supervisor

import (
	"context"

	"github.com/payperplay/payperplay/agent/docker"
	"github.com/payperplay/payperplay/agent/state"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/plant"
)

// Orders of one server overtake each other: each is a stream of its own, and the controller sends the next without waiting for the
// one before. Each has a number; the newest that was taken is in the journal together with what it changed, and what comes after it
// with a lower one changes nothing. A server that is not here has no row to keep it in, so the journal remembers it apart: a stop may
// overtake the start that it is for, and a start may come after the removal.

// late is the answer to an order that a newer one has overtaken, nil for any other. A number of 0 is of a controller that gives none.
func late(server string, newest, o state.Order) error {
	if o.Number == 0 || !o.Before(newest) || plant.On(plant.LateOrder) {
		return nil
	}
	return protocol.Faultf(protocol.Stale, "nothing is to be done: the newer order counts", "order %d for server %s at epoch %d was late: order %d at epoch %d was taken before it came",
		o.Number, server, o.Epoch, newest.Number, newest.Epoch)
}

// take puts an order into the row, with its number, in one write.
func (r *runner) take(ctx context.Context, o state.Order, fn func(*state.Server) error) (protocol.Observed, error) {
	return r.order(ctx, func(row *state.Server) error {
		if o.Epoch == 0 {
			o.Epoch = row.Order.Epoch // it claims none
		}
		if err := late(r.id, row.Order, o); err != nil && !undoes(*row) {
			return err
		}
		if err := fn(row); err != nil {
			return err
		}
		if o.Number > 0 && row.Order.Before(o) {
			row.Order = o
		}
		return nil
	})
}

// undoes is the planted bug of a late start that cancels a stop.
func undoes(row state.Server) bool {
	return (row.Want == state.WantStop || row.Want == state.WantKill) && busy(row.Observed.State) && plant.On(plant.StopLosesToStart)
}

// here gives the runner of a server; where there is none it makes one, unless a newer order than o was taken before it left.
func (s *Supervisor) here(ctx context.Context, server string, epoch int64, o state.Order) (*runner, error) {
	s.absent.Lock()
	defer s.absent.Unlock()
	if r := s.find(server); r != nil {
		return r, nil
	}
	newest, err := s.o.Journal.LastOrder(ctx, server)
	if err == nil {
		err = late(server, newest, o)
	}
	if err != nil {
		return nil, err
	}
	row := lost(server, epoch)
	row.Order = newest
	return s.add(row)
}

// notHere gives the runner of a server that an order is to end; nil where there is none: then the order is remembered, for a start from
// before it that comes later.
func (s *Supervisor) notHere(ctx context.Context, server string, o state.Order) (*runner, error) {
	s.absent.Lock()
	defer s.absent.Unlock()
	if r := s.find(server); r != nil || o.Number == 0 {
		return r, nil
	}
	if err := docker.CheckID(server); err != nil {
		return nil, err
	}
	newest, err := s.o.Journal.LastOrder(ctx, server)
	if err != nil {
		return nil, err
	}
	if o.Epoch == 0 {
		o.Epoch = newest.Epoch
	}
	if err := late(server, newest, o); err != nil || o == newest {
		return nil, err
	}
	return nil, s.o.Journal.NoteOrder(context.WithoutCancel(ctx), server, o)
}

// newest gives the numbers of the newest orders that were taken for servers, here or not.
func (s *Supervisor) newest(ctx context.Context, servers []string) (map[string]int64, error) {
	var out map[string]int64
	for _, id := range servers {
		o, err := s.o.Journal.LastOrder(ctx, id)
		if err != nil {
			return nil, err
		}
		if o.Number > 0 && out == nil {
			out = map[string]int64{}
		}
		if o.Number > 0 {
			out[id] = o.Number
		}
	}
	return out, nil
}
