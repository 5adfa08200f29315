package loop

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a loop in the bubble and returns the times of its runs, in seconds since the start.
func start(t *testing.T, opts Options, fn func(run int) error) (runs func() []float64, stop func()) {
	t.Helper()
	begin := time.Now()
	var mu sync.Mutex
	var at []float64
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, opts, func(context.Context) error {
			mu.Lock()
			at = append(at, time.Since(begin).Seconds())
			n := len(at)
			mu.Unlock()
			return fn(n)
		})
	}()
	runs = func() []float64 {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(at)
	}
	return runs, func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	}
}

func TestRunsAtOnceAndThenEveryPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs, stop := start(t, Options{Name: "x", Every: time.Minute, Jitter: -1}, func(int) error { return nil })
		time.Sleep(2*time.Minute - time.Nanosecond)
		if got := runs(); !slices.Equal(got, []float64{0, 60}) {
			t.Errorf("runs at %v", got)
		}
		time.Sleep(time.Nanosecond)
		if got := runs(); !slices.Equal(got, []float64{0, 60, 120}) {
			t.Errorf("runs at %v", got)
		}
		stop()
	})
}

func TestKicksWakeAndCoalesce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := NewKicker()
		runs, stop := start(t, Options{Name: "x", Every: time.Minute, Jitter: -1, Kick: k.C()}, func(run int) error {
			if run == 2 { // kicked during a run: one more follows, however many kicks there were
				time.Sleep(time.Second)
				k.Kick()
				k.Kick()
				k.Kick()
			}
			return nil
		})
		time.Sleep(5 * time.Second)
		k.Kick()
		time.Sleep(10 * time.Second)
		if got := runs(); !slices.Equal(got, []float64{0, 5, 6}) {
			t.Errorf("runs at %v, want 0, 5 and 6", got)
		}
		stop()
	})
}

func TestFailuresBackOffAndKicksDoNotShortenThat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := NewKicker()
		opts := Options{Name: "x", Every: 10 * time.Second, BackoffMin: time.Second, BackoffMax: 8 * time.Second, Kick: k.C()}
		runs, stop := start(t, opts, func(int) error { k.Kick(); return errors.New("down") })
		time.Sleep(10 * time.Minute)
		got := runs()
		stop()
		if len(got) < 10*60/8 || len(got) > 10*60 {
			t.Fatalf("%d runs in 10 minutes of failure", len(got))
		}
		for i := 1; i < len(got); i++ {
			if gap := got[i] - got[i-1]; gap < 0.0999 || gap > 8.0001 {
				t.Errorf("run %d came after %v s", i, gap)
			}
		}
	})
}

func TestRecoversAfterFailureAndPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		opts := Options{Name: "x", Every: time.Minute, Jitter: -1, Metrics: reg}
		runs, stop := start(t, opts, func(run int) error {
			switch run {
			case 1:
				panic("bug")
			case 2:
				return errors.New("down")
			}
			return nil
		})
		time.Sleep(10 * time.Second) // both back-offs are over by then
		got := runs()
		if len(got) != 3 {
			t.Fatalf("runs at %v, want three", got)
		}
		time.Sleep(time.Minute)
		if n := len(runs()); n != 4 {
			t.Errorf("%d runs, want the period again after a success", n)
		}
		stop()
		if ok, bad := value(t, reg, "payperplay_loop_runs_total", "ok"), value(t, reg, "payperplay_loop_runs_total", "error"); ok != 2 || bad != 2 {
			t.Errorf("metrics count %v ok and %v errors, want 2 and 2", ok, bad)
		}
		want := float64(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Unix())
		if last := value(t, reg, "payperplay_loop_last_success_timestamp_seconds", ""); last < want+60 || last > want+75 {
			t.Errorf("last success at %v", last-want)
		}
	})
}

func value(t *testing.T, reg *prometheus.Registry, name, result string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == name && (result == "" || l.GetName() == "result" && l.GetValue() == result) {
					return m.GetCounter().GetValue() + m.GetGauge().GetValue()
				}
			}
		}
	}
	return 0
}

func TestTwoLoopsShareOneRegistry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		ok := func(int) error { return nil }
		_, stopA := start(t, Options{Name: "a", Every: time.Second, Metrics: reg}, ok)
		_, stopB := start(t, Options{Name: "b", Every: time.Second, Metrics: reg}, ok)
		time.Sleep(time.Second)
		stopA()
		stopB()
	})
}

func TestTimeoutBoundsARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var errs []error
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		err := Run(ctx, Options{Name: "x", Every: 20 * time.Second, Timeout: 3 * time.Second, Jitter: -1}, func(ctx context.Context) error {
			<-ctx.Done()
			errs = append(errs, ctx.Err())
			return nil
		})
		if err != nil || len(errs) != 2 || !errors.Is(errs[0], context.DeadlineExceeded) {
			t.Errorf("Run = %v after %v", err, errs)
		}
	})
}

func TestBadOptions(t *testing.T) {
	for name, opts := range map[string]Options{"no name": {Every: 1}, "no period": {Name: "x"}, "jitter": {Name: "x", Every: 1, Jitter: 2}} {
		if err := Run(t.Context(), opts, func(context.Context) error { t.Error("it ran"); return nil }); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestWaits(t *testing.T) {
	periods := []struct {
		jitter, r float64
		want      time.Duration
	}{{0.1, 0, 54 * time.Second}, {0.1, 0.5, time.Minute}, {0.1, 0.999999, 66 * time.Second}, {-1, 0.9, time.Minute}, {1, 0, 0}}
	for _, p := range periods {
		if got := period(time.Minute, p.jitter, p.r).Round(time.Millisecond); got != p.want {
			t.Errorf("period(jitter %v, r %v) = %v, want %v", p.jitter, p.r, got, p.want)
		}
	}
	backoffs := []struct {
		failures int
		r        float64
		want     time.Duration
	}{{1, 0.5, 500 * time.Millisecond}, {2, 0.5, time.Second}, {4, 0.5, 4 * time.Second}, {5, 0.5, 5 * time.Second}, {500, 1, 10 * time.Second}, {9, 0, 100 * time.Millisecond}}
	for _, b := range backoffs {
		if got := backoff(time.Second, 10*time.Second, b.failures, b.r); got != b.want {
			t.Errorf("backoff(%d failures, r %v) = %v, want %v", b.failures, b.r, got, b.want)
		}
	}
}
