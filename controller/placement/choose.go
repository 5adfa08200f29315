package placement

import (
	"fmt"
	"slices"
	"strings"

	"github.com/payperplay/payperplay/controller/fleet"
)

// Why is the reason for which a node was not taken.
type Why uint8

// The reasons, those that are about the node first.
const (
	None Why = iota
	Offline
	Locked
	Cordoned
	Unhealthy
	Proving
	NotPinned
	WrongRole
	WrongArch
	Unsafe
	Short
)

// Rejected is one node that was not taken.
type Rejected struct {
	who  *who
	Why  Why
	Free fleet.Resources // what it had, for Short
}

// Name of the rejected node.
func (r Rejected) Name() string { return r.who.name }

// Decision is a choice with its reasons: what was needed, which node was taken, and why each other one that cannot take it was not.
type Decision struct {
	Need       Need
	Strategy   Strategy
	Node, Name string     // the choice; empty if there is none
	Fitting    int        // how many nodes could have taken it
	Rejected   []Rejected // those that could not, by id
}

// Choose picks the node for need, "" if none can take it. It books nothing.
func (v *View) Choose(need Need, strategy Strategy) (node string, why Decision) {
	if need.Role == "" {
		need.Role = fleet.RoleWorker
	}
	d := Decision{Need: need, Strategy: strategy}
	best := -1
	var bestRank rank
	for i := range v.slots {
		sl := &v.slots[i]
		if w := sl.rejects(&need); w != None {
			if d.Rejected == nil {
				d.Rejected = make([]Rejected, 0, len(v.slots)-i)
			}
			d.Rejected = append(d.Rejected, Rejected{sl.who, w, sl.free})
			continue
		}
		d.Fitting++
		if r := sl.rank(strategy); best < 0 || r.before(&bestRank) {
			best, bestRank = i, r
		}
	}
	if best >= 0 {
		d.Node, d.Name = v.slots[best].who.id, v.slots[best].who.name
	}
	return d.Node, d
}

func (sl *slot) rejects(need *Need) Why {
	switch {
	case need.Pin != "" && need.Pin != sl.who.id:
		return NotPinned
	case sl.static != None:
		return sl.static
	case sl.notWorker && need.Role == fleet.RoleWorker, need.Role != fleet.RoleWorker && !slices.Contains(sl.who.roles, need.Role):
		return WrongRole
	case len(need.Arch) > 0 && !slices.Contains(need.Arch, sl.who.arch):
		return WrongArch
	case need.RequireSafe && sl.degraded != 0:
		return Unsafe
	case !sl.free.Fits(need.Resources):
		return Short
	default:
		return None
	}
}

// rank orders the nodes with room: the lowest is taken. Nodes come by id, so the first of equals wins.
type rank [4]int64

func (r *rank) before(o *rank) bool {
	for i := range r {
		if r[i] != o[i] {
			return r[i] < o[i]
		}
	}
	return false
}

func (sl *slot) rank(s Strategy) rank {
	mem, cpu := sl.free.MemoryBytes, sl.free.CPUMillis
	switch s {
	case WorstFit:
		return rank{-mem, -cpu}
	case LocalFirst:
		return rank{sl.cloud, mem, cpu}
	case CloudFirst:
		return rank{-sl.cloud, mem, cpu}
	case RoundRobin:
		return rank{sl.last, sl.servers}
	case Auto:
		return rank{sl.degraded, sl.cloud, mem, cpu}
	case BestFit:
	}
	return rank{mem, cpu}
}

// Reason says in plain words why the node was not taken.
func (d Decision) Reason(r Rejected) string {
	note := ""
	if r.who.note != "" {
		note = ": " + r.who.note
	}
	switch r.Why {
	case Offline:
		return "not connected"
	case Locked:
		return "locked"
	case Cordoned:
		return "cordoned" + note
	case Unhealthy:
		return "unhealthy" + note
	case Proving:
		return "new: it has not proven yet that servers cannot reach what they must not"
	case NotPinned:
		return "the server is pinned to another node"
	case WrongRole:
		return "it has not the role " + d.Need.Role
	case WrongArch:
		return fmt.Sprintf("it is %s, the image needs %s", r.who.arch, strings.Join(d.Need.Arch, " or "))
	case Unsafe:
		return "degraded" + note
	case Short:
		return r.Free.Short(d.Need.Resources)
	case None:
	}
	return ""
}

// explained is how many nodes Explain names.
const explained = 4

// Explain is the decision in one line: where and why, or why nowhere. The nodes that came nearest are named first.
func (d Decision) Explain() string {
	if d.Node != "" {
		return fmt.Sprintf("%s by %s, of %d with room (%d without)", d.Name, d.Strategy, d.Fitting, len(d.Rejected))
	}
	if len(d.Rejected) == 0 {
		return "there is no node yet"
	}
	rs := slices.Clone(d.Rejected)
	slices.SortStableFunc(rs, func(a, b Rejected) int { return int(b.Why) - int(a.Why) })
	if d.Need.Pin != "" {
		rs = slices.DeleteFunc(rs, func(r Rejected) bool { return r.Why == NotPinned })
		if len(rs) == 0 {
			return "the node it is pinned to is gone"
		}
	}
	parts := make([]string, 0, explained+1)
	for i, r := range rs {
		if i == explained {
			parts = append(parts, fmt.Sprintf("and %d more", len(rs)-explained))
			break
		}
		parts = append(parts, r.Name()+" ("+d.Reason(r)+")")
	}
	return "no node has room: " + strings.Join(parts, ", ")
}
