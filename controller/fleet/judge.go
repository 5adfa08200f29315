package fleet

import "github.com/payperplay/payperplay/protocol"

// MaxLeap bounds what an agent is believed: an epoch, term or order number that is further ahead was never given by any controller of ours, and raising
// ours above it would let one lying agent use up the numbers.
const MaxLeap = 1 << 32

// Judge compares what a node says of one server with what the store knows of it: "" is the ordinary case, which Observe knows
// what to do with. s is nil when there is no row; buried, when one was deleted: its node is about to be done with it.
// inMode says that the store is already known to be old; only then the two signs count that also happen in ordinary times.
func Judge(node string, o protocol.Observed, s *Server, buried, inMode bool, r Recovery) Sign {
	switch {
	case s == nil && buried:
		return ""
	case s == nil:
		return SignUnknown
	case o.Epoch <= 0 || o.Epoch > max(s.Epoch, s.Floor)+MaxLeap:
		return "" // no claim, or one that nobody can have earned
	case s.Node == node && o.Epoch > s.Epoch:
		return SignAhead
	case s.Node != node && o.Epoch >= max(s.Epoch, s.Floor):
		return SignAhead // also an equal one: an epoch is given to one node only
	case s.Node == node && o.Epoch == s.Epoch && inMode && differs(o, *s, r):
		return SignDiffers
	default:
		return ""
	}
}

// differs tells whether the store's wish is against what its node has been told since: what was ordered in the recovery mode itself counts.
func differs(o protocol.Observed, s Server, r Recovery) bool {
	if s.Desired == Deleted || r.Open && s.DesiredAt.After(r.Since) {
		return false
	}
	if s.Wanted() == Running {
		return o.State == protocol.StateStopped && o.Exit != nil && o.Exit.Asked
	}
	return Active(o) && o.State != protocol.StateStopping
}

// absent tells whether a server whose world the store believes on a node is not there. It happens in ordinary times too (a disk that
// was lost), so it only counts as a sign when there is another one.
func absent(s Server) bool {
	return s.Desired != Deleted && s.Ordered && s.RanEpoch == s.Epoch
}
