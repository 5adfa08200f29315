package hetzner

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/payperplay/payperplay/controller/cloud"
)

func aBucket() *bucket {
	return newBucket(3600, 30*time.Second, prometheus.NewGauge(prometheus.GaugeOpts{Name: "x"}))
}

// took makes a request: a place, and an answer that says nothing.
func took(t *testing.T, b *bucket, urgent bool) time.Duration {
	t.Helper()
	began := time.Now()
	if err := b.take(t.Context(), urgent); err != nil {
		t.Fatal(err)
	}
	b.told(0, 0)
	return time.Since(began)
}

func TestBucketKeepsTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := aBucket()
		began := time.Now()
		for range 3600 - 10 {
			took(t, b, false)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("a full bucket made callers wait %v", took)
		}
		if wait := took(t, b, false); wait < time.Second || wait > 2*time.Second {
			t.Errorf("a read of the reserve waited %v", wait)
		}
		for range 10 {
			if wait := took(t, b, true); wait != 0 {
				t.Errorf("an urgent request waited %v while there was a reserve", wait)
			}
		}
		for range 20 {
			if wait := took(t, b, true); wait > 1100*time.Millisecond {
				t.Errorf("an urgent request waited %v for its place", wait)
			}
		}
		if made, could := 3600.0+21, 3600+time.Since(began).Seconds()+1; made > could {
			t.Errorf("%v requests were made in %v", made, time.Since(began))
		}
	})
}

func TestBucketUrgentFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := aBucket()
		b.told(3600, 0) // an answer says that it is empty
		var order []string
		done := make(chan string)
		for _, who := range []string{"read", "create", "create", "create"} {
			go func() {
				if err := b.take(t.Context(), who == "create"); err != nil {
					t.Error(err)
				}
				done <- who
			}()
			synctest.Wait() // the read is first in line
		}
		for range 4 {
			order = append(order, <-done)
		}
		if order[3] != "read" {
			t.Errorf("places were given in the order %v", order)
		}
	})
}

func TestBucketFollowsTheProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := aBucket()
		b.told(3600, 12) // somebody else has used the rest
		if wait := took(t, b, false) + took(t, b, false); wait != 0 {
			t.Errorf("the two that were left waited %v", wait)
		}
		if wait := took(t, b, false); wait == 0 {
			t.Error("a third read took from the reserve")
		}
		b.told(7200, 7000) // a larger project
		began := time.Now()
		for range 6000 {
			took(t, b, false)
		}
		if time.Since(began) != 0 {
			t.Errorf("it does not believe what the provider says: waited %v", time.Since(began))
		}
	})
}

func TestBucketSaysWhenToComeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := aBucket()
		if after := b.refused(0, true); after < time.Second || after > 2*time.Second {
			t.Errorf("after a 429 an order is to come again in %v", after)
		}
		if wait := took(t, b, true); wait < 900*time.Millisecond {
			t.Errorf("after a 429 an order was sent after %v", wait)
		}
		if after := b.refused(5*time.Minute, true); after != 5*time.Minute {
			t.Errorf("after a 429 with a time of 5 min it is to come again in %v", after)
		}
		began := time.Now()
		var e *cloud.Error
		if err := b.take(t.Context(), true); !errors.As(err, &e) || e.Kind != cloud.RateLimited || e.After != 5*time.Minute {
			t.Errorf("got error %v", err)
		}
		if time.Since(began) != 0 {
			t.Error("it waited for a place that could not come in time")
		}
		time.Sleep(5 * time.Minute)
		took(t, b, true)

		b.told(3600, 0)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if err := b.take(ctx, true); cloud.KindOf(err) != cloud.RateLimited {
			t.Errorf("got error %v, want one that says when, before the deadline", err)
		}
	})
}
