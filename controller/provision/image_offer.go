package provision

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
)

// maxBuilders bounds the offers that one build asks for.
const maxBuilders = 8

// imageOffers are the offers that a builder may be ordered from, best first: the smallest disk, for a machine that boots from the image needs
// as much; then the cheapest. Pure. Kinds: invalid (no such type or location), exhausted (none in stock).
func imageOffers(c cloud.Catalogue, w Wish, base string) ([]Candidate, error) {
	var out []Candidate
	named, sold := false, false
	for _, t := range c.Types {
		if w.Type == "" && (w.Arch != "" && t.Arch != w.Arch || w.Arch == "" && t.Arch != "amd64") || w.Type != "" && t.Name != w.Type {
			continue
		}
		if w.Type != "" && w.Arch != "" && t.Arch != w.Arch {
			return nil, fault.New(fault.Invalid, fmt.Sprintf("%s is a type of %s, not of %s", t.Name, t.Arch, w.Arch), "leave out the type or the architecture")
		}
		named = true
		for _, o := range t.Offers {
			if t.Retired || o.Hourly <= 0 || w.Location != "" && o.Location != w.Location {
				continue
			}
			if sold = true; !o.InStock {
				continue
			}
			out = append(out, Candidate{Type: t.Name, Location: o.Location, Arch: t.Arch, Image: base, Hourly: o.Hourly, Monthly: o.Monthly,
				Size: fleet.Resources{MemoryBytes: t.MemoryBytes, CPUMillis: int64(t.CPUs) * 1000, DiskBytes: t.DiskBytes}})
		}
	}
	const see = "see `controller cloud price` for what can be rented, and where"
	switch {
	case !named:
		return nil, fault.New(fault.Invalid, "there is no such type of machine to build on", see)
	case !sold:
		return nil, fault.New(fault.Invalid, "what was asked for to build on is not sold there", see)
	case len(out) == 0:
		return nil, fault.New(fault.Exhausted, "the cloud has none of what was asked for to build on now", "try again later, or elsewhere: "+see)
	}
	slices.SortStableFunc(out, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(a.Size.DiskBytes, b.Size.DiskBytes), cmp.Compare(a.Hourly, b.Hourly), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Location, b.Location))
	})
	return out[:min(len(out), maxBuilders)], nil
}
