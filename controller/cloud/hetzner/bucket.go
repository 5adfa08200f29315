package hetzner

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/payperplay/payperplay/controller/cloud"
)

// bucket is the project's rate limit as we know it: a guess that every answer of the provider corrects, since others may use the project too.
// What is urgent may empty it; the rest waits while less than reserve is left.
type bucket struct {
	patience time.Duration
	gauge    prometheus.Gauge

	mu       sync.Mutex
	limiter  *rate.Limiter
	inFlight int
	closed   time.Time // the provider has asked for silence until then
}

func newBucket(perHour int, patience time.Duration, gauge prometheus.Gauge) *bucket {
	gauge.Set(float64(perHour))
	return &bucket{patience: patience, gauge: gauge, limiter: rate.NewLimiter(perSecond(perHour), perHour)}
}

// perSecond is how fast the provider fills a bucket; it documents one a second, for 3,600.
func perSecond(perHour int) rate.Limit { return rate.Limit(max(1, float64(perHour)/3600)) }

// reserve is what is kept for urgent requests.
func reserve(size int) float64 { return float64(min(10, size/20)) }

// take waits for a place. It does not wait longer than ctx lets it, nor than patience: then it says when to come again.
func (b *bucket) take(ctx context.Context, urgent bool) error {
	began := time.Now()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		now := time.Now()
		wait := b.try(now, urgent)
		if wait == 0 {
			return nil
		}
		deadline, bound := ctx.Deadline()
		if now.Add(wait).Sub(began) > b.patience || bound && now.Add(wait).After(deadline) {
			return &cloud.Error{Kind: cloud.RateLimited, Message: "the requests that the provider takes in an hour are used up", After: wait}
		}
		if err := nap(ctx, min(wait, time.Second)); err != nil { // an answer to somebody else may fill the bucket before
			return err
		}
	}
}

// try takes a place, or tells how long it will be until there is one.
func (b *bucket) try(now time.Time, urgent bool) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if wait := b.delay(now, urgent); wait > 0 {
		return wait
	}
	b.limiter.AllowN(now, 1)
	b.inFlight++
	b.gauge.Set(b.limiter.TokensAt(now))
	return 0
}

func (b *bucket) delay(now time.Time, urgent bool) time.Duration {
	need := 1.0
	if !urgent {
		need += reserve(b.limiter.Burst())
	}
	if missing := need - b.limiter.TokensAt(now); missing > 0 {
		return max(b.closed.Sub(now), time.Duration(missing/float64(b.limiter.Limit())*float64(time.Second)), time.Millisecond)
	}
	return max(b.closed.Sub(now), 0)
}

// told corrects the guess by an answer; limit is 0 if it said nothing.
func (b *bucket) told(limit, remaining int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inFlight = max(b.inFlight-1, 0)
	if limit <= 0 {
		return
	}
	b.fill(limit, remaining-b.inFlight) // those under way are not in the provider's count yet
}

// refused empties the bucket after a 429 and gives when to come again.
func (b *bucket) refused(after time.Duration, urgent bool) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.fill(b.limiter.Burst(), 0)
	if until := now.Add(after); until.After(b.closed) {
		b.closed = until
	}
	return max(b.delay(now, urgent), time.Second)
}

func (b *bucket) fill(size, tokens int) {
	now := time.Now()
	tokens = min(max(tokens, 0), size)
	b.limiter = rate.NewLimiter(perSecond(size), size)
	b.limiter.AllowN(now, size-tokens)
	b.gauge.Set(float64(tokens))
}
