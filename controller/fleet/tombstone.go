package fleet

import (
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
)

// Tombstone remembers a server that is gone, so that a node which still mentions it is not taken for a sign that the store is old.
type Tombstone struct {
	Server string `json:"server"`
	Name   string `json:"name"`
	Node   string `json:"node,omitempty"`
	// Floor is above every epoch that counted: a copy that comes back, of a disk that was restored or of a start that was late, is set
	// aside instead of running for nobody. 0 in rows of before.
	Floor int64     `json:"floor,omitempty"`
	At    time.Time `json:"at"`
}

// tombstoneLife is longer than a node can be away with its old certificates, and than people keep snapshots of machines.
const tombstoneLife = 180 * 24 * time.Hour

// Tombstones by server id.
var Tombstones = store.Table[Tombstone]{
	Name:    "tombstones",
	Key:     func(t Tombstone) string { return t.Server },
	Indexes: []store.Index[Tombstone]{store.Time("at", func(t Tombstone) time.Time { return t.At })},
}

// bury writes a tombstone and clears away a few that are old enough, so that their number follows that of the deletions.
func bury(tx store.Tx, t Tombstone) error {
	var old []string
	for o, err := range Tombstones.Range(tx, "at", nil, t.At.Add(-tombstoneLife), 8, false) {
		if err != nil {
			return err
		}
		old = append(old, o.Server)
	}
	for _, id := range old {
		if err := Tombstones.Delete(tx, id); err != nil {
			return err
		}
	}
	return Tombstones.Put(tx, t)
}

// findTombstone gives the tombstone of a server, nil when there is none.
func findTombstone(tx store.Tx, id string) (*Tombstone, error) {
	t, err := Tombstones.Get(tx, id)
	if fault.KindOf(err) == fault.NotFound {
		return nil, nil //nolint:nilnil // it is not buried, and that is no error
	}
	return &t, err
}

// Told gives the epoch that a node is to be told of a server it has, for protocol.Welcome; 0: nothing, it leaves the server alone.
// A node with a lower one stops its copy and sets the volume aside. In recovery mode only what an operator decided is told.
func Told(tx store.Tx, node, id string, r Recovery) (int64, error) {
	s, err := Servers.Get(tx, id)
	if fault.KindOf(err) == fault.NotFound {
		t, err := findTombstone(tx, id)
		if err != nil || t == nil {
			return 0, err
		}
		return t.Floor, nil
	}
	if err != nil {
		return 0, err
	}
	g, err := gateOf(tx, r, s)
	if err != nil {
		return 0, err
	}
	switch {
	case g.Frozen() && (s.Floor == 0 || g.Sign != ""):
		return 0, nil
	case s.Node == node:
		return s.Epoch, nil
	default:
		return max(s.Epoch, s.Floor), nil
	}
}
