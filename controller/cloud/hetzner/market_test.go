package hetzner_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/cloud/hetzner"
	"github.com/payperplay/payperplay/controller/fleet"
)

func catalogue(t *testing.T, d *hetzner.Driver) cloud.Catalogue {
	t.Helper()
	c, err := d.Catalogue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCatalogueIsCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		d, _ := s.open(t)
		first := catalogue(t, d)
		for _, x := range []struct {
			after         time.Duration
			prices, types int
		}{{0, 1, 1}, {59 * time.Second, 1, 1}, {time.Second, 1, 2}, {30 * time.Minute, 1, 3}, {30 * time.Minute, 2, 4}} {
			time.Sleep(x.after)
			c := catalogue(t, d)
			if p, n := s.count("/pricing"), s.count("/server_types"); p != x.prices || n != x.types {
				t.Errorf("after %v the prices were read %d times and the types %d times, want %d and %d", x.after, p, n, x.prices, x.types)
			}
			if age := time.Since(c.At); age >= time.Minute {
				t.Errorf("the answer is %v old", age)
			}
		}
		if p := s.count("/datacenters"); p != 0 {
			t.Errorf("what is deprecated was read %d times", p)
		}
		if len(first.Types) == 0 {
			t.Error("there are no types")
		}
	})
}

func TestCatalogueOneRequestForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.holdUp = make(chan struct{})
		d, _ := s.open(t)
		var failed atomic.Int32
		for range 50 {
			go func() {
				if _, err := d.Catalogue(t.Context()); err != nil {
					failed.Add(1)
				}
			}()
		}
		synctest.Wait()
		close(s.holdUp)
		synctest.Wait()
		if n := s.count("/server_types"); n != 1 || failed.Load() != 0 {
			t.Errorf("50 callers made %d requests, and %d failed", n, failed.Load())
		}
	})
}

func TestCatalogueLastGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		d, log := s.open(t)
		good := catalogue(t, d)
		for _, broken := range []string{"503 maintenance", "cut", "429 rate_limit_exceeded"} {
			s.set(broken)
			time.Sleep(2 * time.Hour)
			before := s.count("/pricing") + s.count("/server_types")
			for range 20 {
				c := catalogue(t, d)
				if !c.At.Equal(good.At) || len(c.Types) != len(good.Types) {
					t.Fatalf("%s: the answer is of %v with %d types, want that of %v", broken, c.At, len(c.Types), good.At)
				}
			}
			if n := s.count("/pricing") + s.count("/server_types") - before; n > 2 {
				t.Errorf("%s: 20 callers made %d requests", broken, n)
			}
		}
		if n := strings.Count(log.String(), "level=WARN"); n != 1 {
			t.Errorf("%d warnings, want one while it lasts: %s", n, log)
		}
		s.set("401 unauthorized")
		time.Sleep(time.Hour)
		if _, err := d.Catalogue(t.Context()); cloud.KindOf(err) != cloud.Denied {
			t.Errorf("a token that was taken back: got error %v, want %s", err, cloud.Denied)
		}
		s.set("")
		time.Sleep(time.Minute)
		if c := catalogue(t, d); time.Since(c.At) > time.Minute {
			t.Errorf("when the provider is back, the answer is of %v", c.At)
		}
	})
}

func TestCatalogueNothingYet(t *testing.T) {
	for broken, want := range map[string]cloud.Kind{"503 maintenance": cloud.Unavailable, "cut": cloud.Unavailable, "403 forbidden": cloud.Denied} {
		s := newShop(t)
		d, _ := s.open(t)
		s.set(broken)
		if c, err := d.Catalogue(t.Context()); cloud.KindOf(err) != want || len(c.Types) != 0 {
			t.Errorf("%s: got %d types, error %v, want %s", broken, len(c.Types), err, want)
		}
		s.set("")
		catalogue(t, d)
	}
}

func TestCataloguePrices(t *testing.T) {
	s := newShop(t)
	ip := obj{"type": "ipv4", "prices": []any{
		obj{"location": "fsn1", "price_hourly": obj{"net": "0.0008000000", "gross": "9"}, "price_monthly": obj{"net": "0.5000", "gross": "9"}},
		obj{"location": "hel1", "price_hourly": obj{"net": "0.0008000000", "gross": "9"}, "price_monthly": obj{"net": "", "gross": ""}},
	}}
	s.replies["/pricing"].(obj)["pricing"].(obj)["primary_ips"] = []any{ip}
	edit := func(name string, change func(obj)) {
		for _, row := range s.rows("/server_types") {
			if row.(obj)["name"] == name {
				change(row.(obj))
			}
		}
	}
	edit("cx23", func(o obj) { // its own price counts, being younger than the list's
		for _, p := range o["prices"].([]any) {
			p.(obj)["price_hourly"], p.(obj)["price_monthly"] = obj{"net": "0.0060000000", "gross": "9"}, obj{"net": "3.490000", "gross": "9"}
		}
	})
	edit("cx33", func(o obj) { // without one, the list's
		o["prices"] = []any{}
	})
	edit("cx43", func(o obj) {
		for _, p := range o["prices"].([]any) {
			p.(obj)["price_hourly"] = obj{"net": "soon", "gross": "9"}
		}
	})
	edit("cpx12", func(o obj) {
		for _, p := range o["prices"].([]any) {
			p.(obj)["price_hourly"] = obj{"net": "0.0000000000", "gross": "9"}
		}
	})
	d, log := s.open(t)
	c := catalogue(t, d)
	for _, x := range []struct {
		name, location  string
		hourly, monthly fleet.MicroEuro
	}{
		{"cx23", "fsn1", 6_800, 3_990_000}, {"cx23", "hel1", 6_800, 0}, {"cx33", "fsn1", 11_800, 7_375_000},
		{"cx23", "nbg1", 0, 0} /* no address's price */, {"cx43", "fsn1", 0, 0}, {"cpx12", "fsn1", 0, 0},
	} {
		_, o, ok := c.Find(x.name, x.location)
		if ok != (x.hourly > 0) || o.Hourly != x.hourly || o.Monthly != x.monthly {
			t.Errorf("%s at %s: %+v, %v; want %d an hour, %d a month", x.name, x.location, o, ok, x.hourly, x.monthly)
		}
	}
	if n := strings.Count(log.String(), "type=cx43 location=fsn1"); n != 1 {
		t.Errorf("that an offer is left out was logged %d times: %s", n, log)
	}
	if strings.Contains(fmt.Sprint(c), "ash") { // offered there, but no address's price
		t.Error("an offer without the price of its address is listed")
	}
}

func TestCatalogueLogsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.replies["/pricing"].(obj)["pricing"].(obj)["currency"] = "USD"
		d, log := s.open(t)
		for range 5 {
			for _, typ := range catalogue(t, d).Types {
				if len(typ.Offers) > 0 {
					t.Fatalf("dollars were taken for euros: %+v", typ)
				}
			}
			time.Sleep(2 * time.Minute)
		}
		if n := strings.Count(log.String(), "type=cx23 location=fsn1"); n != 1 {
			t.Errorf("it was logged %d times", n)
		}
	})
}

func TestCatalogueRetiredAndStock(t *testing.T) {
	const here, there, nowhere = "fsn1", "hel1", "nbg1"
	old := obj{"announced": "2024-01-01T00:00:00Z", "unavailable_after": "2024-06-01T00:00:00Z"}
	soon := obj{"announced": "2024-01-01T00:00:00Z", "unavailable_after": "2199-06-01T00:00:00Z"}
	places := func(s *shop, known bool, available, deprecation obj) {
		for _, row := range s.rows("/server_types") {
			for _, l := range row.(obj)["locations"].([]any) {
				l := l.(obj)
				l["deprecation"] = deprecation[l["name"].(string)]
				delete(l, "available")
				if known {
					l["available"] = available[l["name"].(string)] == true
				}
			}
			row.(obj)["deprecation"] = nil
		}
	}
	type answer struct {
		retired bool
		offered []string // with a + if in stock
	}
	look := func(t *testing.T, s *shop) (a answer) {
		d, _ := s.open(t)
		typ := catalogue(t, d)
		for _, x := range typ.Types {
			if x.Name != "cx23" {
				continue
			}
			a.retired = x.Retired
			for _, o := range x.Offers {
				if o.InStock {
					o.Location += "+"
				}
				a.offered = append(a.offered, o.Location)
			}
		}
		slices.Sort(a.offered)
		return a
	}
	for name, x := range map[string]struct {
		change func(*shop)
		want   answer
	}{
		"as the API tells it": {func(s *shop) { places(s, true, obj{here: true}, nil) }, answer{false, []string{here + "+", there, nowhere}}},
		"ending here":         {func(s *shop) { places(s, true, obj{here: true, there: true}, obj{here: soon}) }, answer{false, []string{here, there + "+", nowhere}}},
		"ended here":          {func(s *shop) { places(s, true, obj{here: true, there: true}, obj{here: old}) }, answer{false, []string{there + "+", nowhere}}},
		"ending everywhere":   {func(s *shop) { places(s, true, obj{here: true}, obj{here: soon, there: soon, nowhere: soon}) }, answer{true, []string{here, there, nowhere}}},
		"ended everywhere":    {func(s *shop) { places(s, true, obj{here: true}, obj{here: old, there: old, nowhere: old}) }, answer{true, nil}},
		"the type is retired": {func(s *shop) {
			places(s, true, obj{here: true}, nil)
			for _, row := range s.rows("/server_types") {
				row.(obj)["deprecation"] = soon
			}
		}, answer{true, []string{here + "+", there, nowhere}}},
		"as it was told before": {func(s *shop) {
			places(s, false, nil, nil)
			for _, row := range s.rows("/datacenters") {
				if row.(obj)["location"].(obj)["name"] != here {
					row.(obj)["server_types"].(obj)["available"] = []any{}
				}
			}
		}, answer{false, []string{here + "+", there, nowhere}}},
		"no word of stock": {func(s *shop) {
			places(s, false, nil, nil)
			for _, row := range s.rows("/datacenters") {
				delete(row.(obj), "server_types")
			}
		}, answer{false, []string{here + "+", there + "+", nowhere + "+"}}},
		"no data centres": {func(s *shop) {
			places(s, false, nil, nil)
			delete(s.replies, "/datacenters")
		}, answer{false, []string{here + "+", there + "+", nowhere + "+"}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			x.change(s)
			got := look(t, s)
			slices.Sort(x.want.offered)
			if got.retired != x.want.retired || !slices.Equal(got.offered, x.want.offered) {
				t.Errorf("got %+v, want %+v", got, x.want)
			}
		})
	}
}
