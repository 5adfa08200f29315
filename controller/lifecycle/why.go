package lifecycle

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/placement"
	"github.com/payperplay/payperplay/controller/store"
)

// Because is where a server is, and how the choice of a node for it would come out now, as if it were on none.
type Because struct {
	Server fleet.Server
	Node   *fleet.Node // nil: none
	Choice placement.Decision
	Nodes  []Could // every node that is not revoked, by name
}

// Could tells of one node whether it could take the server.
type Could struct {
	Name string
	Fits bool
	Why  string
}

// Why explains a server's place. It books and changes nothing. Kinds: not_found.
func (l *Lifecycle) Why(ctx context.Context, name string) (Because, error) {
	var b Because
	var snap fleet.Snapshot
	err := l.db.View(ctx, func(tx store.Tx) (err error) {
		if b.Server, err = fleet.FindServer(tx, name); err != nil {
			return err
		}
		snap, err = fleet.ReadRoom(tx, time.Now())
		return err
	})
	if err != nil {
		return b, err
	}
	delete(snap.Bookings, b.Server.ID)
	if n, ok := snap.Nodes[b.Server.Node]; ok {
		b.Node = &n
	}
	_, b.Choice = placement.New(snap).Choose(placement.Need{Resources: b.Server.Need(), Pin: b.Server.Pin, RequireSafe: l.safe}, l.strategy)
	against := map[string]string{}
	for _, r := range b.Choice.Rejected {
		against[r.Name()] = b.Choice.Reason(r)
	}
	for id, n := range snap.Nodes {
		if n.Revoked {
			continue
		}
		c := Could{Name: n.Name, Fits: true, Why: "has room"}
		if why, no := against[n.Name]; no {
			c.Fits, c.Why = false, why
		} else if id == b.Choice.Node {
			c.Why = "would be chosen (" + string(l.strategy) + ")"
		}
		b.Nodes = append(b.Nodes, c)
	}
	slices.SortFunc(b.Nodes, func(x, y Could) int { return cmp.Compare(x.Name, y.Name) })
	return b, nil
}
