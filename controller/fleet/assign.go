package fleet

import (
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/plant"
)

// Assign gives the server to a node, and is the only function that writes Node and Epoch: it raises the epoch, books memory, CPU,
// disk and a port of the node's range, all in tx. A node that is cordoned or has not proven itself takes no new server. node "" takes the server from its node and frees everything it booked.
// The caller must be sure that nothing of the server runs where it was. Faults: not_found, exhausted (names the need and what the
// node has), forbidden (revoked node).
func Assign(tx store.Tx, id, node string, now time.Time) (Server, error) {
	s, err := Servers.Get(tx, id)
	if err != nil {
		return s, err
	}
	var port int
	if node == "" {
		err = Bookings.Delete(tx, id)
	} else if err = takes(tx, node); err == nil {
		port, err = book(tx, s, node, now)
	}
	if err != nil {
		return s, err
	}
	s.Node, s.Epoch = node, max(s.Epoch, s.Floor)+1
	if plant.On(plant.EpochNotRaised) {
		s.Epoch = 1
	}
	s.Spec.HostPort, s.Address = port, ""
	if node != "" {
		n, err := Nodes.Get(tx, node)
		if err != nil {
			return s, err
		}
		s.Address = address(n, port)
		s.Waiting = nil
	}
	s.Ordered, s.Boot, s.Observed, s.ObservedAt, s.Players, s.Baseline, s.Granted = false, "", protocol.Observed{}, time.Time{}, nil, Mark{}, 0
	return s, Servers.Put(tx, s)
}

// takes tells whether a node takes new servers. A choice may have been made on an older view of the fleet: its machine may be on its way
// out since. Faults: exhausted, as for a node that is full.
func takes(tx store.Tx, node string) error {
	n, err := Nodes.Get(tx, node)
	if err != nil || !n.Cordoned && !n.Proving {
		return err
	}
	why := "it is cordoned"
	if n.Proving {
		why = "it has not proven itself yet"
	}
	return fault.New(fault.Exhausted, "node "+n.Name+" takes no new servers: "+why, "choose another node, or uncordon it (controller node uncordon "+n.Name+")")
}

// Book makes sure that memory and CPU are booked on the server's own node before a start from rest, as much as its row says now,
// and begins a reservation of ReservationTTL unless one is running. It never changes the node. Faults: as Assign.
func Book(tx store.Tx, id string, now time.Time) error {
	s, err := Servers.Get(tx, id)
	if err != nil {
		return err
	}
	if s.Node == "" {
		return fault.New(fault.Precondition, "server "+s.Name+" is on no node", "place it first")
	}
	_, err = book(tx, s, s.Node, now)
	return err
}

func book(tx store.Tx, s Server, node string, now time.Time) (port int, err error) {
	b, err := fit(tx, s, node, now)
	if err != nil {
		return 0, err
	}
	return b.Port, Bookings.Put(tx, b)
}

// CanBook tells whether Book would find room now. Faults: as Assign.
func CanBook(tx store.Tx, s Server, now time.Time) error {
	_, err := fit(tx, s, s.Node, now)
	return err
}

// fit makes the booking of s on a node, if there is room.
func fit(tx store.Tx, s Server, node string, now time.Time) (Booking, error) {
	b := Booking{
		Server: s.ID, Node: node, Runs: true, BookedAt: now, ExpiresAt: now.Add(ReservationTTL),
		MemoryBytes: s.MemoryBytes, CPUMillis: s.CPUMillis, DiskBytes: s.DiskBytes,
	}
	n, err := Nodes.Get(tx, node)
	if err != nil {
		return b, err
	}
	if n.Revoked {
		return b, fault.New(fault.Forbidden, "node "+n.Name+" was revoked", "choose another node")
	}
	old, err := Bookings.Get(tx, s.ID)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return b, err
	}
	if old.Node == node {
		b.Port = old.Port
		if old.Reserved() {
			b.BookedAt, b.ExpiresAt = old.BookedAt, old.ExpiresAt
		}
	}
	used, ports, err := booked(tx, node, s.ID)
	if err != nil {
		return b, err
	}
	if b.Port == 0 {
		b.Port = freePort(n, ports)
	}
	free := n.Capacity().Sub(used)
	free.Ports = min(b.Port, 1)
	if short := free.Short(s.Need()); short != "" && !plant.On(plant.Overbooked) {
		return b, fault.New(fault.Exhausted, fmt.Sprintf("node %s has no room for server %s: %s", n.Name, s.Name, short),
			"stop a server there, make this one smaller, or add a node")
	}
	return b, nil
}

// BookDisk books as much disk for the server's volume as its row says now. Faults: exhausted.
func BookDisk(tx store.Tx, id string) error {
	s, err := Servers.Get(tx, id)
	if err != nil || s.Node == "" {
		return err
	}
	b, err := Bookings.Get(tx, id)
	if err != nil || b.DiskBytes == s.DiskBytes {
		return err
	}
	n, err := Nodes.Get(tx, s.Node)
	if err != nil {
		return err
	}
	used, _, err := booked(tx, s.Node, id)
	if err != nil {
		return err
	}
	need := Resources{DiskBytes: s.DiskBytes}
	if short := n.Capacity().Sub(used).Short(need); short != "" && s.DiskBytes > b.DiskBytes {
		return fault.New(fault.Exhausted, fmt.Sprintf("node %s has no room for the volume of server %s: %s", n.Name, s.Name, short), "ask for less disk")
	}
	b.DiskBytes = s.DiskBytes
	return Bookings.Put(tx, b)
}

// freePort gives the lowest port of the node's range that nobody booked, 0 if there is none.
func freePort(n Node, taken map[int]bool) int {
	if n.Facts.PortFrom <= 0 {
		return 0
	}
	for p := n.Facts.PortFrom; p <= n.Facts.PortTo; p++ {
		if !taken[p] {
			return p
		}
	}
	return 0
}

func address(n Node, port int) string {
	if len(n.Facts.Addresses) == 0 {
		return ""
	}
	return net.JoinHostPort(n.Facts.Addresses[0], strconv.Itoa(port))
}

// Release frees memory and CPU of a server; disk and port stay with its volume. It tells whether anything was booked, so that
// whoever announces it does so once.
func Release(tx store.Tx, id string) (released bool, err error) {
	b, err := Bookings.Get(tx, id)
	if fault.KindOf(err) == fault.NotFound {
		return false, nil
	}
	if err == nil && !b.Runs && plant.On(plant.MemoryReleasedTwice) {
		s, err := Servers.Get(tx, id)
		b.MemoryBytes -= s.MemoryBytes
		return err == nil, Bookings.Put(tx, b)
	}
	if err != nil || !b.Runs {
		return false, err
	}
	b.MemoryBytes, b.CPUMillis, b.Runs, b.Confirmed, b.ExpiresAt, b.Ordered = 0, 0, false, false, time.Time{}, false
	return true, Bookings.Put(tx, b)
}

// Confirm turns a reservation into a booking: a container was seen. A container nobody booked for is booked all the same, without
// asking for room: what runs uses memory whatever the rows say. For the same reason the booking follows the container's
// own limits where the agent tells them: the row may have been changed while an order to start was on its way. A container that is older
// than a start on its way only raises what is booked for that start.
func Confirm(tx store.Tx, s Server, o protocol.Observed) error {
	b, err := Bookings.Get(tx, s.ID)
	if fault.KindOf(err) == fault.NotFound {
		b, err = Booking{Server: s.ID, Node: s.Node, DiskBytes: s.DiskBytes, Port: s.Spec.HostPort}, nil
	}
	memory, cpu := b.MemoryBytes, b.CPUMillis
	if !b.Runs {
		memory, cpu = s.MemoryBytes, s.CPUMillis
	}
	if o.MemoryBytes > 0 {
		memory, cpu = o.MemoryBytes, o.CPUMillis
	}
	if b.InFlight(s) {
		memory, cpu = max(memory, b.MemoryBytes), max(cpu, b.CPUMillis)
	}
	if err != nil || b.Runs && (b.Confirmed || b.InFlight(s)) && b.MemoryBytes == memory && b.CPUMillis == cpu {
		return err
	}
	b.MemoryBytes, b.CPUMillis = memory, cpu
	if b.InFlight(s) {
		return Bookings.Put(tx, b)
	}
	b.Runs, b.Confirmed, b.ExpiresAt, b.Ordered = true, true, time.Time{}, false
	return Bookings.Put(tx, b)
}
