package hetzner

import (
	"context"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/payperplay/payperplay/controller/cloud"
)

// call says what a request is.
type call struct {
	name    string // for metrics
	doing   string // for people: "order machine x"
	urgent  bool   // before others in the rate limit
	changes bool   // a lost answer leaves in doubt what was done
}

func reading(name, doing string) call { return call{name: name, doing: doing} }

// before is a read that a change waits for: as urgent as that.
func before(name, doing string) call { return call{name: name, doing: doing, urgent: true} }

// changing is urgent: creates and deletes are money.
func changing(name, doing string) call {
	return call{name: name, doing: doing, urgent: true, changes: true}
}

// ask makes one request. Errors are *cloud.Error.
func ask[T any](ctx context.Context, d *Driver, c call, request func(context.Context) (T, *hcloud.Response, error)) (T, error) {
	var none T
	if err := d.bucket.take(ctx, c.urgent); err != nil {
		e := d.unsent(c, err)
		d.m.requests.WithLabelValues(c.name, string(e.Kind)).Inc()
		return none, e
	}
	var connected atomic.Bool
	bound, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	traced := httptrace.WithClientTrace(bound, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	began := time.Now()
	got, resp, err := request(traced)
	d.m.seconds.WithLabelValues(c.name).Observe(time.Since(began).Seconds())
	if resp != nil {
		d.bucket.told(resp.Meta.Ratelimit.Limit, resp.Meta.Ratelimit.Remaining)
	} else {
		d.bucket.told(0, 0)
	}
	if err == nil {
		d.m.requests.WithLabelValues(c.name, "ok").Inc()
		return got, nil
	}
	e := d.judge(c, resp, err, connected.Load() || !d.traced)
	if e.Kind == cloud.RateLimited {
		e.After = d.bucket.refused(retryAfter(resp), c.urgent)
	}
	d.m.requests.WithLabelValues(c.name, string(e.Kind)).Inc()
	return none, e
}

// retryAfter reads the header, if the answer has it; the API documents none.
func retryAfter(resp *hcloud.Response) time.Duration {
	if resp == nil || resp.Response == nil {
		return 0
	}
	seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(min(seconds, 3600)) * time.Second
}

// all reads every page of a list. Pages shift while things come and go: a list may lack what is there.
func all[T any](ctx context.Context, d *Driver, c call, o hcloud.ListOpts, list func(context.Context, hcloud.ListOpts) ([]*T, *hcloud.Response, error)) ([]*T, error) {
	var out []*T
	o.PerPage = 50
	for o.Page = 1; ; {
		next := 0
		items, err := ask(ctx, d, c, func(ctx context.Context) ([]*T, *hcloud.Response, error) {
			items, resp, err := list(ctx, o)
			if err == nil && resp.Meta.Pagination != nil {
				next = resp.Meta.Pagination.NextPage
			}
			return items, resp, err
		})
		if err != nil {
			return nil, err
		}
		out = append(out, items...)
		if next <= o.Page { // also of a provider that points back: never go round for ever
			return out, nil
		}
		o.Page = next
	}
}
