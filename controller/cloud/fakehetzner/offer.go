package fakehetzner

import (
	"time"

	"github.com/payperplay/payperplay/controller/fleet"
)

// Type is a kind of machine that the fake rents.
type Type struct {
	Name      string
	Arm       bool
	CPUs      int
	Dedicated bool
	MemoryGB  float64
	DiskGB    int
	Category  string
	Offers    []Offer
}

// Offer is a type's price at a location, net of VAT and without an address.
type Offer struct {
	Location         string
	Hourly, Monthly  fleet.MicroEuro
	Announced        time.Time // of its end there; zero = it stays
	UnavailableAfter time.Time
}

// Where machines can be.
const (
	Falkenstein = "fsn1"
	Nuremberg   = "nbg1"
	Helsinki    = "hel1"
	Ashburn     = "ash"
	Hillsboro   = "hil"
	Singapore   = "sin"
)

// hoursAMonth is how many hours at the hourly price the monthly bound is worth, about.
const hoursAMonth = 625

// DefaultTypes are some that Hetzner has had, with figures of 2026 that nobody should rely on. cx22 is announced to end, cx11 has ended.
func DefaultTypes() []Type {
	europe := []string{Falkenstein, Nuremberg, Helsinki}
	overseas := []string{Ashburn, Hillsboro, Singapore}
	offers := func(hourly fleet.MicroEuro, far bool) []Offer {
		var out []Offer
		for _, l := range europe {
			out = append(out, Offer{Location: l, Hourly: hourly, Monthly: hourly * hoursAMonth})
		}
		for _, l := range overseas {
			if far {
				out = append(out, Offer{Location: l, Hourly: hourly * 5 / 4, Monthly: hourly * 5 / 4 * hoursAMonth})
			}
		}
		return out
	}
	ending := func(list []Offer, announced, after time.Time) []Offer {
		for i := range list {
			list[i].Announced, list[i].UnavailableAfter = announced, after
		}
		return list
	}
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }
	const shared, regular, cost = "Shared vCPU", "Regular Performance", "Cost-Optimized"
	return []Type{
		{Name: "cx11", CPUs: 1, MemoryGB: 2, DiskGB: 20, Category: shared, Offers: ending(offers(5000, false), day(2024, 6, 6), day(2024, 9, 6))},
		{Name: "cx22", CPUs: 2, MemoryGB: 4, DiskGB: 40, Category: shared, Offers: ending(offers(6000, false), day(2025, 10, 15), day(2099, 1, 1))},
		{Name: "cx23", CPUs: 2, MemoryGB: 4, DiskGB: 40, Category: cost, Offers: offers(6000, false)},
		{Name: "cx33", CPUs: 4, MemoryGB: 8, DiskGB: 80, Category: cost, Offers: offers(11000, false)},
		{Name: "cx43", CPUs: 8, MemoryGB: 16, DiskGB: 160, Category: cost, Offers: offers(21000, false)},
		{Name: "cpx12", CPUs: 1, MemoryGB: 2, DiskGB: 40, Category: regular, Offers: offers(4800, true)},
		{Name: "cpx22", CPUs: 2, MemoryGB: 4, DiskGB: 80, Category: regular, Offers: offers(9600, true)},
		{Name: "cpx32", CPUs: 4, MemoryGB: 8, DiskGB: 160, Category: regular, Offers: offers(16800, true)},
		{Name: "cpx42", CPUs: 8, MemoryGB: 16, DiskGB: 320, Category: regular, Offers: offers(31200, true)},
		{Name: "cpx52", CPUs: 12, MemoryGB: 24, DiskGB: 480, Category: regular, Offers: offers(62400, true)},
		{Name: "cpx62", CPUs: 16, MemoryGB: 32, DiskGB: 640, Category: regular, Offers: offers(105600, true)},
		{Name: "cax11", Arm: true, CPUs: 2, MemoryGB: 4, DiskGB: 40, Category: cost, Offers: offers(4000, false)},
		{Name: "cax21", Arm: true, CPUs: 4, MemoryGB: 8, DiskGB: 80, Category: cost, Offers: offers(7000, false)},
		{Name: "cax31", Arm: true, CPUs: 8, MemoryGB: 16, DiskGB: 160, Category: cost, Offers: offers(13000, false)},
		{Name: "ccx13", Dedicated: true, CPUs: 2, MemoryGB: 8, DiskGB: 80, Category: "General Purpose", Offers: offers(20000, true)},
	}
}
