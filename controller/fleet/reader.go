package fleet

import (
	"time"

	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// Reader reads the whole fleet again and again at the cost of what has changed: rows that are as they were are not decoded anew.
// It is used by one goroutine at a time.
type Reader struct {
	servers  *store.Memo[Server]
	nodes    *store.Memo[Node]
	bookings *store.Memo[Booking]
}

// NewReader makes a Reader that has seen nothing.
func NewReader() *Reader {
	return &Reader{servers: Servers.Memo(), nodes: Nodes.Memo(), bookings: Bookings.Memo()}
}

// Read takes the whole fleet as the function Read does. The rows are shared between snapshots: nobody may change them.
func (r *Reader) Read(tx store.Tx, now time.Time) (Snapshot, error) {
	s := Snapshot{At: now}
	var err error
	if s.Servers, err = r.servers.All(tx); err != nil {
		return s, err
	}
	if s.Nodes, err = r.nodes.All(tx); err != nil {
		return s, err
	}
	s.Bookings, err = r.bookings.All(tx)
	return s, err
}

// Load is what a node has to carry.
type Load struct {
	Used             Resources // booked
	Servers, Running int       // without those being deleted
}

// Add counts one server.
func (l *Load) Add(s Server) {
	if s.Desired == Deleted {
		return
	}
	l.Servers++
	if s.Observed.State == protocol.StateRunning {
		l.Running++
	}
}

// Loads sums up every node's servers and bookings.
func (s Snapshot) Loads() map[string]Load {
	out := make(map[string]Load, len(s.Nodes))
	for node, used := range s.UsedByNode() {
		out[node] = Load{Used: used}
	}
	for _, srv := range s.Servers {
		l := out[srv.Node]
		l.Add(srv)
		out[srv.Node] = l
	}
	return out
}

// Finder gives a function that finds servers' nodes as Node does, but makes one copy of each node and not one for each server.
func (s Snapshot) Finder() func(Server) *Node {
	nodes := make(map[string]*Node, len(s.Nodes))
	for id, n := range s.Nodes {
		nodes[id] = &n
	}
	return func(srv Server) *Node { return nodes[srv.Node] }
}
