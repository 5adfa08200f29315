package rpc

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/payperplay/payperplay/protocol"
)

// hostile gives a raw TLS connection to a session that serves echoMux, and an honest session to the same process.
func hostile(t *testing.T, tune func(*Options)) (evil net.Conn, victim *Session) {
	t.Helper()
	a, c := tlsPair(t)
	o := Options{}
	if tune != nil {
		tune(&o)
	}
	s, err := NewSession(c, o)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(context.Background(), echoMux()) }()
	t.Cleanup(func() { _ = s.Close(nil); <-done })
	return a, s
}

func yamuxFrame(kind byte, flags uint16, stream, length uint32) []byte {
	b := make([]byte, yamuxHeader)
	b[1] = kind
	binary.BigEndian.PutUint16(b[2:], flags)
	binary.BigEndian.PutUint32(b[4:], stream)
	binary.BigEndian.PutUint32(b[8:], length)
	return b
}

// ends waits for the end of s.
func ends(t *testing.T, s *Session) error {
	t.Helper()
	select {
	case <-s.Done():
		return s.Err()
	case <-time.After(10 * time.Second):
		t.Fatal("the session goes on")
		return nil
	}
}

// TestF28FloodOfPings: each would cost a goroutine; the session ends instead, and the process keeps its goroutines.
func TestF28FloodOfPings(t *testing.T) {
	evil, victim := hostile(t, nil)
	before := runtime.NumGoroutine()
	flood := []byte{}
	for range 10_000 {
		flood = append(flood, yamuxFrame(yamuxPing, yamuxSYN, 0, 1)...)
	}
	go func() { _, _ = evil.Write(flood) }() // and it reads nothing
	if err := ends(t, victim); !errors.Is(err, ErrHostile) {
		t.Error(err)
	}
	if n := runtime.NumGoroutine() - before; n > 2*pingBurst {
		t.Errorf("%d goroutines more", n)
	}
}

// TestHonestPingsAreServed: an agent beats every 2.5 s; even ten times that is no flood.
func TestHonestPingsAreServed(t *testing.T) {
	var g guard
	now := int64(1)
	for range 10_000 {
		if err := g.check(yamuxFrame(yamuxPing, yamuxSYN, 0, 1), now); err != nil {
			t.Fatal(err)
		}
		now += int64(250 * time.Millisecond)
	}
}

// TestGuardFollowsFrames however the bytes are cut: what is inside a data frame is no frame.
func TestGuardFollowsFrames(t *testing.T) {
	inside := []byte(strings.Repeat(string(yamuxFrame(yamuxPing, yamuxSYN, 0, 1)), 100))
	all := append(yamuxFrame(yamuxData, 0, 1, uint32(len(inside))), inside...)
	all = append(all, yamuxFrame(yamuxPing, yamuxSYN, 0, 1)...)
	for step := 1; step < 50; step++ {
		var g guard
		for rest := all; len(rest) > 0; {
			n := min(step, len(rest))
			if err := g.check(rest[:n], 1); err != nil {
				t.Fatalf("step %d: %v", step, err)
			}
			rest = rest[n:]
		}
		if g.pings != 1 {
			t.Fatalf("step %d: %d pings seen", step, g.pings)
		}
	}
}

// TestF28MillionStreams: only MaxStreams are served, acceptBacklog wait, the rest is refused; nothing is kept of them.
func TestF28MillionStreams(t *testing.T) {
	evil, victim := hostile(t, func(o *Options) { o.MaxStreams = 20; o.DeadAfter = time.Minute })
	go func() { _, _ = io.Copy(io.Discard, evil) }()
	const count, chunk = 100_000, 1000 // a tenth of a million: the rest would be the same
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	goroutines := runtime.NumGoroutine()
	for i := range uint32(count / chunk) {
		b := make([]byte, 0, chunk*yamuxHeader)
		for j := range uint32(chunk) {
			b = append(b, yamuxFrame(1, yamuxSYN, 2*(i*chunk+j)+1, 0)...)
		}
		if _, err := evil.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if n := victim.mux.NumStreams(); n > 20+acceptBacklog+1 {
		t.Errorf("%d streams are held", n)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if n := runtime.NumGoroutine() - goroutines; n > 30 {
		t.Errorf("%d goroutines more", n)
	}
	if grown := int64(after.HeapInuse) - int64(before.HeapInuse); grown > 4<<20 {
		t.Errorf("heap grew by %d bytes", grown)
	}
	if victim.Err() != nil {
		t.Errorf("the session ended: %v", victim.Err())
	}
}

// TestF28TooManyCallsDoNoHarm: an honest caller with more calls than the quota gets all of them served, in turns.
func TestF28TooManyCallsDoNoHarm(t *testing.T) {
	var active, most atomic.Int64
	m := muxWith(func(context.Context, protocol.CommandRequest) (protocol.CommandReply, error) {
		most.Store(max(most.Load(), active.Add(1)))
		time.Sleep(time.Millisecond) // work
		active.Add(-1)
		return protocol.CommandReply{}, nil
	})
	_, controller := pair(t, m, nil, func(ao, _ *Options) { ao.MaxStreams = 5 })
	errs := make(chan error, 200)
	for range 200 {
		go func() {
			_, err := Call(t.Context(), controller, command, say(""))
			errs <- err
		}()
	}
	for range 200 {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	if most.Load() > 5 {
		t.Errorf("%d calls at once", most.Load())
	}
}

// TestF28GiantFrames: neither a yamux frame beyond the window nor a message beyond the limit is read into memory.
func TestF28GiantFrames(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)

	evil, victim := hostile(t, nil)
	go func() { _, _ = io.Copy(io.Discard, evil) }()
	frame := append(yamuxFrame(1, yamuxSYN, 1, 0), yamuxFrame(yamuxData, 0, 1, 1<<31)...)
	_, _ = evil.Write(append(frame, make([]byte, 1<<20)...))
	if err := ends(t, victim); !errors.Is(err, ErrHostile) {
		t.Errorf("a frame over the window: %v", err)
	}

	evil, victim = hostile(t, nil)
	bare, err := yamux.Client(evil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer bare.Close()
	for _, claim := range []int{DefaultMaxMessage + 1, 1<<31 - 1} {
		st, err := bare.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = st.Write((&header{kind: kindCall, method: command.ID, body: claim}).append(nil))
		_ = st.SetReadDeadline(time.Now().Add(5 * time.Second))
		answer, err := io.ReadAll(st)
		if err != nil || len(answer) == 0 || kind(answer[0]) != kindBreak {
			t.Errorf("a message of %d bytes: %q, %v", claim, answer, err)
		}
	}
	// A claim within the limit whose bytes never come holds no memory for them.
	for range 100 {
		st, err := bare.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = st.Write((&header{kind: kindCall, method: command.ID, body: DefaultMaxMessage}).append(nil))
	}
	for deadline := time.Now().Add(5 * time.Second); victim.Active() < 100 && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapInuse) - int64(before.HeapInuse); grown > 20<<20 {
		t.Errorf("heap grew by %d bytes", grown)
	}
	if victim.Err() != nil {
		t.Error(victim.Err())
	}
}

// TestF28Nonsense: bytes that are no frame cost a stream or the session, never the process.
func TestF28Nonsense(t *testing.T) {
	evil, victim := hostile(t, nil)
	go func() { _, _ = evil.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")) }()
	if err := ends(t, victim); !errors.Is(err, ErrHostile) {
		t.Error(err)
	}
	evil, victim = hostile(t, nil)
	bare, err := yamux.Client(evil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer bare.Close()
	for _, text := range []string{"", "\x01", "\x09\x00", "\x01\x00", "\x01\xff" + strings.Repeat("\xff", 300), "\x02\x01\x00", "\x01\x14" + strings.Repeat("\x00", 40)} {
		st, err := bare.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(st, text)
		_ = st.Close()
	}
	st, err := bare.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	body := `{"command": 17`
	_, _ = st.Write(append((&header{kind: kindCall, method: command.ID, body: len(body)}).append(nil), body...))
	_ = st.SetReadDeadline(time.Now().Add(5 * time.Second))
	head := make([]byte, 2)
	if _, err := io.ReadFull(st, head); err != nil || kind(head[0]) != kindFault {
		t.Errorf("%v, %v", head, err)
	}
	if victim.Err() != nil {
		t.Error(victim.Err())
	}
}
