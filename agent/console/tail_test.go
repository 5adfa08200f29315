package console

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"github.com/payperplay/payperplay/protocol"
)

func newConsole(t interface {
	Fatal(...any)
	Helper()
}, dir string) *Console {
	t.Helper()
	c, err := New(Options{Dir: dir, Boot: "boot", Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// die ends the console as kill -9 does, as far as one process can: tails stop where they are and nothing is settled on disk.
func (c *Console) die() {
	c.mu.Lock()
	all := c.list()
	c.mu.Unlock()
	for _, s := range all {
		crash(s.book)
		s.detach()
	}
}

func texts(lines []protocol.Line) []string {
	var out []string
	for _, l := range lines {
		if l.Kind == "" || l.Kind == protocol.LinePart {
			out = append(out, l.Text)
		}
	}
	return out
}

func history(t interface {
	Fatal(...any)
	Helper()
}, c *Console, id string,
) []protocol.Line {
	t.Helper()
	s, err := c.server(id)
	if err != nil {
		t.Fatal(err)
	}
	var lines []protocol.Line
	r := s.book.reader(1)
	defer r.close()
	for {
		got, skipped, err := r.read()
		if err != nil || skipped != 0 {
			t.Fatal(err, skipped)
		}
		if len(got) == 0 {
			return lines
		}
		lines = append(lines, got...)
	}
}

// Whatever breaks in between — streams cut inside an entry, the agent killed, entries shown twice by the engine, the same text on
// every line, both streams at once, the container restarted or replaced — each line is there once, in order, with a number of its own that never changes.
func TestF02EveryLineOnce(t *testing.T) {
	base := t.TempDir()
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		seed := rapid.Uint64().Draw(rt, "seed")
		steps := rapid.SliceOfN(rapid.IntRange(0, 6), 5, 40).Draw(rt, "steps")
		dir := fmt.Sprintf("%s/%d", base, run)
		synctest.Test(t, func(t *testing.T) { everyLineOnce(t, rt, dir, rand.New(rand.NewPCG(seed, 1)), steps) })
	})
}

func everyLineOnce(t *testing.T, rt *rapid.T, dir string, rnd *rand.Rand, steps []int) {
	c := newConsole(t, dir)
	src := newMemLog("container-1")
	clock := time.Now()
	var want []string
	var seen map[int64]string
	check := func() {
		time.Sleep(20 * time.Second)
		synctest.Wait()
		lines := history(t, c, "srv_a")
		if got := texts(lines); !slices.Equal(got, want) {
			rt.Fatalf("got %d lines, want %d\ngot  %.600q\nwant %.600q", len(got), len(want), got, want)
		}
		now := map[int64]string{}
		for i, l := range lines {
			if l.Seq != int64(i+1) {
				rt.Fatalf("line %d has number %d", i, l.Seq)
			}
			now[l.Seq] = l.Text
			if old, ok := seen[l.Seq]; ok && old != l.Text {
				rt.Fatalf("number %d was %q and is %q", l.Seq, old, l.Text)
			}
		}
		seen = now
	}
	attach := func() {
		if err := c.Attach(t.Context(), "srv_a", src, Upstream{}); err != nil {
			rt.Fatal(err)
		}
	}
	attach()
	for _, step := range steps {
		switch step {
		case 0, 1: // the game prints
			for range rnd.IntN(60) {
				clock = clock.Add(time.Duration(1 + rnd.IntN(3_000_000)))
				time.Sleep(time.Until(clock))
				text := "same"
				if rnd.IntN(3) == 0 {
					text = fmt.Sprint("line ", len(want))
				}
				stream := byte(1 + rnd.IntN(2))
				for range rnd.IntN(3) { // a long line comes in pieces of one stamp
					if rnd.IntN(5) == 0 {
						src.add(logEntry{stream, clock, text})
						want = append(want, text)
					}
				}
				src.add(logEntry{stream, clock, text + "\n"})
				want = append(want, text)
			}
		case 2: // the agent is killed
			synctest.Wait()
			c.die()
			c = newConsole(t, dir)
			attach()
		case 3: // streams break anywhere
			src.mu.Lock()
			src.cuts = append(src.cuts, rnd.IntN(2000), rnd.IntN(60))
			src.repeat = rnd.IntN(30) + 1
			src.mu.Unlock()
			c.reopen()
		case 4: // the container restarts
			synctest.Wait()
			src.end(true)
			if err := c.Drain(t.Context(), "srv_a"); err != nil {
				rt.Fatal(err)
			}
			src.end(false)
			attach()
		case 5: // another container
			src.end(true)
			if err := c.Drain(t.Context(), "srv_a"); err != nil {
				rt.Fatal(err)
			}
			src = newMemLog(src.id + "x")
			attach()
		case 6:
			check()
		}
	}
	check()
	c.die()
}

// When the engine has dropped entries that were not read, the console says so.
func TestGapAfterLogTurnedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		c := newConsole(t, dir)
		src := newMemLog("c")
		attach := func() {
			if err := c.Attach(t.Context(), "srv_a", src, Upstream{}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		attach()
		src.add(logEntry{1, time.Now(), "one\n"})
		synctest.Wait()
		c.die()
		time.Sleep(time.Minute)
		src.add(logEntry{1, time.Now(), "lost\n"}, logEntry{1, time.Now().Add(1), "three\n"})
		src.mu.Lock()
		src.dropped = 2
		src.mu.Unlock()
		c = newConsole(t, dir)
		attach()
		time.Sleep(time.Second)
		lines := history(t, c, "srv_a")
		if len(lines) != 3 || lines[1].Kind != protocol.LineGap || lines[2].Text != "three" {
			t.Fatalf("%+v", lines)
		}
		c.die()
	})
}

// F29: the engine passes a late follower over a whole log file without a word. The tail suspects that, and reads the files.
func TestF29LateFollowerMissesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConsole(t, t.TempDir())
		src := newMemLog("c")
		for i := range 100 { // old and sparse: no reason to look again for each
			src.add(logEntry{1, time.Now().Add(time.Duration(i-200) * time.Second), fmt.Sprintf("old %d\n", i)})
		}
		if err := c.Attach(t.Context(), "srv_a", src, Upstream{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		src.mu.Lock()
		src.hidden = 101
		src.mu.Unlock()
		for i, ago := range []int{300, 200, 100, 10} {
			src.add(logEntry{1, time.Now().Add(-time.Duration(ago) * time.Millisecond), fmt.Sprintf("new %d\n", i)})
		}
		time.Sleep(10 * time.Second)
		got := texts(history(t, c, "srv_a"))
		if len(got) != 104 || got[101] != "new 1" {
			t.Errorf("%d lines, the end is %q", len(got), got[len(got)-3:])
		}
		src.mu.Lock()
		defer src.mu.Unlock()
		if src.opened > 4 {
			t.Errorf("the log was opened %d times", src.opened)
		}
		c.die()
	})
}

func TestClockSetBack(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var p place
	for i := range 3 {
		if !p.take(0, now.Add(time.Duration(i)), true, now.Add(time.Second)) {
			t.Fatal("a new entry was refused")
		}
	}
	if p.take(0, now, true, now.Add(time.Second)) {
		t.Fatal("an old entry was taken again")
	}
	back := now.Add(-time.Hour)
	if !p.take(0, back, true, back) || !p.take(0, back.Add(5), true, back.Add(5)) {
		t.Fatal("entries after the clock was set back were refused")
	}
}

// F29: a flood costs the flooding server lines, which are counted; the first and the newest are there, and what is said adds up.
func TestF29FloodIsBoundedAndTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConsole(t, t.TempDir())
		src := newMemLog("c")
		if err := c.Attach(t.Context(), "srv_a", src, Upstream{}); err != nil {
			t.Fatal(err)
		}
		const sent = 200_000
		var all []logEntry
		for i := range sent {
			all = append(all, logEntry{1, time.Now().Add(time.Duration(i)), "flood\n"})
		}
		src.add(all...)
		time.Sleep(30 * time.Second)
		src.add(logEntry{1, time.Now(), "calm\n"})
		time.Sleep(time.Second)
		lines := history(t, c, "srv_a")
		kept, told := 0, 0
		for _, l := range lines {
			switch l.Kind {
			case protocol.LineGap:
				n := 0
				if _, err := fmt.Sscanf(strings.TrimPrefix(l.Text, "at least "), "%d lines skipped", &n); err != nil {
					t.Fatalf("%q: %v", l.Text, err)
				}
				told += n
			case "":
				kept++
			}
		}
		if kept+told != sent+1 || kept < floodBurstLines || kept > sent/2 {
			t.Fatalf("kept %d, told %d, together %d, want %d", kept, told, kept+told, sent+1)
		}
		if last := lines[len(lines)-1]; last.Text != "calm" {
			t.Fatalf("last line is %+v", last)
		}
		c.die()
	})
}

// A gap is told also when the flood is followed by silence.
func TestF29GapIsToldInSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConsole(t, t.TempDir())
		src := newMemLog("c")
		for i := range floodBurstLines + 10 {
			src.add(logEntry{1, time.Now().Add(time.Duration(i)), "flood\n"})
		}
		if err := c.Attach(t.Context(), "srv_a", src, Upstream{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		lines := history(t, c, "srv_a")
		if last := lines[len(lines)-1]; last.Kind != protocol.LineGap || !strings.HasPrefix(last.Text, "10 lines") {
			t.Fatalf("last line is %+v", last)
		}
		c.die()
	})
}

func TestPlaceTable(t *testing.T) {
	type entry struct {
		stream int
		at     int64
		whole  bool
		want   bool
	}
	for name, entries := range map[string][]entry{
		"new lines":           {{0, 1, true, true}, {0, 2, true, true}, {1, 2, true, true}},
		"shown again":         {{0, 1, true, true}, {0, 2, true, true}, {0, 1, true, false}, {0, 2, true, false}, {0, 3, true, true}},
		"parts of one stamp":  {{0, 1, false, true}, {0, 1, false, true}, {0, 1, true, true}, {0, 1, true, false}},
		"parts shown again":   {{0, 1, true, true}, {0, 5, false, true}, {0, 5, false, true}, {0, 1, true, false}, {0, 5, false, false}, {0, 5, false, false}, {0, 5, true, true}},
		"streams out of step": {{0, 5, true, true}, {1, 4, true, true}, {0, 6, true, true}, {1, 4, true, false}},
	} {
		t.Run(name, func(t *testing.T) {
			var p place
			for i, e := range entries {
				if got := p.take(e.stream, time.Unix(0, e.at), e.whole, time.Unix(100, 0)); got != e.want {
					t.Fatalf("entry %d: taken %v, want %v", i, got, e.want)
				}
			}
		})
	}
}
