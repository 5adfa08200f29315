package console

import (
	"errors"
	"io"
	"os"
	"slices"
	"sort"

	"github.com/payperplay/payperplay/protocol"
)

const (
	batchLines = 512
	batchBytes = 64 << 10
)

// reader reads a book forwards from a number. It holds the file it is in, so that a segment dropped meanwhile can still be read to its end.
// Live lines come the same way as old ones: there is no seam between history and live, so no gap or double at it.
type reader struct {
	b    *book
	next int64 // number wanted next
	seg  *segment
	f    *os.File
	off  int64
	buf  []byte
	// broken: the rest of seg could not be read
	broken bool
}

func (b *book) reader(from int64) *reader { return &reader{b: b, next: max(from, 1)} }

func (r *reader) close() {
	if r.f != nil {
		_ = r.f.Close()
		r.f = nil
	}
}

// read gives the next lines, none at the end of the book. skipped counts lines that came before them and are no longer kept (or cannot be read).
func (r *reader) read() (lines []protocol.Line, skipped int64, err error) {
	for len(lines) == 0 {
		size, last, gap, err := r.locate()
		if err != nil {
			return nil, skipped, err
		}
		skipped += gap
		if r.seg == nil || r.off >= size && last {
			return nil, skipped, nil
		}
		if r.off >= size {
			continue // locate moves on
		}
		if lines, err = r.chunk(size); err != nil {
			if !errors.Is(err, errDamaged) {
				return nil, skipped, err
			}
			r.off, r.broken = size, true // the rest of this segment cannot be read
			if last {
				_, head := r.b.span()
				skipped += head + 1 - r.next
				r.next = head + 1
			}
		}
	}
	return lines, skipped, nil
}

// locate makes sure that r.seg holds r.next, or is the last segment. It gives the segment's length now.
func (r *reader) locate() (size int64, last bool, skipped int64, err error) {
	r.b.mu.RLock()
	defer r.b.mu.RUnlock()
	segs := r.b.segs
	if r.b.gone {
		return 0, false, 0, errGone
	}
	if len(segs) == 0 {
		return 0, true, 0, nil
	}
	at := slices.Index(segs, r.seg)
	switch {
	case r.seg == nil:
		at = max(0, sort.Search(len(segs), func(i int) bool { return segs[i].base > r.next })-1)
	case r.off < r.seg.size: // more to read here, dropped or not
		return r.seg.size, at == len(segs)-1, 0, nil
	case at == len(segs)-1:
		return r.seg.size, true, 0, nil
	default: // at is -1 when the segment was dropped: go on with the oldest
		at++
	}
	s := segs[at]
	if r.next < s.base && (at == 0 || r.broken) {
		skipped, r.next = s.base-r.next, s.base
	}
	f, err := os.Open(s.path)
	if err != nil {
		return 0, false, 0, err
	}
	r.close()
	r.seg, r.f, r.off, r.broken = s, f, 0, false
	if i := sort.Search(len(s.index), func(i int) bool { return s.index[i].seq > r.next }); i > 0 {
		r.off = s.index[i-1].off
	}
	return s.size, at == len(segs)-1, skipped, nil
}

// chunk reads some frames at r.off and gives their lines from r.next on.
func (r *reader) chunk(size int64) ([]protocol.Line, error) {
	if r.buf == nil {
		r.buf = make([]byte, batchBytes)
	}
	n, err := r.f.ReadAt(r.buf[:min(int64(len(r.buf)), size-r.off)], r.off)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	data, used := r.buf[:n], 0
	var lines []protocol.Line
	text := 0
	for len(lines) < batchLines && text < batchBytes {
		whole, err := frameSize(data[used:])
		if errors.Is(err, errTorn) && used == 0 && int64(whole) <= size-r.off && whole > len(r.buf) {
			r.buf = make([]byte, whole)
			return r.chunk(size)
		}
		if errors.Is(err, errTorn) && used > 0 {
			break
		}
		if err != nil {
			return lines, errDamaged
		}
		err = visitFrame(data[used:used+whole], nil, func(l protocol.Line) bool {
			if l.Seq >= r.next {
				lines = append(lines, l)
				text += len(l.Text)
				r.next = l.Seq + 1
			}
			return true
		})
		if err != nil {
			return lines, errDamaged
		}
		used += whole
		r.off += int64(whole)
	}
	return lines, nil
}

// changed gives a channel that is closed when there is something at or behind next, or the book has ended.
func (b *book) changed(next int64) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone || b.head >= next {
		done := make(chan struct{})
		close(done)
		return done
	}
	if b.wake == nil {
		b.wake = make(chan struct{})
	}
	return b.wake
}
