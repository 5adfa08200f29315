package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

const (
	tailLines   = 256      // lines written in one go
	tailBytes   = 48 << 10 // text written in one go
	backoffMin  = 100 * time.Millisecond
	backoffMax  = 5 * time.Second
	resumeSlack = time.Second     // the two streams' entries may be this far out of order in Docker's log
	endedWithin = 5 * time.Second // for the question whether the container has ended

	// The engine (20.10) skips a whole log file without a word when a follower falls a file behind. Writing one of 5 MiB takes it 60 ms or more,
	// so: a follower that is this late, and then sees time jump by this much, looks again in the files, which are exact.
	holeAfter = 50 * time.Millisecond
)

var (
	errHole  = errors.New("the engine may have skipped a log file")
	errTwice = errors.New("the engine may have shown a piece of a line again")
)

// tail copies one container's log into the history.
type tail struct {
	c    *Console
	s    *server
	src  Source
	quit context.CancelFunc
	done chan struct{}

	mu    sync.Mutex
	again context.CancelFunc // ends the stream that is read now

	place place
	flood *flood
	quiet *time.Timer // reopens the stream when a flood just stops, so that its gap is told
	lines []protocol.Line
	bytes int
	moved bool // place is newer than what was written
}

// startTail starts a tail that lives until stop or until the container has ended, not only as long as the call.
func startTail(ctx context.Context, c *Console, s *server, src Source) *tail {
	ctx, quit := context.WithCancel(context.WithoutCancel(ctx))
	t := &tail{c: c, s: s, src: src, quit: quit, done: make(chan struct{}), flood: newFlood(time.Now())}
	t.quiet = time.AfterFunc(time.Hour, t.lookAgain)
	t.quiet.Stop()
	go t.run(ctx)
	return t
}

func (t *tail) stop() {
	t.quit()
	<-t.done
}

func (t *tail) finished() bool {
	select {
	case <-t.done:
		return true
	default:
		return false
	}
}

// lookAgain makes the tail reopen its stream from where it is.
func (t *tail) lookAgain() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.again != nil {
		t.again()
	}
}

// run reads the log until the container has ended and all of it is written.
func (t *tail) run(ctx context.Context) {
	defer close(t.done)
	defer t.quit()
	defer func() {
		if p := recover(); p != nil {
			t.c.metrics.failures.Inc()
			t.c.log.Error("console tail panicked", "server", t.s.id, "panic", fmt.Sprint(p))
		}
	}()
	wait := backoffMin
	for ctx.Err() == nil {
		started := time.Now()
		err := t.stream(ctx, true)
		if ctx.Err() != nil || errors.Is(err, errGone) {
			return
		}
		if errors.Is(err, errHole) {
			continue
		}
		// Shown again, or one like it? The files have each piece once, and reading them without following is not disturbed when they rotate.
		if errors.Is(err, errTwice) {
			if err = t.stream(ctx, false); err == nil {
				rest(ctx, holeAfter) // so that such lines cannot keep the engine busy reading
				continue
			}
		}
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, context.Canceled) {
			t.c.log.Warn("console stream broke, will resume", "server", t.s.id, "err", err)
		}
		ended, askErr := t.ended(ctx)
		if askErr == nil && ended && t.stream(ctx, false) == nil { // a last look, which does not depend on how following ended
			return
		}
		if time.Since(started) > backoffMax {
			wait = backoffMin
		}
		rest(ctx, wait/2+rand.N(wait/2))
		wait = min(2*wait, backoffMax)
	}
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (t *tail) ended(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, endedWithin)
	defer cancel()
	return t.src.Ended(ctx)
}

// stream opens the log at the place that was written last and copies from it until it ends.
func (t *tail) stream(ctx context.Context, follow bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t.mu.Lock()
	t.again = cancel
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		t.again = nil
		t.mu.Unlock()
	}()
	since := t.resume()
	t.c.metrics.reopened.Inc()
	r, err := t.src.Logs(ctx, since, follow)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	defer context.AfterFunc(ctx, func() { _ = r.Close() })()
	err = t.copy(ctx, newFrames(r), !since.IsZero(), follow)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, t.flush(true))
}

// resume goes back to the place that is in the history and gives the time to read from.
func (t *tail) resume() time.Time {
	t.place = t.s.book.at()
	t.lines, t.bytes, t.moved = nil, 0, false
	if t.place.source != t.src.ID() {
		t.place = place{source: t.src.ID()}
	}
	t.place.rewind()
	at := t.place.newest()
	if at == 0 {
		return time.Time{}
	}
	if now := time.Now(); at > now.Add(resumeSlack).UnixNano() {
		t.add(protocol.Line{Time: now.UTC(), Kind: protocol.LineGap, Text: "the machine's clock was set back: output from before now may be missing here"})
		t.place.streams = [2]mark{{at: now.UnixNano(), count: 1}, {at: now.UnixNano(), count: 1}}
		t.moved = true
		return now
	}
	return time.Unix(0, at).Add(-resumeSlack)
}

// copy takes entries until the stream ends. resumed: the newest entry of the history must come again, else Docker has dropped it and more.
func (t *tail) copy(ctx context.Context, f *frames, resumed, follow bool) error {
	last := t.place.newest()
	var met [2]metPieces
	// What was printed before opening, and the first entry behind it, comes out of the files.
	exact, prev, late, opened := true, last, time.Duration(0), time.Now()
	for {
		m, err := t.next(f)
		if err != nil {
			return err
		}
		now := time.Now()
		if resumed && m.at.UnixNano() > last {
			t.add(protocol.Line{Time: m.at, Kind: protocol.LineGap, Text: "lines are missing here: the container engine's log turned over before they were read"})
			t.c.metrics.gaps.Inc()
		}
		resumed = false
		if !exact && late > holeAfter && m.at.After(opened) && m.at.UnixNano()-prev > int64(holeAfter) {
			if t.flood.dropped == 0 {
				return errHole
			}
			t.flood.paced = true
		}
		if met[m.stream].meet(m) && follow && t.place.goesOn(m.stream, m.at) {
			return errTwice
		}
		if !t.place.take(m.stream, m.at, m.whole, now) {
			continue
		}
		exact, prev, late = false, m.at.UnixNano(), now.Sub(m.at)
		t.moved = true
		if err := t.keep(ctx, m, now); err != nil {
			return err
		}
	}
}

// next waits for an entry; what was gathered is written before that.
func (t *tail) next(f *frames) (message, error) {
	if f.ready() {
		return f.next()
	}
	if err := t.flush(false); err != nil {
		return message{}, err
	}
	if t.flood.dropped > 0 {
		t.quiet.Reset(floodHold)
		defer t.quiet.Stop()
	}
	return f.next()
}

// keep adds the entry, or drops it when the server prints too much.
func (t *tail) keep(ctx context.Context, m message, now time.Time) error {
	if !t.flood.keep(now, len(m.text)) {
		t.c.metrics.dropped.Inc()
		if d := t.flood.pause(now); d > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(d):
			}
		}
		return nil
	}
	t.tellDropped(m.at, now, false)
	t.lines = pieces(t.lines, protocol.Line{Time: m.at, Text: clean(m.text)}, !m.whole)
	if t.bytes += len(m.text); len(t.lines) >= tailLines || t.bytes >= tailBytes {
		return t.flush(false)
	}
	return nil
}

func (t *tail) add(l protocol.Line) { t.lines = append(t.lines, l) }

// tellDropped adds the gap line for dropped entries.
func (t *tail) tellDropped(at, now time.Time, force bool) {
	n, atLeast, ok := t.flood.over(now, force)
	if !ok {
		return
	}
	most := ""
	if atLeast {
		most = "at least "
	}
	t.add(protocol.Line{Time: at, Kind: protocol.LineGap, Text: fmt.Sprintf("%s%d lines skipped: the server printed more than %d lines or %d KiB a second", most, n, floodLines, floodBytes>>10)})
	t.c.metrics.gaps.Inc()
}

// flush writes what was gathered. final: the stream has ended, so a gap must be told now.
func (t *tail) flush(final bool) error {
	if final {
		t.tellDropped(time.Now().UTC(), time.Now(), true)
	}
	if len(t.lines) == 0 && !(final && t.moved) {
		return nil
	}
	p := t.place
	if err := t.c.put(t.s, t.lines, &p); err != nil {
		t.c.metrics.failures.Inc()
		return err
	}
	clear(t.lines)
	t.lines, t.bytes, t.moved = t.lines[:0], 0, false
	return nil
}
