// Package fleet holds the controller's nouns, servers and nodes and what is booked where, and the few rules that no room may bend:
// who writes which field, when resources are booked and freed, what an agent's report may change. It does no I/O beside the
// transaction it is given and starts nothing.
//
// Writers of a Server row: Desired, Op, Waiting, Kill and the spec belong to lifecycle; Observed belongs to Observe, Inventory and
// Removed (from agents' reports); Node, Epoch and Floor belong to Assign and, after a backup was restored, to Adopt and Overrule; Hold belongs to whoever holds (billing, operator).
package fleet

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
)

// The tables.
var (
	// Servers by id. A deleted server keeps its row until its node has cleaned up, but not its name.
	Servers = store.Table[Server]{
		Name: "servers",
		Key:  func(s Server) string { return s.ID },
		Indexes: []store.Index[Server]{
			store.String("name", func(s Server) string { return s.Name }).Uniq().When(func(s Server) bool { return s.Desired != Deleted }),
			store.String("owner", func(s Server) string { return s.Owner }),
			store.String("node", func(s Server) string { return s.Node }).When(func(s Server) bool { return s.Node != "" }),
			store.Bool("unsettled", Unsettled).When(Unsettled),
		},
	}
	// Nodes by id. A revoked node gives its name free.
	Nodes = store.Table[Node]{
		Name: "nodes",
		Key:  func(n Node) string { return n.ID },
		Indexes: []store.Index[Node]{
			store.String("name", func(n Node) string { return n.Name }).Uniq().When(func(n Node) bool { return !n.Revoked }),
		},
	}
	// Bookings by server id. The unique index is the last guard against one port given twice.
	Bookings = store.Table[Booking]{
		Name: "bookings",
		Key:  func(b Booking) string { return b.Server },
		Indexes: []store.Index[Booking]{
			store.String("node", func(b Booking) string { return b.Node }),
			store.String("node_port", func(b Booking) string { return fmt.Sprintf("%s/%d", b.Node, b.Port) }).Uniq().When(func(b Booking) bool { return b.Port != 0 }),
			store.Time("reserved_until", func(b Booking) time.Time { return b.ExpiresAt }).When(Booking.Reserved),
		},
	}
)

// Tables are the tables of this room, for an engine's Open.
func Tables() []store.TableDef {
	return []store.TableDef{Servers.Def(), Nodes.Def(), Bookings.Def(), Tombstones.Def(), recoveries.Def(), Findings.Def()}
}

// Prefixes of ids.
const (
	ServerPrefix = "srv_"
	NodePrefix   = "node_"
)

// NewID makes an id of 80 random bits after the prefix. Call it outside a transaction's closure, which may run twice.
func NewID(prefix string) string {
	var b [10]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return prefix + strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

var nameRule = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`)

// CheckName says whether a server or node may have this name. kind is the word for the error text.
func CheckName(kind, name string) error {
	if nameRule.MatchString(name) {
		return nil
	}
	why := "it may hold only a-z, 0-9 and -, and begin and end with a letter or digit"
	switch {
	case name == "":
		why = "it is empty"
	case len(name) > 32:
		why = fmt.Sprintf("it has %d characters, at most 32 are allowed", len(name))
		name = name[:32] + "…"
	}
	return fault.New(fault.Invalid, fmt.Sprintf("%q cannot be the name of a %s: %s", name, kind, why), "choose a name such as survival-1")
}

// FindServer reads a server by its name or, beginning with "srv_", by its id; a deleted one only by id. kind not_found if there is none.
func FindServer(tx store.Tx, nameOrID string) (Server, error) {
	var s Server
	var err error
	if strings.HasPrefix(nameOrID, ServerPrefix) { // names have no underscore
		s, err = Servers.Get(tx, nameOrID)
	} else {
		s, err = Servers.Lookup(tx, "name", nameOrID)
	}
	return s, notFound(err, "server", nameOrID, "controller server list")
}

// FindNode reads a node by its name or, beginning with "node_", by its id; a revoked one only by id. kind not_found if there is none.
func FindNode(tx store.Tx, nameOrID string) (Node, error) {
	var n Node
	var err error
	if strings.HasPrefix(nameOrID, NodePrefix) {
		n, err = Nodes.Get(tx, nameOrID)
	} else {
		n, err = Nodes.Lookup(tx, "name", nameOrID)
	}
	return n, notFound(err, "node", nameOrID, "controller node list")
}

func notFound(err error, kind, name, list string) error {
	if fault.KindOf(err) != fault.NotFound {
		return err
	}
	return fault.Wrap(err, fault.NotFound, fmt.Sprintf("there is no %s %q", kind, name), "see `"+list+"`")
}
