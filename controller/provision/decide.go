package provision

import (
	"strings"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/plant"
)

// Do is what can be done for a machine.
type Do string

// The steps.
const (
	Nothing  Do = ""
	Send     Do = "send"     // the order to the provider
	Adopt    Do = "adopt"    // the provider has it: write down which it is
	Abandon  Do = "abandon"  // the provider certainly has nothing, and nothing more is sent
	Lose     Do = "lose"     // it is not there any more, and we have not deleted it
	Join     Do = "join"     // its agent has become a node
	Expire   Do = "expire"   // its agent missed the deadline
	Serve    Do = "serve"    // it has proved itself
	Count    Do = "count"    // it has become empty, or is not any more
	Drained  Do = "drained"  // it was to become empty, and has
	TakeBack Do = "takeback" // it was to be deleted, and a server has come
	End      Do = "end"      // the deletion to the provider
	Bury     Do = "bury"     // the provider has confirmed that it is gone
	Blame    Do = "blame"    // what stands in the way has changed
)

const (
	// apart is the least time between two reads that both say that a machine is not there: the provider's reads lag behind.
	apart = 30 * time.Second
	// doubtful is how long an order whose answer was lost may still show up; then it counts as never made.
	doubtful = 90 * time.Second
	// young machines may be missing from a read by id: their end needs two reads.
	young = 2 * time.Minute
	// orderFor is how long an order is tried for before it is given up: what needed it has found something else by then, or says so again.
	orderFor = 30 * time.Minute
	// settling is the time between the decision to delete a machine with a node and the deletion. A choice of a node that was made on an older
	// view of the fleet may come through in it (lifecycle keeps one for a moment); then the deletion is taken back.
	settling = 3 * time.Second
	// proveSoon is how long a new machine may fail its checks before that is called a problem.
	proveSoon = 2 * time.Minute
	// calmAfter is how long a controller must have led before it deletes for silence: the silence may have been its own.
	calmAfter = 2 * time.Minute
)

// Look is what the provider says of one machine, and the machine of itself.
type Look struct {
	Asked   bool           // the provider was asked now and has answered
	Found   *cloud.Machine // nil: it says that there is none
	Missing time.Time      // since when each answer has been that there is none; zero: it was there
	Denied  bool           // it does not let us ask
	Proof   *protocol.CheckReply
	Silent  string // why there is no Proof
}

// absent tells whether the machine is confirmed not to be there.
func (l Look) absent(now time.Time) bool {
	return l.Asked && l.Found == nil && !l.Missing.IsZero() && now.Sub(l.Missing) >= apart
}

// Facts are what the store says beside the machine's row.
type Facts struct {
	Joined   string      // node that its agent has become
	Node     *fleet.Node // its node
	Occupied bool        // a server's row or a booking names the node
	Mode     bool        // recovery mode: nothing is ordered
	Frozen   bool        // that, or a contradiction is undecided: nothing is deleted
	Calm     bool        // this controller has led long enough to believe in silence
}

// Step is one thing to do for a machine now.
type Step struct {
	Do      Do
	Problem *protocol.Fault // of Abandon and Blame
}

// Decide is the rule for one machine. It is asked again inside the transaction that acts.
func Decide(m Machine, l Look, f Facts, now time.Time) Step {
	switch m.Phase {
	case Ordering:
		return decideOrder(m, l, f, now)
	case Deleting:
		return decideEnd(m, l, f, now)
	case Booting, Proving, Serving, Draining:
	case Gone:
		return Step{}
	default: // of a newer version
		return Step{}
	}
	if l.absent(now) {
		return Step{Do: Lose}
	}
	if do := decideLife(m, l, f, now); do != Nothing {
		return Step{Do: do}
	}
	if want := trouble(m, l, f, now); !sameFault(want, m.Problem) {
		return Step{Do: Blame, Problem: want}
	}
	return Step{}
}

func decideOrder(m Machine, l Look, f Facts, now time.Time) Step {
	late := now.Sub(m.OrderedAt) > orderFor
	over := m.Stopped || late
	switch {
	case m.SentAt.IsZero() && over:
		return Step{Do: Abandon, Problem: tooLate(m)}
	case m.SentAt.IsZero() || plant.On(plant.CreateCountedTwice) && !m.Stopped && now.Sub(m.SentAt) > time.Second:
		if f.Mode {
			return Step{}
		}
		return Step{Do: Send}
	case l.Denied && m.Stopped && !m.Doubt:
		return Step{Do: Abandon, Problem: m.Problem}
	case !l.Asked:
		return Step{}
	case l.Found != nil && l.Found.Labels[cloud.LabelMachine] != label(m.ID):
		return Step{Do: Abandon, Problem: &protocol.Fault{Code: protocol.Conflict, Message: "a machine that is not ours has the name " + m.Name,
			Next: "look at it in the cloud's console: does another cluster use this project with the same id?"}}
	case l.Found != nil && address(*l.Found) == "" && !over:
		return Step{} // its token must not be bound to nothing
	case l.Found != nil:
		return Step{Do: Adopt}
	case !l.absent(now):
		return Step{}
	case over && now.Sub(m.SentAt) >= doubtful:
		return Step{Do: Abandon, Problem: tooLate(m)}
	case over || f.Mode:
		return Step{}
	default:
		return Step{Do: Send}
	}
}

func tooLate(m Machine) *protocol.Fault {
	if m.Problem != nil || m.Stopped {
		return m.Problem
	}
	return &protocol.Fault{Code: protocol.Timeout, Message: "the provider has not taken the order within " + orderFor.String(), Next: "see the provider's status page"}
}

func decideLife(m Machine, l Look, f Facts, now time.Time) Do {
	switch m.Phase {
	case Booting:
		switch {
		case f.Joined != "":
			return Join
		case !now.Before(m.JoinBy) && f.Calm && !f.Frozen:
			return Expire
		}
	case Proving:
		if proved(l) && f.Node != nil {
			return Serve
		}
	case Serving:
		if f.Occupied == !m.EmptyAt.IsZero() {
			return Count
		}
	case Draining:
		switch {
		case f.Occupied == !m.EmptyAt.IsZero():
			return Count
		case !f.Occupied && !f.Frozen:
			return Drained
		}
	case Ordering, Deleting, Gone:
	}
	return Nothing
}

func decideEnd(m Machine, l Look, f Facts, now time.Time) Step {
	switch {
	case m.EndSent.IsZero() && f.Occupied && !plant.On(plant.DeleteWithServer):
		return Step{Do: TakeBack}
	case m.EndSent.IsZero() && (f.Frozen || m.Node != "" && now.Sub(m.PhaseAt) < settling):
		return Step{}
	case m.EndSent.IsZero():
		return Step{Do: End}
	case l.absent(now), l.Asked && l.Found == nil && now.Sub(m.Created) > young:
		return Step{Do: Bury}
	case l.Asked && l.Found != nil && l.Found.State != cloud.Leaving:
		return Step{Do: End}
	default:
		return Step{}
	}
}

// proved tells whether servers may come: the machine is well, and what runs on it cannot reach the metadata address, where its user-data is.
func proved(l Look) bool { return l.Proof != nil && l.Proof.OK && !exposed(*l.Proof) }

func exposed(r protocol.CheckReply) bool {
	for _, list := range [][]string{r.Problems, r.Degraded} {
		for _, text := range list {
			if strings.Contains(text, "metadata") || strings.Contains(text, "169.254.") {
				return true
			}
		}
	}
	return false
}

// trouble is what stands in the machine's way, in plain words; nil: nothing.
func trouble(m Machine, l Look, f Facts, now time.Time) *protocol.Fault {
	switch {
	case l.Found != nil && l.Found.State == cloud.Off && !(m.Phase == Booting && now.Sub(m.PhaseAt) <= young): // at first every machine is
		return &protocol.Fault{Code: protocol.Unavailable, Message: "the machine is off, and paid for", Next: "start it in the cloud's console, or delete it there if nothing on it is needed"}
	case l.Found != nil && l.Found.State == cloud.Leaving:
		return &protocol.Fault{Code: protocol.Unavailable, Message: "somebody else is deleting the machine", Next: "find out who has a token of the cloud project"}
	case f.Node != nil && f.Node.Revoked:
		return &protocol.Fault{Code: protocol.Forbidden, Message: "its node was revoked, and the machine is paid for", Next: "delete the servers that were on it, then release the machine"}
	case m.Phase == Proving && now.Sub(m.JoinedAt) >= proveSoon && l.Proof != nil && !proved(l):
		return &protocol.Fault{Code: protocol.Unavailable, Message: "it has joined and is not fit for servers: " + strings.Join(append(l.Proof.Problems, l.Proof.Degraded...), "; "), Next: "see `controller node show`"}
	case m.Phase == Proving && now.Sub(m.JoinedAt) >= proveSoon && l.Silent != "":
		return &protocol.Fault{Code: protocol.Unavailable, Message: "it has joined and its check gets no answer: " + l.Silent, Next: "see `controller node show`"}
	case l.Asked || m.Phase == Proving:
		return nil
	default:
		return m.Problem // nobody has looked
	}
}

func sameFault(a, b *protocol.Fault) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Code == b.Code && a.Message == b.Message
}

// address is what the machine will dial from.
func address(m cloud.Machine) string {
	if m.IPv4 != "" {
		return m.IPv4
	}
	return m.Private
}

// hint guesses why a machine has not joined, from what its provider says of it.
func hint(l Look) string {
	switch {
	case l.Found == nil:
		return "the provider did not say how it is"
	case l.Found.State == cloud.Off:
		return "it is off: it was shut down, or its image does not boot"
	case l.Found.State == cloud.Starting:
		return "the provider is still starting it"
	default:
		return "it is on: cloud-init failed on it, or it does not reach the controller"
	}
}

// faultOf is a provider's error as people see it.
func faultOf(err error) *protocol.Fault {
	code := map[cloud.Kind]protocol.Code{
		cloud.NoStock: protocol.Exhausted, cloud.Limit: protocol.Exhausted, cloud.Invalid: protocol.Invalid, cloud.Denied: protocol.Forbidden,
	}[kindOf(err)]
	if code == "" {
		code = protocol.Unavailable
	}
	e := asCloud(err)
	if e == nil {
		return fault.ToProtocol(fault.New(code, fault.Message(err), fault.Next(err)))
	}
	return &protocol.Fault{Code: code, Message: bound(e.Error()), Next: e.Next}
}
