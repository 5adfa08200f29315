package hetzner

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/payperplay/payperplay/controller/cloud"
)

const (
	pricesFor = time.Hour        // how long prices and locations are good
	stockFor  = time.Minute      // how long types and their stock are good
	retryIn   = 10 * time.Second // after a failure, while there is an older answer
)

// market is the last good answer, in parts of different age.
type market struct {
	flight singleflight.Group

	mu       sync.Mutex // guards all below
	list     *priceList
	listAt   time.Time
	offers   []cloud.Type
	offersAt time.Time
	tryAt    time.Time       // no request sooner: the last one has failed
	failing  bool            // it was said that it fails
	told     map[string]bool // offers that were said to be left out
}

// Catalogue gives what can be rented: types and stock of the last minute, prices of the last hour. While the provider fails, it is the last
// good answer, and its At tells how old that is. Kinds: Denied, RateLimited, Unavailable.
func (d *Driver) Catalogue(ctx context.Context) (cloud.Catalogue, error) {
	if c, ok := d.market.fresh(time.Now()); ok {
		return c, nil
	}
	// The request is for all who wait, so it does not end with the first of them.
	shared := context.WithoutCancel(ctx)
	done := d.market.flight.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(shared, 2*d.timeout)
		defer cancel()
		return d.refresh(ctx)
	})
	select {
	case <-ctx.Done():
		return cloud.Catalogue{}, d.unsent(reading("", "read what can be rented"), ctx.Err())
	case r := <-done:
		if r.Err != nil {
			return cloud.Catalogue{}, r.Err
		}
		return clone(r.Val.(cloud.Catalogue)), nil
	}
}

func (m *market) fresh(now time.Time) (cloud.Catalogue, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	good := m.list != nil && now.Sub(m.listAt) < pricesFor && m.offers != nil && now.Sub(m.offersAt) < stockFor
	if good || m.offers != nil && now.Before(m.tryAt) {
		return clone(m.catalogue(now)), true
	}
	return cloud.Catalogue{}, false
}

// catalogue is as old as the oldest part that should be younger; with mu held.
func (m *market) catalogue(now time.Time) cloud.Catalogue {
	c := cloud.Catalogue{At: m.offersAt, Types: m.offers}
	if now.Sub(m.listAt) >= pricesFor && m.listAt.Before(c.At) {
		c.At = m.listAt
	}
	return c
}

func clone(c cloud.Catalogue) cloud.Catalogue {
	c.Types = slices.Clone(c.Types)
	for i := range c.Types {
		c.Types[i].Offers = slices.Clone(c.Types[i].Offers)
	}
	return c
}

// refresh reads what is too old, one caller at a time.
func (d *Driver) refresh(ctx context.Context) (cloud.Catalogue, error) {
	m := &d.market
	list, err := d.prices(ctx)
	var types []serverType
	if list != nil && !denied(err) {
		var failed error
		if types, failed = d.serverTypes(ctx); failed != nil {
			err = failed
		}
	}
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if types != nil {
		m.offers, m.offersAt = d.build(list, types, now), now
	}
	switch {
	case err == nil:
		m.failing, m.tryAt = false, time.Time{}
	case m.offers == nil || denied(err): // trying again cannot help, and an operator has to see it
		return cloud.Catalogue{}, err
	default:
		m.tryAt = now.Add(max(retryIn, after(err)))
		if !m.failing {
			m.failing = true
			d.log.WarnContext(ctx, "what can be rented cannot be read; the last answer is used", "error", err, "of", m.offersAt)
		}
	}
	return m.catalogue(now), nil
}

func denied(err error) bool { return err != nil && !cloud.Passing(err) }

// prices gives the list, read anew when it is an hour old; with an error it is the older one, if there is any.
func (d *Driver) prices(ctx context.Context) (*priceList, error) {
	m := &d.market
	m.mu.Lock()
	list, age := m.list, time.Since(m.listAt)
	m.mu.Unlock()
	if list != nil && age < pricesFor {
		return list, nil
	}
	pricing, err := ask(ctx, d, reading("get_pricing", "read the prices"), d.client.Pricing.Get)
	if err != nil {
		return list, err
	}
	locations, err := all(ctx, d, reading("list_locations", "list the locations"), hcloud.ListOpts{}, func(ctx context.Context, o hcloud.ListOpts) ([]*hcloud.Location, *hcloud.Response, error) {
		return d.client.Location.List(ctx, hcloud.LocationListOpts{ListOpts: o})
	})
	if err != nil {
		return list, err
	}
	list = newPriceList(pricing, locations)
	m.mu.Lock()
	m.list, m.listAt = list, time.Now()
	m.mu.Unlock()
	return list, nil
}
