package supervisor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/payperplay/payperplay/agent/docker"
	"github.com/payperplay/payperplay/agent/state"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/plant"
)

// loaded waits until the rows of the journal are known, so that no order meets a half-read state.
func (s *Supervisor) loaded(ctx context.Context) error {
	select {
	case <-s.ready:
		return nil
	case <-s.ended:
		return protocol.Faultf(protocol.Unavailable, "try again when the agent is back", "the agent is shutting down")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Start takes an order to run a server. It returns when the grant is on disk.
func (s *Supervisor) Start(ctx context.Context, req protocol.StartRequest) (protocol.StartReply, error) {
	if err := s.loaded(ctx); err != nil {
		return protocol.StartReply{}, err
	}
	if err := s.acceptable(ctx, req); err != nil {
		return protocol.StartReply{}, err
	}
	o := state.Order{Epoch: req.Grant.Epoch, Number: req.Order}
	r, err := s.here(ctx, req.Spec.Server, 0, o)
	if err != nil {
		return protocol.StartReply{}, err
	}
	seen, err := r.take(ctx, o, func(row *state.Server) error {
		if o.Number > 0 && row.Order == o {
			return nil // the same once more, maybe long after: what it began may have ended since, and the controller knows that
		}
		return start(row, req, time.Now().UTC())
	})
	if err == nil {
		s.log.Info("start ordered", "server", r.id, "epoch", req.Grant.Epoch, "revision", req.Spec.Revision, "order", req.Order, "op", req.Op)
	}
	return protocol.StartReply{Observed: seen}, err
}

// acceptable checks what does not depend on the server's row.
func (s *Supervisor) acceptable(ctx context.Context, req protocol.StartRequest) error {
	if err := docker.Check(req.Spec); err != nil {
		return err
	}
	g := req.Grant
	switch {
	case g.Server != req.Spec.Server || g.Node != s.o.Node || g.Epoch < 1:
		return protocol.Faultf(protocol.Invalid, "", "the grant is for server %q on node %q at epoch %d", g.Server, g.Node, g.Epoch)
	case g.Boot != s.o.Journal.Boot():
		return protocol.Faultf(protocol.Stale, "give a grant for the present boot", "the grant is for another boot of node %s", s.o.Engine.Name())
	case s.o.PortFrom > 0 && (req.Spec.HostPort < s.o.PortFrom || req.Spec.HostPort > s.o.PortTo):
		return protocol.Faultf(protocol.Invalid, "choose another port or widen the agent's --ports", "port %d is outside %d-%d", req.Spec.HostPort, s.o.PortFrom, s.o.PortTo)
	}
	if plant.On(plant.StaleTermWrite) {
		return nil
	}
	return s.o.Journal.SeeTerm(ctx, g.Term)
}

// start puts the order into the row.
func start(row *state.Server, req protocol.StartRequest, now time.Time) error {
	running := busy(row.Observed.State)
	switch {
	case req.Grant.Epoch < row.Grant.Epoch:
		return protocol.Faultf(protocol.Stale, "", "server %s is at epoch %d here, the grant is of %d", row.ID(), row.Grant.Epoch, req.Grant.Epoch)
	case row.Want == state.WantGone:
		return protocol.Faultf(protocol.Conflict, "try again in a moment", "server %s is being removed from the node", row.ID())
	case (row.Want == state.WantStop || row.Want == state.WantKill) && running && (row.Stop == nil || !row.Stop.Restart) && !plant.On(plant.StopLosesToStart):
		return protocol.Faultf(protocol.Conflict, "wait until it has stopped", "server %s is stopping", row.ID())
	}
	newEpoch := req.Grant.Epoch > row.Grant.Epoch
	row.Fresh = req.Fresh || row.Fresh && !newEpoch
	row.Spec, row.Grant = req.Spec, req.Grant
	if row.Stop != nil && row.Stop.Restart && running {
		return nil // it starts again after the stop that is under way
	}
	if row.Want == state.WantRun && !row.GaveUp && running {
		return nil
	}
	row.Want, row.Stop, row.GaveUp, row.Ends = state.WantRun, nil, false, nil
	o := row.Observed
	row.Observed = protocol.Observed{Server: row.ID(), Epoch: row.Grant.Epoch, Revision: row.Spec.Revision, State: protocol.StateStarting, Since: now, Exit: o.Exit}
	return nil
}

// busy tells whether something of the server runs or is about to.
func busy(s protocol.State) bool {
	switch s {
	case protocol.StatePulling, protocol.StateStarting, protocol.StateRunning, protocol.StateStopping:
		return true
	default:
		return false
	}
}

// Stop takes an order to end a server.
func (s *Supervisor) Stop(ctx context.Context, req protocol.StopRequest) (protocol.StopReply, error) {
	seen, err := s.end(ctx, req.Server, state.Order{Epoch: req.Epoch, Number: req.Order}, func(row *state.Server) error {
		stop(row, state.StopOrder{At: time.Now().UTC(), Reason: req.Reason, Grace: req.Grace, Restart: req.Restart})
		return nil
	})
	return protocol.StopReply{Observed: seen}, err
}

// stop puts the order into the row. A stop under way keeps its place; a plain stop beats a restart.
func stop(row *state.Server, o state.StopOrder) {
	running := busy(row.Observed.State)
	switch {
	case row.Want == state.WantGone, row.Want == state.WantKill && running:
		return
	case row.Want == state.WantStop && row.Observed.State == protocol.StateStopped && row.Stop == nil && !o.Restart:
		return
	}
	if o.Grace <= 0 {
		o.Grace = row.Spec.Stop.GraceSeconds
	}
	if row.Stop != nil && running {
		row.Stop.Restart = row.Stop.Restart && o.Restart
		if o.Grace > 0 {
			row.Stop.Grace = o.Grace
		}
		if !row.Stop.Restart {
			row.Want, row.Stop.Failed = state.WantStop, ""
		}
	} else {
		row.Want, row.Stop = state.WantStop, &o
	}
	row.Observed.Retry = time.Time{}
	if running {
		stopping(row, o.At)
	}
}

func stopping(row *state.Server, now time.Time) {
	if row.Observed.State != protocol.StateStopping {
		row.Observed.State, row.Observed.Since, row.Observed.Progress = protocol.StateStopping, now, ""
	}
}

// Kill takes an order to end a server at once.
func (s *Supervisor) Kill(ctx context.Context, req protocol.KillRequest) (protocol.KillReply, error) {
	seen, err := s.end(ctx, req.Server, state.Order{Epoch: req.Epoch, Number: req.Order}, func(row *state.Server) error {
		if row.Want == state.WantGone {
			return nil
		}
		now := time.Now().UTC()
		row.Want, row.Stop = state.WantKill, &state.StopOrder{At: now, Asked: true, Term: true, Kill: false}
		row.Observed.Retry = time.Time{}
		if busy(row.Observed.State) {
			stopping(row, now)
		}
		return nil
	})
	return protocol.KillReply{Observed: seen}, err
}

// end gives an order to a server that may not be here, which is fine.
func (s *Supervisor) end(ctx context.Context, server string, o state.Order, fn func(*state.Server) error) (protocol.Observed, error) {
	if err := s.loaded(ctx); err != nil {
		return protocol.Observed{}, err
	}
	r, err := s.notHere(ctx, server, o)
	if r == nil {
		return protocol.Observed{Server: server, Epoch: o.Epoch, State: protocol.StateAbsent, Order: o.Number, Since: time.Now().UTC()}, err
	}
	return r.take(ctx, o, func(row *state.Server) error {
		if o.Epoch > 0 && o.Epoch < row.Grant.Epoch {
			return protocol.Faultf(protocol.Stale, "", "server %s is at epoch %d here, the order is for %d", server, row.Grant.Epoch, o.Epoch)
		}
		return fn(row)
	})
}

// Remove takes an order to clear a server off the node. It ends the game first, gently when its files are kept.
func (s *Supervisor) Remove(ctx context.Context, req protocol.RemoveRequest) (protocol.RemoveReply, error) {
	if err := s.loaded(ctx); err != nil {
		return protocol.RemoveReply{}, err
	}
	if err := docker.CheckID(req.Server); err != nil {
		return protocol.RemoveReply{}, err
	}
	if req.Volume != protocol.VolumeDelete && req.Volume != protocol.VolumeQuarantine {
		return protocol.RemoveReply{}, protocol.Faultf(protocol.Invalid, "say delete or quarantine", "%q is nothing to do with a volume", req.Volume)
	}
	o := state.Order{Epoch: req.Epoch, Number: req.Order}
	r, err := s.here(ctx, req.Server, req.Epoch, o)
	if err != nil {
		return protocol.RemoveReply{}, err
	}
	_, err = r.take(ctx, o, func(row *state.Server) error {
		if req.Epoch > 0 && req.Epoch < row.Grant.Epoch {
			return protocol.Faultf(protocol.Stale, "", "server %s is at epoch %d here, the order is for %d", req.Server, row.Grant.Epoch, req.Epoch)
		}
		remove(row, req.Volume, false, time.Now().UTC())
		return nil
	})
	return protocol.RemoveReply{}, err
}

// remove puts the removal into the row. Deleting wants no last save, setting aside does.
func remove(row *state.Server, what protocol.VolumeOnGone, stale bool, now time.Time) {
	if row.Want == state.WantGone && row.Volume == protocol.VolumeQuarantine {
		what = protocol.VolumeQuarantine // what is to be kept is not deleted by a second order
	}
	grace := row.Spec.Stop.GraceSeconds
	if what == protocol.VolumeDelete {
		grace = min(max(grace, 1), 10)
	}
	if row.Want != state.WantGone || row.Stop == nil {
		row.Stop = &state.StopOrder{At: now, Grace: grace, Reason: "the server leaves this node", Stale: stale}
	}
	row.Want, row.Volume = state.WantGone, what
	if busy(row.Observed.State) {
		stopping(row, now)
	}
}

// Outdated takes the controller's epochs: what is here at an older one is stopped and set aside.
func (s *Supervisor) Outdated(ctx context.Context, epochs map[string]int64) error {
	if err := s.loaded(ctx); err != nil {
		return err
	}
	for _, r := range s.all() {
		current, known := epochs[r.id]
		if !known {
			continue
		}
		_, err := r.order(ctx, func(row *state.Server) error {
			if row.Grant.Epoch >= current {
				return nil
			}
			s.log.Warn("stale epoch: server is stopped and its volume set aside", "server", r.id, "epoch", row.Grant.Epoch, "current", current)
			remove(row, protocol.VolumeQuarantine, true, time.Now().UTC())
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Inventory lists everything this node has something of, and the digest of the list.
func (s *Supervisor) Inventory(ctx context.Context, req protocol.InventoryRequest) (protocol.Inventory, error) {
	if err := s.loaded(ctx); err != nil {
		return protocol.Inventory{}, err
	}
	inv := protocol.Inventory{Servers: []protocol.Observed{}}
	for _, r := range s.all() {
		inv.Servers = append(inv.Servers, r.observed())
	}
	slices.SortFunc(inv.Servers, func(a, b protocol.Observed) int { return strings.Compare(a.Server, b.Server) })
	h := sha256.New()
	for _, o := range inv.Servers {
		text, err := json.Marshal(o)
		if err != nil {
			return inv, err
		}
		h.Write(text)
	}
	inv.Hash = hex.EncodeToString(h.Sum(nil))
	asked := req.Details[:min(len(req.Details), maxDetails)]
	var err error
	if inv.Orders, err = s.newest(ctx, asked); err != nil {
		return inv, err
	}
	for _, id := range asked {
		if r := s.find(id); r != nil {
			if d, known := r.detail(); known {
				inv.Details = append(inv.Details, d)
			}
		}
	}
	return inv, nil
}

// maxDetails bounds one answer.
const maxDetails = 64

// detail is what was ordered about the server; known is false for one that the journal has lost.
func (r *runner) detail() (d protocol.Detail, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return protocol.Detail{Spec: r.row.Spec, Grant: r.row.Grant, Fresh: r.row.Fresh}, r.row.Spec.Image != ""
}
