package fleet

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/plant"
)

// Events is where facts are written, in the transaction of the change; *event.Log is one.
type Events interface {
	Append(tx store.Tx, e event.Event) (event.Event, error)
}

// Fact takes one report of a node. A fact that the node has no right to tell or that is out of date (a server it does not have, an
// older epoch) changes nothing and is no error: asking for it again would not help. An error means that the transaction must fail.
// The events of it carry the node's time, as the log allows; rows carry now, the controller's: what is judged by age there must not
// depend on a node's clock.
func Fact(tx store.Tx, log Events, node string, r protocol.Report, now time.Time) error {
	taken, err := Notice(tx, node, r, now)
	if err != nil || taken {
		return err
	}
	log = dated{log, r.At}
	if plant.On(plant.NodeClockBelieved) {
		now = r.At
	}
	switch f := r.Fact; {
	case f.Observed != nil:
		err = Observe(tx, log, node, *f.Observed, now)
	case f.Player != nil:
		err = player(tx, log, node, *f.Player, now)
	case f.Removed != nil:
		err = Removed(tx, log, node, *f.Removed, now)
	}
	if Refused(err) {
		return nil
	}
	return err
}

// dated is the log for what a node tells: its events happened when the node says so.
type dated struct {
	log Events
	at  time.Time
}

func (d dated) Append(tx store.Tx, e event.Event) (event.Event, error) {
	e.At = d.at
	return d.log.Append(tx, e)
}

// Inventory takes everything a node has, as it says at hello. Servers it should have and does not name are absent from it, but for
// those whose start is in flight.
// What shows that the store is older than the node is written down as findings.
func Inventory(tx store.Tx, log Events, node string, inventory []protocol.Observed, at time.Time) error {
	r, err := ReadRecovery(tx)
	if err != nil {
		return err
	}
	found, err := signs(tx, node, inventory, r, at)
	if err != nil {
		return err
	}
	if err := note(tx, log, node, found, at); err != nil {
		return err
	}
	if err := heard(tx, node, at); err != nil {
		return err
	}
	named := map[string]bool{}
	for _, o := range inventory {
		named[o.Server] = true
		if err := Observe(tx, log, node, o, at); err != nil && !Refused(err) {
			return err
		}
	}
	var missing []Server
	for s, err := range Servers.Match(tx, "node", node, "", 0, false) {
		if err != nil {
			return err
		}
		// A start that was granted since may have crossed the inventory on its way: the next order to the node will tell.
		if !named[s.ID] && s.Ordered && !s.InFlight() && s.Observed.State != protocol.StateAbsent {
			missing = append(missing, s)
		}
	}
	for _, s := range missing {
		gone := protocol.Observed{Server: s.ID, Epoch: s.Epoch, State: protocol.StateAbsent, Since: at.UTC()}
		if err := Observe(tx, log, node, gone, at); err != nil {
			return err
		}
	}
	return nil
}

// heard writes down that the node has said what it has: also when that very word opened the recovery mode.
func heard(tx store.Tx, node string, at time.Time) error {
	n, err := Nodes.Get(tx, node)
	if fault.KindOf(err) == fault.NotFound || err == nil && !n.InventoryAt.Before(at) {
		return nil
	}
	if err != nil {
		return err
	}
	n.InventoryAt = at.UTC()
	return Nodes.Put(tx, n)
}

// Refused tells whether err is a report's own fault: nothing was changed and the same report will never be taken.
func Refused(err error) bool {
	switch fault.KindOf(err) {
	case fault.Stale, fault.NotFound, fault.Conflict:
		return true
	default:
		return false
	}
}

// Observe writes what the agent of a node sees of one server, and the events of what changed. at is the controller's time.
// It confirms the booking when a container is up and frees memory when nothing runs any more of a server that is not to run.
// Faults: not_found, stale (an older epoch, or a server of another node), conflict (a newer epoch than the store knows).
func Observe(tx store.Tx, log Events, node string, o protocol.Observed, at time.Time) error {
	s, err := mine(tx, node, o.Server, o.Epoch)
	if err != nil {
		return err
	}
	tidy(&o)
	prev := s.Observed
	if prev.State != "" && reflect.DeepEqual(prev, o) {
		return nil
	}
	s.hear(o)
	s.Observed, s.ObservedAt = o, at.UTC()
	if prev.Order = o.Order; !reflect.DeepEqual(prev, o) { // that an order was taken which changed nothing is no reason to give it again
		s.ObservedSeq++
	}
	if o.State != protocol.StateAbsent {
		s.Ordered = true
	}
	if Container(o) || o.State == protocol.StateCrashed {
		s.RanEpoch = s.Epoch
	}
	if Container(o) {
		if err := Confirm(tx, s, o); err != nil {
			return err
		}
	}
	if o.State == protocol.StateStarting && prev.State != o.State {
		s.Players = nil
	}
	if s.AtRest() && s.Wanted() != Running {
		if _, err := Release(tx, s.ID); err != nil {
			return err
		}
	}
	if err := Servers.Put(tx, s); err != nil {
		return err
	}
	for _, what := range transitions(prev, o) {
		if err := emit(tx, log, "server."+what, s, o, at); err != nil {
			return err
		}
	}
	return nil
}

// transitions tells which events lead from one observation to the next.
func transitions(prev, next protocol.Observed) []string {
	if MarkOf(prev).Equal(MarkOf(next)) {
		return nil
	}
	up := prev.State == protocol.StatePulling || prev.State == protocol.StateStarting || prev.State == protocol.StateRunning || prev.State == protocol.StateStopping
	switch next.State {
	case protocol.StatePulling, protocol.StateStarting:
		if prev.State != protocol.StatePulling && prev.State != protocol.StateStarting {
			return []string{"starting"}
		}
	case protocol.StateRunning:
		return []string{"started"}
	case protocol.StateStopping:
		return []string{"stopping"}
	case protocol.StateCrashed:
		return []string{"crashed"}
	case protocol.StateFailed:
		return []string{"failed"}
	case protocol.StateStopped, protocol.StateAbsent:
		if up {
			return []string{"stopped"}
		}
	}
	return nil
}

// Removed takes the word of a node that nothing of a server is left there. A server that was to be deleted is gone with it.
func Removed(tx store.Tx, log Events, node string, f protocol.RemovedFact, at time.Time) error {
	s, err := mine(tx, node, f.Server, f.Epoch)
	if err != nil {
		return err
	}
	if s.Desired == Deleted {
		return Gone(tx, log, s, at)
	}
	s.Observed, s.Granted = protocol.Observed{Server: s.ID, Epoch: s.Epoch, State: protocol.StateAbsent, Since: at.UTC()}, 0
	s.ObservedAt = at.UTC()
	s.ObservedSeq++
	if s.Wanted() != Running {
		if _, err := Release(tx, s.ID); err != nil {
			return err
		}
	}
	if err := Servers.Put(tx, s); err != nil {
		return err
	}
	return emit(tx, log, "server.removed", s, s.Observed, at)
}

// Gone deletes the row of a server that is deleted, and what it has booked.
func Gone(tx store.Tx, log Events, s Server, at time.Time) error {
	if err := Bookings.Delete(tx, s.ID); err != nil {
		return err
	}
	if err := Servers.Delete(tx, s.ID); err != nil {
		return err
	}
	if err := bury(tx, Tombstone{Server: s.ID, Name: s.Name, Node: s.Node, Floor: max(s.Epoch+1, s.Floor), At: at.UTC()}); err != nil {
		return err
	}
	_, err := log.Append(tx, event.Event{Type: "server.deleted", At: at, Server: s.ID, Node: s.Node, Owner: s.Owner, Actor: s.DesiredBy, Data: event.JSON(map[string]any{"name": s.Name})})
	return err
}

// maxPlayers bounds the list of a server; more are counted by nobody.
const maxPlayers = 1000

func player(tx store.Tx, log Events, node string, f protocol.PlayerFact, at time.Time) error {
	s, err := mine(tx, node, f.Server, f.Epoch)
	if err != nil {
		return err
	}
	name, what := text(f.Name, 64), "player.left"
	i, on := slices.BinarySearch(s.Players, name)
	switch {
	case f.Joined && !on && len(s.Players) < maxPlayers:
		s.Players = slices.Insert(s.Players, i, name)
	case !f.Joined && on:
		s.Players = slices.Delete(s.Players, i, i+1)
	}
	if f.Joined {
		what = "player.joined"
	}
	if err := Servers.Put(tx, s); err != nil {
		return err
	}
	_, err = log.Append(tx, event.Event{Type: what, At: at, Server: s.ID, Node: s.Node, Owner: s.Owner, Actor: s.Node, Data: event.JSON(map[string]any{"name": s.Name, "player": name, "players": len(s.Players)})})
	return err
}

// mine reads a server if the node may speak of it at this epoch.
func mine(tx store.Tx, node, id string, epoch int64) (Server, error) {
	s, err := Servers.Get(tx, id)
	switch {
	case err != nil:
		return s, err
	case s.Node != node:
		return s, fault.New(fault.Stale, fmt.Sprintf("server %s is not on node %s", s.Name, node), "")
	case epoch < s.Epoch:
		return s, fault.New(fault.Stale, fmt.Sprintf("server %s is at epoch %d, not %d", s.Name, s.Epoch, epoch), "")
	case epoch > s.Epoch:
		return s, fault.New(fault.Conflict, fmt.Sprintf("node %s has epoch %d of server %s, the store knows only %d", node, epoch, s.Name, s.Epoch),
			"the store is older than the node: restore a newer backup")
	}
	return s, nil
}

func emit(tx store.Tx, log Events, kind string, s Server, o protocol.Observed, at time.Time) error {
	data := map[string]any{"name": s.Name, "epoch": s.Epoch}
	if exit := exitOf(o); exit != nil {
		data["exit"] = exit
	}
	if o.Problem != nil {
		data["problem"] = o.Problem
	}
	if !o.Retry.IsZero() {
		data["retry"] = o.Retry
	}
	if o.State == protocol.StateRunning {
		data["address"] = s.Address
	}
	_, err := log.Append(tx, event.Event{Type: kind, At: at, Server: s.ID, Node: s.Node, Owner: s.Owner, Actor: s.Node, Data: event.JSON(data)})
	return err
}

// exitOf is what an event tells of the last exit: only one that is about it, and the last lines only where something went wrong.
func exitOf(o protocol.Observed) *protocol.Exit {
	switch o.State {
	case protocol.StateStopped, protocol.StateCrashed, protocol.StateFailed:
	default:
		return nil
	}
	if o.Exit == nil || !o.Exit.Asked {
		return o.Exit
	}
	brief := *o.Exit
	brief.LastLine = nil
	return &brief
}

// tidy makes what an agent says fit for a row: bounded, valid UTF-8 without NUL, times in UTC.
func tidy(o *protocol.Observed) {
	o.State = protocol.State(text(string(o.State), 32))
	o.Container, o.Address, o.Runtime, o.Progress = text(o.Container, 128), text(o.Address, 256), text(o.Runtime, 128), text(o.Progress, 256)
	for _, t := range []*time.Time{&o.Since, &o.Started, &o.Ready, &o.Retry} {
		*t = t.UTC().Round(0) // without a monotonic part, so that equal times are equal
	}
	if o.Problem != nil {
		o.Problem = &protocol.Fault{Code: protocol.Code(text(string(o.Problem.Code), 32)), Message: text(o.Problem.Message, 2048), Next: text(o.Problem.Next, 2048)}
	}
	if o.Exit == nil {
		return
	}
	e := *o.Exit
	e.At, e.Advice = e.At.UTC().Round(0), text(e.Advice, 2048)
	if n := len(e.LastLine); n > 20 {
		e.LastLine = e.LastLine[n-20:]
	}
	e.LastLine = slices.Clone(e.LastLine)
	for i, line := range e.LastLine {
		e.LastLine[i] = text(line, 1024)
	}
	o.Exit = &e
}

func text(s string, most int) string {
	if len(s) > most {
		s = s[:most]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "�"), "\x00", "�")
}
