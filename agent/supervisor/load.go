package supervisor

import (
	"context"
	"time"

	"github.com/payperplay/payperplay/agent/docker"
	"github.com/payperplay/payperplay/agent/state"
	"github.com/payperplay/payperplay/protocol"
)

// load makes a runner for every server of the journal, and for what is on the node without a row: the journal may have been lost.
func (s *Supervisor) load(ctx context.Context) error {
	rows, err := s.o.Journal.Servers(ctx)
	if err != nil {
		return err
	}
	for _, row := range rows {
		r, err := s.add(anchored(row, time.Now()))
		if err != nil {
			return err
		}
		s.readopt(ctx, r)
	}
	volumes, err := s.o.Volumes.List()
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, row := range rows {
		known[row.ID()] = true
	}
	for _, id := range volumes {
		if known[id] {
			continue
		}
		identity, err := s.o.Volumes.Identity(id)
		if err != nil {
			s.log.Warn("a volume belongs to nobody", "server", id, "err", err)
			continue
		}
		if err := s.addLost(ctx, id, identity.Epoch); err != nil {
			return err
		}
	}
	close(s.ready)
	return nil
}

// readopt follows the console of a container that was running when the last process ended.
func (s *Supervisor) readopt(ctx context.Context, r *runner) {
	r.mu.Lock()
	o := r.row.Observed
	r.mu.Unlock()
	if o.Container == "" || !busy(o.State) {
		return
	}
	c, err := s.o.Engine.Inspect(ctx, o.Container)
	if err != nil || !c.Running {
		return // the runner sees to it
	}
	if err := r.attach(ctx, c); err != nil {
		s.log.Warn("console is not followed", "server", r.id, "err", err)
	}
}

// lost is the row of a server of which the journal knows nothing. Without a grant of this boot it is never started by the agent itself;
// what runs of it is adopted, and otherwise it is only inventoried, removed or started anew.
func lost(id string, epoch int64) state.Server {
	return state.Server{Spec: protocol.Spec{Server: id}, Grant: protocol.Grant{Server: id, Epoch: epoch}, Want: state.WantRun,
		Observed: protocol.Observed{Server: id, Epoch: epoch, State: protocol.StateAbsent, Since: time.Now().UTC()}}
}

// addLost makes a runner for such a server. The journal may still know the newest order for it.
func (s *Supervisor) addLost(ctx context.Context, id string, epoch int64) error {
	row := lost(id, epoch)
	var err error
	if row.Order, err = s.o.Journal.LastOrder(ctx, id); err != nil {
		return err
	}
	_, err = s.add(row)
	return err
}

// orphans looks for our containers and bridges that no row knows. A running game is adopted (the controller decides about it),
// everything else is swept away.
func (s *Supervisor) orphans(ctx context.Context) {
	containers, err := s.o.Engine.List(ctx, "")
	if err != nil {
		s.log.Warn("containers were not listed", "err", err)
		return
	}
	for _, c := range containers {
		switch {
		case s.find(c.Server) != nil:
		case c.Running && docker.Check(c.Spec) == nil && c.Spec.Server == c.Server:
			s.log.Warn("running game without a row adopted", "server", c.Server, "epoch", c.Epoch)
			if err := s.addLost(ctx, c.Server, c.Epoch); err != nil {
				return
			}
		case c.Running:
			s.log.Warn("a running container has no usable spec and is left alone", "server", c.Server, "container", c.ID)
		default:
			s.log.Info("container of an unknown server removed", "server", c.Server, "container", c.ID)
			if err := s.o.Engine.Remove(ctx, c.ID); err != nil {
				s.log.Warn("an orphan container stays", "err", err)
			}
		}
	}
	bridges, err := s.o.Engine.Networks(ctx)
	if err != nil {
		return
	}
	for _, server := range bridges {
		if s.find(server) == nil {
			if err := s.o.Engine.RemoveNetwork(ctx, server); err != nil {
				s.log.Warn("an orphan bridge stays", "server", server, "err", err)
			}
		}
	}
}
