package rpc

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/payperplay/payperplay/protocol"
)

// bubble runs fn in synctest's time, in a process of its own: yamux keeps timers in a pool of the whole process, and those of one world
// must not be met in another.
func bubble(t *testing.T, fn func(*testing.T)) {
	t.Helper()
	const alone = "PPP_TEST_ALONE"
	if os.Getenv(alone) == t.Name() {
		synctest.Test(t, fn)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), alone+"="+t.Name())
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()+" ") {
		t.Fatalf("%v\n%s", err, out)
	}
}

// hole is one end of a line that can be cut without either end being told: what is sent is lost, nothing comes.
type hole struct {
	net.Conn
	line   *line
	closed chan struct{}
	once   sync.Once
}

// line is what two holes share.
type line struct{ frozen chan struct{} }

func newLine() *line    { return &line{frozen: make(chan struct{})} }
func (l *line) freeze() { close(l.frozen) }
func (l *line) is() bool {
	select {
	case <-l.frozen:
		return true
	default:
		return false
	}
}

func (l *line) end(c net.Conn) *hole { return &hole{Conn: c, line: l, closed: make(chan struct{})} }

func (h *hole) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	if h.line.is() {
		<-h.closed
		return 0, net.ErrClosed
	}
	return n, err
}

func (h *hole) Write(p []byte) (int, error) {
	if h.line.is() {
		return len(p), nil
	}
	return h.Conn.Write(p)
}

func (h *hole) Close() error {
	h.once.Do(func() { close(h.closed) })
	if h.line.is() {
		return h.Conn.SetDeadline(time.Now()) // the other end hears nothing of it
	}
	return h.Conn.Close()
}

// TestF04BothEndsNoticeAFrozenPeer proves the default figures: whenever the line freezes, both ends know within 10 s.
func TestF04BothEndsNoticeAFrozenPeer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for after := time.Duration(0); after < 6*time.Second; after += 370 * time.Millisecond {
			a, c := net.Pipe()
			l := newLine()
			agent, controller := sessions(t, l.end(a), l.end(c), nil, nil, nil)
			time.Sleep(after)
			frozen := time.Now()
			l.freeze()
			for name, s := range map[string]*Session{"agent": agent, "controller": controller} {
				<-s.Done()
				if took := time.Since(frozen); took > 10*time.Second || !errors.Is(s.Err(), ErrDead) {
					t.Errorf("frozen after %v: the %s noticed after %v with %v", after, name, took, s.Err())
				}
			}
			time.Sleep(time.Minute)
			_ = a.Close()
			_ = c.Close()
		}
	})
}

func TestF04AnIdleSessionLives(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, c := net.Pipe()
		agent, controller := sessions(t, a, c, echoMux(), nil, nil)
		for range 60 {
			time.Sleep(time.Minute)
			if agent.Err() != nil || controller.Err() != nil {
				t.Fatalf("%v, %v", agent.Err(), controller.Err())
			}
			if silent := time.Since(controller.LastHeard()); silent > 3*time.Second {
				t.Fatalf("the controller last heard %v ago", silent)
			}
		}
		if _, err := Call(t.Context(), controller, protocol.ConsoleCommand, protocol.CommandRequest{}); err != nil {
			t.Fatal(err)
		}
	})
}

// TestF05CallsEndWithTheirDeadline: in a hole, a call ends when its deadline says, not when the session does.
func TestF05CallsEndWithTheirDeadline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, c := net.Pipe()
		l := newLine()
		_, controller := sessions(t, l.end(a), l.end(c), echoMux(), nil, nil)
		l.freeze()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		start := time.Now()
		_, err := Call(ctx, controller, protocol.ConsoleCommand, protocol.CommandRequest{})
		if protocol.CodeOf(err) != protocol.Timeout || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 3*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		// Without a deadline, the end of the session ends it.
		_, err = Call(t.Context(), controller, protocol.ConsoleCommand, protocol.CommandRequest{})
		if protocol.CodeOf(err) != protocol.Unavailable || !errors.Is(err, ErrDead) || time.Since(start) > 10*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		_ = a.Close()
		_ = c.Close()
	})
}

// TestF04FrozenOverTLS: the same with real sockets and TLS, in both directions and one, with a short limit.
func TestF04FrozenOverTLS(t *testing.T) {
	a, c := tlsPair(t)
	l := newLine()
	quick := func(ao, co *Options) {
		ao.Heartbeat, ao.DeadAfter, co.DeadAfter = 50*time.Millisecond, 300*time.Millisecond, 300*time.Millisecond
	}
	agent, controller := sessions(t, l.end(a), l.end(c), nil, nil, quick)
	time.Sleep(500 * time.Millisecond)
	if agent.Err() != nil || controller.Err() != nil {
		t.Fatalf("ended while alive: %v, %v", agent.Err(), controller.Err())
	}
	if agent.RTT() <= 0 {
		t.Error("the agent has no answer time")
	}
	l.freeze()
	for name, s := range map[string]*Session{"agent": agent, "controller": controller} {
		select {
		case <-s.Done():
			if !errors.Is(s.Err(), ErrDead) {
				t.Errorf("%s: %v", name, s.Err())
			}
		case <-time.After(5 * time.Second):
			t.Errorf("the %s has not noticed", name)
		}
	}
}

// TestAReaderThatStopsIsNoticed: the other side's kernel takes bytes until its buffers are full, then writes stand still.
func TestAReaderThatStopsIsNoticed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, c := net.Pipe()
		go func() { // it beats but reads nothing
			for {
				if _, err := a.Write([]byte{0, yamuxPing, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		s, err := NewSession(c, Options{})
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = Call(t.Context(), s, protocol.HostCheck, protocol.CheckRequest{}) }()
		<-s.Done()
		if !errors.Is(s.Err(), ErrStalled) {
			t.Error(s.Err())
		}
		_ = a.Close()
		time.Sleep(2 * time.Second) // the beat sees it
	})
}

func TestTheEndHasAReason(t *testing.T) {
	agent, controller := pair(t, nil, nil, nil)
	why := errors.New("a newer session of this node")
	_ = controller.Close(why)
	_ = controller.Close(errors.New("second"))
	if !errors.Is(controller.Err(), why) {
		t.Error(controller.Err())
	}
	<-agent.Done()
	if !errors.Is(agent.Err(), ErrPeerGone) {
		t.Error(agent.Err())
	}
	_, err := Call(t.Context(), controller, protocol.HostCheck, protocol.CheckRequest{})
	if !errors.Is(err, why) || protocol.CodeOf(err) != protocol.Unavailable {
		t.Error(err)
	}
}

func TestGoAwayRefusesNewCallsAndFinishesOldOnes(t *testing.T) {
	enter, leave := make(chan struct{}), make(chan struct{})
	m := NewMux(nil)
	Handle(m, protocol.HostSampleNow, func(context.Context, protocol.SampleRequest) (protocol.Sample, error) {
		return protocol.Sample{}, nil
	})
	Handle(m, protocol.HostCheck, func(context.Context, protocol.CheckRequest) (protocol.CheckReply, error) {
		close(enter)
		<-leave
		return protocol.CheckReply{OK: true}, nil
	})
	agent, controller := pair(t, m, nil, nil)
	result := make(chan error, 1)
	go func() {
		_, err := Call(context.Background(), controller, protocol.HostCheck, protocol.CheckRequest{})
		result <- err
	}()
	<-enter
	// A stream that is kept from an earlier call is no way around it.
	if _, err := Call(t.Context(), controller, protocol.HostSampleNow, protocol.SampleRequest{}); err != nil {
		t.Fatal(err)
	}
	agent.GoAway()
	deadline := time.Now().Add(5 * time.Second)
	for {
		_, err := Call(t.Context(), controller, protocol.HostSampleNow, protocol.SampleRequest{})
		if protocol.CodeOf(err) == protocol.Unavailable {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("still served after GoAway: %v", err)
		}
	}
	for agent.Active() != 1 { // the call before it was answered counts until its goroutine has ended
		if time.Now().After(deadline) {
			t.Fatalf("%d calls active", agent.Active())
		}
		runtime.Gosched()
	}
	close(leave)
	if err := <-result; err != nil {
		t.Errorf("the call under way: %v", err)
	}
	if err := agent.Drain(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	a, c := net.Pipe()
	defer c.Close()
	go func() { _, _ = io.Copy(io.Discard, c) }()
	s, err := NewSession(a, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("shutting down")
	cancel(why)
	if err := s.Serve(ctx, NewMux(nil)); !errors.Is(err, why) {
		t.Error(err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for name, o := range map[string]Options{
		"small window":    {Window: 1024},
		"slow heartbeat":  {Heartbeat: time.Minute},
		"negative":        {MaxStreams: -1},
		"SawTerm alone":   {SawTerm: func(int64) error { return nil }},
		"negative beat":   {Heartbeat: -1},
		"negative silent": {DeadAfter: -1},
	} {
		a, c := net.Pipe()
		if _, err := NewSession(a, o); err == nil {
			t.Errorf("%s was taken", name)
		}
		if _, err := a.Write(nil); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: the connection was left open", name)
		}
		_ = c.Close()
	}
}

func TestIdleCountsCallsOnly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, c := net.Pipe()
		agent, controller := sessions(t, a, c, muxWith(func(context.Context, protocol.CommandRequest) (protocol.CommandReply, error) {
			time.Sleep(10 * time.Second)
			return protocol.CommandReply{}, nil
		}), nil, nil)
		time.Sleep(time.Minute)
		if controller.Idle() != time.Minute || agent.Idle() != time.Minute {
			t.Errorf("idle for %v and %v", controller.Idle(), agent.Idle())
		}
		go func() { _, _ = Call(t.Context(), controller, command, say("")) }()
		time.Sleep(5 * time.Second)
		if controller.Idle() != 0 || agent.Idle() != 0 {
			t.Errorf("in a call: idle for %v and %v", controller.Idle(), agent.Idle())
		}
		time.Sleep(20 * time.Second)
		if controller.Idle() != 15*time.Second || agent.Idle() != 15*time.Second {
			t.Errorf("after it: idle for %v and %v", controller.Idle(), agent.Idle())
		}
	})
}

// TestAPeerThatNeverAccepts blocks no more than MaxStreams calls, and each of them only until its deadline.
func TestAPeerThatNeverAccepts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, c := net.Pipe()
		cfg := yamux.DefaultConfig()
		cfg.LogOutput = io.Discard
		bare, err := yamux.Client(a, cfg) // answers pings, accepts nothing
		if err != nil {
			t.Fatal(err)
		}
		s, err := NewSession(c, Options{MaxStreams: 40, Heartbeat: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		before := runtime.NumGoroutine()
		for range 200 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			start := time.Now()
			if _, err := Call(ctx, s, command, say("")); protocol.CodeOf(err) != protocol.Timeout && protocol.CodeOf(err) != protocol.Unavailable {
				t.Fatal(err)
			}
			if took := time.Since(start); took > 2*time.Second {
				t.Fatalf("a call took %v", took)
			}
			cancel()
		}
		if n := runtime.NumGoroutine() - before; n > 3*40 {
			t.Errorf("%d goroutines more", n)
		}
		if s.Err() != nil {
			t.Errorf("the session ended: %v", s.Err())
		}
		_ = s.Close(nil)
		_ = bare.Close()
		time.Sleep(time.Minute)
	})
}
