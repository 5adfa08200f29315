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
		r, err := s.add(row)
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
		if _, err := s.add(lost(id, identity.Epoch)); err != nil {
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

// lost is the row of a server that only its volume tells of. It has no spec, so it can only be inventoried, removed or started anew.
func lost(id string, epoch int64) state.Server {
	return state.Server{Spec: protocol.Spec{Server: id}, Grant: protocol.Grant{Server: id, Epoch: epoch}, Want: state.WantStop,
		Observed: protocol.Observed{Server: id, Epoch: epoch, State: protocol.StateAbsent, Since: time.Now().UTC()}}
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
		r := s.find(c.Server)
		if r != nil && (r.observed().State != protocol.StateAbsent || r.want() != state.WantStop || !c.Running) {
			continue
		}
		if !c.Running {
			s.log.Info("container of an unknown server removed", "server", c.Server, "container", c.ID[:12])
			if err := s.o.Engine.Remove(ctx, c.ID); err != nil {
				s.log.Warn("an orphan container stays", "err", err)
			}
			continue
		}
		s.adoptOrphan(ctx, c)
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

// adoptOrphan makes a row from the labels of a running container. Without a grant it is never started again by the agent itself.
func (s *Supervisor) adoptOrphan(ctx context.Context, c docker.Container) {
	row := lost(c.Server, c.Epoch)
	row.Spec = c.Spec
	if docker.Check(c.Spec) != nil || c.Spec.Server != c.Server {
		s.log.Warn("a running container has no usable spec and is left alone", "server", c.Server, "container", c.ID[:12])
		return
	}
	s.log.Warn("running game without a row adopted", "server", c.Server, "epoch", c.Epoch)
	row.Want, row.Observed.State = state.WantRun, protocol.StateStarting
	if r := s.find(c.Server); r != nil {
		_, err := r.order(ctx, func(have *state.Server) error {
			have.Spec, have.Want, have.Observed = row.Spec, row.Want, row.Observed
			have.Grant.Epoch = max(have.Grant.Epoch, c.Epoch)
			return nil
		})
		if err != nil {
			s.log.Warn("adoption failed", "server", c.Server, "err", err)
		}
		return
	}
	if err := s.o.Journal.Save(ctx, row); err != nil {
		s.log.Warn("adoption failed", "server", c.Server, "err", err)
		return
	}
	if _, err := s.add(row); err != nil {
		s.log.Warn("adoption failed", "server", c.Server, "err", err)
	}
}
