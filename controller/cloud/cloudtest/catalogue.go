package cloudtest

import (
	"slices"
	"testing"
	"time"
)

func testCatalogue(t *testing.T, r Rig) {
	c, err := r.Provider.Catalogue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if age := time.Since(c.At); age < 0 || age > time.Minute {
		t.Errorf("a first answer is %v old", age)
	}
	for _, location := range []string{r.Order.Location, r.Elsewhere} {
		typ, offer, ok := c.Find(r.Order.Type, location)
		if !ok || !offer.InStock || typ.Retired {
			t.Errorf("%s at %s: %+v %+v, want it in stock", r.Order.Type, location, typ, offer)
		}
	}
	for _, typ := range c.Types {
		if typ.Name == "" || typ.CPUs < 1 || typ.MemoryBytes < 1<<28 || typ.DiskBytes < 1<<30 || !slices.Contains([]string{"amd64", "arm64"}, typ.Arch) {
			t.Errorf("type %+v cannot be", typ)
		}
		for _, o := range typ.Offers {
			if o.Hourly <= 0 || o.Monthly < 0 || o.Monthly > 0 && o.Monthly < o.Hourly || o.Location == "" {
				t.Errorf("%s: offer %+v cannot be", typ.Name, o)
			}
		}
	}
	for i := range c.Types { // it is the caller's to change
		clear(c.Types[i].Offers)
	}
	if c, err = r.Provider.Catalogue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := c.Find(r.Order.Type, r.Order.Location); !ok {
		t.Error("what one caller does to the answer shows in the next one's")
	}
}
