package fakehetzner

import (
	"net/http"

	"github.com/payperplay/payperplay/controller/fleet"
)

// What an IPv4 address costs, and a gigabyte of snapshot or volume a month.
const (
	addressHourly  fleet.MicroEuro = 800
	addressMonthly fleet.MicroEuro = 500_000
	imageMonthly   fleet.MicroEuro = 11_900
	volumeMonthly  fleet.MicroEuro = 44_000
)

func (c *Cloud) pricing(*call) (reply, error) {
	types := []obj{}
	for _, t := range c.types {
		if t.listedNow(c.now()) {
			types = append(types, obj{"id": t.ID, "name": t.Type.Name, "prices": t.prices()})
		}
	}
	addresses, floating, free := []obj{}, []obj{}, []obj{}
	for _, l := range locations() {
		addresses = append(addresses, obj{"location": l.name, "price_hourly": price(addressHourly), "price_monthly": price(addressMonthly)})
		free = append(free, obj{"location": l.name, "price_hourly": price(0), "price_monthly": price(0)})
		floating = append(floating, obj{"location": l.name, "price_monthly": price(3 * fleet.Euro)})
	}
	return reply{status: http.StatusOK, body: obj{"pricing": obj{
		"currency": "EUR", "vat_rate": "19.000000",
		"image":        obj{"price_per_gb_month": price(imageMonthly)},
		"volume":       obj{"price_per_gb_month": price(volumeMonthly)},
		"floating_ip":  obj{"price_monthly": price(3 * fleet.Euro)},
		"floating_ips": []obj{{"type": "ipv4", "prices": floating}, {"type": "ipv6", "prices": floating}}, // hcloud-go 2.52 panics when they are fewer than primary_ips
		"primary_ips":  []obj{{"type": "ipv4", "prices": addresses}, {"type": "ipv6", "prices": free}},
		"server_types": types, "load_balancer_types": []obj{}, "server_backup": obj{"percentage": "20.000000"},
		"traffic": obj{"price_per_tb": price(fleet.Euro)},
	}}}, nil
}
