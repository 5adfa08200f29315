package provision

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
)

func at(day, hour, minute int) time.Time {
	return time.Date(2026, 12, day, hour, minute, 0, 0, time.UTC)
}

func rented(hourly fleet.MicroEuro, created, gone time.Time) Machine {
	m := Machine{Hourly: hourly, OrderedAt: created, Created: created, CloudID: "1", Phase: Serving}
	if !gone.IsZero() {
		m.Phase, m.DeletedAt = Gone, gone
	}
	return m
}

func TestAllowed(t *testing.T) {
	alive := rented(10_000, at(1, 20, 30), time.Time{}) // 24 hours start on each full day
	for name, c := range map[string]struct {
		caps     Caps
		machines []Machine
		now      time.Time
		add      []fleet.MicroEuro
		refused  string
	}{
		"nothing may be ordered by default": {Caps{}, nil, at(2, 12, 0), []fleet.MicroEuro{1}, "0 of at most 0 machines"},
		"a cap of no euros":                 {Caps{MaxNodes: 1}, nil, at(2, 12, 0), []fleet.MicroEuro{1}, "could cost"},
		"up to the number":                  {Caps{2, fleet.Euro}, []Machine{alive}, at(2, 12, 0), []fleet.MicroEuro{10_000}, ""},
		"above the number":                  {Caps{2, fleet.Euro}, []Machine{alive}, at(2, 12, 0), []fleet.MicroEuro{10_000, 1}, "2 of at most 2 machines"},
		"a deleted one is not alive":        {Caps{1, fleet.Euro}, []Machine{rented(10_000, at(2, 1, 0), at(2, 1, 50))}, at(2, 12, 0), []fleet.MicroEuro{10_000}, ""},
		"exactly a day's cost":              {Caps{9, 480_000}, []Machine{alive}, at(3, 0, 30), []fleet.MicroEuro{10_000}, ""},
		"a micro-euro less":                 {Caps{9, 479_999}, []Machine{alive}, at(3, 0, 30), []fleet.MicroEuro{10_000}, "0.48 €, and 0.479999 € is the cap per day"},
		"what is gone was paid": {Caps{9, 479_999}, []Machine{alive, rented(10_000, at(3, 0, 10), at(3, 12, 5))}, at(3, 12, 15), []fleet.MicroEuro{10_000},
			"2026-12-03 could cost 0.48 €"}, // 24 + 12 + 12 hours: the one that is ordered may be billed from 12:13 on
		"gone yesterday":                         {Caps{9, 480_000}, []Machine{alive, rented(90_000, at(2, 0, 10), at(2, 23, 0))}, at(3, 0, 30), []fleet.MicroEuro{10_000}, ""},
		"before midnight the night counts":       {Caps{9, 200_000}, nil, at(3, 23, 30), []fleet.MicroEuro{10_000}, "a whole day would cost"},
		"at midnight yesterday's clock":          {Caps{9, 300_000}, []Machine{rented(280_000, at(2, 10, 0), at(2, 10, 50)), rented(20_000, at(2, 11, 0), at(2, 11, 50))}, at(3, 0, 1), []fleet.MicroEuro{1}, "2026-12-02 could cost"},
		"an order whose answer is out":           {Caps{9, 480_000}, []Machine{{Phase: Ordering, Hourly: 20_000, OrderedAt: at(3, 12, 0)}}, at(3, 12, 0), []fleet.MicroEuro{1}, "a whole day"},
		"an order that the provider never had":   {Caps{1, 240_000}, []Machine{{Phase: Gone, Hourly: 20_000, OrderedAt: at(3, 12, 0), DeletedAt: at(3, 12, 9)}}, at(3, 12, 10), []fleet.MicroEuro{10_000}, ""},
		"a machine that is deleting costs still": {Caps{1, fleet.Euro}, []Machine{{Phase: Deleting, Hourly: 1, OrderedAt: at(3, 12, 0)}}, at(3, 12, 10), []fleet.MicroEuro{1}, "1 of at most 1"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.caps.Allowed(c.machines, c.now, c.add...)
			if c.refused == "" && err != nil || c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused)) {
				t.Errorf("got %v, want %q", err, c.refused)
			}
			if err != nil && fault.KindOf(err) != fault.Exhausted {
				t.Errorf("kind %s", fault.KindOf(err))
			}
		})
	}
}

func TestSpent(t *testing.T) {
	ms := []Machine{
		rented(1, at(2, 20, 30), time.Time{}),            // 0:30 … 11:30: 12
		rented(100, at(3, 1, 0), at(3, 1, 0)),            // 1
		rented(10_000, at(3, 2, 0), at(3, 4, 0)),         // 2: the third hour had not begun
		rented(1_000_000, at(3, 12, 0), time.Time{}),     // 1, begins now
		{Phase: Gone, Hourly: 5, OrderedAt: at(3, 1, 0)}, // never was
	}
	if got := Spent(ms, at(3, 12, 0)); got != 1_020_112 {
		t.Errorf("Spent = %d, want 1020112", got)
	}
}

// TestTheDailyCapHolds orders and deletes at random for some days, whenever Allowed lets it, and sends the bill as the provider would:
// by its own clock, every started hour in full on the day it starts.
func TestTheDailyCapHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		caps := Caps{MaxNodes: rapid.IntRange(0, 6).Draw(t, "nodes"), MaxPerDay: fleet.MicroEuro(rapid.IntRange(0, 2_000_000).Draw(t, "cap"))}
		var all []Machine
		now := at(1, 0, 0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 7200).Draw(t, "seconds")) * time.Second)
			if i := rapid.IntRange(0, len(all)).Draw(t, "which"); i < len(all) && all[i].Phase != Gone && rapid.Bool().Draw(t, "delete") {
				all[i].Phase, all[i].DeletedAt = Gone, now.Add(skew)
				continue
			}
			price := fleet.MicroEuro(rapid.IntRange(1, 60_000).Draw(t, "price"))
			if caps.Allowed(all, now, price) != nil {
				continue
			}
			drift := time.Duration(rapid.IntRange(-100, 100).Draw(t, "drift")) * time.Second
			all = append(all, Machine{Phase: Serving, CloudID: "1", Hourly: price, OrderedAt: now, Created: now.Add(drift)})
			alive := 0
			for _, m := range all {
				if m.Costs() {
					alive++
				}
			}
			if alive > caps.MaxNodes {
				t.Fatalf("%d machines of at most %d", alive, caps.MaxNodes)
			}
		}
		bill := map[string]fleet.MicroEuro{}
		for _, m := range all {
			end := m.DeletedAt
			if m.Costs() {
				end = now.Add(72 * time.Hour)
			}
			for h := m.Created; h.Equal(m.Created) || h.Before(end); h = h.Add(time.Hour) {
				bill[h.Format(time.DateOnly)] += m.Hourly
			}
		}
		for d, sum := range bill {
			if sum > caps.MaxPerDay {
				t.Fatalf("%s cost %s, the cap is %s: %s", d, sum, caps.MaxPerDay, fmt.Sprint(all))
			}
		}
	})
}
