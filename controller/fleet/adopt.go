package fleet

import (
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// Adopt makes true what a node says of a server that the store knows at an older epoch, or not at all: node, epoch, port and spec
// are the node's, and what runs there is booked without asking for room. No other node's copy counts from now on. It is an
// operator's choice after a backup was restored. The caller writes what is desired. Faults: conflict (the port is booked by
// another server), not_found (node).
func Adopt(tx store.Tx, s Server, f Finding, now time.Time) (Server, error) {
	n, err := Nodes.Get(tx, f.Node)
	if err != nil {
		return s, err
	}
	o := f.Agent
	if d := f.Detail; d != nil && d.Spec.Image != "" {
		s.Spec, s.Revision = d.Spec, max(s.Revision, d.Spec.Revision)
		s.MemoryBytes, s.CPUMillis, s.DiskBytes, s.Version = d.Spec.MemoryBytes, d.Spec.CPUMillis, d.Spec.DiskBytes, d.Spec.Version
		s.Boot = d.Grant.Boot
	} else if port := portOf(o.Address); port != 0 {
		s.Spec.HostPort = port
	}
	s.Floor = max(s.Floor, s.Epoch+1, o.Epoch+1)
	s.Node, s.Epoch, s.Ordered = f.Node, o.Epoch, true
	if f.Detail == nil || !f.Detail.Fresh || Container(o) {
		s.RanEpoch = s.Epoch // its volume is there
	}
	s.Address, s.Waiting, s.Problem, s.Kill, s.Op, s.Baseline, s.Granted = address(n, s.Spec.HostPort), nil, nil, false, nil, MarkOf(o), 0
	s.Observed, s.ObservedAt, s.Players = o, f.Seen, nil
	s.ObservedSeq++
	if err := adoptBooking(tx, s, now); err != nil {
		return s, err
	}
	return s, Servers.Put(tx, s)
}

func portOf(address string) int {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(port)
	return n
}

func adoptBooking(tx store.Tx, s Server, now time.Time) error {
	b := Booking{Server: s.ID, Node: s.Node, DiskBytes: s.DiskBytes, Port: s.Spec.HostPort, BookedAt: now.UTC()}
	if Active(s.Observed) {
		b.Runs, b.Confirmed, b.MemoryBytes, b.CPUMillis = true, Container(s.Observed), s.MemoryBytes, s.CPUMillis
		if s.Observed.MemoryBytes > 0 { // as Confirm: what the container may use, whatever the row says
			b.MemoryBytes, b.CPUMillis = s.Observed.MemoryBytes, s.Observed.CPUMillis
		}
		if !b.Confirmed {
			b.ExpiresAt = now.UTC().Add(ReservationTTL)
		}
	}
	for other, err := range Bookings.Match(tx, "node", s.Node, "", 0, false) {
		if err != nil {
			return err
		}
		if other.Server == s.ID || other.Port != b.Port || b.Port == 0 {
			continue
		}
		name := other.Server
		if o, err := Servers.Get(tx, other.Server); err == nil {
			name = o.Name
		}
		return fault.New(fault.Conflict, fmt.Sprintf("server %s uses port %d of its node, which the store has booked for server %s", s.Name, b.Port, name),
			"decide about "+name+" first (`controller recovery show`)")
	}
	return Bookings.Put(tx, b)
}

// Overrule makes true what the store says of a server that a node has at a newer epoch: no copy below the floor counts. Where it
// is the very node that the store names, the epoch rises too and the next start makes a new volume. It is an operator's choice.
func Overrule(tx store.Tx, s Server, f Finding) (Server, error) {
	s.Floor = max(s.Floor, s.Epoch, f.Agent.Epoch) + 1
	if s.Node == f.Node {
		s.Epoch = s.Floor
		s.Ordered, s.Boot, s.Observed, s.ObservedAt, s.Players, s.Baseline, s.Granted = false, "", protocol.Observed{}, time.Time{}, nil, Mark{}, 0
		if _, err := Release(tx, s.ID); err != nil {
			return s, err
		}
	}
	return s, Servers.Put(tx, s)
}

// Disown writes down that a server which a node has does not exist: its copy there is set aside.
func Disown(tx store.Tx, f Finding, now time.Time) error {
	return bury(tx, Tombstone{Server: f.Server, Name: f.Name, Node: f.Node, Floor: f.Agent.Epoch + 1, At: now.UTC()})
}

// Decide writes a choice about all undecided findings of a server, and gives them.
func Decide(tx store.Tx, server string, c Choice, actor string, now time.Time) ([]Finding, error) {
	all, err := Open(tx, server)
	if err != nil {
		return nil, err
	}
	for i := range all {
		all[i].Choice, all[i].ChosenBy, all[i].ChosenAt = c, actor, now.UTC()
		if err := Findings.Put(tx, all[i]); err != nil {
			return nil, err
		}
	}
	return all, count(tx, -int64(len(all)))
}

// Open gives the undecided findings of a server, the one of the highest epoch first.
func Open(tx store.Tx, server string) ([]Finding, error) {
	var all []Finding
	for f, err := range Findings.Match(tx, "server", server, "", 0, false) {
		if err != nil {
			return nil, err
		}
		if f.Undecided() {
			all = append(all, f)
		}
	}
	for i := range all {
		if all[i].Agent.Epoch > all[0].Agent.Epoch {
			all[0], all[i] = all[i], all[0]
		}
	}
	return all, nil
}
