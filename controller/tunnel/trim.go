package tunnel

import (
	"errors"
	"time"

	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
)

// revokedKeep is how long the row of a revoked node stays, so that people can see why it was cut off.
const revokedKeep = 90 * 24 * time.Hour

// strangerLife is how long after the end of its certificate a node that the store does not know is taken for one that joined after the
// backup. It is less than revokedKeep by more than the life of a certificate: one whose row was trimmed is a stranger for good, and no sign.
const strangerLife = 60 * 24 * time.Hour

// TrimTokens deletes at most most join tokens that expired a week ago, and says how many. A later use is told that the token is
// not known instead of that it expired.
func TrimTokens(tx store.Tx, now time.Time, most int) (int, error) {
	var dead []string
	for row, err := range joinTokens.Range(tx, "expires", nil, now.Add(-tokenKeep), most, false) {
		if err != nil {
			return 0, err
		}
		dead = append(dead, row.Hash)
	}
	for _, h := range dead {
		if err := joinTokens.Delete(tx, h); err != nil {
			return 0, err
		}
	}
	return len(dead), nil
}

// TrimRevoked deletes at most most nodes that were revoked 90 days ago and that no server's row names, with their enrolments.
// Their certificates are dead for long: one lives for a day, and a revoked node gets no other.
func TrimRevoked(tx store.Tx, now time.Time, most int) (int, error) {
	var dead []string
	for n, err := range fleet.Nodes.Range(tx, "", nil, nil, 0, false) {
		if err != nil {
			return 0, err
		}
		if !forgettable(n, now) || len(dead) >= most {
			continue
		}
		used, err := named(tx, n.ID)
		if err != nil {
			return 0, err
		}
		if !used {
			dead = append(dead, n.ID)
		}
	}
	for _, id := range dead {
		if err := errors.Join(fleet.Nodes.Delete(tx, id), enrolments.Delete(tx, id)); err != nil {
			return 0, err
		}
	}
	return len(dead), nil
}

// forgettable tells whether a node's time is over. Pure.
func forgettable(n fleet.Node, now time.Time) bool {
	if !n.Revoked || n.Session != nil {
		return false
	}
	last := n.JoinedAt
	for _, at := range []time.Time{n.UpdatedAt, n.LastSeen} {
		if at.After(last) {
			last = at
		}
	}
	return now.Sub(last) > revokedKeep
}

// named tells whether a server or a booking is on the node.
func named(tx store.Tx, node string) (bool, error) {
	for _, err := range fleet.Servers.Match(tx, "node", node, "", 1, false) {
		return true, err
	}
	for _, err := range fleet.Bookings.Match(tx, "node", node, "", 1, false) {
		return true, err
	}
	return false, nil
}
