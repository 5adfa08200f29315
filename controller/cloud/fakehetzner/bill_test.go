package fakehetzner_test

import (
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/cloud/fakehetzner"
	"github.com/payperplay/payperplay/controller/fleet"
)

func TestCost(t *testing.T) {
	day := func(d, h, m int) time.Time { return time.Date(2026, 11, d, h, m, 0, 0, time.UTC) }
	for _, x := range []struct {
		from, to time.Time
		hours    int
		cost     fleet.MicroEuro
	}{
		{day(1, 0, 0), day(1, 0, 0), 1, 6000}, // an order is an hour
		{day(1, 0, 0), day(1, 0, 59), 1, 6000},
		{day(1, 0, 0), day(1, 1, 0), 1, 6000},
		{day(1, 0, 30), day(1, 1, 31), 2, 12000},
		{day(1, 0, 0), day(31, 0, 0), 720, 3_750_000},        // all of November: capped
		{day(1, 0, 0), day(31, 1, 0), 721, 3_750_000 + 6000}, // the next month counts anew
		{day(30, 23, 30), day(31, 0, 30), 1, 6000},           // an hour belongs to where it began
		{day(1, 0, 0), day(62, 0, 0), 1464, 3_750_000 * 2},
	} {
		if hours, cost := fakehetzner.Cost(x.from, x.to, 6000, 3_750_000); hours != x.hours || cost != x.cost {
			t.Errorf("%s to %s: %d hours, %v; want %d, %v", x.from, x.to, hours, cost, x.hours, x.cost)
		}
	}
}

func TestBill(t *testing.T) {
	clk := newClock()
	fake, c := start(t, fakehetzner.Options{Clock: clk.Now})
	ctx := t.Context()
	off := create(t, c, order("off"))
	if _, _, err := c.Server.Poweroff(ctx, off); err != nil {
		t.Fatal(err)
	}
	short := create(t, c, order("short"))
	clk.Pass(10 * time.Minute)
	if _, _, err := c.Server.DeleteWithResult(ctx, short); err != nil {
		t.Fatal(err)
	}
	clk.Pass(2 * time.Hour)
	bill := fake.Bill(clk.Now())
	if len(bill.Rows) != 2 || bill.Rows[0].Hours != 3 || bill.Rows[0].Ended || bill.Rows[1].Hours != 1 || !bill.Rows[1].Ended {
		t.Fatalf("billed %+v", bill.Rows)
	}
	if want := fleet.MicroEuro(4 * (6000 + 800)); bill.Total != want || bill.Rows[0].Cost+bill.Rows[1].Cost != want {
		t.Errorf("in all %v, want %v", bill.Total, want)
	}
}
