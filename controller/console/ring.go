package console

import (
	"sort"

	"github.com/payperplay/payperplay/protocol"
)

const (
	ringBytes  = 1 << 20
	ringLines  = 10_000
	batchBytes = 64 << 10
	batchLines = 512
	lineCost   = 64 // bytes a line takes beside its text
)

// ring holds the newest lines of one server. A place in it is a position, which only rises; numbers of lines do not do for that,
// because a notice has the number of the line before it.
type ring struct {
	slots []slot // oldest first
	start int64  // position of slots[0]
	bytes int64  // bytes ever added
}

type slot struct {
	line protocol.Line
	at   int64 // bytes added before it
	note bool  // a notice of ours, not a line of the node
}

func (r *ring) end() int64 { return r.start + int64(len(r.slots)) }

func (r *ring) add(l protocol.Line, note bool) {
	r.slots = append(r.slots, slot{line: l, at: r.bytes, note: note})
	r.bytes += int64(len(l.Text)) + lineCost
	drop := 0
	for len(r.slots)-drop > ringLines || r.bytes-r.slots[drop].at > ringBytes && drop < len(r.slots)-1 {
		r.slots[drop] = slot{}
		drop++
	}
	r.slots = r.slots[drop:]
	r.start += int64(drop)
}

// behind gives the bytes between a position and the end.
func (r *ring) behind(pos int64) int64 {
	switch {
	case pos >= r.end():
		return 0
	case pos < r.start:
		return ringBytes
	}
	return r.bytes - r.slots[pos-r.start].at
}

// find gives the position of the first line after number seq. ok is false when lines between may be missing in the ring.
func (r *ring) find(seq int64) (pos int64, ok bool) {
	i := sort.Search(len(r.slots), func(i int) bool { return r.slots[i].line.Seq > seq })
	// The slot before must be a line that the caller has, or this one must be the very next.
	ok = i > 0 || len(r.slots) > 0 && !r.slots[0].note && r.slots[0].line.Seq == seq+1
	return r.start + int64(i), ok
}

// read gives one batch from a position, which must not be before the start, and the position behind it.
func (r *ring) read(pos int64) ([]protocol.Line, int64) {
	from := int(pos - r.start)
	to, text := from, 0
	for to < len(r.slots) && to-from < batchLines && text < batchBytes {
		text += len(r.slots[to].line.Text) + lineCost
		to++
	}
	lines := make([]protocol.Line, 0, to-from)
	for _, s := range r.slots[from:to] {
		lines = append(lines, s.line)
	}
	return lines, pos + int64(to-from)
}

// catchUp gives the position from which at most n bytes are left to read, and how many real lines between pos and it are left out.
func (r *ring) catchUp(pos, n int64) (to int64) {
	i := sort.Search(len(r.slots), func(i int) bool { return r.bytes-r.slots[i].at <= n })
	return max(pos, r.start+int64(i))
}
