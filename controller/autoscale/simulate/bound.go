package simulate

import (
	"math"
	"time"

	"github.com/payperplay/payperplay/controller/autoscale"
	"github.com/payperplay/payperplay/controller/fleet"
)

// covers gives, for any amount of memory, the price of the cheapest machines that hold it: of all mixes, not of one type only. Memory
// is counted in units, rounded so that no real set of machines is cheaper.
type covers struct {
	unit int64
	cost []fleet.MicroEuro // by units; filled up to the largest amount
}

const maxUnits = 100_000

// newCovers prepares for amounts of up to most bytes.
func newCovers(p Prices, most int64) covers {
	c := covers{unit: max(64<<20, most/maxUnits)}
	n := int(most/c.unit) + 1
	c.cost = make([]fleet.MicroEuro, n+1)
	for i := 1; i <= n; i++ {
		c.cost[i] = math.MaxInt64
		for _, t := range p.Types {
			room := autoscale.Room(fleet.Resources{MemoryBytes: t.MemoryBytes}).MemoryBytes
			units := int((room + c.unit - 1) / c.unit)
			for _, o := range t.Offers {
				c.cost[i] = min(c.cost[i], c.cost[max(i-units, 0)]+o.Hourly)
			}
		}
	}
	return c
}

// hour is what an hour of them costs.
func (c covers) hour(memory int64) fleet.MicroEuro { return c.cost[memory/c.unit] }

// perByte is the best hourly price of a byte that servers can book, in micro-euros.
func perByte(p Prices) float64 {
	best := math.Inf(1)
	for _, t := range p.Types {
		room := autoscale.Room(fleet.Resources{MemoryBytes: t.MemoryBytes}).MemoryBytes
		for _, o := range t.Offers {
			best = min(best, float64(o.Hourly)/float64(room))
		}
	}
	return best
}

// bounds are the three yardsticks of a trace.
type bounds struct {
	lower, always fleet.MicroEuro
	fluid         float64 // micro-euros
	servers       int
	starts        int
	peaks         map[time.Time]int64 // highest Σ memory by hour
	byteHours     float64
}

// measure looks at the trace alone.
func measure(trace []Event, p Prices) bounds {
	b := bounds{peaks: map[time.Time]int64{}}
	running, most := map[string]int64{}, map[string]int64{}
	var sum, all, peak int64
	at := trace[0].At
	end := trace[len(trace)-1].At
	advance := func(to time.Time) { // sum holds from at to to
		b.byteHours += float64(sum) * to.Sub(at).Hours()
		for h := at.Truncate(time.Hour); h.Before(to); h = h.Add(time.Hour) {
			b.peaks[h] = max(b.peaks[h], sum)
		}
		at = to
	}
	for i := 0; i < len(trace); {
		advance(trace[i].At)
		for ; i < len(trace) && trace[i].At.Equal(at); i++ {
			e := trace[i]
			if e.Start {
				b.starts++
				running[e.Server] = e.Memory
				all += max(e.Memory-most[e.Server], 0)
				most[e.Server] = max(most[e.Server], e.Memory)
				sum += e.Memory
			} else {
				sum -= running[e.Server]
				delete(running, e.Server)
			}
		}
		peak = max(peak, sum)
	}
	c := newCovers(p, max(all, peak))
	for _, m := range b.peaks {
		b.lower += c.hour(m)
	}
	hours := int64(math.Ceil(end.Sub(trace[0].At.Truncate(time.Hour)).Hours()))
	b.always = c.hour(all) * fleet.MicroEuro(hours)
	b.fluid = b.byteHours * perByte(p)
	b.servers = len(most)
	return b
}
