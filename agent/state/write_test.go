package state

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// TestABridgeOfAFailedGroup: a write that shares its transaction with one that fails is run again alone, and must then start from nothing:
// an answer without a row would give the same network to two servers.
func TestABridgeOfAFailedGroup(t *testing.T) {
	j := open(t, t.TempDir())
	held, release := make(chan struct{}), make(chan struct{})
	ends := make(chan error, 2)
	go func() {
		ends <- j.do(t.Context(), func(*bolt.Tx) error {
			close(held)
			<-release
			return nil
		})
	}()
	<-held
	type answer struct {
		bridge netip.Prefix
		err    error
	}
	got := make(chan answer, 1)
	go func() {
		p, err := j.Bridge(t.Context(), "srv_a", nil)
		got <- answer{p, err}
	}()
	queued(j, 1)
	broken := errors.New("broken")
	go func() { ends <- j.do(t.Context(), func(*bolt.Tx) error { return broken }) }()
	queued(j, 2)
	close(release)
	a := <-got
	if a.err != nil || !a.bridge.IsValid() {
		t.Fatalf("%+v", a)
	}
	if first, second := <-ends, <-ends; !errors.Is(errors.Join(first, second), broken) {
		t.Fatal(first, second)
	}
	if b, err := j.Bridge(t.Context(), "srv_b", nil); err != nil || b == a.bridge {
		t.Fatalf("two servers got %s: %v", b, err)
	}
	if again, err := j.Bridge(t.Context(), "srv_a", nil); err != nil || again != a.bridge {
		t.Fatalf("%s is now %s: %v", a.bridge, again, err)
	}
}

// TestACallerThatLeftGetsNothing: its write may still be at work, also on the answer; -race says when the two meet.
func TestACallerThatLeftGetsNothing(t *testing.T) {
	j := open(t, t.TempDir())
	j.db.NoSync = true
	for range 300 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		if n, err := j.Generation(ctx); err != nil && n != 0 {
			t.Fatal(n, err)
		}
		if p, err := j.Bridge(ctx, "srv_a", nil); err != nil && p.IsValid() {
			t.Fatal(p, err)
		}
		if err := j.Drop(t.Context(), "srv_a"); err != nil {
			t.Fatal(err)
		}
	}
}

// queued waits until n writes wait for the writer.
func queued(j *Journal, n int) {
	for len(j.writes) < n {
		runtime.Gosched()
	}
}
