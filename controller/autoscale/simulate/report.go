package simulate

import (
	"math"
	"slices"
	"time"

	"github.com/payperplay/payperplay/controller/autoscale"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/provision"
)

func (w *world) report() *Report {
	b := measure(w.opts.Trace, w.opts.Prices)
	r := &Report{
		From: w.opts.Trace[0].At, To: w.end, Servers: b.servers, Starts: b.starts, Prices: w.opts.Prices.Name,
		LowerBoundEUR: euros(b.lower), FluidEUR: round(b.fluid / 1e6), AlwaysOnEUR: euros(b.always),
		Waited: w.waited, NeverStarted: w.never + len(w.waiting), Machines: w.machines, ByType: w.byType, Orders: w.orders, Decisions: w.decisions,
		points: w.points,
	}
	for _, id := range w.waiting { // those who wait still have waited so long at least
		w.waits = append(w.waits, w.end.Sub(w.since[id]))
	}
	var cost fleet.MicroEuro
	all := slices.Concat(w.gone, w.snap.Machines)
	for _, m := range all {
		h := billed(m, w.end)
		r.MachineHours += h
		cost += m.Hourly * fleet.MicroEuro(h)
	}
	r.CostEUR = euros(cost)
	r.OverBound, r.OverFluid, r.OverAlwaysOn = ratio(cost, float64(b.lower)), ratio(cost, b.fluid), ratio(cost, float64(b.always))
	slices.Sort(w.waits)
	r.WakeP50, r.WakeP95, r.WakeMax = percentile(w.waits, 50), percentile(w.waits, 95), percentile(w.waits, 100)
	w.missing(r, all, b)
	r.Hours = w.hours()
	for _, h := range r.Hours {
		r.PeakMachines = max(r.PeakMachines, h.Machines)
	}
	return r
}

// billed is how many hours have started.
func billed(m provision.Machine, end time.Time) int {
	if m.Phase == provision.Gone {
		end = m.DeletedAt
	}
	return max(1, int((end.Sub(m.Created)+time.Hour-1)/time.Hour))
}

// missing splits what was paid beyond the fluid bound.
func (w *world) missing(r *Report, all []provision.Machine, b bounds) {
	best := perByte(w.opts.Prices)
	var paid, boot, after, price float64 // byte-hours; price in micro-euros
	for _, m := range all {
		room := float64(autoscale.Room(m.Size).MemoryBytes)
		end, ready := w.end, m.ServingAt
		if m.Phase == provision.Gone {
			end = m.DeletedAt
		}
		if ready.IsZero() {
			ready = end
		}
		hours := float64(billed(m, w.end))
		paid += room * hours
		boot += room * ready.Sub(m.Created).Hours()
		after += room * (hours - end.Sub(m.Created).Hours())
		price += float64(m.Hourly)*hours - room*hours*best
	}
	r.Utilization = round(b.byteHours / paid)
	empty, holes := w.idle()
	eur := func(byteHours float64) float64 { return round(byteHours * best / 1e6) }
	r.Missing = Missing{Boot: eur(boot), Empty: eur(empty), Holes: eur(holes), After: eur(after), Price: round(price / 1e6)}
}

// idle sums the room of machines without servers, and beside servers, in byte-hours.
func (w *world) idle() (empty, holes float64) {
	for i, p := range w.points {
		to := w.end
		if i+1 < len(w.points) {
			to = w.points[i+1].at
		}
		h := to.Sub(p.at).Hours()
		empty += float64(p.empty) * h
		holes += float64(p.ready-p.empty-p.placed) * h
	}
	return empty, holes
}

func (w *world) hours() []HourPoint {
	var out []HourPoint
	for i, p := range w.points {
		to := w.end
		if i+1 < len(w.points) {
			to = w.points[i+1].at
		}
		for h := p.at.Truncate(time.Hour); h.Before(to); h = h.Add(time.Hour) {
			if len(out) == 0 || !out[len(out)-1].Hour.Equal(h) {
				out = append(out, HourPoint{Hour: h})
			}
			o := &out[len(out)-1]
			o.Machines = max(o.Machines, p.machines)
			o.DemandGiB, o.RoomGiB = max(o.DemandGiB, gib(p.demand)), max(o.RoomGiB, gib(p.room))
		}
	}
	return out
}

func gib(bytes int64) float64 { return round(float64(bytes) / (1 << 30)) }

func euros(m fleet.MicroEuro) float64 { return round(float64(m) / float64(fleet.Euro)) }

func round(f float64) float64 { return math.Round(f*10_000) / 10_000 }

// ratio is 0 where there is nothing to compare with.
func ratio(cost fleet.MicroEuro, of float64) float64 {
	if of <= 0 {
		return 0
	}
	return round(float64(cost) / of)
}

// percentile is the smallest of sorted that p of 100 do not exceed, in seconds.
func percentile(sorted []time.Duration, p int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max((len(sorted)*p+99)/100-1, 0)].Seconds()
}
