package simulate

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
)

// Pattern is what Generate makes a trace of.
type Pattern struct {
	Servers int
	Days    int
	Seed    uint64
	From    time.Time // zero: Monday, 5 January 2026, 0:00 UTC
}

// Shipped is the pattern of the trace that is taken when none is named.
func Shipped() Pattern { return Pattern{Servers: 500, Days: 7, Seed: 1} }

// ParsePattern reads "servers=500,days=7,seed=1"; what is left out is as Shipped. Kinds: invalid.
func ParsePattern(text string) (Pattern, error) {
	p := Shipped()
	for _, part := range strings.Split(text, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		n, err := strconv.ParseUint(value, 10, 63)
		switch {
		case part == "":
			continue
		case err != nil:
		case name == "servers" && n >= 1 && n <= 100_000:
			p.Servers = int(n)
			continue
		case name == "days" && n >= 1 && n <= 366:
			p.Days = int(n)
			continue
		case name == "seed":
			p.Seed = n
			continue
		}
		return p, fault.New(fault.Invalid, fmt.Sprintf("%q is not a part of a pattern", part), "write it as servers=500,days=7,seed=1, with up to 100000 servers and 366 days")
	}
	if p.Servers*p.Days > maxEvents/10 {
		return p, fault.New(fault.Invalid, "that trace would be too long", fmt.Sprintf("servers times days may be %d", maxEvents/10))
	}
	return p, nil
}

// habit is how one group of people plays.
type habit struct {
	memory    int64
	chance    float64 // of playing on a day
	hour      float64 // when they like to start, on a working day
	spread    float64 // hours
	hours     float64 // median length
	community bool    // open all day, every day
}

// weekday is how much more or less is played on a day, from Sunday.
func weekday(d time.Weekday) float64 {
	return [...]float64{1.2, 0.8, 0.8, 0.85, 0.9, 1.25, 1.45}[d]
}

// Generate makes a trace of people who play in the evening, longer and earlier at the weekend. Equal patterns give equal traces.
func Generate(p Pattern) []Event {
	if p.From.IsZero() {
		p.From = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	}
	end := p.From.Add(time.Duration(p.Days) * 24 * time.Hour)
	var out []Event
	for i := range p.Servers {
		rnd := rand.New(rand.NewPCG(p.Seed, uint64(i)))
		h := someHabit(rnd)
		name := fmt.Sprintf("server-%05d", i)
		var all [][2]time.Time
		for d := range p.Days {
			all = append(all, h.sessions(rnd, p.From.Add(time.Duration(d)*24*time.Hour))...)
		}
		for len(all) == 0 { // everybody plays once
			h.chance = 1
			all = h.sessions(rnd, p.From.Add(time.Duration(rnd.IntN(p.Days))*24*time.Hour))
		}
		last := p.From
		for _, s := range all {
			begin, stop := s[0], s[1]
			if stop.After(end) {
				stop = end
			}
			if begin.Before(last) || stop.Sub(begin) < time.Minute { // still up from before
				continue
			}
			out = append(out, Event{At: begin, Server: name, Start: true, Memory: h.memory}, Event{At: stop, Server: name})
			last = stop.Add(time.Minute)
		}
	}
	slices.SortStableFunc(out, func(a, b Event) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Server, b.Server)) })
	return out
}

func someHabit(rnd *rand.Rand) habit {
	const gib = 1 << 30
	h := habit{
		chance: 0.08 + 0.75*math.Pow(rnd.Float64(), 1.6), // a few play daily, most now and then
		hour:   19.3 + rnd.NormFloat64()*1.6, spread: 0.6 + rnd.Float64(), hours: 1.2 + rnd.Float64()*1.6,
		community: rnd.Float64() < 0.02,
	}
	if rnd.Float64() < 0.15 { // pupils, shift workers, other continents
		h.hour = rnd.Float64() * 24
	}
	at := rnd.Float64()
	for _, m := range []struct {
		below  float64
		memory int64
	}{{0.40, 2}, {0.55, 3}, {0.80, 4}, {0.92, 6}, {0.98, 8}, {1, 12}} {
		if at < m.below {
			h.memory = m.memory * gib
			break
		}
	}
	return h
}

// sessions are those of one day; the server goes to sleep five minutes after the last player has left.
func (h habit) sessions(rnd *rand.Rand, day time.Time) [][2]time.Time {
	hour := func(f float64) time.Time { return day.Add(time.Duration(f * float64(time.Hour))).Truncate(time.Second) }
	if h.community {
		begin := 8 + rnd.Float64()*3
		return [][2]time.Time{{hour(begin), hour(begin + 13 + rnd.Float64()*4)}}
	}
	var out [][2]time.Time
	weekend := day.Weekday() == time.Saturday || day.Weekday() == time.Sunday
	play := func(around float64) {
		begin := min(max(around+rnd.NormFloat64()*h.spread, 0), 23.9)
		length := min(max(h.hours*math.Exp(rnd.NormFloat64()*0.5), 0.2), 9) + 5.0/60
		out = append(out, [2]time.Time{hour(begin), hour(begin + length)})
	}
	chance := min(h.chance*weekday(day.Weekday()), 0.97)
	if weekend && rnd.Float64() < chance*0.6 {
		play(13.5 + rnd.NormFloat64()*1.5)
	}
	if rnd.Float64() < chance {
		play(h.hour)
	}
	return out
}
