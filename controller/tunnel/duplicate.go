package tunnel

import "time"

const (
	useWindow = 10 * time.Minute // how long uses of a key are remembered
	useKeep   = 8
	warnEvery = 10 * time.Minute
)

// verdict on a hello.
type verdict int

const (
	admitted verdict = iota
	stale            // a newer generation is connected
	locked           // two processes take turns with one key
)

// live is what the session table knows of a node's present session; nil there means none.
type live struct {
	generation int64
	run        string
}

// judge decides whether a hello of (generation, run) may replace what is there and gives the uses to remember.
// A process that was followed by another one and comes back is alive beside it: one return may be the end of a restored
// machine, two mean that two copies of the data directory are running, and neither may be trusted (F08).
func judge(uses []Use, now time.Time, generation int64, run string, current *live) (verdict, []Use) {
	uses = remember(uses, run, now)
	switch {
	case returns(uses) >= 2:
		return locked, uses
	case current == nil || generation > current.generation || generation == current.generation && run == current.run:
		return admitted, uses
	default:
		return stale, uses
	}
}

// moved tells whether an identity comes from another machine than before. Were a copy of a disk let in beside the machine it was made of,
// its games would be started there as after a reboot while they run on the first. Machines that do not say which they are look all the same.
func moved(was, is string) bool { return was != "" && is != "" && was != is }

// remember appends a use unless it is the last one again, and forgets old ones.
func remember(uses []Use, run string, now time.Time) []Use {
	var out []Use
	for _, u := range uses {
		if now.Sub(u.At) < useWindow && now.Sub(u.At) > -useWindow {
			out = append(out, u)
		}
	}
	if n := len(out); n > 0 && out[n-1].Run == run {
		out[n-1].At = now
	} else {
		out = append(out, Use{Run: run, At: now})
	}
	if len(out) > useKeep {
		out = out[len(out)-useKeep:]
	}
	return out
}

// returns counts how often a process used the key again after another one had.
func returns(uses []Use) int {
	seen, n := map[string]bool{}, 0
	for _, u := range uses {
		if seen[u.Run] {
			n++
		}
		seen[u.Run] = true
	}
	return n
}
