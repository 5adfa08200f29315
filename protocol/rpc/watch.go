package rpc

import (
	"sync"
	"time"
)

// watchEvery is how often sessions are looked at: detection is late by at most so much.
const watchEvery = 500 * time.Millisecond

// Watch looks at all sessions of a process from one goroutine: silence, heartbeats that are due, kept streams that are idle.
// Looking at 10,000 sessions takes well under a millisecond, so nothing finer than a sweep is needed. The goroutine lives while there are sessions.
type Watch struct {
	every time.Duration
	epoch time.Time

	mu       sync.Mutex
	sessions []*Session
	stop     chan struct{} // closed when the last session left; nil = not running
}

// NewWatch makes a watch that looks every so often; 0 = 500 ms.
func NewWatch(every time.Duration) *Watch {
	if every <= 0 {
		every = watchEvery
	}
	return &Watch{every: every, epoch: time.Now()}
}

// now is the watch's monotonic clock, in ns, never 0.
func (w *Watch) now() int64 { return int64(time.Since(w.epoch)) + 1 }

func (w *Watch) add(s *Session) {
	now := w.now()
	s.conn.heard.Store(now)
	s.nextBeat = now + int64(s.opts.Heartbeat)
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-s.done: // it ended before it was complete
		s.slot = -1
		return
	default:
	}
	s.slot = len(w.sessions)
	w.sessions = append(w.sessions, s)
	if w.stop == nil {
		w.stop = make(chan struct{})
		go w.run(w.stop)
	}
}

func (w *Watch) remove(s *Session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.slot < 0 || s.slot >= len(w.sessions) || w.sessions[s.slot] != s {
		return
	}
	last := len(w.sessions) - 1
	w.sessions[s.slot] = w.sessions[last]
	w.sessions[s.slot].slot = s.slot
	w.sessions[last] = nil
	w.sessions = w.sessions[:last]
	s.slot = -1
	if last == 0 {
		close(w.stop)
		w.stop = nil
	}
}

func (w *Watch) run(stop <-chan struct{}) {
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	last, grace := w.now(), int64(0)
	var batch []*Session
	for {
		select {
		case <-tick.C:
		case <-stop:
			return
		}
		now := w.now()
		// After a pause of this very process (stopped, starved) bytes wait in the sockets: let them be read before anyone is called dead.
		if gap := now - last; gap > int64(4*w.every) {
			grace = now + gap/2
			grace = min(grace, now+int64(time.Second))
		}
		last = now
		w.mu.Lock()
		batch = append(batch[:0], w.sessions...)
		w.mu.Unlock()
		for _, s := range batch {
			s.tick(now, now >= grace)
		}
		clear(batch)
	}
}
