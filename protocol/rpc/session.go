package rpc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/hashicorp/yamux"
)

// Done is closed when the session has ended; Err then says why.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err gives the reason of the end, nil while the session lives.
func (s *Session) Err() error {
	select {
	case <-s.done:
		return s.endErr
	default:
		return nil
	}
}

// LastHeard tells when the last byte came from the other side.
func (s *Session) LastHeard() time.Time {
	return s.opts.Watch.epoch.Add(time.Duration(s.conn.heard.Load()))
}

// RTT gives the latest answer time of a ping, 0 if there was none yet. The passive side never pings.
func (s *Session) RTT() time.Duration { return time.Duration(s.rtt.Load()) }

// Active tells how many calls of the other side are being served now.
func (s *Session) Active() int { return int(s.active.Load()) }

// Idle tells for how long no call of either side was under way; 0 while one is. Heartbeats do not count: a bulk session is closed by this.
func (s *Session) Idle() time.Duration {
	if s.active.Load()+s.calling.Load() > 0 {
		return 0
	}
	return time.Duration(s.opts.Watch.now() - s.used.Load())
}

// GoAway tells the other side to open no more streams here; calls under way go on, new ones on kept streams are refused.
func (s *Session) GoAway() {
	s.draining.Store(true)
	go func() { _ = s.mux.GoAway() }() // waits for its turn to be sent; ends with the session at the latest
}

// Drain waits until no call is being served, the session ends or ctx does.
func (s *Session) Drain(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for s.Active() > 0 {
		select {
		case <-tick.C:
		case <-s.done:
			return s.endErr
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Close ends the session with a reason (nil = ErrClosed); only the first one counts. It waits at most about a second for the other side.
func (s *Session) Close(reason error) error {
	if reason == nil {
		reason = ErrClosed
	}
	s.finish(reason)
	return s.mux.Close()
}

// finish records the end. It takes no lock of yamux, so it may be called from inside yamux's own goroutines.
func (s *Session) finish(reason error) {
	s.endOnce.Do(func() {
		s.endErr = reason
		close(s.done)
		s.opts.Watch.remove(s)
		s.opts.Metrics.session(-1)
		s.keptMu.Lock()
		s.kept = nil
		s.nkept.Store(0)
		s.keptMu.Unlock()
	})
}

// broke turns an error of the connection, or of yamux, into the reason of the end.
func (s *Session) broke(err error) {
	for _, rule := range []error{yamux.ErrInvalidVersion, yamux.ErrInvalidMsgType, yamux.ErrDuplicateStream, yamux.ErrRecvWindowExceeded, yamux.ErrUnexpectedFlag} {
		if errors.Is(err, rule) {
			s.opts.Metrics.hostile()
			s.finish(fmt.Errorf("%w: %w", ErrHostile, err))
			return
		}
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe):
		s.finish(ErrPeerGone)
	default:
		s.finish(err)
	}
}

// tick is called by the watch. now and the session's times are on the watch's clock, in ns.
func (s *Session) tick(now int64, judge bool) {
	if judge && now-s.conn.heard.Load() > int64(s.opts.DeadAfter) {
		s.cut(ErrDead)
		return
	}
	if since := s.conn.writing.Load(); judge && since != 0 && now-since > int64(writeStall) {
		s.cut(ErrStalled)
		return
	}
	if s.beatDue(now) {
		s.beat()
	}
	if s.nkept.Load() > 0 {
		s.sweepKept(now)
	}
}

// beatDue: the active side beats always, the passive side when it hears much and has nothing to say. Without that, a sender whose pings wait
// behind its own bytes on a slow link would take a living receiver for dead.
func (s *Session) beatDue(now int64) bool {
	every := int64(s.opts.Heartbeat)
	if every == 0 {
		every = int64(s.opts.DeadAfter) / 4
		if now-s.conn.wrote.Load() < every || now-s.conn.heard.Load() > every {
			return false
		}
	}
	if now < s.nextBeat {
		return false
	}
	s.nextBeat = now + every
	return true
}

// beat sends a ping. A few may be unanswered: on a slow link the answer to the first is still under way when the next is due.
func (s *Session) beat() {
	if s.pings.Add(1) > pingsOpen {
		s.pings.Add(-1)
		return
	}
	go func() {
		defer s.pings.Add(-1)
		if rtt, err := s.mux.Ping(); err == nil {
			s.rtt.Store(int64(rtt))
		}
	}()
}

// cut ends the session without a word to the other side, which would not hear it.
func (s *Session) cut(reason error) {
	s.finish(reason)
	go func() {
		_ = rawConn(s.conn.Conn).Close()
		_ = s.mux.Close()
	}()
}

// rawConn gives the connection under TLS: closing it never waits.
func rawConn(conn net.Conn) net.Conn {
	if t, ok := conn.(*tls.Conn); ok {
		return t.NetConn()
	}
	return conn
}
