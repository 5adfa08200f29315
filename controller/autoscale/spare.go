package autoscale

import (
	"fmt"

	"github.com/payperplay/payperplay/controller/fleet"
)

// spares is the policy of the pool: as many machines without servers as the hour wants, ready or on their way. One that servers come to
// is a spare no longer, and the next is ordered.
func (c *scene) spares() {
	wanted := c.pool()
	c.out.Inputs.PoolWanted = wanted
	c.wakePool()
	have := c.empties()
	for _, a := range c.out.Actions {
		if a.Do == Order && len(a.Servers) == 0 {
			have++ // just ordered for the load, and without a server so far
		}
	}
	for n := have; n < wanted; n++ {
		if c.halt != "" || c.blocked {
			c.consider("a spare", "servers that wait come first, or nothing can be ordered now", 0)
			return
		}
		needs := []fleet.Resources{{MemoryBytes: c.s.Spares.Memory, Ports: 1}}
		deals, err := c.choose(needs, c.growth())
		if err != nil {
			c.consider("a spare", said(err), 0)
			return
		}
		c.order(Spare, fmt.Sprintf("%s wanted at this hour, and %d there", many(wanted, "spare"), n), deals, nil, deals[0].room)
	}
}

func (c *scene) wakePool() {
	if len(c.s.SpareImages) > 0 {
		c.wake(c.s.Spares.turn(c.now))
	}
}
