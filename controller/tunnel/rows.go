package tunnel

import (
	"time"

	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
)

// JoinToken is the row of a join token. The token itself is never stored.
type JoinToken struct {
	Hash      string      `json:"hash"` // hex SHA-256 of the token
	Name      string      `json:"name"` // of the node it is for
	Class     fleet.Class `json:"class"`
	Roles     []string    `json:"roles,omitempty"`      // what the agent may be; empty: as it says
	MachineID string      `json:"machine_id,omitempty"` // bound to this machine when set
	Address   string      `json:"address,omitempty"`    // bound to this source address when set
	Machine   string      `json:"machine,omitempty"`    // the rented machine it is for (provision's row)
	Unbound   bool        `json:"unbound,omitempty"`    // nobody may use it yet: the provider has not said which machine it is
	Actor     string      `json:"actor"`
	Created   time.Time   `json:"created"`
	Expires   time.Time   `json:"expires"`
	Used      time.Time   `json:"used,omitzero"`
	Node      string      `json:"node,omitempty"` // who used it
	KeyHash   string      `json:"key_hash,omitempty"`
}

// Enrolment is what only the tunnel needs of a node; the rest is fleet's row of the same id.
type Enrolment struct {
	Node    string    `json:"node"`
	Roles   []string  `json:"roles,omitempty"`   // what the join token allowed; empty: anything
	Uses    []Use     `json:"uses,omitempty"`    // the last processes that used the key, oldest first
	Warned  time.Time `json:"warned,omitzero"`   // last node.duplicate event that did not lock
	Servers []string  `json:"servers,omitempty"` // in the last inventory
}

// Use is one use of a node's key by an agent process.
type Use struct {
	Run string    `json:"run"`
	At  time.Time `json:"at"`
}

var joinTokens = store.Table[JoinToken]{
	Name: "join_tokens",
	Key:  func(t JoinToken) string { return t.Hash },
	Indexes: []store.Index[JoinToken]{
		store.Time("expires", func(t JoinToken) time.Time { return t.Expires }),
		store.String("machine", func(t JoinToken) string { return t.Machine }).Uniq().When(func(t JoinToken) bool { return t.Machine != "" }),
	},
}

var enrolments = store.Table[Enrolment]{
	Name: "enrolments",
	Key:  func(e Enrolment) string { return e.Node },
}

// Tables are the tables of this room, for the engine's Open.
func Tables() []store.TableDef {
	return []store.TableDef{joinTokens.Def(), enrolments.Def(), known.Def()}
}
