package simulate

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/tunnel"
	"github.com/payperplay/payperplay/protocol/plant"
)

func env(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// TestSimulate plays SIM_SEEDS seeds from SIM_SEED on, every SIM_STEP-th of them. In the suite it plays a few.
func TestSimulate(t *testing.T) {
	runtime.GOMAXPROCS(1)
	first, count, step := env("SIM_SEED", 1), env("SIM_SEEDS", 5), env("SIM_STEP", 1)
	ca := authority(t)
	began, orders := time.Now(), 0
	for i := range count {
		seed := uint64(first + i*step) //nolint:gosec // not negative
		w := play(t, seed, ca)
		orders += w.truth.acked
		if bad := w.violations(); len(bad) > 0 {
			fail(t, w, bad)
			return
		}
	}
	took := time.Since(began)
	fmt.Printf("simulate: %d seeds from %d by %d, %d orders acknowledged, %.1f seeds/s\n", count, first, step, orders, float64(count)/took.Seconds())
}

// fail says what broke and how to see it again.
func fail(t *testing.T, w *world, bad []violation) {
	t.Helper()
	file := filepath.Join(os.TempDir(), fmt.Sprintf("simulate-%d.trace", w.seed))
	if dir := os.Getenv("SIM_TRACES"); dir != "" {
		file = filepath.Join(dir, fmt.Sprintf("seed-%d.trace", w.seed))
	}
	_ = os.WriteFile(file, []byte(w.trace.text()), 0o600)
	planted := ""
	if p := plant.Chosen(); p != "" {
		planted = fmt.Sprintf(" PLANT=%s", p)
	}
	t.Errorf("SEED %d VIOLATED %s\n%s\nlast lines of the trace (%s):\n%s\nplay it again: make simulate SEEDS=1 SEED=%d%s", w.seed, bad[0].Invariant, bad[0], file, w.trace.tail(25), w.seed, planted)
}

// authority is one CA for all simulated clusters: nobody looks at its certificates.
func authority(t *testing.T) *tunnel.Authority {
	t.Helper()
	ca, err := tunnel.OpenAuthority(t.TempDir(), cluster, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// play plays one seed and gives its world, which is at its end.
func play(t *testing.T, seed uint64, ca *tunnel.Authority) (w *world) {
	t.Helper()
	dir, err := os.MkdirTemp(shm(), "simulate-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	synctest.Test(t, func(t *testing.T) {
		cryptotest.SetGlobalRandom(t, seed) // ids
		w = newWorld(t, dir, seed, ca)
		w.play()
		w.end()
	})
	return w
}

// shm is a directory in memory where there is one: a store's fsync is not what is tested here.
func shm() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return ""
}

// play runs the rounds.
func (w *world) play() {
	w.bg.Go(w.lives)
	w.bg.Go(w.read)
	w.each((*machine).boot)
	pause(w.broken, 2*time.Second)
	for i, r := range w.plan.Rounds {
		w.mu.Lock()
		w.round, w.began = i+1, time.Now()
		w.mu.Unlock()
		w.playRound(r)
		if w.broken.Err() != nil || len(check(w)) > 0 {
			return
		}
	}
}

func (w *world) playRound(r round) {
	done := make(chan struct{}, len(r.Orders)+len(r.Faults))
	at := func(d time.Duration, fn func()) {
		w.bg.Go(func() {
			defer func() { done <- struct{}{} }()
			if pause(w.broken, d) {
				fn()
			}
		})
	}
	for i, o := range r.Orders {
		at(o.At, func() { w.order(i, o) })
	}
	for _, f := range r.Faults {
		at(f.At, func() { w.strike(f) })
	}
	for range len(r.Orders) + len(r.Faults) {
		<-done
	}
	w.heal()
}

// end takes everything down; what does not end then shows as a bubble that never gets quiet (I7).
func (w *world) end() {
	w.cancel()
	for _, m := range w.nodes {
		if p := m.process(); p != nil {
			p.die("at the end")
		}
		m.engine.powerOff()
	}
	if c := w.leader(); c != nil {
		c.die("at the end")
	}
	w.bg.Wait()
	time.Sleep(time.Minute) // virtual: what was begun without a way to be cancelled ends by its own limit
}

// page reads numbers of the log.
func (c *controllerProcess) page(after int64) (out []int64, err error) {
	ctx, cancel := context.WithTimeout(c.life, 10*time.Second)
	defer cancel()
	page, _, err := c.events.Query(ctx, event.Filter{After: after, Limit: 1000})
	for _, e := range page {
		out = append(out, e.Seq)
	}
	return out, err
}
