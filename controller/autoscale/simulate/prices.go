package simulate

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/protocol"
)

// PricesFormat says how a file of prices is written.
const PricesFormat = `A file of prices is JSON, euros per started hour with everything that is always added (a public IPv4 address):
  {"name": "read on 2026-11-30", "types": [
    {"name": "cax31", "arch": "arm64", "cpus": 8, "memory": "16GiB", "disk": "160GiB", "location": "fsn1", "hourly": "0.0138"}]}`

type priceFile struct {
	Name  string      `json:"name"`
	Types []priceLine `json:"types"`
}

type priceLine struct {
	Name     string `json:"name"`
	Arch     string `json:"arch"`
	CPUs     int    `json:"cpus"`
	Memory   string `json:"memory"`
	Disk     string `json:"disk"`
	Location string `json:"location"`
	Hourly   string `json:"hourly"`
}

// ReadPrices reads a file of prices. Kinds: invalid.
func ReadPrices(r io.Reader) (Prices, error) {
	dec := json.NewDecoder(io.LimitReader(r, 4<<20))
	dec.DisallowUnknownFields()
	var f priceFile
	if err := dec.Decode(&f); err != nil {
		return Prices{}, fault.New(fault.Invalid, "the file of prices: "+err.Error(), PricesFormat)
	}
	if len(f.Types) == 0 {
		return Prices{}, fault.New(fault.Invalid, "the file of prices names no types", PricesFormat)
	}
	out := Prices{Name: f.Name}
	for i, l := range f.Types {
		t, err := l.read()
		if err != nil {
			return Prices{}, fault.New(fault.Invalid, fmt.Sprintf("the file of prices: type %d (%s): %s", i+1, l.Name, protocol.AsFault(err).Message), PricesFormat)
		}
		out.Types = append(out.Types, t)
	}
	return out, nil
}

func (l priceLine) read() (cloud.Type, error) {
	bad := func(text string) (cloud.Type, error) { return cloud.Type{}, fault.New(fault.Invalid, text, "") }
	memory, err := protocol.ParseSize(l.Memory)
	if err != nil {
		return cloud.Type{}, err
	}
	disk, err := protocol.ParseSize(l.Disk)
	if err != nil {
		return cloud.Type{}, err
	}
	price, err := fleet.ParseEuro(l.Hourly)
	if err != nil {
		return cloud.Type{}, err
	}
	switch {
	case l.Name == "" || l.Location == "" || l.Arch == "":
		return bad("name, arch and location are needed")
	case l.CPUs < 1 || memory < 1<<30 || disk < 1<<30:
		return bad("a core, 1GiB of memory and 1GiB of disk are the least")
	case price <= 0 || price > 1000*fleet.Euro:
		return bad("the price is not above 0, or above 1000 euros an hour")
	}
	return cloud.Type{Name: l.Name, Arch: l.Arch, CPUs: l.CPUs, MemoryBytes: memory, DiskBytes: disk,
		Offers: []cloud.Offer{{Location: l.Location, Hourly: price, InStock: true}}}, nil
}

// ExamplePrices are figures that were once read about Hetzner's machines (features.md §6), with 0.0008 € for an IPv4 address added. They
// are an example to compare policies with, not today's prices: give a file for those. The controller itself reads prices at run time.
func ExamplePrices() Prices {
	const gib = 1 << 30
	out := Prices{Name: "built-in example, not today's prices"}
	for _, t := range []struct {
		name   string
		arch   string
		cpus   int
		memory int64
		disk   int64
		hourly fleet.MicroEuro
	}{
		{"cax11", "arm64", 2, 4, 40, 4000}, {"cax21", "arm64", 4, 8, 80, 7000}, {"cax31", "arm64", 8, 16, 160, 13000},
		{"cx23", "amd64", 2, 4, 40, 6000}, {"cx33", "amd64", 4, 8, 80, 11000}, {"cx43", "amd64", 8, 16, 160, 21000},
		{"cpx22", "amd64", 2, 4, 80, 9600}, {"cpx32", "amd64", 4, 8, 160, 16800}, {"cpx42", "amd64", 8, 16, 320, 31200},
		{"cpx52", "amd64", 12, 24, 480, 62400}, {"cpx62", "amd64", 16, 32, 640, 105600},
	} {
		out.Types = append(out.Types, cloud.Type{Name: t.name, Arch: t.arch, CPUs: t.cpus, MemoryBytes: t.memory * gib, DiskBytes: t.disk * gib,
			Offers: []cloud.Offer{{Location: "fsn1", Hourly: t.hourly + 800, InStock: true}}})
	}
	return out
}
