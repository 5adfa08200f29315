package tunnel

import (
	"crypto/x509"
	"time"
)

// clock follows the controller's time: what it said last, plus what has passed here since on the monotonic clock.
// The local wall clock may be off by an hour or jump; certificates live in the controller's time.
type clock struct {
	said time.Time // controller's
	at   time.Time // ours, with its monotonic reading
}

func (c *clock) set(said, now time.Time) {
	if !said.IsZero() {
		c.said, c.at = said.Round(0), now
	}
}

func (c clock) now(now time.Time) time.Time {
	if c.said.IsZero() {
		return now
	}
	return c.said.Add(now.Sub(c.at))
}

// renewIn is how long a certificate may still be used before it is renewed: two thirds of its life, a little earlier for
// some (r in [0,1)), so that machines that were enrolled together do not renew together. Pure.
func renewIn(leaf *x509.Certificate, now time.Time, r float64) time.Duration {
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	due := leaf.NotBefore.Add(life * 2 / 3).Add(-time.Duration(r * float64(life) / 20))
	return max(0, due.Sub(now))
}
