package simulate

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/payperplay/payperplay/controller/autoscale"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
)

var begin = time.Date(2026, 1, 6, 12, 0, 0, 0, time.UTC) // a Tuesday

func minute(n int) time.Time { return begin.Add(time.Duration(n) * time.Minute) }

// one is a price list of one type with 16 GiB for a cent.
func one() Prices {
	p := ExamplePrices()
	p.Types = p.Types[2:3]
	p.Types[0].Offers[0].Hourly = 10_000
	return p
}

// plain are settings with the queue and the paid hour only.
func plain(image bool) autoscale.Settings {
	s := Lifted(image)
	s.Lookahead, s.Up, s.Down, s.Growth, s.Spares.Base, s.Spares.Rules = 0, 0, 0, 0, 0, nil
	return s
}

func replay(t *testing.T, o Options) *Report {
	t.Helper()
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestOneServerOneMachine(t *testing.T) {
	trace := []Event{{minute(0), "a", true, 4 << 30}, {minute(30), "a", false, 0}, {minute(40), "a", true, 4 << 30}, {minute(50), "a", false, 0}, {minute(180), "b", true, 1 << 30}, {minute(190), "b", false, 0}}
	r := replay(t, Options{Trace: trace, Prices: one(), Settings: plain(false)})
	// Ordered at 12:00, released at 12:55; the other at 15:00.
	if r.CostEUR != 0.02 || r.Machines != 2 || r.MachineHours != 2 || r.PeakMachines != 1 {
		t.Errorf("cost %v, %d machines, %d hours", r.CostEUR, r.Machines, r.MachineHours)
	}
	if r.WakeP50 != 100 || r.WakeMax != 100 || r.Waited != 2 || r.NeverStarted != 0 {
		t.Errorf("waits: p50 %v, max %v, %d waited", r.WakeP50, r.WakeMax, r.Waited)
	}
	// Hours 12 and 15 have one machine's worth each; always on it is one machine for four hours.
	if r.LowerBoundEUR != 0.02 || r.AlwaysOnEUR != 0.04 || r.OverBound != 1 || r.OverAlwaysOn != 0.5 {
		t.Errorf("lower bound %v, always on %v", r.LowerBoundEUR, r.AlwaysOnEUR)
	}
	// (4 GiB × 40 min + 1 GiB × 10 min) of 13.89 GiB for a cent
	if want := 170.0 / 60 / gib(autoscale.Room(fleet.Resources{MemoryBytes: 16 << 30}).MemoryBytes) / 100; math.Abs(r.FluidEUR-want) > 1e-4 {
		t.Errorf("fluid bound %v, want %v", r.FluidEUR, want)
	}
	if r := replay(t, Options{Trace: trace, Prices: one(), Settings: plain(true)}); r.WakeMax != 35 {
		t.Errorf("from a spare image: %v s", r.WakeMax)
	}
}

func TestWhatCannotStart(t *testing.T) {
	trace := []Event{{minute(0), "a", true, 64 << 30}, {minute(1), "b", true, 1 << 30}, {minute(2), "b", false, 0}, {minute(90), "a", false, 0}}
	r := replay(t, Options{Trace: trace, Prices: one(), Settings: plain(false)})
	if r.NeverStarted != 2 || r.WakeMax != 90*60 || r.Machines != 1 {
		t.Errorf("%d never started, the longest waited %v s, %d machines", r.NeverStarted, r.WakeMax, r.Machines)
	}
	s := plain(false)
	s.MaxNodes = 0
	if r := replay(t, Options{Trace: trace, Prices: one(), Settings: s}); r.CostEUR != 0 || r.NeverStarted != 2 || r.OverBound != 0 {
		t.Errorf("under a cap of none: %+v", r)
	}
	for name, o := range map[string]Options{
		"no trace": {Prices: one(), Settings: plain(false)}, "negative": {Trace: trace, Prices: one(), Settings: plain(false), Start: -1}, "no settings": {Trace: trace, Prices: one()},
	} {
		if _, err := Run(t.Context(), o); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, Options{Trace: trace, Prices: one(), Settings: plain(false)}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestBounds: whatever the load and the policy, nobody pays less than the fluid bound, no server is lost and reports are equal.
func TestBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Pattern{Servers: rapid.IntRange(1, 25).Draw(t, "servers"), Days: rapid.IntRange(1, 3).Draw(t, "days"), Seed: rapid.Uint64Range(0, 1000).Draw(t, "seed")}
		trace := Generate(p)
		if len(trace) == 0 {
			t.Skip("nobody plays")
		}
		s := Lifted(rapid.Bool().Draw(t, "image"))
		s.DrainBusy = rapid.Bool().Draw(t, "drain")
		s.Spares.Base = rapid.IntRange(0, 2).Draw(t, "spares")
		o := Options{Trace: trace, Prices: ExamplePrices(), Settings: s}
		r, err := Run(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		if r.CostEUR < r.FluidEUR || r.LowerBoundEUR < r.FluidEUR || r.AlwaysOnEUR < r.FluidEUR {
			t.Fatalf("cost %v, lower bound %v, always on %v, fluid %v", r.CostEUR, r.LowerBoundEUR, r.AlwaysOnEUR, r.FluidEUR)
		}
		if r.NeverStarted != 0 || r.Starts != len(trace)/2 {
			t.Fatalf("%d of %d starts, %d never", r.Starts, len(trace)/2, r.NeverStarted)
		}
		m := r.Missing
		if sum := r.FluidEUR + m.Boot + m.Empty + m.Holes + m.After + m.Price; math.Abs(sum-r.CostEUR) > 0.01+r.CostEUR/50 {
			t.Fatalf("the parts sum to %v, the cost is %v: %+v", sum, r.CostEUR, m)
		}
		if again, _ := Run(context.Background(), o); !reflect.DeepEqual(r, again) {
			t.Fatal("the same replay gives another report")
		}
	})
}

func TestCovers(t *testing.T) {
	c := newCovers(ExamplePrices(), 40<<30)
	room := func(n int64) int64 { return autoscale.Room(fleet.Resources{MemoryBytes: n << 30}).MemoryBytes }
	for memory, want := range map[int64]fleet.MicroEuro{
		0: 0, 1 << 30: 4800, room(4): 4800, room(4) + 200<<20: 7800, room(16): 13800, room(16) + 1<<30: 18600, 2 * room(16): 27600,
	} {
		if got := c.hour(memory); got != want {
			t.Errorf("%v GiB cost %s, want %s", gib(memory), got, want)
		}
	}
}

func TestReportIsReadable(t *testing.T) {
	r := replay(t, Options{Trace: Generate(Pattern{Servers: 30, Days: 8, Seed: 1}), Prices: ExamplePrices(), Settings: Lifted(true)})
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cost_eur", "lower_bound_eur", "always_on_eur", "wake_wait_p50_s", "wake_wait_p95_s", "cost_over_lower_bound", "cost_over_always_on"} {
		if f, ok := fields[name].(float64); !ok || f <= 0 {
			t.Errorf("%s is %v", name, fields[name])
		}
	}
	if days := r.Days(); len(days) != 8 || days[0].Line == "" {
		t.Errorf("%d days", len(days))
	}
	var svg bytes.Buffer
	r.Prices = `<&"` // what a user's file calls itself
	if err := r.Chart(&svg); err != nil {
		t.Fatal(err)
	}
	dec := xml.NewDecoder(&svg)
	for {
		if _, err := dec.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the chart is not XML: %v", err)
		}
	}
}

// BenchmarkWeek is the row "one week with 500 servers" of the issue: at most 10 s.
func BenchmarkWeek(b *testing.B) {
	trace := Generate(Shipped())
	for b.Loop() {
		r, err := Run(b.Context(), Options{Trace: trace, Prices: ExamplePrices(), Settings: Lifted(true)})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(r.OverBound, "×bound")
		b.ReportMetric(r.OverAlwaysOn, "×always-on")
		b.ReportMetric(r.WakeP95, "s-wake-p95")
	}
}
