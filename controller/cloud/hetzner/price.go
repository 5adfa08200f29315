package hetzner

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"
	"github.com/hetznercloud/hcloud-go/v2/hcloud/schema"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fleet"
)

// price is of one thing at one place, net, as texts.
type price struct{ hourly, monthly string }

// priceList is what /pricing and /locations tell.
type priceList struct {
	currency string
	types    map[string]map[string]price // by type and location
	ipv4     map[string]price            // by location
	zones    []zone
}

type zone struct{ location, name string }

func newPriceList(p hcloud.Pricing, locations []*hcloud.Location) *priceList {
	list := &priceList{currency: p.Currency, types: map[string]map[string]price{}, ipv4: map[string]price{}}
	for _, t := range p.ServerTypes {
		if t.ServerType == nil {
			continue
		}
		at := map[string]price{}
		for _, l := range t.Pricings {
			if l.Location != nil {
				at[l.Location.Name] = price{l.Hourly.Net, l.Monthly.Net}
			}
		}
		list.types[t.ServerType.Name] = at
	}
	for _, ip := range p.PrimaryIPs {
		if ip.Type != string(hcloud.PrimaryIPTypeIPv4) {
			continue
		}
		for _, l := range ip.Pricings {
			list.ipv4[l.Location] = price{l.Hourly.Net, l.Monthly.Net}
		}
	}
	for _, l := range locations {
		list.zones = append(list.zones, zone{l.Name, string(l.NetworkZone)})
	}
	return list
}

// serverType is the API's, with Available told apart from absent: descriptions of the API from before 2026 do not know it.
type serverType struct {
	schema.ServerType
	Locations []struct {
		Name      string `json:"name"`
		Available *bool  `json:"available"`
		schema.DeprecatableResource
	} `json:"locations"`
	stock map[string]bool // of those who have no Available; nil = nobody knows
}

func (d *Driver) serverTypes(ctx context.Context) ([]serverType, error) {
	found, err := all(ctx, d, reading("list_server_types", "list the types of machines"), hcloud.ListOpts{}, func(ctx context.Context, o hcloud.ListOpts) ([]*serverType, *hcloud.Response, error) {
		var page struct {
			ServerTypes []*serverType `json:"server_types"`
		}
		resp, err := d.read(ctx, "/server_types?"+o.Values().Encode(), &page)
		return page.ServerTypes, resp, err
	})
	if err != nil {
		return nil, err
	}
	types, told := make([]serverType, 0, len(found)), false
	for _, t := range found {
		types = append(types, *t)
		for _, l := range t.Locations {
			told = told || l.Available != nil
		}
	}
	if !told && len(types) > 0 {
		err = d.olderStock(ctx, types)
	}
	return types, err
}

// olderStock reads the stock where the API told it until October 2026. If it does not, stock is unknown: an order will tell.
func (d *Driver) olderStock(ctx context.Context, types []serverType) error {
	type centre struct {
		Location schema.Location `json:"location"`
		Types    *struct {
			Available []int64 `json:"available"`
		} `json:"server_types"`
	}
	centres, err := all(ctx, d, reading("list_datacenters", "read the stock"), hcloud.ListOpts{}, func(ctx context.Context, o hcloud.ListOpts) ([]*centre, *hcloud.Response, error) {
		var page struct {
			Datacenters []*centre `json:"datacenters"`
		}
		resp, err := d.read(ctx, "/datacenters?"+o.Values().Encode(), &page)
		return page.Datacenters, resp, err
	})
	switch kind := cloud.KindOf(err); {
	case kind == cloud.NotFound, kind == cloud.Invalid: // removed
		return nil
	case err != nil:
		return err
	}
	for _, c := range centres {
		if c.Types == nil {
			continue
		}
		for i := range types {
			if types[i].stock == nil {
				types[i].stock = map[string]bool{}
			}
			if slices.Contains(c.Types.Available, types[i].ID) {
				types[i].stock[c.Location.Name] = true
			}
		}
	}
	return nil
}

// read gets what the client has no exact words for.
func (d *Driver) read(ctx context.Context, path string, into any) (*hcloud.Response, error) {
	req, err := d.client.NewRequest(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	return d.client.Do(req, into)
}

// build makes offers of types, stock and prices; with the market's mu held. What has no price is left out: it would seem to cost nothing.
func (d *Driver) build(list *priceList, types []serverType, now time.Time) []cloud.Type {
	out := []cloud.Type{}
	for _, t := range types {
		ct := cloud.Type{
			Name: t.Name, Arch: arch(hcloud.Architecture(t.Architecture)), CPUs: t.Cores, Dedicated: t.CPUType == string(hcloud.CPUTypeDedicated),
			MemoryBytes: int64(float64(t.Memory) * (1 << 30)), DiskBytes: int64(t.Disk) * gigabyte,
			Retired: t.Deprecation != nil, //nolint:staticcheck // until it is gone, it is the provider's word for the whole type
		}
		going := 0
		for _, l := range t.Locations {
			if l.Deprecation != nil {
				going++
				if l.Deprecation.UnavailableAfter.Before(now) {
					continue
				}
			}
			o, err := list.offer(t, l.Name)
			if err != nil {
				d.leaveOut(t.Name, l.Name, err)
				continue
			}
			o.InStock = l.Deprecation == nil && t.has(l.Name, l.Available)
			ct.Offers = append(ct.Offers, o)
		}
		ct.Retired = ct.Retired || len(t.Locations) > 0 && going == len(t.Locations)
		out = append(out, ct)
	}
	slices.SortFunc(out, func(a, b cloud.Type) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (t serverType) has(location string, available *bool) bool {
	switch {
	case available != nil:
		return *available
	case t.stock != nil:
		return t.stock[location]
	default:
		return true
	}
}

// offer adds the price of the public IPv4 address that every machine has.
func (p *priceList) offer(t serverType, location string) (cloud.Offer, error) {
	if p.currency != "EUR" {
		return cloud.Offer{}, fmt.Errorf("prices are in %q, not in euros", p.currency)
	}
	own, ok := p.types[t.Name][location]
	for _, l := range t.Prices { // beside the type, and younger
		if l.Location == location {
			own, ok = price{l.PriceHourly.Net, l.PriceMonthly.Net}, true
		}
	}
	if !ok {
		return cloud.Offer{}, fmt.Errorf("no price of the type")
	}
	address, ok := p.ipv4[location]
	if !ok {
		return cloud.Offer{}, fmt.Errorf("no price of a public IPv4 address")
	}
	hourly, err := sum(own.hourly, address.hourly)
	if err != nil {
		return cloud.Offer{}, err
	}
	monthly, err := sum(own.monthly, address.monthly)
	if err != nil {
		monthly = 0 // no bound that is known
	}
	return cloud.Offer{Location: location, Hourly: hourly, Monthly: monthly}, nil
}

func sum(machine, address string) (fleet.MicroEuro, error) {
	m, err := fleet.ParseEuro(machine)
	if err != nil {
		return 0, err
	}
	a, err := fleet.ParseEuro(address)
	if err != nil {
		return 0, err
	}
	if m <= 0 || a < 0 {
		return 0, fmt.Errorf("%q is no price", machine)
	}
	return m + a, nil
}

// leaveOut says it once for each offer.
func (d *Driver) leaveOut(name, location string, why error) {
	key := name + " " + location
	if d.market.told[key] {
		return
	}
	d.market.told[key] = true
	d.log.Warn("an offer is left out", "type", name, "location", location, "error", why)
}
