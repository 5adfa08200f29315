package autoscale

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/protocol"
)

// Visible is how much of a machine's nominal memory its agent will see: firmware and kernel keep some. It is on the low side, so that
// nothing is bought that is too small when it comes.
func Visible(nominal int64) int64 {
	return max(nominal-nominal/50-256<<20, nominal/2)
}

// Room is what servers can book on a machine of that nominal size. Ports are those of the agent's default range, if none are given.
func Room(size fleet.Resources) fleet.Resources {
	memory, _ := fleet.Schedulable(Visible(size.MemoryBytes))
	disk, _ := fleet.SchedulableDisk(size.DiskBytes)
	r := fleet.Resources{MemoryBytes: memory, CPUMillis: size.CPUMillis, DiskBytes: disk, Ports: size.Ports}
	if r.Ports == 0 {
		r.Ports = 101
	}
	return r
}

// deal is an offer that may be ordered.
type deal struct {
	Candidate
	room fleet.Resources
	rank [2]int // in the lists of preference
	use  int64  // memory that will be used of it
}

func (d deal) String() string { return d.Type + " at " + d.Location }

// offers are those of the catalogue that settings allow and that were not refused lately; the rest is told.
func (c *scene) offers() []deal {
	var out []deal
	for _, t := range c.snap.Catalogue.Types {
		typeRank, ok := rank(c.s.Types, t.Name)
		if !ok || t.Retired {
			continue
		}
		size := fleet.Resources{MemoryBytes: t.MemoryBytes, CPUMillis: int64(t.CPUs) * 1000, DiskBytes: t.DiskBytes}
		room := c.roomOf(t.Name, size)
		for _, o := range t.Offers {
			locationRank, ok := rank(c.s.Locations, o.Location)
			if !ok || o.Hourly <= 0 || room.MemoryBytes <= 0 { // what has no price has no bound either
				continue
			}
			if why := c.unavailable(t.Name, o); why != "" {
				c.none = append(c.none, Alternative{What: t.Name + " at " + o.Location, Why: why, Hourly: o.Hourly})
				continue
			}
			out = append(out, deal{room: room, rank: [2]int{typeRank, locationRank}, Candidate: Candidate{
				Type: t.Name, Location: o.Location, Arch: t.Arch, Image: c.s.image(t.Arch), Size: size, Hourly: o.Hourly, Monthly: o.Monthly,
			}})
		}
	}
	slices.SortFunc(out, func(a, b deal) int {
		return cmp.Or(cmp.Compare(a.Hourly, b.Hourly), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Location, b.Location))
	})
	slices.SortFunc(c.none, func(a, b Alternative) int {
		return cmp.Or(cmp.Compare(a.Hourly, b.Hourly), cmp.Compare(a.What, b.What))
	})
	return out
}

func (c *scene) unavailable(name string, o cloud.Offer) string {
	if !o.InStock {
		return "the provider has none now"
	}
	for _, f := range c.snap.Failures {
		if (f.Type == "" || f.Type == name) && (f.Location == "" || f.Location == o.Location) && c.now.Before(f.Until) {
			c.wake(f.Until)
			return fmt.Sprintf("refused lately (%s), asked again at %s", strings.ReplaceAll(string(f.Kind), "_", " "), f.Until.UTC().Format(time.TimeOnly+" MST"))
		}
	}
	return ""
}

// rank is the place of a name in a list of preference; an empty list has all of them, alike.
func rank(list []string, name string) (int, bool) {
	if len(list) == 0 {
		return 0, true
	}
	i := slices.Index(list, name)
	return i, i >= 0
}

// choose gives the offers for a machine, best first: preferred types and locations, then the lowest price for what will be used of it.
// needs come largest first; ahead is memory that will be wanted beyond them. Every offer holds the largest need and is within the caps.
func (c *scene) choose(needs []fleet.Resources, ahead int64) ([]deal, error) {
	for _, a := range c.none[:min(len(c.none), 10)] {
		c.consider(a.What, a.Why, a.Hourly)
	}
	c.none = nil // told once
	var fit []deal
	var refused error
	small := 0
	for _, d := range c.deals {
		if len(needs) > 0 && !d.room.Fits(needs[0]) {
			small++
			continue
		}
		if err := c.budget.Allow(d.Hourly); err != nil {
			refused = err
			c.consider(d.String(), protocol.AsFault(err).Message, d.Hourly)
			continue
		}
		d.use = used(d.room, needs, ahead)
		fit = append(fit, d)
	}
	if len(fit) == 0 {
		switch {
		case refused != nil:
			return nil, refused
		case len(c.deals) == 0:
			return nil, fmt.Errorf("no machine that the settings allow is to be had")
		default:
			return nil, fmt.Errorf("no machine that can be had is large enough for %s", protocol.FormatSize(needs[0].MemoryBytes))
		}
	}
	slices.SortFunc(fit, func(a, b deal) int {
		return cmp.Or(cmp.Compare(a.rank[0], b.rank[0]), cmp.Compare(a.rank[1], b.rank[1]), cmp.Compare(a.per(), b.per()),
			cmp.Compare(a.Hourly, b.Hourly), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Location, b.Location))
	})
	for _, d := range fit[1:min(len(fit), 6)] {
		c.consider(d.String(), fmt.Sprintf("%s is taken first: %s against %s an hour for each GiB that will be used", fit[0], euro(fit[0].per()), euro(d.per())), d.Hourly)
	}
	if small > 0 {
		c.consider(many(small, "smaller offer"), "too small for "+protocol.FormatSize(needs[0].MemoryBytes), 0)
	}
	return fit, nil
}

// used is the memory of room that needs will take, packed First-Fit-Decreasing, and what is wanted beyond them if all of them fit.
func used(room fleet.Resources, needs []fleet.Resources, ahead int64) int64 {
	free, all := room, true
	for _, n := range needs {
		if free.Fits(n) {
			free = free.Sub(n)
		} else {
			all = false
		}
	}
	use := room.MemoryBytes - free.MemoryBytes
	if all {
		use = min(room.MemoryBytes, use+ahead)
	}
	if use <= 0 {
		return room.MemoryBytes
	}
	return use
}

// per is the hourly price of a GiB that will be used of it, in micro-euros.
func (d deal) per() float64 { return float64(d.Hourly) / (float64(d.use) / (1 << 30)) }

func euro(micro float64) string { return fleet.MicroEuro(micro + 0.5).String() }
