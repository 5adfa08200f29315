package lifecycle

import (
	"cmp"
	"slices"
	"time"

	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/plant"
)

// Do is what can be done for a server.
type Do string

// What needs rows only …
const (
	Nothing  Do = ""
	Place    Do = "place"     // choose a node and book it
	Book     Do = "book"      // book memory on its own node
	Expire   Do = "expire"    // its reservation never became a container
	GiveUp   Do = "give_up"   // it crashed too often, or cannot start
	Turn     Do = "turn"      // a restart has seen the end: start it again
	Settle   Do = "settle"    // the operation under way is done
	Lapse    Do = "lapse"     // the operation under way has outlived its lease
	Vanish   Do = "vanish"    // it is deleted and no node has anything of it
	Start    Do = "start"     // … and what is an order to its node
	Stop     Do = "stop"      //
	Kill     Do = "kill"      //
	Remove   Do = "remove"    //
	maxRetry    = time.Minute // between two equal orders
)

// order tells whether d is an order to an agent.
func (d Do) order() bool { return d == Start || d == Stop || d == Kill || d == Remove }

// Action is one thing to do now.
type Action struct {
	Do     Do
	Server string
	Node   string
}

// Sent is the last order that was sent for a server. It lives in memory only: a controller that forgot it sends the order again.
type Sent struct {
	Do       Do
	At       time.Time
	Tries    int
	Seen     int64     // Server.ObservedSeq when it was sent
	Wanted   time.Time // Server.DesiredAt then
	Boot     string    // of the node then
	Accepted bool      // the agent took it
}

// Plan decides what to do for each server of a snapshot, in the order in which it should be done: what ends or frees something
// first, then starts, those with players first, then the oldest.
func Plan(s fleet.Snapshot, sent map[string]Sent, now time.Time) []Action {
	var out []Action
	for id, srv := range s.Servers {
		n := s.Node(srv)
		var b *fleet.Booking
		if row, ok := s.Bookings[id]; ok {
			b = &row
		}
		d := permit(s.Gate(srv), srv, Decide(srv, n, b, now))
		if d == Nothing || d.order() && !due(d, srv, n, sent[id], now) {
			continue
		}
		out = append(out, Action{d, id, srv.Node})
	}
	slices.SortFunc(out, func(a, b Action) int {
		x, y := s.Servers[a.Server], s.Servers[b.Server]
		return cmp.Or(cmp.Compare(urgency(a.Do), urgency(b.Do)), cmp.Compare(len(y.Players), len(x.Players)),
			x.CreatedAt.Compare(y.CreatedAt), cmp.Compare(a.Server, b.Server))
	})
	return out
}

func urgency(d Do) int {
	switch d {
	case Kill:
		return 0
	case Stop:
		return 1
	case Place, Book, Start:
		return 3
	case Nothing, Expire, GiveUp, Turn, Settle, Lapse, Vanish, Remove:
	}
	return 2
}

// Decide is the rule for one server: its row, its node and its booking (nil if it has none) give the next step. It is asked again
// inside the transaction that acts.
func Decide(s fleet.Server, n *fleet.Node, b *fleet.Booking, now time.Time) Do {
	switch {
	case s.Op != nil && !s.Op.Live(now):
		return Lapse
	case s.Op != nil && !ours(s.Op.Kind) && s.Wanted() == fleet.Running:
		return Nothing // another room has it; only stopping gets past that
	case s.Desired == fleet.Deleted:
		return decideDelete(s, n, now)
	case s.Wanted() != fleet.Running:
		return decideStop(s, n, now)
	default:
		return decideRun(s, n, b, now)
	}
}

func decideDelete(s fleet.Server, n *fleet.Node, now time.Time) Do {
	switch {
	case !held(s, n):
		return Vanish
	case !n.Reachable(now):
		return Nothing
	case s.AtRest():
		return Remove
	default:
		return halting(s)
	}
}

func decideStop(s fleet.Server, n *fleet.Node, now time.Time) Do {
	switch {
	case s.AtRest() && (s.Op != nil && ours(s.Op.Kind) || s.Waiting != nil):
		return Settle
	case s.AtRest() || n == nil || !n.Reachable(now):
		return Nothing
	default:
		return halting(s)
	}
}

// halting is how a server that is not at rest is brought there.
func halting(s fleet.Server) Do {
	switch {
	case s.Kill:
		return Kill
	case s.Observed.State == protocol.StateStopping:
		return Nothing
	default:
		return Stop
	}
}

func decideRun(s fleet.Server, n *fleet.Node, b *fleet.Booking, now time.Time) Do {
	turning := s.Op != nil && s.Op.Kind == fleet.OpRestart && !s.Op.Halfway
	switch {
	case s.Node == "":
		return Place
	case plant.On(plant.BlindController) && (n == nil || !n.Reachable(now)):
		return Place
	case n == nil || n.Revoked:
		return Nothing
	case b != nil && b.Reserved() && !now.Before(b.ExpiresAt) && !fleet.Container(s.Observed):
		return Expire
	case turning && s.AtRest():
		return Turn
	case turning && n.Reachable(now):
		return halting(s)
	case turning:
		return Nothing
	case s.Observed.State == protocol.StateRunning:
		if s.Op != nil && ours(s.Op.Kind) || s.Waiting != nil {
			return Settle
		}
		return Nothing
	case s.AtRest() || s.InFlight() && !turning:
		return decideStart(s, n, b, now)
	case s.Observed.State == "" && n.Reachable(now):
		return Start // it was ordered and no word came: the order may be lost
	default:
		return Nothing // it is on its way
	}
}

func decideStart(s fleet.Server, n *fleet.Node, b *fleet.Booking, now time.Time) Do {
	switch {
	case hopeless(s, n):
		return GiveUp
	case b == nil || !b.Runs || b.Confirmed || !b.InFlight(s) && (b.MemoryBytes != s.MemoryBytes || b.CPUMillis != s.CPUMillis):
		return Book // also again: what ended and starts anew is a reservation until a container is seen
	case !n.Reachable(now):
		return Nothing
	default:
		return Start
	}
}

// hopeless tells whether a server at rest has failed since it was last ordered to start, in a way that will not mend by itself.
// What ended with its machine has not failed: it starts again under a grant for the new boot.
func hopeless(s fleet.Server, n *fleet.Node) bool {
	if s.InFlight() || s.Observed.State != protocol.StateCrashed && s.Observed.State != protocol.StateFailed {
		return false
	}
	if s.Baseline.Equal(fleet.MarkOf(s.Observed)) || s.Boot != n.Facts.Boot {
		return false
	}
	if p := s.Observed.Problem; p != nil && s.Observed.State == protocol.StateFailed {
		return p.Code != protocol.Unavailable // a game that was not ready in time will not be the next time
	}
	return true
}

// ours tells whether an operation belongs to this room.
func ours(k fleet.OpKind) bool {
	switch k {
	case fleet.OpStart, fleet.OpStop, fleet.OpRestart, fleet.OpKill, fleet.OpDelete:
		return true
	default:
		return false
	}
}

// due tells whether an order may be sent (again). A start that ends badly at once is not repeated at once; a stop or kill is
// repeated as soon as the agent reports anything that shows it was not heeded.
func due(d Do, s fleet.Server, n *fleet.Node, last Sent, now time.Time) bool {
	if last.Do != d || !last.Wanted.Equal(s.DesiredAt) || last.Boot != n.Facts.Boot {
		return true
	}
	if d != Start && last.Seen != s.ObservedSeq {
		return true
	}
	return now.Sub(last.At) >= pause(last)
}

// pause grows with the tries: 1 s, 2 s, 4 s … up to maxRetry. An order that the agent took is given more time.
func pause(last Sent) time.Duration {
	p := min(time.Second<<min(max(last.Tries-1, 0), 10), maxRetry)
	switch {
	case last.Accepted && last.Do == Start:
		p = max(p, 5*time.Second)
	case last.Accepted:
		p = max(p, maxRetry/2)
	}
	return p
}
