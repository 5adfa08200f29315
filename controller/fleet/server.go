package fleet

import (
	"fmt"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

// Desired is what the owner wants of a server. Only lifecycle writes it.
type Desired string

// The desired states.
const (
	Running  Desired = "running"
	Stopped  Desired = "stopped"
	Asleep   Desired = "asleep"
	Archived Desired = "archived"
	Deleted  Desired = "deleted"
)

// Server is a customer's Minecraft server.
type Server struct {
	ID    string `json:"id"`    // "srv_…"
	Name  string `json:"name"`  // unique among servers that are not deleted
	Owner string `json:"owner"` // id of the user or team

	// What was asked for, from which Spec is rendered.
	Template    string            `json:"template"`
	Version     string            `json:"version"`
	Env         map[string]string `json:"env,omitempty"`
	MemoryBytes int64             `json:"memory_bytes"` // container limit
	CPUMillis   int64             `json:"cpu_millis"`   // container limit, 1000 = one core; 0 = none
	DiskBytes   int64             `json:"disk_bytes"`   // booked for the volume
	Pin         string            `json:"pin,omitempty"`

	// Spec is what the agent is told; its HostPort is set by Assign.
	Spec     protocol.Spec `json:"spec"`
	Revision int64         `json:"revision"` // rises with each change of the spec; the ETag

	Desired       Desired   `json:"desired"`
	DesiredBy     string    `json:"desired_by"` // actor
	DesiredAt     time.Time `json:"desired_at"`
	DesiredReason string    `json:"desired_reason,omitempty"`
	// Kill: a server that is to stop is killed, not asked.
	Kill bool `json:"kill,omitempty"`
	// Baseline is the observation that was current when Desired was last written: a failure that equals it is an old story.
	Baseline Mark `json:"baseline,omitzero"`
	// Granted is the number of the order to start that was given last, until word of it comes; see InFlight.
	Granted int64 `json:"granted_order,omitempty"`
	// Problem is why the last order was refused or given up; nil when the last one went well.
	Problem *protocol.Fault `json:"problem,omitempty"`

	// Observed is the last report of the agent; State "" means: nothing was ever reported at this epoch.
	Observed    protocol.Observed `json:"observed"`
	ObservedAt  time.Time         `json:"observed_at,omitzero"`   // controller's clock
	ObservedSeq int64             `json:"observed_seq,omitempty"` // rises with each observation that changed something
	Players     []string          `json:"players,omitempty"`      // who is on, sorted; what was last known while it does not run

	Node  string `json:"node,omitempty"` // id; written by Assign
	Epoch int64  `json:"epoch"`          // written by Assign
	// Floor: epochs below it may have been given in a time that this store has forgotten. What a node has at one of them is stale,
	// unless the row names that node; the next epoch is above it.
	Floor   int64  `json:"floor,omitempty"`
	Address string `json:"address,omitempty"`
	// Order is the number of the last order that was given to an agent about the server. It rises in the transaction that decides on an
	// order and never falls: an agent refuses what is late.
	Order    int64  `json:"order,omitempty"`
	Boot     string `json:"boot,omitempty"`      // boot id the last start was granted for
	Ordered  bool   `json:"has_volume"`          // a start was ordered at this epoch: the node may hold a volume
	RanEpoch int64  `json:"ran_epoch,omitempty"` // the epoch at which a container was last seen: its volume must be there

	Hold    *Hold    `json:"hold,omitempty"`
	Op      *Op      `json:"op,omitempty"`
	Waiting *Waiting `json:"waiting,omitempty"`

	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
	Once      string    `json:"once,omitempty"` // identity of the request that made it, so that asking twice makes one
	UpdatedAt time.Time `json:"updated_at"`
	UpdatedBy string    `json:"updated_by"`
}

// Mark names one observation. The agent sets Since once for each state it enters, so a repeated report has the same mark.
type Mark struct {
	State protocol.State `json:"state,omitempty"`
	Since time.Time      `json:"since,omitzero"`
}

// MarkOf names an observation.
func MarkOf(o protocol.Observed) Mark { return Mark{State: o.State, Since: o.Since} }

// Equal compares two marks; time zones do not matter.
func (m Mark) Equal(o Mark) bool { return m.State == o.State && m.Since.Equal(o.Since) }

// Hold is a reason why a server must not run.
type Hold struct {
	Reason string    `json:"reason"`
	By     string    `json:"by"`
	Since  time.Time `json:"since"`
}

// OpKind names a long operation.
type OpKind string

// The operations of lifecycle.
const (
	OpStart   OpKind = "start"
	OpStop    OpKind = "stop"
	OpRestart OpKind = "restart"
	OpKill    OpKind = "kill"
	OpDelete  OpKind = "delete"
)

// Op is the one operation that is under way on a server: a lease, which lapses at Expires whatever happens to who took it.
type Op struct {
	ID      string    `json:"id"`
	Kind    OpKind    `json:"kind"`
	Owner   string    `json:"owner"` // actor
	Started time.Time `json:"started"`
	Expires time.Time `json:"expires"`
	// Halfway: a restart has seen the game end and is starting it again.
	Halfway bool `json:"halfway,omitempty"`
}

// Live tells whether the lease still holds.
func (o *Op) Live(now time.Time) bool { return o != nil && now.Before(o.Expires) }

func (o *Op) String() string {
	return fmt.Sprintf("%s by %s, since %s, until %s at the latest", o.Kind, o.Owner, o.Started.UTC().Format(time.TimeOnly), o.Expires.UTC().Format(time.TimeOnly+" MST"))
}

// Waiting says that a server is to run and has no room: the loop that can help (autoscale, or lifecycle when room is freed) reads it.
type Waiting struct {
	Need   Resources `json:"need"`
	Reason string    `json:"reason"` // plain words
	Since  time.Time `json:"since"`
	Noted  time.Time `json:"noted"` // when Reason was written; it is renewed now and then, not with everything that happens in the fleet
}

// Need is what the server books on a node to run.
func (s Server) Need() Resources {
	return Resources{MemoryBytes: s.MemoryBytes, CPUMillis: s.CPUMillis, DiskBytes: s.DiskBytes, Ports: 1}
}

// Wanted is Desired as it must be acted upon: a hold stops what is to run.
func (s Server) Wanted() Desired {
	if s.Hold != nil && s.Desired == Running {
		return Stopped
	}
	return s.Desired
}

// Active tells whether a container of the server runs or may come to run without another order.
func Active(o protocol.Observed) bool {
	switch o.State {
	case protocol.StatePulling, protocol.StateStarting, protocol.StateRunning, protocol.StateStopping:
		return true
	case protocol.StateCrashed, protocol.StateFailed:
		return !o.Retry.IsZero()
	case protocol.StateAbsent, protocol.StateStopped:
		return false
	default:
		return o.State != "" // a state of a newer agent: suppose the worst
	}
}

// Container tells whether a container of the server is up. A start is under way before there is one.
func Container(o protocol.Observed) bool {
	switch o.State {
	case protocol.StateRunning:
		return true
	case protocol.StateStarting, protocol.StateStopping:
		return o.Container != ""
	case protocol.StateAbsent, protocol.StatePulling, protocol.StateStopped, protocol.StateCrashed, protocol.StateFailed:
	}
	return false
}

// InFlight tells whether a start was granted of which no word has come: what is observed is older than it.
func (s Server) InFlight() bool { return s.Ordered && s.Granted != 0 }

// hear takes the order that an observation knows of: at the number of the granted start or above it, word of that start has come, or of
// what overtook it. An agent that cannot tell is believed to speak of the start when it sees something new.
func (s *Server) hear(o protocol.Observed) {
	if o.Order >= s.Granted || o.Order == 0 && !MarkOf(o).Equal(MarkOf(s.Observed)) {
		s.Granted = 0
	}
}

// AtRest tells whether nothing of the server runs or can come to run: only then is its memory free.
// A server whose start was ordered and of which no word has come is not at rest.
func (s Server) AtRest() bool {
	if s.Observed.State == "" {
		return !s.Ordered
	}
	return !Active(s.Observed) && !s.InFlight()
}

// Fresh tells whether the next start is the first of its epoch, for which the volume may be made.
func (s Server) Fresh() bool { return s.RanEpoch != s.Epoch }

// Unsettled tells whether lifecycle has something to do or to wait for. Rows for which it is false are not read by its loop.
// It must depend on the row alone: an index holds it.
func Unsettled(s Server) bool {
	switch {
	case s.Op != nil || s.Waiting != nil || s.Desired == Deleted:
		return true
	case s.Wanted() == Running:
		return s.Observed.State != protocol.StateRunning
	default:
		return !s.AtRest()
	}
}
