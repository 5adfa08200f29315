// Package loop runs the controller's level-triggered loops: every loop reads state, decides, acts and is called again
// after its period, earlier when it is kicked, later (full jitter) while it fails. A panic is an error of that run.
package loop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options of one loop.
type Options struct {
	Name  string          // for logs and metrics
	Every time.Duration   // the period between the end of a run and the start of the next
	Kick  <-chan struct{} // optional: wakes the loop early (see Kicker)
	// Jitter is the share of Every by which a wait may be shorter or longer, 0..1; 0 means 0.1, negative means none.
	Jitter float64
	// Timeout bounds one run; 0 means no bound.
	Timeout time.Duration
	// BackoffMin and BackoffMax bound the wait after failures; 0 means 1 s (or Every if shorter) and 1 min (or Every if longer).
	BackoffMin, BackoffMax time.Duration
	Logger                 *slog.Logger          // nil: silent
	Metrics                prometheus.Registerer // nil: none
}

func (o *Options) validate() error {
	switch {
	case o.Name == "":
		return errors.New("loop: Options.Name is empty")
	case o.Every <= 0:
		return fmt.Errorf("loop %s: Options.Every must be positive", o.Name)
	case o.Jitter > 1:
		return fmt.Errorf("loop %s: Options.Jitter must be at most 1", o.Name)
	}
	if o.Jitter == 0 {
		o.Jitter = 0.1
	}
	if o.BackoffMin <= 0 {
		o.BackoffMin = min(time.Second, o.Every)
	}
	if o.BackoffMax <= 0 {
		o.BackoffMax = max(time.Minute, o.Every)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Run calls fn at once and then again and again until ctx ends; it returns nil then, and an error only for bad Options.
// A kick during a run leads to one more run after it. While fn fails, a kick does not shorten the back-off.
func Run(ctx context.Context, opts Options, fn func(ctx context.Context) error) error {
	if err := opts.validate(); err != nil {
		return err
	}
	m, err := newMetrics(opts.Metrics)
	if err != nil {
		return err
	}
	log := opts.Logger.With("loop", opts.Name)
	for failures := 0; ; {
		if ctx.Err() != nil {
			return nil
		}
		start := time.Now()
		err := once(ctx, opts.Timeout, fn)
		if ctx.Err() != nil {
			return nil
		}
		m.observe(opts.Name, time.Since(start), err)
		kick := opts.Kick
		wait := period(opts.Every, opts.Jitter, rand.Float64())
		if err != nil {
			failures++
			wait, kick = backoff(opts.BackoffMin, opts.BackoffMax, failures, rand.Float64()), nil
			log.ErrorContext(ctx, "loop run failed", "error", err, "failures", failures, "retry_in", wait)
		} else {
			failures = 0
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-kick:
		}
		timer.Stop()
	}
}

// once runs fn with its deadline and turns a panic into an error, so that one bad row cannot end a loop for good.
func once(ctx context.Context, timeout time.Duration, fn func(ctx context.Context) error) (err error) {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	return fn(ctx)
}

// PanicError is a run that panicked.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.Value, e.Stack) }

// period spreads loops of the same period: every × (1 ± jitter), r in [0,1).
func period(every time.Duration, jitter, r float64) time.Duration {
	if jitter < 0 {
		return every
	}
	return time.Duration(float64(every) * (1 + jitter*(2*r-1)))
}

// backoff is full jitter over an exponentially growing window, never below a tenth of the window's start
// so that a failing loop cannot spin.
func backoff(lo, hi time.Duration, failures int, r float64) time.Duration {
	window := lo
	for i := 1; i < failures && window < hi; i++ {
		window *= 2
	}
	window = min(window, hi)
	return max(time.Duration(float64(window)*r), lo/10)
}
