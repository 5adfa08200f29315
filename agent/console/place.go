package console

import "time"

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
