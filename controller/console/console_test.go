package console

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/payperplay/payperplay/protocol"
)

// Viewers join with any cursor, their connections end at any time, the node is cut off and comes back, history is dropped, much and little is printed:
// every viewer gets each line once, in order; what is missing was no longer kept, and is told with its number.
func TestFollowIsExactUnderDrops(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		steps := rapid.SliceOfN(rapid.IntRange(0, 7), 5, 60).Draw(rt, "steps")
		synctest.Test(t, func(t *testing.T) { exactUnderDrops(t, rt, rand.New(rand.NewPCG(seed, 2)), steps) })
	})
}

type session struct {
	w     *watcher
	from  int64
	stop  context.CancelFunc
	ended chan struct{}
}

func exactUnderDrops(t *testing.T, rt *rapid.T, rnd *rand.Rand, steps []int) {
	c, _, n := setup(t, Options{})
	var all []*session
	start := func(s *session) {
		ctx, cancel := context.WithCancel(t.Context())
		s.stop, s.ended = cancel, make(chan struct{})
		go func() {
			defer close(s.ended)
			_ = c.Follow(ctx, "srv_a", s.w.cursor, s.w.emit)
		}()
	}
	for _, step := range steps {
		switch step {
		case 0:
			n.say(1+rnd.IntN(5), 20)
		case 1:
			n.say(rnd.IntN(2_500), 100)
			time.Sleep(time.Duration(rnd.IntN(2_000)) * time.Millisecond)
		case 2:
			from := int64(0)
			if rnd.IntN(2) == 0 {
				from = rnd.Int64N(n.head() + 1)
			}
			s := &session{w: &watcher{cursor: from}, from: from}
			all = append(all, s)
			start(s)
		case 3: // a viewer's connection ends, and it comes back
			if len(all) > 0 {
				s := all[rnd.IntN(len(all))]
				s.stop()
				<-s.ended
				start(s)
			}
		case 4:
			n.cut(true)
			time.Sleep(time.Duration(rnd.IntN(20_000)) * time.Millisecond)
		case 5:
			n.cut(false)
		case 6:
			time.Sleep(time.Duration(rnd.IntN(15_000)) * time.Millisecond)
		case 7:
			if rnd.IntN(4) == 0 {
				n.drop(rnd.IntN(500))
			}
		}
	}
	n.cut(false)
	n.say(1, 20)
	time.Sleep(time.Minute)
	synctest.Wait()
	for i, s := range all {
		from := s.from
		if from == 0 { // all that was kept when it came
			for _, l := range s.w.seen() {
				if l.Kind == "" {
					from = l.Seq - 1
				}
				if l.Kind != protocol.LineSystem {
					break
				}
			}
		}
		if err := exact(s.w.seen(), from, n.head(), true); err != nil {
			rt.Errorf("viewer %d of %d from %d: %v", i, len(all), s.from, err)
		}
	}
	if _, open := n.counts(); open > 1 {
		rt.Errorf("%d streams are open", open)
	}
	for _, s := range all {
		s.stop()
		<-s.ended
	}
	_ = c.Close()
}

// F30: a viewer that does not read is told what it missed; the others get every line, and in time.
func TestF30SlowViewerIsToldAndSlowsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, n := setup(t, Options{})
		n.say(10, 50)
		ctx, cancel := context.WithCancel(t.Context())
		stuck := make(chan struct{})
		slow, quick := &watcher{}, &watcher{}
		var late time.Duration // of quick; read after it has ended
		var wg sync.WaitGroup
		wg.Go(func() { _ = c.Follow(ctx, "srv_a", 0, slow.emit) })
		wg.Go(func() {
			_ = c.Follow(ctx, "srv_a", 0, func(b protocol.LineBatch) error {
				late = max(late, time.Since(b.Lines[0].Time))
				return quick.emit(b)
			})
		})
		synctest.Wait()
		slow.mu.Lock()
		slow.slow = func() { <-stuck }
		slow.mu.Unlock()
		for range 5_000 { // 500 KB at 1,000 lines/s
			n.say(1, 100)
			time.Sleep(time.Millisecond)
		}
		slow.mu.Lock()
		slow.slow = nil
		slow.mu.Unlock()
		close(stuck)
		n.say(1, 10)
		time.Sleep(time.Second)
		if err := exact(quick.seen(), 0, n.head(), false); err != nil {
			t.Errorf("the quick viewer: %v", err)
		}
		if err := exact(slow.seen(), 0, n.head(), true); err != nil {
			t.Errorf("the slow viewer: %v", err)
		}
		gaps := 0
		for _, l := range slow.seen() {
			if l.Kind == protocol.LineGap {
				gaps++
			}
		}
		if gaps != 1 {
			t.Errorf("the slow viewer was told of %d gaps, want 1", gaps)
		}
		cancel()
		wg.Wait()
		if late > time.Millisecond {
			t.Errorf("the quick viewer got a line after %v", late)
		}
		_ = c.Close()
	})
}

// A cut of two minutes at 1,000 lines/s costs a viewer that reads nothing: what came meanwhile is read from the node.
func TestNetworkCutOfTwoMinutesLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, n := setup(t, Options{})
		w := &watcher{slow: func() { time.Sleep(2 * time.Millisecond) }}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.Follow(ctx, "srv_a", 0, w.emit) }()
		n.say(100, 80)
		time.Sleep(time.Second)
		n.cut(true)
		for range 120 {
			n.say(1_000, 80)
			time.Sleep(time.Second)
		}
		n.cut(false)
		time.Sleep(30 * time.Second)
		if err := exact(w.seen(), 0, n.head(), false); err != nil {
			t.Error(err)
		}
		var notes []string
		for _, l := range w.seen() {
			if l.Kind == protocol.LineSystem {
				notes = append(notes, l.Text)
			}
		}
		if len(notes) != 2 || !strings.Contains(notes[0], "interrupted") || !strings.Contains(notes[1], "connected again") {
			t.Errorf("notices: %q", notes)
		}
		cancel()
		<-done
		_ = c.Close()
	})
}

func TestOneStreamHoweverManyViewersAndItEndsWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, n := setup(t, Options{})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() { _ = c.Follow(ctx, "srv_a", 0, func(protocol.LineBatch) error { return nil }) })
		}
		n.say(10, 10)
		time.Sleep(time.Second)
		if streams, _ := n.counts(); streams != 1 {
			t.Errorf("%d streams", streams)
		}
		cancel()
		wg.Wait()
		time.Sleep(idleClose - time.Second)
		if _, open := n.counts(); open != 1 {
			t.Errorf("the stream was closed too early")
		}
		time.Sleep(2 * time.Second)
		_, open := n.counts()
		if hubs, _ := inside(c); open != 0 || hubs != 0 {
			t.Errorf("%d streams and %d hubs are left", open, hubs)
		}
	})
}

func TestMovedAndDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, cl, a := setup(t, Options{})
		b := newNode()
		cl.set(func() { cl.nodes["b"] = b })
		a.say(50, 10)
		b.say(3, 10)
		w := &watcher{}
		done := make(chan error, 1)
		go func() { done <- c.Follow(t.Context(), "srv_a", 48, w.emit) }()
		time.Sleep(time.Second)
		cl.set(func() { cl.place = "b" })
		c.Kick("srv_a")
		time.Sleep(time.Second)
		b.say(1, 10)
		time.Sleep(time.Second)
		var got []string
		for _, l := range w.seen() {
			got = append(got, fmt.Sprint(l.Seq, l.Kind))
		}
		if want := "49 50 0system 1 2 3 4"; strings.Join(got, " ") != want {
			t.Errorf("got %v, want %s", got, want)
		}
		cl.set(func() { cl.gone = true })
		c.Kick("srv_a")
		if err := <-done; protocol.CodeOf(err) != protocol.NotFound {
			t.Errorf("after deletion: %v", err)
		}
		if err := c.Follow(t.Context(), "srv_a", 0, w.emit); protocol.CodeOf(err) != protocol.NotFound {
			t.Errorf("following a deleted server: %v", err)
		}
		_ = c.Close()
	})
}

// A notice in the ring has the number of the line before it, which a viewer that was away longer does not have.
func TestGapIsToldBehindANotice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, n := setup(t, Options{})
		n.say(10, 10)
		n.drop(7)
		n.cut(true)
		w := &watcher{}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.Follow(ctx, "srv_a", 6, w.emit) }()
		time.Sleep(time.Second)
		n.cut(false)
		time.Sleep(10 * time.Second)
		if err := exact(w.seen(), 6, 10, true); err != nil {
			t.Error(err)
		}
		cancel()
		<-done
		_ = c.Close()
	})
}

func TestStartWithTheLastLines(t *testing.T) {
	for _, c := range []struct{ have, after, first int64 }{{5_000, -10, 4_991}, {5_000, -3_000, 2_001}, {5, -10, 1}, {5_000, 4_999, 5_000}, {5_000, 0, 1}, {5_000, 9_999, 1}, {0, -5, 1}, {5_000, 5_000, 5_001}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				con, _, n := setup(t, Options{})
				n.say(int(c.have), 10)
				w := &watcher{}
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- con.Follow(ctx, "srv_a", c.after, w.emit) }()
				time.Sleep(time.Second)
				n.say(1, 10)
				time.Sleep(time.Second)
				if err := exact(w.seen(), c.first-1, n.head(), false); err != nil {
					t.Error(err)
				}
				cancel()
				<-done
				_ = con.Close()
			})
		})
	}
}

func TestS12ViewersAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, _ := setup(t, Options{MaxViewers: 3, MaxViewersPerActor: 2})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var refused []error
		var mu sync.Mutex
		for _, actor := range []string{"eve", "eve", "eve", "bob", "ann"} {
			wg.Go(func() {
				if err := c.FollowAs(ctx, actor, "srv_a", 0, func(protocol.LineBatch) error { return nil }); !errors.Is(err, context.Canceled) {
					mu.Lock()
					refused = append(refused, err)
					mu.Unlock()
				}
			})
			synctest.Wait()
		}
		if len(refused) != 2 || !strings.Contains(refused[0].Error(), "you watch 2") || !strings.Contains(refused[1].Error(), "3 people watch") {
			t.Errorf("refused: %v", refused)
		}
		cancel()
		wg.Wait()
		if _, actors := inside(c); actors != 0 {
			t.Errorf("%d actors are left", actors)
		}
		_ = c.Close()
	})
}

func TestCommandLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, cl, n := setup(t, Options{})
		send := func(text string) protocol.Code {
			_, err := c.Command(t.Context(), protocol.CommandRequest{Server: "srv_a", Command: text, Actor: "bob"})
			return protocol.CodeOf(err)
		}
		for text, want := range map[string]protocol.Code{"list": "", "a\nb": protocol.Invalid, strings.Repeat("x", maxCommand+1): protocol.Invalid} {
			if got := send(text); got != want {
				t.Errorf("%.10q: %q, want %q", text, got, want)
			}
		}
		time.Sleep(10 * time.Second)
		ok := 0
		for range 100 {
			if send("list") == "" {
				ok++
			}
		}
		if ok != commandBurst {
			t.Errorf("%d commands went through at once, want %d", ok, commandBurst)
		}
		time.Sleep(time.Second)
		if got := send("list"); got != "" {
			t.Errorf("after a second: %q", got)
		}
		time.Sleep(10 * time.Second)
		n.cut(true)
		if got := send("list"); got != protocol.Unavailable {
			t.Errorf("node away: %q", got)
		}
		cl.set(func() { cl.place = "" })
		if got := send("list"); got != protocol.Conflict {
			t.Errorf("on no node: %q", got)
		}
		if r, err := c.Lines(t.Context(), protocol.LinesRequest{Server: "srv_a"}); err != nil || r.Lines == nil {
			t.Errorf("history on no node: %v %v", r, err)
		}
		_ = c.Close()
	})
}
