package console

import (
	"hash/crc32"
	"slices"
	"time"
)

// place is how far a container's log has been read. Docker numbers nothing, but stamps each entry with nanoseconds in the order
// of its stream, and gives all pieces of one long line the stamp of the first. So (stream, stamp, how many of that stamp) is exact.
type place struct {
	source  string // container id; empty = nothing read yet
	streams [2]mark
}

// mark is the newest entry taken from one stream.
type mark struct {
	at    int64 // ns since 1970
	count int   // entries taken with this stamp
	open  bool  // the newest ended inside a line: an entry with the same stamp goes on with it
	seen  int   // entries of this stamp met in this pass; not stored
}

// newest is the stamp of the newest entry of either stream, 0 if there is none.
func (p *place) newest() int64 { return max(p.streams[0].at, p.streams[1].at) }

// rewind prepares for reading the same log again.
func (p *place) rewind() {
	p.streams[0].seen, p.streams[1].seen = 0, 0
}

// take tells whether an entry is new, and if so moves on.
//
// Entries come again after a reconnect, and when Docker (20.10) rotates its log file below a follower: it then starts the new file over.
// An older stamp than the newest is such a repetition — unless the newest lies in the future: then someone has set the clock back.
func (p *place) take(stream int, at time.Time, whole bool, now time.Time) bool {
	m, ns := &p.streams[stream], at.UnixNano()
	switch {
	case ns < m.at && m.at > now.UnixNano():
		*m = mark{}
	case ns < m.at:
		m.seen = 0
		return false
	case ns == m.at:
		m.seen++
		if m.seen <= m.count || !m.open {
			return false
		}
		m.count++
		m.open = !whole
		return true
	}
	*m = mark{at: ns, count: 1, open: !whole, seen: 1}
	return true
}

// goesOn tells whether take would take the entry as the next piece of an unfinished line.
func (p *place) goesOn(stream int, at time.Time) bool {
	m := &p.streams[stream]
	return m.open && at.UnixNano() == m.at && m.seen >= m.count
}

// maxPieces bounds what is remembered of one line: 16 MiB of it, more than the engine keeps of a log.
const maxPieces = 1024

// metPieces are the entries met of one stream's newest stamp, as sums of their texts. The log may rotate inside a long line, and a follower is
// then shown some of its pieces again: counting alone would take these for the rest of the line.
type metPieces struct {
	at   int64
	sums []uint32
}

// meet remembers the entry and tells whether one like it was met before in the same line. Sums may collide: then the files are asked for nothing.
func (p *metPieces) meet(m message) bool {
	if ns := m.at.UnixNano(); ns != p.at {
		p.at, p.sums = ns, p.sums[:0]
		if m.whole {
			return false
		}
	}
	sum := crc32.Checksum(m.text, castagnoli)
	if slices.Contains(p.sums, sum) {
		return true
	}
	if len(p.sums) == maxPieces {
		p.sums = slices.Delete(p.sums, 0, maxPieces/2)
	}
	p.sums = append(p.sums, sum)
	return false
}
