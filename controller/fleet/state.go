package fleet

import (
	"fmt"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

// Status is what people see of a server: what its owner wants and what its agent sees, in one word, one line and the next step.
type Status struct {
	State string    `json:"state"`
	Text  string    `json:"text"`
	Next  string    `json:"next,omitempty"`
	Since time.Time `json:"since,omitzero"`
}

// The words of Status.State beside those of protocol.State (starting, running, stopping, stopped, crashed, failed, pulling).
const (
	StateUnknown  = "unknown"  // its node is silent: the game probably runs on
	StateWaiting  = "waiting"  // no node has room
	StateDeleting = "deleting" //
	StateAsleep   = "asleep"   //
	StateArchived = "archived" //
)

// State combines a server's row with its node's (nil: it has none). "unknown" is computed here from the node's last contact and never stored.
func State(s Server, n *Node, now time.Time) Status {
	wanted := s.Wanted()
	away := s.Node != "" && (n == nil || !n.Reachable(now))
	switch {
	case s.Desired == Deleted:
		return deleting(s, n, away)
	case away && (wanted == Running || !s.AtRest()):
		return unknown(s, n)
	case s.Waiting != nil && s.AtRest():
		return Status{StateWaiting, s.Waiting.Reason, "it starts by itself when there is room: stop another server, add a node, or stop this one to give up", s.Waiting.Since}
	case s.AtRest() || s.InFlight() && wanted == Running:
		return resting(s, wanted)
	case s.InFlight():
		return Status{string(protocol.StateStopping), "a stop is ordered" + because(s), "", s.DesiredAt}
	}
	st := Status{State: string(s.Observed.State), Since: s.Observed.Since}
	switch s.Observed.State {
	case protocol.StateRunning:
		st.Text = "running"
		if wanted != Running {
			return Status{string(protocol.StateStopping), "a stop is ordered" + because(s), "", s.DesiredAt}
		}
		if s.Observed.Revision != 0 && s.Observed.Revision != s.Revision {
			st.Text, st.Next = "running with settings from before the last change", "restart it for the new ones to count"
		}
	case protocol.StateCrashed, protocol.StateFailed:
		st.Text, st.Next = failure(s.Observed)
		st.Text += "; its node tries again at " + clock(s.Observed.Retry)
	case "":
		st = Status{string(protocol.StateStarting), "the start is ordered, no word from the node yet", "", s.DesiredAt}
	default:
		st.Text = string(s.Observed.State)
		if p := s.Observed.Problem; p != nil {
			st.Text, st.Next = "its node tries again: "+p.Message, p.Next
		} else if s.Observed.Progress != "" {
			st.Text = s.Observed.Progress
		}
	}
	return st
}

func deleting(s Server, n *Node, away bool) Status {
	if !away {
		return Status{StateDeleting, "its node is removing it", "", s.DesiredAt}
	}
	return Status{StateDeleting, "its node " + nodeName(s, n) + " does not answer" + lastSeen(n) + "; it removes the files when it returns", "if the node is gone for good, revoke it: `controller node revoke NAME`", s.DesiredAt}
}

func unknown(s Server, n *Node) Status {
	st := Status{State: StateUnknown, Text: "its node " + nodeName(s, n) + " does not answer" + lastSeen(n)}
	if n != nil {
		st.Since = n.Contact()
	}
	if Container(s.Observed) {
		st.Text += "; the game probably runs on, and it is not started elsewhere"
	} else {
		st.Text += "; it is not started elsewhere because the node holds its world"
	}
	st.Next = "see to the node (`controller node show`); what was ordered is done when it returns"
	if n != nil && n.Revoked {
		st.Text, st.Next = "its node "+n.Name+" was revoked", "delete the server, or enrol the machine again and restore a backup"
	}
	return st
}

// resting explains a server of which nothing runs.
func resting(s Server, wanted Desired) Status {
	st := Status{State: string(protocol.StateStopped), Since: s.Observed.Since}
	if st.Since.IsZero() {
		st.Since = s.DesiredAt
	}
	switch {
	case s.Hold != nil:
		st.Text, st.Next = "held: "+s.Hold.Reason, "settle it, then start the server"
	case wanted == Running:
		st = Status{string(protocol.StateStarting), "the start is ordered", "", s.DesiredAt}
		if s.Problem != nil {
			st.Text, st.Next = "the start is tried again: "+s.Problem.Message, s.Problem.Next
		}
	case wanted == Asleep:
		st.State, st.Text, st.Next = StateAsleep, "asleep; it wakes when a player joins", ""
	case wanted == Archived:
		st.State, st.Text, st.Next = StateArchived, "archived; it wakes when a player joins", ""
	case s.Problem != nil:
		st = Status{string(protocol.StateFailed), s.Problem.Message, s.Problem.Next, s.DesiredAt}
		if s.Observed.State == protocol.StateCrashed {
			st.State = string(protocol.StateCrashed)
		}
	default:
		st.Text = "stopped" + because(s)
	}
	return st
}

// failure says why a server crashed or could not be started, and the next step.
func failure(o protocol.Observed) (text, next string) {
	switch {
	case o.Exit != nil && o.Exit.OOM:
		text, next = "crashed: it ran out of memory", "give it more memory, or run less in it"
	case o.Exit != nil:
		text, next = fmt.Sprintf("crashed with exit code %d", o.Exit.Code), "read the last lines of its console"
	case o.State == protocol.StateFailed:
		text, next = "it could not be started", "read the last lines of its console"
	default:
		text = "crashed"
	}
	if o.Problem != nil {
		text = o.Problem.Message
		if o.Problem.Next != "" {
			next = o.Problem.Next
		}
	}
	if o.Exit != nil && o.Exit.Advice != "" {
		next = o.Exit.Advice
	}
	return text, next
}

// Failure turns a crashed or failed observation into what people read.
func Failure(o protocol.Observed) *protocol.Fault {
	text, next := failure(o)
	code := protocol.Internal
	if o.Problem != nil {
		code = o.Problem.Code
	} else if o.Exit != nil && o.Exit.OOM {
		code = protocol.Exhausted
	}
	return &protocol.Fault{Code: code, Message: text, Next: next}
}

func because(s Server) string {
	if s.DesiredReason == "" {
		return ""
	}
	return ": " + s.DesiredReason
}

func nodeName(s Server, n *Node) string {
	if n == nil {
		return s.Node
	}
	return n.Name
}

func lastSeen(n *Node) string {
	if n == nil || n.Contact().IsZero() {
		return ""
	}
	return " (last seen " + n.Contact().UTC().Format(time.DateTime) + " UTC)"
}

func clock(t time.Time) string { return t.UTC().Format(time.TimeOnly) + " UTC" }
