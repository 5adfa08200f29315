package fleet

import (
	"fmt"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
)

// Gate says what may be done about one server by itself, and by order, while the store is known or suspected to be older than the agents.
type Gate struct {
	Open  bool
	Since time.Time // of the mode, or of what is undecided where the mode is not open: orders given later count
	Sign  Sign      // what is undecided about the server, "" for nothing
	Node  Sign      // what its node claims of itself and nobody decided, "" for nothing
}

// ReadGate reads it; in normal times it costs one read, and never more than the server's own findings. A server without an id has none.
func ReadGate(tx store.Tx, s Server) (Gate, error) {
	r, err := ReadRecovery(tx)
	if err != nil {
		return Gate{}, err
	}
	return gateOf(tx, r, s)
}

func gateOf(tx store.Tx, r Recovery, s Server) (Gate, error) {
	g := Gate{Open: r.Open, Since: r.Since}
	if r.Undecided == 0 || s.ID == "" {
		return g, nil
	}
	open, err := Open(tx, s.ID)
	if err != nil {
		return g, err
	}
	if s.Node != "" {
		claims, err := claims(tx, s.Node)
		if err != nil {
			return g, err
		}
		for _, f := range claims {
			g.Node = f.Sign
		}
		open = append(open, claims...)
	}
	for i, f := range open {
		if i == 0 && f.Server != "" {
			g.Sign = f.Sign
		}
		if !g.Open && f.Since.After(g.Since) {
			g.Since = f.Since
		}
	}
	return g, nil
}

// Frozen tells whether nothing may be done for the server by the controller itself.
func (g Gate) Frozen() bool { return g.Open || g.Sign != "" || g.Node != "" }

// Refuse is the answer to an order that has to wait until the recovery is over, nil if it need not. what is the order, as "started".
func (g Gate) Refuse(s Server, what string) error {
	if err := g.RefuseHalt(s, what); err != nil || !g.Frozen() {
		return err
	}
	if g.Open {
		return fault.New(fault.Conflict, "nothing can be "+what+" in recovery mode: the store is older than what the nodes know",
			"see `controller recovery show`, decide, then `controller recovery end`")
	}
	return fault.New(fault.Conflict, fmt.Sprintf("server %s cannot be %s: its node claims to know more than the store, and nothing proves it", s.Name, what),
		"see `controller recovery show`, then believe the store (`controller recovery keep --node NODE`) or revoke the node")
}

// RefuseHalt is the answer to stop and kill, which only wait where it is not known which copy they are for.
func (g Gate) RefuseHalt(s Server, what string) error {
	if g.Sign == "" || g.Sign == SignDiffers && (what == "stopped" || what == "killed") {
		return nil
	}
	return fault.New(fault.Conflict, fmt.Sprintf("server %s cannot be %s: a node contradicts the store about it, which may come from an old backup", s.Name, what),
		fmt.Sprintf("decide first: `controller recovery show`, then `controller recovery adopt %s` or `controller recovery keep %s`", s.Name, s.Name))
}
