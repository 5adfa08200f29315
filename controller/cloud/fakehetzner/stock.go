package fakehetzner

import "fmt"

// Endless stock never runs out; it is what a type has unless told otherwise.
const Endless = -1

// SetStock says how many machines of a type can still be ordered at a location: 0 = none, Endless. An empty type or location means all.
func (c *Cloud) SetStock(kind, location string, n int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := false
	for _, t := range c.types {
		for _, o := range t.Offers {
			if (kind == "" || kind == t.Type.Name) && (location == "" || location == o.Location) {
				found = true
				if n < 0 {
					delete(c.stock, place{t.Type.Name, o.Location})
				} else {
					c.stock[place{t.Type.Name, o.Location}] = n
				}
			}
		}
	}
	if !found {
		return fmt.Errorf("fakehetzner: %q is not offered at %q", kind, location)
	}
	return nil
}

// Stock is how many machines of a type can still be ordered at a place.
type Stock struct {
	Type     string `json:"type"`
	Location string `json:"location"`
	Left     int    `json:"left"` // Endless
}

// Stocks lists all types and places.
func (c *Cloud) Stocks() []Stock {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []Stock
	for _, t := range c.types {
		for _, o := range t.Offers {
			n, bound := c.stock[place{t.Type.Name, o.Location}]
			if !bound {
				n = Endless
			}
			out = append(out, Stock{Type: t.Type.Name, Location: o.Location, Left: n})
		}
	}
	return out
}

func (c *Cloud) inStock(kind, location string) bool {
	n, bound := c.stock[place{kind, location}]
	return !bound || n > 0
}

// restock changes what is left by a machine that was ordered or given back.
func (c *Cloud) restock(kind, location string, by int) {
	if n, bound := c.stock[place{kind, location}]; bound {
		c.stock[place{kind, location}] = n + by
	}
}
