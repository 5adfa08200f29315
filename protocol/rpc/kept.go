package rpc

import (
	"bufio"
	"context"
	"time"

	"github.com/hashicorp/yamux"
)

// clientStream is the calling end of a stream. A finished unary call leaves it in step with the other side, so it is kept a little for the next call:
// a fresh stream costs more than twice as much.
type clientStream struct {
	*yamux.Stream
	br   *bufio.Reader
	idle int64 // watch clock, ns: when it was put aside
}

// past is a deadline that makes a blocked Read or Write return now.
var past = time.Unix(1, 0)

// take gives a kept stream or opens one, within the quota that both sides assume. release must follow.
func (s *Session) take(ctx context.Context, fresh bool) (*clientStream, error) {
	if err := s.Err(); err != nil {
		return nil, err
	}
	if !fresh {
		if cs := s.pop(); cs != nil {
			return cs, nil
		}
	}
	select {
	case s.places() <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.done:
		return nil, s.endErr
	}
	st, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	return &clientStream{Stream: st, br: getReader(st)}, nil
}

// places is made late: most idle sessions never call.
func (s *Session) places() chan struct{} {
	s.keptMu.Lock()
	defer s.keptMu.Unlock()
	if s.opened == nil {
		s.opened = make(chan struct{}, s.opts.MaxStreams)
	}
	return s.opened
}

// open opens a stream on the place that was taken. yamux waits without regard to any context while too many streams are not accepted yet,
// so it runs aside, and a place is given back only when yamux is done: a peer that never accepts blocks no more than MaxStreams goroutines.
func (s *Session) open(ctx context.Context) (*yamux.Stream, error) {
	type result struct {
		st  *yamux.Stream
		err error
	}
	ch := make(chan result, 1)
	go func() {
		st, err := s.mux.OpenStream()
		ch <- result{st, err}
	}()
	select {
	case r := <-ch:
		if r.err != nil {
			<-s.opened
		}
		return r.st, r.err
	case <-ctx.Done():
		go func() {
			if r := <-ch; r.st != nil {
				_ = r.st.Close()
			}
			<-s.opened
		}()
		return nil, ctx.Err()
	case <-s.done:
		return nil, s.endErr
	}
}

func (s *Session) pop() *clientStream {
	if s.nkept.Load() == 0 {
		return nil
	}
	oldest := s.opts.Watch.now() - int64(keepIdle)
	s.keptMu.Lock()
	defer s.keptMu.Unlock()
	n := len(s.kept)
	if n == 0 || s.kept[n-1].idle < oldest { // the newest is too old: leave them to the sweep
		return nil
	}
	cs := s.kept[n-1]
	s.kept[n-1] = nil
	s.kept = s.kept[:n-1]
	s.nkept.Store(int32(n - 1))
	return cs
}

// release ends the use of a stream: in step = it may serve another call.
func (s *Session) release(cs *clientStream, inStep bool) {
	if inStep && s.keep(cs) {
		return
	}
	s.drop(cs)
}

func (s *Session) keep(cs *clientStream) bool {
	cs.idle = s.opts.Watch.now()
	s.keptMu.Lock()
	defer s.keptMu.Unlock()
	select {
	case <-s.done:
		return false
	default:
	}
	if len(s.kept) >= keepMax {
		return false
	}
	s.kept = append(s.kept, cs)
	s.nkept.Store(int32(len(s.kept)))
	return true
}

// drop closes a stream, which also tells the other side that a call under way is given up. Closing waits for its turn on the line, so it runs aside.
func (s *Session) drop(cs *clientStream) {
	putReader(cs.br)
	cs.br = nil
	go func() {
		_ = cs.Stream.Close()
		<-s.opened
	}()
}

// sweepKept closes what was not used for a while, so that an idle session costs the serving side no goroutine.
func (s *Session) sweepKept(now int64) {
	s.keptMu.Lock()
	var old []*clientStream
	rest := s.kept[:0]
	for _, cs := range s.kept {
		if now-cs.idle >= int64(keepIdle) {
			old = append(old, cs)
		} else {
			rest = append(rest, cs)
		}
	}
	clear(s.kept[len(rest):])
	s.kept = rest
	if len(rest) == 0 {
		s.kept = nil
	}
	s.nkept.Store(int32(len(rest)))
	s.keptMu.Unlock()
	for _, cs := range old {
		s.drop(cs)
	}
}
