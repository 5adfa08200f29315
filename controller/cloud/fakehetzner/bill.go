package fakehetzner

import (
	"cmp"
	"slices"
	"time"

	"github.com/payperplay/payperplay/controller/fleet"
)

// BillRow is what one machine has cost, with its address.
type BillRow struct {
	ID       string          `json:"id"`
	Name     string          `json:"name"`
	Type     string          `json:"type"`
	Location string          `json:"location"`
	From     time.Time       `json:"from"`
	To       time.Time       `json:"to"` // now, if it is still there
	Ended    bool            `json:"ended"`
	Hours    int             `json:"hours"` // started ones
	Cost     fleet.MicroEuro `json:"cost_micro_euro"`
}

// Bill is what machines have cost, net of VAT. Snapshots and volumes are not on it.
type Bill struct {
	Rows  []BillRow       `json:"rows"` // by when they were ordered
	Total fleet.MicroEuro `json:"total_micro_euro"`
}

// Bill counts up to now: each hour that a machine has begun, whether it was on or off, never more than the monthly price within a
// calendar month (UTC).
func (c *Cloud) Bill(now time.Time) Bill {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	all := slices.Clone(c.past)
	for _, s := range c.servers.all() {
		all = append(all, s.info())
	}
	slices.SortFunc(all, func(a, b MachineInfo) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) })
	bill := Bill{Rows: []BillRow{}}
	for _, m := range all {
		if m.Created.After(now) {
			continue
		}
		row := BillRow{ID: m.ID, Name: m.Name, Type: m.Type, Location: m.Location, From: m.Created, To: now.UTC()}
		if !m.Deleted.IsZero() && !m.Deleted.After(now) {
			row.To, row.Ended = m.Deleted, true
		}
		t, _ := c.typeOf(m.Type)
		o, _ := t.offer(m.Location)
		row.Hours, row.Cost = Cost(row.From, row.To, o.Hourly, o.Monthly)
		if m.Address != "" {
			_, address := Cost(row.From, row.To, addressHourly, addressMonthly)
			row.Cost += address
		}
		bill.Rows = append(bill.Rows, row)
		bill.Total += row.Cost
	}
	return bill
}

// Cost counts started hours and their price. An hour belongs to the month in which it began.
func Cost(from, to time.Time, hourly, monthly fleet.MicroEuro) (hours int, cost fleet.MicroEuro) {
	from, to = from.UTC(), to.UTC()
	year, month, inMonth := 0, time.Month(0), fleet.MicroEuro(0)
	for at := from; hours == 0 || at.Before(to); at = at.Add(time.Hour) {
		hours++
		if y, m, _ := at.Date(); y != year || m != month {
			year, month, inMonth = y, m, 0
		}
		add := hourly
		if monthly > 0 {
			add = min(hourly, monthly-inMonth)
		}
		inMonth += add
		cost += add
	}
	return hours, cost
}
