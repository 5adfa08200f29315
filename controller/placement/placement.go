// Package placement chooses the node for a server. It is pure: rows in, a choice and its reasons out; whoever acts on the choice
// calls fleet.Assign, which checks again inside its transaction.
package placement

import (
	"fmt"
	"sort"
	"strings"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
)

// Strategy says which of the nodes with room is taken.
type Strategy string

// The strategies. Ties go to the node with the lower id, so that equal snapshots give equal choices.
const (
	BestFit    Strategy = "best-fit"    // the node with the least memory left: keeps large holes for large servers
	WorstFit   Strategy = "worst-fit"   // the node with the most memory left: spreads the load
	LocalFirst Strategy = "local-first" // own machines before bought ones, best-fit within each
	CloudFirst Strategy = "cloud-first" // bought machines before own ones, best-fit within each
	RoundRobin Strategy = "round-robin" // the node that has waited longest for a new server
	Auto       Strategy = "auto"        // sound nodes before degraded ones, then as local-first: own machines cost nothing more, and full bought ones let empty ones go
)

// Strategies lists them, for help texts.
func Strategies() []Strategy {
	return []Strategy{BestFit, WorstFit, LocalFirst, CloudFirst, RoundRobin, Auto}
}

// ParseStrategy reads a strategy's name; "" is Auto.
func ParseStrategy(s string) (Strategy, error) {
	names := make([]string, 0, 6)
	for _, k := range Strategies() {
		if s == string(k) {
			return k, nil
		}
		names = append(names, string(k))
	}
	if s == "" {
		return Auto, nil
	}
	return "", fault.New(fault.Invalid, fmt.Sprintf("%q is not a placement strategy", s), "use one of "+strings.Join(names, ", "))
}

// Need is what a server asks of a node.
type Need struct {
	fleet.Resources
	Role        string   // "" = worker
	Arch        []string // any of these; empty = all
	Pin         string   // only the node with this id
	RequireSafe bool     // no degraded node
}

// slot is one node as a choice sees it. who never changes; the rest follows what is booked.
type slot struct {
	free      fleet.Resources
	last      int64 // newest booking, µs
	servers   int64
	cloud     int64 // 1 for a bought machine
	degraded  int64 // 1 if it is
	static    Why   // why no server may come here at all, None if it may
	notWorker bool
	who       *who
}

// who is what a Decision keeps of a node.
type who struct {
	id, name, arch, note string
	roles                []string
}

// View is the fleet's room, prepared once for many choices.
type View struct {
	slots []slot // by node id
	at    map[string]int
}

// New prepares a snapshot; its servers are not looked at.
func New(s fleet.Snapshot) *View {
	v := &View{slots: make([]slot, 0, len(s.Nodes)), at: make(map[string]int, len(s.Nodes))}
	for _, n := range s.Nodes {
		if n.Revoked {
			continue
		}
		sl := slot{
			who:  &who{id: n.ID, name: n.Name, arch: n.Facts.Arch, roles: n.Facts.Roles},
			free: n.Capacity(), notWorker: !n.HasRole(fleet.RoleWorker),
		}
		if n.Class == fleet.Cloud {
			sl.cloud = 1
		}
		if len(n.Facts.Degraded) > 0 {
			sl.degraded = 1
		}
		sl.static, sl.who.note = closed(n, s)
		v.slots = append(v.slots, sl)
	}
	sort.Slice(v.slots, func(i, j int) bool { return v.slots[i].who.id < v.slots[j].who.id })
	for i := range v.slots {
		v.at[v.slots[i].who.id] = i
	}
	for _, b := range s.Bookings {
		v.book(b.Node, b.Resources(), b.BookedAt.UnixMicro())
	}
	return v
}

// closed tells why no server at all may come to the node.
func closed(n fleet.Node, s fleet.Snapshot) (Why, string) {
	switch {
	case n.Locked:
		return Locked, ""
	case !n.Reachable(s.At):
		return Offline, ""
	case n.Cordoned:
		return Cordoned, n.Reason
	case n.Unhealthy(s.At):
		return Unhealthy, strings.Join(n.Health.Problems, "; ")
	case n.Proving:
		return Proving, ""
	case n.Facts.Docker == "" && n.HasRole(fleet.RoleWorker):
		return Unhealthy, "Docker does not answer"
	default:
		return None, strings.Join(n.Facts.Degraded, "; ")
	}
}

// Book notes that need was booked on the node, so that the next choice of this View sees it.
func (v *View) Book(node string, need fleet.Resources) {
	if i, ok := v.at[node]; ok {
		newest := int64(0)
		for j := range v.slots {
			newest = max(newest, v.slots[j].last)
		}
		v.book(node, need, max(newest+1, v.slots[i].last))
	}
}

func (v *View) book(node string, r fleet.Resources, at int64) {
	i, ok := v.at[node]
	if !ok {
		return
	}
	sl := &v.slots[i]
	sl.free = sl.free.Sub(r)
	sl.last = max(sl.last, at)
	sl.servers++
}
