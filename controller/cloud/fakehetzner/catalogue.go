package fakehetzner

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/payperplay/payperplay/controller/fleet"
)

// serverType is a Type with its id.
type serverType struct {
	head
	Type
}

// place is where a type is or is not in stock.
type place struct{ kind, location string }

// location is one of the provider's sites; each has one data centre here.
type location struct {
	id, centreID                      int64
	name, centre, city, country, zone string
	description, centreText           string
	latitude, longitude               float64
}

func locations() []location {
	return []location{
		{1, 4, Falkenstein, "fsn1-dc14", "Falkenstein", "DE", "eu-central", "Falkenstein DC Park 1", "Falkenstein 1 virtual DC 14", 50.47612, 12.370071},
		{2, 2, Nuremberg, "nbg1-dc3", "Nuremberg", "DE", "eu-central", "Nuremberg DC Park 1", "Nuremberg 1 virtual DC 3", 49.452102, 11.076665},
		{3, 3, Helsinki, "hel1-dc2", "Helsinki", "FI", "eu-central", "Helsinki DC Park 1", "Helsinki 1 virtual DC 2", 60.169855, 24.938379},
		{4, 5, Ashburn, "ash-dc1", "Ashburn, VA", "US", "us-east", "Ashburn, VA", "Ashburn virtual DC 1", 39.045821, -77.487073},
		{5, 6, Hillsboro, "hil-dc1", "Hillsboro, OR", "US", "us-west", "Hillsboro, OR", "Hillsboro virtual DC 1", 45.54222, -122.951924},
		{6, 7, Singapore, "sin-dc1", "Singapore", "SG", "ap-southeast", "Singapore", "Singapore virtual DC 1", 1.283333, 103.833333},
	}
}

// locate finds a location by name or id, or by its data centre's.
func locate(text string, centre bool) (location, bool) {
	for _, l := range locations() {
		id, name := l.id, l.name
		if centre {
			id, name = l.centreID, l.centre
		}
		if text == name || text == strconv.FormatInt(id, 10) {
			return l, true
		}
	}
	return location{}, false
}

func (l location) view() obj {
	return obj{
		"id": l.id, "name": l.name, "description": l.description, "city": l.city, "country": l.country, "latitude": l.latitude,
		"longitude": l.longitude, "network_zone": l.zone,
	}
}

func (c *Cloud) viewCentre(l location) obj {
	supported, available := []int64{}, []int64{}
	for _, t := range c.types {
		if o, ok := t.offer(l.name); ok && !o.over(c.now()) {
			supported = append(supported, t.ID)
			if c.inStock(t.Type.Name, l.name) {
				available = append(available, t.ID)
			}
		}
	}
	return obj{
		"id": l.centreID, "name": l.centre, "description": l.centreText, "location": l.view(),
		"server_types": obj{"supported": supported, "available": available, "available_for_migration": available},
	}
}

func (c *Cloud) stockTypes() error {
	for i, t := range c.opt.Types {
		if len(t.Offers) == 0 {
			return fmt.Errorf("fakehetzner: type %s is offered nowhere", t.Name)
		}
		for _, o := range t.Offers {
			if _, ok := locate(o.Location, false); !ok {
				return fmt.Errorf("fakehetzner: type %s is offered at %q, which is no location", t.Name, o.Location)
			}
		}
		c.types = append(c.types, &serverType{head: head{ID: int64(101 + i), Name: t.Name}, Type: t})
	}
	return nil
}

func (t *Type) offer(location string) (Offer, bool) {
	for _, o := range t.Offers {
		if o.Location == location {
			return o, true
		}
	}
	return Offer{}, false
}

func (o Offer) over(now time.Time) bool {
	return !o.UnavailableAfter.IsZero() && now.After(o.UnavailableAfter)
}

func (o Offer) deprecation() any {
	if o.UnavailableAfter.IsZero() {
		return nil
	}
	return obj{"announced": o.Announced, "unavailable_after": o.UnavailableAfter}
}

// typeOf finds a type by name or id.
func (c *Cloud) typeOf(text string) (*serverType, bool) {
	for _, t := range c.types {
		if text == t.Type.Name || text == strconv.FormatInt(t.ID, 10) {
			return t, true
		}
	}
	return nil, false
}

// listedNow tells whether a type can be had anywhere.
func (t *serverType) listedNow(now time.Time) bool {
	for _, o := range t.Offers {
		if !o.over(now) {
			return true
		}
	}
	return false
}

func price(m fleet.MicroEuro) obj {
	gross := (m*119 + 50) / 100
	return obj{"net": euros(m), "gross": euros(gross)}
}

// euros writes money as the API does, with ten decimals.
func euros(m fleet.MicroEuro) string { return fmt.Sprintf("%d.%06d0000", m/fleet.Euro, m%fleet.Euro) }

const terabyte = 1 << 40

func (t *serverType) prices() []obj {
	out := []obj{}
	for _, o := range t.Offers {
		out = append(out, obj{
			"location": o.Location, "price_hourly": price(o.Hourly), "price_monthly": price(o.Monthly), "included_traffic": int64(20 * terabyte),
			"price_per_tb_traffic": price(fleet.Euro),
		})
	}
	return out
}

func (t *serverType) view(c *Cloud) obj {
	arch, cpu := "x86", "shared"
	if t.Arm {
		arch = "arm"
	}
	if t.Dedicated {
		cpu = "dedicated"
	}
	places, ends := []obj{}, 0
	var deprecation any
	for _, o := range t.Offers {
		l, _ := locate(o.Location, false)
		free := c.inStock(t.Type.Name, o.Location) && !o.over(c.now())
		places = append(places, obj{"id": l.id, "name": l.name, "deprecation": o.deprecation(), "available": free, "recommended": free && o.deprecation() == nil})
		if o.deprecation() != nil {
			ends++
			deprecation = o.deprecation()
		}
	}
	if ends < len(t.Offers) {
		deprecation = nil
	}
	return obj{
		"id": t.ID, "name": t.Type.Name, "description": t.Type.Name, "category": t.Category, "cores": t.CPUs, "memory": t.MemoryGB, "disk": t.DiskGB,
		"architecture": arch, "cpu_type": cpu, "storage_type": "local", "deprecated": deprecation != nil, "deprecation": deprecation,
		"locations": places, "prices": t.prices(),
	}
}

// fixed lists what the provider has, by name.
func fixed(r *call, many string, rows []obj) (reply, error) {
	if name := r.query.Get("name"); name != "" {
		var kept []obj
		for _, o := range rows {
			if o["name"] == name {
				kept = append(kept, o)
			}
		}
		rows = kept
	}
	page, meta, err := paged(rows, r.query)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK, body: obj{many: append([]obj{}, page...), "meta": meta}}, nil
}

// oneOf finds one of them by id.
func oneOf(r *call, one string, rows []obj) (reply, error) {
	for _, o := range rows {
		if o["id"] == r.id {
			return reply{status: http.StatusOK, body: obj{one: o}}, nil
		}
	}
	return reply{}, notFound(one, r.id)
}

func (c *Cloud) typeRows() []obj {
	rows := []obj{}
	for _, t := range c.types {
		if t.listedNow(c.now()) {
			rows = append(rows, t.view(c))
		}
	}
	return rows
}

func (c *Cloud) locationRows() []obj {
	rows := []obj{}
	for _, l := range locations() {
		rows = append(rows, l.view())
	}
	return rows
}

func (c *Cloud) centreRows() []obj {
	rows := []obj{}
	for _, l := range locations() {
		rows = append(rows, c.viewCentre(l))
	}
	return rows
}
