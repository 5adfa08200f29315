package fleet

import (
	"slices"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

// Class says where a node came from: joined by hand, or bought from a cloud.
type Class string

// The classes.
const (
	Local Class = "local"
	Cloud Class = "cloud"
)

// Role of a node.
const (
	RoleWorker = "worker"
	RoleEdge   = "edge"
)

// Node is a machine that runs an agent.
type Node struct {
	ID    string             `json:"id"` // "node_…"
	Name  string             `json:"name"`
	Owner string             `json:"owner"`
	Class Class              `json:"class"`
	Facts protocol.NodeFacts `json:"facts"` // as of the last hello

	Machine string `json:"machine,omitempty"` // the rented machine it runs on (provision's row); "" = not one that we rent
	Proving bool   `json:"proving,omitempty"` // no servers yet: it has to prove first that they cannot reach what they must not

	BoundKey   []byte `json:"bound_key"`  // SPKI, DER: the only key this node may have a certificate for
	Generation int64  `json:"generation"` // highest the node connected with
	Recoveries int    `json:"recoveries"` // by the bound key, since an operator last looked
	Revoked    bool   `json:"revoked,omitempty"`
	Locked     bool   `json:"locked,omitempty"` // two uses of one key alternate: nobody gets in until an operator decides
	Cordoned   bool   `json:"cordoned,omitempty"`
	Reason     string `json:"reason,omitempty"` // why it is revoked, locked or cordoned, and by whom

	AckSeq int64  `json:"ack_seq"` // reports up to here are taken
	AckRun string `json:"ack_run,omitempty"`

	LastSeen    time.Time `json:"last_seen,omitzero"` // controller's clock, at the start and end of a session
	Session     *Session  `json:"session,omitempty"`  // nil: not connected
	ClockSkewMS int64     `json:"clock_skew_ms"`      // agent's clock minus ours
	Health      Health    `json:"health,omitzero"`

	InventoryHash string    `json:"inventory_hash,omitempty"` // of the inventory that was last taken
	InventoryAt   time.Time `json:"inventory_at,omitzero"`    // when the node last said what it has, in full or by the same hash
	JoinedAt      time.Time `json:"joined_at"`
	JoinedBy      string    `json:"joined_by"` // actor that made the join token
	UpdatedAt     time.Time `json:"updated_at,omitzero"`
	UpdatedBy     string    `json:"updated_by,omitempty"`
}

// Session is a node's open control connection.
type Session struct {
	ID     string    `json:"id"`
	Term   int64     `json:"term"` // of the controller that holds it: one of an older term is gone
	Remote string    `json:"remote"`
	Since  time.Time `json:"since"`
}

// Health is the result of the last health check.
type Health struct {
	At       time.Time `json:"at,omitzero"`
	OK       bool      `json:"ok"`
	Problems []string  `json:"problems,omitempty"`
}

// SilentAfter is how old the last contact of a node with an open session may be. The tunnel writes the end of a session within
// 10 s; this only matters when something keeps it from doing so. The health sweep is a contact once a minute.
const SilentAfter = 15 * time.Minute

// healthAge is how long a bad health check keeps servers away.
const healthAge = 5 * time.Minute

// Contact is when the node was last heard of.
func (n Node) Contact() time.Time {
	at := n.LastSeen
	if n.Session == nil {
		return at
	}
	if n.Session.Since.After(at) {
		at = n.Session.Since
	}
	if n.Health.At.After(at) { // whatever came out of it, the session was open
		at = n.Health.At
	}
	return at
}

// Reachable tells whether orders can be given to the node.
func (n Node) Reachable(now time.Time) bool {
	return n.Session != nil && !n.Revoked && !n.Locked && now.Sub(n.Contact()) <= SilentAfter
}

// State is one word for people: ready, degraded, unhealthy, proving, cordoned, offline, locked, revoked.
func (n Node) State(now time.Time) string {
	switch {
	case n.Revoked:
		return "revoked"
	case n.Locked:
		return "locked"
	case !n.Reachable(now):
		return "offline"
	case n.Unhealthy(now):
		return "unhealthy"
	case n.Proving:
		return "proving"
	case n.Cordoned:
		return "cordoned"
	case len(n.Facts.Degraded) > 0:
		return "degraded"
	default:
		return "ready"
	}
}

// Unhealthy tells whether a recent health check failed.
func (n Node) Unhealthy(now time.Time) bool {
	return !n.Health.At.IsZero() && !n.Health.OK && now.Sub(n.Health.At) <= healthAge
}

// HasRole tells whether the node's agent has the role.
func (n Node) HasRole(role string) bool { return slices.Contains(n.Facts.Roles, role) }
