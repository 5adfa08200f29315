package console

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/payperplay/payperplay/protocol"
)

// segment is one file.
type segment struct {
	path  string
	base  int64 // number of its first line
	size  int64 // bytes that are whole frames; atomic only under book.mu
	index []indexEntry
}

type indexEntry struct{ seq, off int64 }

func segmentBase(name string) (int64, bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, err == nil && n > 0
}

func segmentName(base int64) string { return fmt.Sprintf("%019d%s", base, segmentSuffix) }

// recoverTail finds the newest number and place in the last segment that holds a whole frame, and cuts off what is torn behind it.
func (b *book) recoverTail() error {
	for len(b.segs) > 0 {
		last := b.segs[len(b.segs)-1]
		good, head, err := last.scan(&b.place)
		if err != nil {
			return err
		}
		if good == 0 {
			if err := os.Remove(last.path); err != nil {
				return err
			}
			b.segs = b.segs[:len(b.segs)-1]
			continue
		}
		if good < last.size {
			if err := os.Truncate(last.path, good); err != nil {
				return fmt.Errorf("cut the torn end off: %w", err)
			}
		}
		last.size, b.head = good, max(head, last.base-1)
		if b.f, err = os.OpenFile(last.path, os.O_RDWR, 0); err != nil {
			return err
		}
		return nil
	}
	return nil
}

// scan reads the whole segment: the length of its good part, its newest number, and its index.
func (s *segment) scan(p *place) (good, head int64, err error) {
	data, err := os.ReadFile(s.path)
	if err != nil {
		return 0, 0, err
	}
	s.index = nil
	for {
		n, err := frameSize(data[good:])
		if err != nil {
			return good, head, nil //nolint:nilerr // a torn or damaged end is what scan looks for
		}
		moved, first, last := *p, int64(0), int64(0)
		err = visitFrame(data[good:good+int64(n)], &moved, func(l protocol.Line) bool {
			if first == 0 {
				first = l.Seq
			}
			last = l.Seq
			return true
		})
		if err != nil {
			return good, head, nil //nolint:nilerr // as above
		}
		*p = moved
		s.note(first, good)
		good += int64(n)
		head = max(head, last)
	}
}

// note adds the frame at off to the index, if it is far enough from the last entry.
func (s *segment) note(seq, off int64) {
	if seq > 0 && (len(s.index) == 0 || off-s.index[len(s.index)-1].off >= indexEvery) {
		s.index = append(s.index, indexEntry{seq, off})
	}
}
