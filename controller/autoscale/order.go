package autoscale

import (
	"fmt"
	"time"

	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/provision"
	"github.com/payperplay/payperplay/protocol"
)

// maxCandidates bounds an order's list of fallbacks.
const maxCandidates = 12

// order decides to rent one of deals, which choose has put in order, and counts the first at once: what comes after sees it. That a
// fallback is within the caps together with everything else is asked again where it is ordered. free is what it has beside servers.
func (c *scene) order(by Policy, why string, deals []deal, servers []string, free fleet.Resources) {
	first := deals[0]
	a := Action{Do: Order, Policy: by, Why: why, Hourly: first.Hourly, Servers: servers, Spare: len(servers) == 0}
	for _, d := range deals[:min(len(deals), maxCandidates)] {
		a.Candidates = append(a.Candidates, d.Candidate)
	}
	c.out.Actions = append(c.out.Actions, a)
	c.budget.Take(first.Hourly)
	c.coming = c.coming.Add(first.room)
	c.ordered = append(c.ordered, &host{coming: true, free: free, m: provision.Machine{Name: "the " + first.Type + " that is being ordered", OrderedAt: c.now}})
	c.lastUp = c.now
}

// halted says why nothing may be ordered now, whatever is wanted.
func (c *scene) halted() string {
	switch {
	case c.snap.Frozen != "":
		return c.snap.Frozen
	case c.snap.CatalogueErr != "":
		return "there is no price list: " + c.snap.CatalogueErr
	}
	return c.lost()
}

const (
	lostLimit = 2         // machines that never joined, one after the other: the second was provision's retry elsewhere
	lostPause = time.Hour // until the next is tried
)

// lost says that machines are paid for and do not join: buying more of them helps nobody until somebody has looked.
func (c *scene) lost() string {
	var joined, last time.Time
	for _, m := range c.snap.Machines {
		if m.JoinedAt.After(joined) {
			joined = m.JoinedAt
		}
	}
	n := 0
	for _, m := range c.snap.Machines {
		if m.NeverJoined && m.OrderedAt.After(joined) {
			n++
			if m.UpdatedAt.After(last) {
				last = m.UpdatedAt
			}
		}
	}
	if until := last.Add(lostPause); n >= lostLimit && c.now.Before(until) {
		c.wake(until)
		return fmt.Sprintf("the last %d machines never joined; the next is tried at %s (see `controller machine list`)", n, until.UTC().Format(time.TimeOnly+" MST"))
	}
	return ""
}

// growth is the memory that a machine is chosen for beyond what is needed now.
func (c *scene) growth() int64 { return int64(c.s.Growth * float64(c.booked.MemoryBytes)) }

func sizes(needs []fleet.Resources) string {
	var sum int64
	for _, n := range needs {
		sum += n.MemoryBytes
	}
	return protocol.FormatSize(sum)
}
