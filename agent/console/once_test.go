package console

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/payperplay/payperplay/protocol"
)

// Whatever breaks in between — streams cut inside an entry, the agent killed, entries shown twice by the engine, the same text on
// every line, both streams at once, the container restarted or replaced — each line is there once, in order, with a number of its own that never changes.
func TestF02EveryLineOnce(t *testing.T) {
	base := t.TempDir()
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		seed := rapid.Uint64().Draw(rt, "seed")
		steps := rapid.SliceOfN(rapid.IntRange(0, 6), 5, 40).Draw(rt, "steps")
		var err error
		synctest.Test(t, func(t *testing.T) { err = everyLineOnce(t, fmt.Sprintf("%s/%d", base, run), seed, steps) })
		if err != nil { // told out here: a rapid failure inside the bubble is a panic without the seed
			rt.Fatal(err)
		}
	})
}

// Streams that break again and again within a few bytes only make lines late. Twenty seconds, which TestF02EveryLineOnce once waited, are not always enough.
func TestF02ManyBreaksInARow(t *testing.T) {
	dir := t.TempDir()
	steps := append(slices.Repeat([]int{0, 1}, 3), slices.Repeat([]int{3}, 20)...)
	for seed := range uint64(5) {
		synctest.Test(t, func(t *testing.T) {
			if err := everyLineOnce(t, fmt.Sprintf("%s/%d", dir, seed), seed, append(steps, 0, 6)); err != nil {
				t.Error(err)
			}
		})
	}
}

// everyLineOnce plays the steps against one console and compares at each check, and at the end, what is there with what was printed.
func everyLineOnce(t *testing.T, dir string, seed uint64, steps []int) error {
	p := &printer{c: newConsole(t, dir), src: newMemLog("container-1"), rnd: rand.New(rand.NewPCG(seed, 1)), clock: time.Now()}
	defer func() { p.c.die() }()
	attach := func() error { return p.c.Attach(t.Context(), "srv_a", p.src, Upstream{}) }
	if err := attach(); err != nil {
		return err
	}
	for _, step := range append(steps, 6) {
		var err error
		switch step {
		case 0, 1:
			p.print()
		case 2: // the agent is killed
			synctest.Wait()
			p.c.die()
			p.c = newConsole(t, dir)
			err = attach()
		case 3: // streams break anywhere
			p.src.mu.Lock()
			p.src.cuts = append(p.src.cuts, p.rnd.IntN(2000), p.rnd.IntN(60))
			p.src.repeat = p.rnd.IntN(30) + 1
			p.src.mu.Unlock()
			p.c.reopen()
		case 4: // the container restarts
			synctest.Wait()
			p.src.end(true)
			err = p.c.Drain(t.Context(), "srv_a")
			p.src.end(false)
			err = errors.Join(err, attach())
		case 5: // another container
			p.src.end(true)
			err = p.c.Drain(t.Context(), "srv_a")
			p.src = newMemLog(p.src.id + "x")
			err = errors.Join(err, attach())
		case 6:
			err = p.check(t)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// printer is a game that prints to src, and what everyLineOnce knows of it.
type printer struct {
	c     *Console
	src   *memLog
	rnd   *rand.Rand
	clock time.Time
	want  []string
	seen  map[int64]string
}

func (p *printer) print() {
	for range p.rnd.IntN(60) {
		p.clock = p.clock.Add(time.Duration(1 + p.rnd.IntN(3_000_000)))
		time.Sleep(time.Until(p.clock))
		text := "same"
		if p.rnd.IntN(3) == 0 {
			text = fmt.Sprint("line ", len(p.want))
		}
		stream := byte(1 + p.rnd.IntN(2))
		for range p.rnd.IntN(3) { // a long line comes in pieces of one stamp
			if p.rnd.IntN(5) == 0 {
				p.src.add(logEntry{stream, p.clock, text})
				p.want = append(p.want, text)
			}
		}
		p.src.add(logEntry{stream, p.clock, text + "\n"})
		p.want = append(p.want, text)
	}
}

func (p *printer) check(t *testing.T) error {
	if err := p.settle(); err != nil {
		return err
	}
	lines := history(t, p.c, "srv_a")
	if got := texts(lines); !slices.Equal(got, p.want) {
		return fmt.Errorf("got %d lines, want %d\ngot  %.600q\nwant %.600q", len(got), len(p.want), got, p.want)
	}
	now := map[int64]string{}
	for i, l := range lines {
		if l.Seq != int64(i+1) {
			return fmt.Errorf("line %d has number %d", i, l.Seq)
		}
		now[l.Seq] = l.Text
		if old, ok := p.seen[l.Seq]; ok && old != l.Text {
			return fmt.Errorf("number %d was %q and is %q", l.Seq, old, l.Text)
		}
	}
	p.seen = now
	return nil
}

// settle waits until the tail has opened nothing for longer than it ever waits before it opens again: then it sits in a stream and has read all of it.
// A fixed time will not do: each break that is still to come costs up to backoffMax.
func (p *printer) settle() error {
	for range 1_000 {
		before := p.src.times()
		time.Sleep(2 * backoffMax)
		synctest.Wait()
		if p.src.times() == before {
			return nil
		}
	}
	return errors.New("the tail opens the log again and again, and nothing breaks it")
}

// The log rotates inside a long line: the follower is shown the newest pieces of it again, and then the rest. Nothing but the files tells
// such a piece from one with the same text.
func TestF02PieceShownAgain(t *testing.T) {
	for name, line := range map[string][]string{"same text": {"x", "x", "x", "x"}, "other texts": {"a", "b", "c", "d"}, "some the same": {"a", "b", "a", "b"}} {
		for first := 1; first < len(line); first++ {
			for again := 1; again <= first; again++ {
				t.Run(fmt.Sprintf("%s, %d of %d", name, again, first), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { pieceShownAgain(t, line, first, again) })
				})
			}
		}
	}
}

// pieceShownAgain prints the first pieces of the line, has the engine show the newest of them again, and prints the others.
func pieceShownAgain(t *testing.T, line []string, first, again int) {
	c := newConsole(t, t.TempDir())
	defer func() { c.die() }()
	src := newMemLog("c")
	src.repeat = again
	if err := c.Attach(t.Context(), "srv_a", src, Upstream{}); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	var entries []logEntry
	for i, text := range line {
		if i == len(line)-1 {
			text += "\n"
		}
		entries = append(entries, logEntry{1, time.Now(), text})
	}
	src.add(entries[:first]...)
	time.Sleep(time.Second)
	if got := texts(history(t, c, "srv_a")); !slices.Equal(got, line[:first]) {
		t.Errorf("after the rotation %q is there, want %q", got, line[:first])
	}
	for _, e := range entries[first:] {
		src.add(e)
		synctest.Wait()
	}
	src.add(logEntry{1, time.Now(), "next\n"})
	time.Sleep(time.Second)
	if got, want := texts(history(t, c, "srv_a")), append(slices.Clone(line), "next"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if n := src.times(); n > 2*len(line)+1 {
		t.Errorf("the log was opened %d times", n)
	}
}

// F02 with the real engine, whose log rotates inside and right behind long lines. 20.10 marks the end of such a line in no way, so its pieces are told by their stamp.
func TestF02DockerLongLines(t *testing.T) {
	d := needDocker(t)
	src := d.Terminal(container(t, "1m")) // five files keep all of it, however late the reader is
	c := newConsole(t, t.TempDir())
	defer func() { _ = c.Close() }()
	if err := c.Attach(t.Context(), "srv_a", src, Upstream{}); err != nil {
		t.Fatal(err)
	}
	in, err := src.Stdin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	const lines, size = 90, 50_000
	want := map[string]int{}
	for i := range lines {
		text := strings.Repeat("x", size) // pieces that are all the same
		if i%2 == 1 {
			text = strings.Repeat(fmt.Sprint(i, "-"), size)[:size] // and others that are not
		}
		text = fmt.Sprint("n", i, " ", text)
		want["[Server] "+text] = 1
		if _, err := io.WriteString(in, "say "+text+"\n"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Millisecond) // far below the promised rate
	}
	var got map[string]int
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if got = said(t, c); maps.Equal(got, want) {
			return
		}
	}
	for text, n := range got {
		if want[text] != n {
			t.Errorf("%d times %.25q, %d bytes", n, text, len(text))
		}
	}
	t.Errorf("%d long lines are there, want %d, each once and whole", len(got), lines)
}

// said counts what the test server was told to say: entries of one stamp put together again.
func said(t *testing.T, c *Console) map[string]int {
	whole := map[time.Time]string{}
	for _, l := range history(t, c, "srv_a") {
		if l.Kind == protocol.LineGap {
			t.Fatalf("%+v", l)
		}
		whole[l.Time] += l.Text
	}
	out := map[string]int{}
	for _, text := range whole {
		if _, rest, ok := strings.Cut(text, "[Server] "); ok {
			out["[Server] "+rest]++
		}
	}
	return out
}

func TestMetPieces(t *testing.T) {
	var p metPieces
	piece := func(at int, text string, whole bool) message {
		return message{at: timeAt(at), text: []byte(text), whole: whole}
	}
	for i, s := range []struct {
		m    message
		want bool
	}{
		{piece(1, "a", true), false},
		{piece(2, "a", true), false}, // another line
		{piece(3, "a", false), false},
		{piece(3, "b", false), false},
		{piece(3, "a", false), true},
		{piece(3, "c", true), false},
		{piece(4, "a", false), false},
	} {
		if got := p.meet(s.m); got != s.want {
			t.Errorf("entry %d: met %v, want %v", i, got, s.want)
		}
	}
	for i := range 10 * maxPieces { // a line without end
		p.meet(piece(5, fmt.Sprint(i), false))
	}
	if len(p.sums) > maxPieces || !p.meet(piece(5, fmt.Sprint(10*maxPieces-1), false)) {
		t.Errorf("%d pieces are remembered", len(p.sums))
	}
}
