package console

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/durable"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

const (
	segmentsPerBook = 8
	indexEvery      = 32 << 10 // bytes between two entries of a segment's index
	segmentSuffix   = ".seg"
)

// book is one server's history on disk: segment files named after their first line's number, the oldest dropped when there is too much.
type book struct {
	dir  string
	boot string

	mu     sync.RWMutex
	max    int64
	segs   []*segment // oldest first; the last one is written
	f      *os.File   // of the last segment; nil until the first append
	head   int64      // newest number given
	place  place
	wake   chan struct{} // closed at the next append; nil when nobody waits
	gone   bool          // removed or closed
	dirty  bool
	shelf  shelf
	encode []byte
}

// openBook opens what is there. A folder is made with the first line only.
func openBook(dir string, maxBytes int64, boot string) (*book, error) {
	b := &book{dir: dir, boot: boot, max: maxBytes}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		base, ok := segmentBase(e.Name())
		if !ok || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		b.segs = append(b.segs, &segment{path: filepath.Join(dir, e.Name()), base: base, size: info.Size()})
	}
	slices.SortFunc(b.segs, func(x, y *segment) int { return cmp.Compare(x.base, y.base) })
	if err := b.recoverTail(); err != nil {
		return nil, err
	}
	return b, b.checkShelf()
}

// append gives lines their numbers and writes them, with the new place in the log (nil = unchanged), in one call. Only then are they there for readers.
func (b *book) append(lines []protocol.Line, p *place) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone {
		return errGone
	}
	if err := b.shelve(int64(len(lines))); err != nil {
		return err
	}
	for i := range lines {
		lines[i].Seq = b.head + 1 + int64(i)
	}
	if err := b.roll(); err != nil {
		return err
	}
	next, withSource := b.place, len(b.segs) > 0 && b.segs[len(b.segs)-1].size == 0
	if p != nil {
		withSource = withSource || p.source != next.source
		next = *p
	}
	f := frame{lines: lines}
	if p != nil || withSource {
		f.place = &next
	}
	b.encode = appendFrame(b.encode[:0], f, withSource)
	if err := b.commit(b.encode, lines); err != nil {
		return err
	}
	b.place = next
	return nil
}

// commit writes one frame and makes it visible. A write that failed leaves nothing behind.
func (b *book) commit(data []byte, lines []protocol.Line) error {
	s := b.segs[len(b.segs)-1]
	if err := b.put(data, s.size); err != nil {
		if !b.makeRoom() {
			return err
		}
		if err := b.put(data, s.size); err != nil {
			return err
		}
	}
	if len(lines) > 0 {
		s.note(lines[0].Seq, s.size)
		b.head = lines[len(lines)-1].Seq
	}
	s.size += int64(len(data))
	b.dirty = true
	if b.wake != nil {
		close(b.wake)
		b.wake = nil
	}
	if cap(b.encode) > 64<<10 {
		b.encode = nil
	}
	return nil
}

func (b *book) put(data []byte, off int64) error {
	if err := failpoint.Hit("console.write.before"); err != nil {
		return err
	}
	if _, err := b.f.WriteAt(data, off); err != nil {
		_ = b.f.Truncate(off)
		return fmt.Errorf("write the console history: %w", err)
	}
	return failpoint.Hit("console.write.after")
}

// makeRoom drops the oldest segment when the disk is full: new lines are worth more.
func (b *book) makeRoom() bool {
	if len(b.segs) < 2 {
		return false
	}
	_ = os.Remove(b.segs[0].path)
	b.segs = b.segs[1:]
	return true
}

// roll starts a new segment when the last one is full, and drops the oldest ones.
func (b *book) roll() error {
	if n := len(b.segs); n > 0 && b.segs[n-1].size < b.max/segmentsPerBook {
		return nil
	}
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return err
	}
	base := b.head + 1
	if n := len(b.segs); n > 0 && b.segs[n-1].base == base { // frames without lines only: go on with it
		return nil
	}
	path := filepath.Join(b.dir, segmentName(base))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("start a segment of the console history: %w", err)
	}
	if err := errors.Join(durable.SyncDir(b.dir), failpoint.Hit("console.roll.after")); err != nil {
		return errors.Join(err, f.Close())
	}
	if b.f != nil {
		if err := errors.Join(b.f.Sync(), b.f.Close()); err != nil {
			_ = f.Close()
			return err
		}
	}
	b.f = f
	b.segs = append(b.segs, &segment{path: path, base: base})
	total := int64(0)
	for i := len(b.segs) - 1; i >= 0; i-- {
		if total += b.segs[i].size; total > b.max-b.max/segmentsPerBook {
			for _, old := range b.segs[:i] {
				_ = os.Remove(old.path)
			}
			b.segs = slices.Clone(b.segs[i:])
			break
		}
	}
	return nil
}

// limit changes how much is kept; it counts from the next segment on.
func (b *book) limit(maxBytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.max = max(maxBytes, MinMaxBytes)
}

// bytes is what the history takes on disk.
func (b *book) bytes() (total int64) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, s := range b.segs {
		total += s.size
	}
	return total
}

func (b *book) at() place {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.place
}

// span tells which numbers are kept. first is head+1 when there is nothing.
func (b *book) span() (first, head int64) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.first(), b.head
}

func (b *book) first() int64 {
	if len(b.segs) == 0 {
		return b.head + 1
	}
	return min(b.segs[0].base, b.head+1)
}

// sync makes what was written survive a power failure.
func (b *book) sync() error {
	b.mu.Lock()
	f, dirty := b.f, b.dirty && !b.gone
	b.dirty = false
	b.mu.Unlock()
	if !dirty || f == nil {
		return nil
	}
	if err := failpoint.Hit("console.sync.before"); err != nil {
		return err
	}
	if err := f.Sync(); err != nil && !errors.Is(err, os.ErrClosed) { // closed = rolled meanwhile, and synced there
		return err
	}
	return failpoint.Hit("console.sync.after")
}

// end wakes everyone; nothing is written any more.
func (b *book) end() (*os.File, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone {
		return nil, false
	}
	b.gone = true
	if b.wake != nil {
		close(b.wake)
		b.wake = nil
	}
	return b.f, true
}

func (b *book) close() error {
	f, ok := b.end()
	if !ok || f == nil {
		return nil
	}
	return errors.Join(f.Sync(), f.Close(), b.settleShelf())
}

// remove deletes the history.
func (b *book) remove() error {
	if f, ok := b.end(); ok && f != nil {
		_ = f.Close()
	}
	return os.RemoveAll(b.dir)
}

var errGone = protocol.Faultf(protocol.NotFound, "", "this server's console has ended: the server was removed from the node or the agent is shutting down")
