package provision

import (
	"fmt"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
)

// Caps are the hard bounds on what is rented. They hold whatever else goes wrong, so they are asked again in the transaction that
// writes a machine's row.
type Caps struct {
	MaxNodes  int             // machines at once; 0 = none may be ordered
	MaxPerDay fleet.MicroEuro // per UTC day; 0 = none may be ordered
}

// skew is how far the provider's clock may be from ours: near midnight an hour counts on both days.
const skew = 2 * time.Minute

// Budget is what is left under Caps for more machines, at one moment. It is an upper bound of the bill: every machine that may be
// there is taken to run for ever, every started hour is paid in full when it starts, and the provider's monthly bound is ignored.
type Budget struct {
	caps   Caps
	now    time.Time
	days   []day
	Alive  int             // machines that cost or may cost
	Hourly fleet.MicroEuro // of all of them together
}

// day is a UTC day that an hour starting now may be billed to.
type day struct {
	from, to time.Time
	Sum      fleet.MicroEuro // of the hours that start in it if nothing is deleted any more
}

// Budget sums machines; those that are Gone count for the hours they had. Rows of yesterday and today must be among them.
func (c Caps) Budget(machines []Machine, now time.Time) Budget {
	b := Budget{caps: c, now: now}
	for _, at := range []time.Time{now.Add(-skew), now.Add(skew)} {
		from := at.UTC().Truncate(24 * time.Hour)
		if len(b.days) == 0 || !b.days[0].from.Equal(from) {
			b.days = append(b.days, day{from: from, to: from.Add(24 * time.Hour)})
		}
	}
	for _, m := range machines {
		if m.Costs() {
			b.Alive++
			b.Hourly += m.Hourly
		}
		for i := range b.days {
			d := &b.days[i]
			d.Sum += m.cost(d.from, d.to)
		}
	}
	return b
}

// Today is the sum of the running UTC day if everything that is there now runs on until midnight.
func (b *Budget) Today() fleet.MicroEuro {
	today := b.now.UTC().Truncate(24 * time.Hour)
	for _, d := range b.days {
		if d.from.Equal(today) {
			return d.Sum
		}
	}
	return 0
}

// Allow tells whether one more machine at that price may be ordered. Kinds: exhausted.
func (b *Budget) Allow(hourly fleet.MicroEuro) error {
	if b.Alive+1 > b.caps.MaxNodes {
		return fault.New(fault.Exhausted, fmt.Sprintf("%d of at most %d machines are there", b.Alive, b.caps.MaxNodes),
			"raise SCALING_MAX_CLOUD_NODES, or stop servers")
	}
	const raise = "raise the cap per day (SCALING_MAX_EUR_PER_DAY), or stop servers"
	for _, d := range b.days {
		if sum := d.Sum + hourly*fleet.MicroEuro(b.hours(d)); sum > b.caps.MaxPerDay {
			return fault.New(fault.Exhausted, fmt.Sprintf("with it %s could cost %s, and %s is the cap per day", d.from.Format(time.DateOnly), sum, b.caps.MaxPerDay), raise)
		}
	}
	// Whatever day it is then: what runs on costs 24 hours, and no game is ended for money.
	if sum := 24 * (b.Hourly + hourly); sum > b.caps.MaxPerDay {
		return fault.New(fault.Exhausted, fmt.Sprintf("with it a whole day would cost %s, and %s is the cap per day", sum, b.caps.MaxPerDay), raise)
	}
	return nil
}

// Take notes that a machine at that price was ordered.
func (b *Budget) Take(hourly fleet.MicroEuro) {
	b.Alive++
	b.Hourly += hourly
	for i := range b.days {
		b.days[i].Sum += hourly * fleet.MicroEuro(b.hours(b.days[i]))
	}
}

// hours is how many hours of a machine that is ordered now can start in d: one at least, by the clock that puts it there.
func (b *Budget) hours(d day) int64 {
	from := b.now.Add(-skew)
	if from.Before(d.from) {
		from = d.from
	}
	return max(1, starts(from, from, d.to))
}

// Allowed tells whether machines at these hourly prices may be ordered on top of what is there. It is meant to be called inside the
// transaction that writes their rows. Kinds: exhausted.
func (c Caps) Allowed(machines []Machine, now time.Time, add ...fleet.MicroEuro) error {
	b := c.Budget(machines, now)
	for _, hourly := range add {
		if err := b.Allow(hourly); err != nil {
			return err
		}
		b.Take(hourly)
	}
	return nil
}

// Spent is what the hours cost that have started in the UTC day of now, up to now.
func Spent(machines []Machine, now time.Time) fleet.MicroEuro {
	from := now.UTC().Truncate(24 * time.Hour)
	var sum fleet.MicroEuro
	for _, m := range machines {
		sum += m.cost(from, now.Add(time.Nanosecond))
	}
	return sum
}

// cost is the price of the machine's hours that start in [from, to), if it is not deleted before.
func (m Machine) cost(from, to time.Time) fleet.MicroEuro {
	begin, end := m.Created, to
	if begin.IsZero() {
		begin = m.OrderedAt // nobody knows yet whether the order arrived: suppose that it did, at once
	}
	if m.Phase == Gone {
		if m.Created.IsZero() && m.CloudID == "" {
			return 0 // the provider never had it
		}
		if m.DeletedAt.Before(end) {
			end = m.DeletedAt
		}
		if !end.After(begin) && !begin.Before(from) && begin.Before(to) {
			return m.Hourly // the first hour is billed however short it was
		}
	}
	return m.Hourly * fleet.MicroEuro(starts(begin, from, end))
}

// starts counts the hours that begin in [from, to) when the first begins at begin.
func starts(begin, from, to time.Time) int64 {
	if !to.After(from) || !to.After(begin) {
		return 0
	}
	n := (to.Sub(begin) + time.Hour - 1) / time.Hour // begun before to
	if from.After(begin) {
		n -= (from.Sub(begin) + time.Hour - 1) / time.Hour // begun before from
	}
	return int64(n)
}
