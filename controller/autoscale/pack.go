package autoscale

import (
	"cmp"
	"slices"

	"github.com/payperplay/payperplay/controller/fleet"
)

// pack finds room for needs, the largest first, on machines that are coming, and takes it. The answer has the host of each need, nil for
// one that found none. Machines were ordered for a packing that nobody wrote down, so several ways are tried and the best is taken:
// else a machine might be bought twice for one need.
func (c *scene) pack(needs []fleet.Resources) []*host {
	var bins []*host
	for _, h := range c.hosts {
		if h.coming {
			bins = append(bins, h)
		}
	}
	bins = append(bins, c.ordered...)
	best, left := make([]*host, len(needs)), len(needs)+1
	for _, by := range []func(a, b *host) int{
		func(a, b *host) int { return a.m.OrderedAt.Compare(b.m.OrderedAt) },
		func(a, b *host) int { return cmp.Compare(a.free.MemoryBytes, b.free.MemoryBytes) },
		func(a, b *host) int { return cmp.Compare(b.free.MemoryBytes, a.free.MemoryBytes) },
	} {
		slices.SortStableFunc(bins, by) // of equals the one with the lower id
		if got, n := firstFit(bins, needs); n < left {
			best, left = got, n
		}
		if left == 0 {
			break
		}
	}
	for i, h := range best {
		if h != nil {
			h.free = h.free.Sub(needs[i])
		}
	}
	return best
}

// firstFit puts every need into the first bin with room, and tells how many found none.
func firstFit(bins []*host, needs []fleet.Resources) (where []*host, left int) {
	free := make([]fleet.Resources, len(bins))
	for i, h := range bins {
		free[i] = h.free
	}
	where = make([]*host, len(needs))
next:
	for i, n := range needs {
		for j, h := range bins {
			if free[j].Fits(n) {
				free[j], where[i] = free[j].Sub(n), h
				continue next
			}
		}
		left++
	}
	return where, left
}
