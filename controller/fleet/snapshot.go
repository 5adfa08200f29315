package fleet

import (
	"iter"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// Snapshot is what pure deciders look at: rows of one moment, by id.
type Snapshot struct {
	At       time.Time
	Servers  map[string]Server
	Nodes    map[string]Node
	Bookings map[string]Booking

	Recovery Recovery        // of ReadUnsettled only
	gates    map[string]Gate // by server, while anything is undecided
}

// Gate is that of a server of the snapshot.
func (s Snapshot) Gate(srv Server) Gate {
	if g, ok := s.gates[srv.ID]; ok {
		return g
	}
	return Gate{Open: s.Recovery.Open, Since: s.Recovery.Since}
}

// Read takes the whole fleet.
func Read(tx store.Tx, now time.Time) (Snapshot, error) {
	s := Snapshot{At: now}
	var err error
	if s.Servers, err = collect(Servers.Range(tx, "", nil, nil, 0, false), Servers.Key); err != nil {
		return s, err
	}
	return s, s.readRoom(tx)
}

// ReadRoom takes nodes and bookings only: what placement needs.
func ReadRoom(tx store.Tx, now time.Time) (Snapshot, error) {
	s := Snapshot{At: now}
	return s, s.readRoom(tx)
}

func (s *Snapshot) readRoom(tx store.Tx) (err error) {
	if s.Nodes, err = collect(Nodes.Range(tx, "", nil, nil, 0, false), Nodes.Key); err != nil {
		return err
	}
	s.Bookings, err = collect(Bookings.Range(tx, "", nil, nil, 0, false), Bookings.Key)
	return err
}

// ReadUnsettled takes the servers with something to do, their nodes and their bookings: its cost grows with the work, not with the fleet.
func ReadUnsettled(tx store.Tx, now time.Time) (Snapshot, error) {
	s := Snapshot{At: now, Nodes: map[string]Node{}, Bookings: map[string]Booking{}, gates: map[string]Gate{}}
	var err error
	if s.Recovery, err = ReadRecovery(tx); err != nil {
		return s, err
	}
	if s.Servers, err = collect(Servers.Range(tx, "unsettled", nil, nil, 0, false), Servers.Key); err != nil {
		return s, err
	}
	for id, srv := range s.Servers {
		if s.Recovery.Undecided > 0 {
			if s.gates[id], err = gateOf(tx, s.Recovery, srv); err != nil {
				return s, err
			}
		}
		if b, err := Bookings.Get(tx, id); err == nil {
			s.Bookings[id] = b
		} else if fault.KindOf(err) != fault.NotFound {
			return s, err
		}
		if _, ok := s.Nodes[srv.Node]; ok || srv.Node == "" {
			continue
		}
		if n, err := Nodes.Get(tx, srv.Node); err == nil {
			s.Nodes[srv.Node] = n
		} else if fault.KindOf(err) != fault.NotFound {
			return s, err
		}
	}
	return s, nil
}

func collect[T any](rows iter.Seq2[T, error], key func(T) string) (map[string]T, error) {
	out := map[string]T{}
	for row, err := range rows {
		if err != nil {
			return nil, err
		}
		out[key(row)] = row
	}
	return out, nil
}

// Node gives the server's node, nil if it has none.
func (s Snapshot) Node(srv Server) *Node {
	if n, ok := s.Nodes[srv.Node]; ok {
		return &n
	}
	return nil
}

// UsedByNode sums the bookings of every node.
func (s Snapshot) UsedByNode() map[string]Resources {
	out := make(map[string]Resources, len(s.Nodes))
	for _, b := range s.Bookings {
		out[b.Node] = out[b.Node].Add(b.Resources())
	}
	return out
}

// Totals of the fleet.
type Totals struct {
	Servers         int            `json:"servers"` // without deleted ones
	Running         int            `json:"running"`
	ServersByState  map[string]int `json:"servers_by_state"`
	Nodes           int            `json:"nodes"` // without revoked ones
	NodesByState    map[string]int `json:"nodes_by_state"`
	Booked          Resources      `json:"booked"`
	Total           Resources      `json:"total"` // what the nodes have to book
	MemoryInstalled int64          `json:"memory_installed_bytes"`
	Players         int            `json:"players"`
}

// Totals sums the fleet as rows tell it; players are those whose joining and leaving was reported on servers that run.
func (s Snapshot) Totals() Totals {
	t := Totals{ServersByState: map[string]int{}, NodesByState: map[string]int{}}
	for _, n := range s.Nodes {
		if n.Revoked {
			continue
		}
		t.Nodes++
		t.NodesByState[n.State(s.At)]++
		t.Total = t.Total.Add(n.Capacity())
		t.MemoryInstalled += n.Facts.MemoryBytes
	}
	nodeOf := s.Finder()
	for _, srv := range s.Servers {
		if srv.Desired == Deleted {
			continue
		}
		t.Servers++
		state := State(srv, nodeOf(srv), s.At).State
		t.ServersByState[state]++
		if state == string(protocol.StateRunning) {
			t.Running++
			t.Players += len(srv.Players)
		}
	}
	for _, b := range s.Bookings {
		t.Booked = t.Booked.Add(b.Resources())
	}
	return t
}
