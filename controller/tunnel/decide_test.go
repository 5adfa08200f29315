package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// TestF08Judge plays sequences of sessions; a run that is written upper case is connected when the next one comes.
func TestF08Judge(t *testing.T) {
	type hello struct {
		run        string
		generation int64
		after      time.Duration
		current    *live
		want       verdict
	}
	at := func(g int64, run string) *live { return &live{g, run} }
	for name, steps := range map[string][]hello{
		"one process, many sessions": {{"a", 1, 0, nil, admitted}, {"a", 2, 0, at(1, "a"), admitted}, {"a", 3, 0, nil, admitted}, {"a", 4, 0, at(3, "a"), admitted}},
		"restarts":                   {{"a", 1, 0, nil, admitted}, {"b", 2, 0, at(1, "a"), admitted}, {"c", 3, 0, nil, admitted}, {"d", 4, 0, at(3, "c"), admitted}, {"e", 5, 0, nil, admitted}},
		"older copy":                 {{"a", 7, 0, nil, admitted}, {"b", 6, 0, at(7, "a"), stale}},
		"same number, other process": {{"a", 7, 0, nil, admitted}, {"b", 7, 0, at(7, "a"), stale}},
		"same number, same process":  {{"a", 7, 0, nil, admitted}, {"a", 7, 0, at(7, "a"), admitted}},
		"restored, nobody there":     {{"a", 70, 0, nil, admitted}, {"b", 6, 0, nil, admitted}},
		"one return":                 {{"a", 1, 0, nil, admitted}, {"b", 2, 0, at(1, "a"), admitted}, {"a", 3, 0, at(2, "b"), admitted}},
		"a b a b":                    {{"a", 1, 0, nil, admitted}, {"b", 2, 0, at(1, "a"), admitted}, {"a", 3, 0, at(2, "b"), admitted}, {"b", 4, 0, at(3, "a"), locked}},
		"thief with new names":       {{"a", 1, 0, nil, admitted}, {"x1", 2, 0, nil, admitted}, {"a", 3, 0, nil, admitted}, {"x2", 4, 0, nil, admitted}, {"a", 5, 0, nil, locked}},
		"refused tries count too":    {{"a", 1, 0, nil, admitted}, {"b", 1, 0, at(1, "a"), stale}, {"a", 2, 0, at(1, "a"), admitted}, {"b", 2, 0, at(2, "a"), locked}},
		"slowly is no proof":         {{"a", 1, 0, nil, admitted}, {"b", 2, useWindow, nil, admitted}, {"a", 3, useWindow, nil, admitted}, {"b", 4, useWindow, nil, admitted}},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Unix(1e9, 0)
			var uses []Use
			for i, s := range steps {
				now = now.Add(s.after + time.Second)
				var got verdict
				got, uses = judge(uses, now, s.generation, s.run, s.current)
				if got != s.want {
					t.Fatalf("step %d (%s): verdict %d, want %d", i, s.run, got, s.want)
				}
			}
		})
	}
}

func TestF08Moved(t *testing.T) {
	for was, rows := range map[string]map[string]bool{"": {"": false, "a": false}, "a": {"": false, "a": false, "b": true}} {
		for is, want := range rows {
			if moved(was, is) != want {
				t.Errorf("from %q to %q: moved is %t", was, is, !want)
			}
		}
	}
}

// TestUsesAreBounded: whatever comes, a row keeps at most useKeep uses.
func TestUsesAreBounded(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		now := time.Unix(1e9, 0)
		var uses []Use
		for range rapid.IntRange(1, 50).Draw(rt, "n") {
			now = now.Add(time.Duration(rapid.Int64Range(-1e12, 1e12).Draw(rt, "step")))
			uses = remember(uses, rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "run"), now)
			if len(uses) > useKeep || len(uses) == 0 {
				rt.Fatalf("%d uses", len(uses))
			}
		}
	})
}

// TestFresh: however batches overlap, come twice or leave holes, each report is taken once and in order.
func TestFresh(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		acked := rapid.Int64Range(0, 20).Draw(rt, "acked")
		seqs := rapid.SliceOfN(rapid.Int64Range(0, 30), 0, 12).Draw(rt, "seqs")
		if rapid.Bool().Draw(rt, "sorted") {
			from := rapid.Int64Range(0, 25).Draw(rt, "from")
			for i := range seqs {
				seqs[i] = from + int64(i)
			}
		}
		var list []protocol.Report
		for _, q := range seqs {
			list = append(list, protocol.Report{Seq: q})
		}
		take, dup, gap := fresh(acked, list)
		for i, r := range take {
			if r.Seq != acked+1+int64(i) {
				rt.Fatalf("took %d at place %d after %d", r.Seq, i, acked)
			}
		}
		if !gap && len(take)+dup != len(list) {
			rt.Fatalf("%d taken, %d duplicates of %d without a gap", len(take), dup, len(list))
		}
	})
}

func TestCheckToken(t *testing.T) {
	now := time.Unix(1e9, 0)
	row := JoinToken{Name: "alpha", Expires: now.Add(time.Minute)}
	used := row
	used.Used, used.KeyHash = now.Add(-time.Minute), "k1"
	bound := row
	bound.MachineID, bound.Address, bound.Roles = "m", "10.0.0.1", []string{"worker"}
	for name, c := range map[string]struct {
		row   JoinToken
		claim claim
		now   time.Time
		no    string
		again bool
	}{
		"free":                {row, claim{}, now, "", false},
		"named":               {row, claim{name: "alpha"}, now, "", false},
		"other name":          {row, claim{name: "beta"}, now, "name", false},
		"last moment":         {row, claim{}, now.Add(time.Minute - 1), "", false},
		"expired":             {row, claim{}, now.Add(time.Minute), "expired", false},
		"used":                {used, claim{keyHash: "k2"}, now, "used", false},
		"used by me":          {used, claim{keyHash: "k1"}, now, "", true},
		"used by me long ago": {used, claim{keyHash: "k1"}, now.Add(retryJoin), "used", false},
		"all bindings":        {bound, claim{machineID: "m", address: "10.0.0.1", roles: []string{"worker"}}, now, "", false},
		"machine":             {bound, claim{machineID: "x", address: "10.0.0.1"}, now, "machine", false},
		"address":             {bound, claim{machineID: "m", address: "10.0.0.2"}, now, "address", false},
		"role":                {bound, claim{machineID: "m", address: "10.0.0.1", roles: []string{"worker", "edge"}}, now, "roles", false},
	} {
		t.Run(name, func(t *testing.T) {
			no, again := checkToken(c.row, c.claim, c.now)
			got := ""
			if no != nil {
				got = no.reason
			}
			if got != c.no || again != c.again {
				t.Errorf("got %q, again %v; want %q, %v", got, again, c.no, c.again)
			}
		})
	}
}

func TestLimiter(t *testing.T) {
	now := time.Unix(1e9, 0)
	l := newLimiter(2, 3, 1)
	ip, other := netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("203.0.113.8")
	enter := func(ip netip.Addr, want bool) {
		t.Helper()
		if got := l.enter(ip, now); got != want {
			t.Errorf("enter %s: %v, want %v", ip, got, want)
		}
	}
	enter(ip, true)
	enter(ip, true)
	enter(ip, false) // two under way
	enter(other, true)
	l.leave(ip, now, true)
	l.leave(ip, now, true)
	enter(ip, true)
	l.leave(ip, now, true)
	enter(ip, false) // three failures
	now = now.Add(time.Second)
	enter(ip, true) // one is forgiven
	l.leave(ip, now, false)
	l.max = 4
	for i := range 100 {
		l.enter(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), now)
	}
	if len(l.seen) > 4 {
		t.Errorf("%d addresses are remembered", len(l.seen))
	}
	now = now.Add(time.Hour)
	l.forget(now)
	if _, ok := l.seen[ip]; ok {
		t.Error("an address that owes nothing is remembered")
	}
}

// fakeDB is enough of a store for the batcher: it runs closures one at a time and can fail.
type fakeDB struct {
	store.DB
	mu  sync.Mutex
	ran int
}

func (f *fakeDB) Update(_ context.Context, fn func(store.Tx) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ran++
	time.Sleep(time.Millisecond) // virtual: the fsync
	return fn(nil)
}

// TestBatcher: changes that come together share a transaction, a failing one spoils no other, one that was given up does not happen.
func TestBatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &fakeDB{}
		b := batcher{db: db}
		errBad := errors.New("bad")
		var wg sync.WaitGroup
		errs := make([]error, 1000)
		for i := range errs {
			wg.Go(func() {
				errs[i] = b.do(t.Context(), func(store.Tx) error {
					if i%100 == 7 {
						return errBad
					}
					return nil
				})
			})
		}
		wg.Wait()
		for i, err := range errs {
			if want := i%100 == 7; errors.Is(err, errBad) != want {
				t.Fatalf("change %d: %v", i, err)
			}
		}
		if db.ran > 1020 {
			t.Errorf("%d transactions for 1000 changes", db.ran)
		}
		db.ran = 0
		for range 500 {
			wg.Go(func() { _ = b.do(t.Context(), func(store.Tx) error { return nil }) })
		}
		wg.Wait()
		if db.ran > 10 {
			t.Errorf("%d transactions for 500 changes that came together", db.ran)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		happened := false
		if err := b.do(ctx, func(store.Tx) error { happened = true; return nil }); err == nil {
			t.Error("a change that was given up succeeded")
		}
		synctest.Wait()
		time.Sleep(time.Second)
		if happened {
			t.Error("a change that was given up happened")
		}
	})
}

// TestRefusalsSaySomethingUseful: every refusal has a next step.
func TestRefusalsSaySomethingUseful(t *testing.T) {
	now := time.Now()
	for _, row := range []JoinToken{{Name: "a", Used: now}, {Name: "a"}, {Name: "a", Expires: now.Add(time.Hour), MachineID: "x"}} {
		no, _ := checkToken(row, claim{keyHash: "k"}, now)
		if f := protocol.AsFault(no.told); f.Next == "" || !strings.Contains(fmt.Sprint(f.Next), "token") {
			t.Errorf("%s: next step %q", no.reason, f.Next)
		}
	}
}
