package console

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

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

// TestReplyFitsAMessage: however short the lines and whatever is in them, what travels stays below the limit of a message, and near it.
func TestReplyFitsAMessage(t *testing.T) {
	for name, text := range map[string]string{
		"short": "x", "empty": "", "plain": strings.Repeat("a line of a game, as they are ", 4), "quotes": strings.Repeat(`"\`, 40), "html": strings.Repeat("<b>&", 40),
		"control": strings.Repeat("\x1b[31m\x00\x7f", 30), "separators": strings.Repeat("\u2028\u2029", 30), "umlauts": strings.Repeat("äöü", 50), "long": strings.Repeat("y", 16<<10),
	} {
		for _, tail := range []bool{false, true} {
			w := window{limit: maxLimit, tail: tail}
			for n := int64(1); n <= 3*maxLimit && w.add(protocol.Line{Seq: 1 << 40, Time: time.Now(), Text: text, Kind: protocol.LineSystem}); n++ {
			}
			got, err := json.Marshal(protocol.LinesReply{Lines: w.lines(), First: 1 << 40, Head: 1 << 40, More: true})
			if err != nil || len(got) > 1<<20 || len(w.kept) < maxLimit && len(got) < 1<<19 {
				t.Errorf("%s, tail %t: %d lines are %d bytes, %v", name, tail, len(w.kept), len(got), err)
			}
		}
	}
}
