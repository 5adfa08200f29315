package console

import "time"

// What one server may print. The rate is ten times what is promised to be exact; the burst covers the start of a large modpack.
const (
	floodLines      = 10_000  // per second
	floodBytes      = 2 << 20 // per second
	floodBurstLines = 50_000  //
	floodBurstBytes = 8 << 20 //
	floodHold       = time.Second
	floodRead       = 20_000 // entries per second that are still read, and counted, while they are dropped
)

// flood decides which entries of a server are kept. Once the budget is spent it drops for floodHold, so that there is one gap a second and not one a line.
type flood struct {
	lines, bytes float64 // budget left
	last         time.Time
	until        time.Time // dropping ends
	dropped      int64     // since the last gap line
	paced        bool      // reading itself was slowed down meanwhile: Docker may have dropped more
	readWindow   time.Time
	read         int
}

func newFlood(now time.Time) *flood {
	return &flood{lines: floodBurstLines, bytes: floodBurstBytes, last: now}
}

// keep says whether an entry of n bytes is kept.
func (f *flood) keep(now time.Time, n int) bool {
	if d := now.Sub(f.last).Seconds(); d > 0 {
		f.lines = min(floodBurstLines, f.lines+d*floodLines)
		f.bytes = min(floodBurstBytes, f.bytes+d*floodBytes)
		f.last = now
	}
	if now.Before(f.until) {
		f.dropped++
		return false
	}
	if f.lines < 1 || f.bytes < float64(n) {
		f.until = now.Add(floodHold)
		f.dropped++
		return false
	}
	f.lines--
	f.bytes -= float64(n)
	return true
}

// pause says how long to wait before the next entry is read, while entries are dropped.
func (f *flood) pause(now time.Time) time.Duration {
	if w := now.Sub(f.readWindow); w >= 100*time.Millisecond || w < 0 {
		f.readWindow, f.read = now, 0
	}
	if f.read++; f.read <= floodRead/10 {
		return 0
	}
	f.paced = true
	return f.readWindow.Add(100 * time.Millisecond).Sub(now)
}

// over takes the count of dropped entries if dropping has ended (or must end: force).
func (f *flood) over(now time.Time, force bool) (n int64, atLeast, ok bool) {
	if f.dropped == 0 || now.Before(f.until) && !force {
		return 0, false, false
	}
	n, atLeast = f.dropped, f.paced
	f.dropped, f.paced = 0, false
	return n, atLeast, true
}
