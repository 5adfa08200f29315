package rpc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

var command = protocol.ConsoleCommand

func say(text string) protocol.CommandRequest { return protocol.CommandRequest{Command: text} }

// muxWith serves Console.Command by fn.
func muxWith(fn func(context.Context, protocol.CommandRequest) (protocol.CommandReply, error)) *Mux {
	m := NewMux(allow)
	Handle(m, command, fn)
	return m
}

func TestCallsInParallel(t *testing.T) {
	_, controller := pair(t, echoMux(), nil, nil)
	var wg sync.WaitGroup
	for i := range 400 { // more than MaxStreams and acceptBacklog
		wg.Go(func() {
			text := strings.Repeat(fmt.Sprint(i, " "), 1+i*20)
			got, err := Call(t.Context(), controller, command, say(text))
			if err != nil || got.Output != text {
				t.Errorf("call %d: %d bytes, %v", i, len(got.Output), err)
			}
		})
	}
	wg.Wait()
}

func TestBothSidesCall(t *testing.T) {
	home := NewMux(allow)
	Handle(home, protocol.HomeReport, func(_ context.Context, b protocol.ReportBatch) (protocol.Ack, error) {
		return protocol.Ack{Seq: b.Reports[len(b.Reports)-1].Seq}, nil
	})
	agent, controller := pair(t, echoMux(), home, nil)
	ack, err := NewHome(agent).Report(t.Context(), protocol.ReportBatch{Reports: []protocol.Report{{Seq: 7}}})
	if err != nil || ack.Seq != 7 {
		t.Fatalf("%+v, %v", ack, err)
	}
	if got, err := NewRemote(controller, nil).Command(t.Context(), say("x")); err != nil || got.Output != "x" {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestFaultsCrossAsTheyAre(t *testing.T) {
	want := protocol.Faultf(protocol.Conflict, "wait for it", "a stop is under way")
	var fail atomic.Pointer[error]
	_, controller := pair(t, muxWith(func(context.Context, protocol.CommandRequest) (protocol.CommandReply, error) {
		return protocol.CommandReply{}, *fail.Load()
	}), nil, nil)
	for name, c := range map[string]struct {
		err  error
		want protocol.Fault
	}{
		"fault":   {fmt.Errorf("wrapped: %w", want), *want},
		"secret":  {errors.New("open /root/.ssh/id: permission denied"), *protocol.AsFault(errors.New("x"))},
		"timeout": {context.DeadlineExceeded, *protocol.AsFault(context.DeadlineExceeded)},
	} {
		fail.Store(&c.err)
		_, err := Call(t.Context(), controller, command, say(""))
		var got *protocol.Fault
		if !errors.As(err, &got) || *got != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPanicCostsOneCall(t *testing.T) {
	reg := prometheus.NewRegistry()
	metrics, err := NewMetrics(reg)
	if err != nil {
		t.Fatal(err)
	}
	agent, controller := pair(t, muxWith(func(_ context.Context, r protocol.CommandRequest) (protocol.CommandReply, error) {
		if r.Command == "boom" {
			panic("boom")
		}
		return protocol.CommandReply{Output: r.Command}, nil
	}), nil, func(ao, _ *Options) { ao.Metrics = metrics })
	for range 3 {
		if _, err := Call(t.Context(), controller, command, say("boom")); protocol.CodeOf(err) != protocol.Internal || strings.Contains(err.Error(), "boom") {
			t.Fatalf("want an internal fault without details, got %v", err)
		}
		if got, err := Call(t.Context(), controller, command, say("fine")); err != nil || got.Output != "fine" {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if n := testutil.ToFloat64(metrics.panics); n != 3 || agent.Err() != nil {
		t.Errorf("%v panics counted, session %v", n, agent.Err())
	}
	if n := testutil.ToFloat64(metrics.failures.WithLabelValues("server", command.Name, "internal")); n != 3 {
		t.Errorf("%v failures counted", n)
	}
}

func TestDeadlineReachesTheHandler(t *testing.T) {
	seen := make(chan time.Duration, 1)
	_, controller := pair(t, muxWith(func(ctx context.Context, _ protocol.CommandRequest) (protocol.CommandReply, error) {
		until, _ := ctx.Deadline()
		seen <- time.Until(until)
		<-ctx.Done()
		return protocol.CommandReply{}, ctx.Err()
	}), nil, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := Call(ctx, controller, command, say(""))
	if protocol.CodeOf(err) != protocol.Timeout || time.Since(start) > 2*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
	if left := <-seen; left <= 0 || left > 250*time.Millisecond {
		t.Errorf("the handler had %v left", left)
	}
	go func() { _, _ = Call(context.Background(), controller, command, say("")) }()
	if left := <-seen; left < DefaultCall-5*time.Second || left > DefaultCall {
		t.Errorf("a call without a deadline had %v left", left)
	}
	_ = controller.Close(nil)
}

// TestCancelReachesTheHandler: long before its deadline, and the session and its other calls go on.
func TestCancelReachesTheHandler(t *testing.T) {
	entered, cancelled := make(chan struct{}), make(chan struct{})
	_, controller := pair(t, muxWith(func(ctx context.Context, r protocol.CommandRequest) (protocol.CommandReply, error) {
		if r.Command == "wait" {
			close(entered)
			<-ctx.Done()
			close(cancelled)
		}
		return protocol.CommandReply{}, ctx.Err()
	}), nil, nil)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-entered; cancel() }()
	if _, err := Call(ctx, controller, command, say("wait")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	select {
	case <-cancelled:
	case <-time.After(5 * time.Second):
		t.Error("the handler was not cancelled")
	}
	if _, err := Call(t.Context(), controller, command, say("")); err != nil {
		t.Error(err)
	}
}

// TestI06StaleTermNeverEnters: a lower term is refused before the handler; a higher one is persisted before it.
func TestI06StaleTermNeverEnters(t *testing.T) {
	var own, sent, entered atomic.Int64
	var fail atomic.Bool
	own.Store(5)
	_, controller := pair(t, muxWith(func(ctx context.Context, _ protocol.CommandRequest) (protocol.CommandReply, error) {
		entered.Add(1)
		if Info(ctx).Term != own.Load() {
			t.Errorf("handler at term %d while the agent keeps %d", Info(ctx).Term, own.Load())
		}
		return protocol.CommandReply{}, nil
	}), nil, func(ao, co *Options) {
		ao.Term, co.Term = own.Load, sent.Load
		ao.SawTerm = func(term int64) error {
			if fail.Load() {
				return errors.New("disk full")
			}
			own.Store(term)
			return nil
		}
	})
	for i, c := range []struct {
		sent    int64
		fail    bool
		code    protocol.Code
		own     int64
		entered int64
	}{
		{5, false, "", 5, 1}, {4, false, protocol.Stale, 5, 1}, {0, false, protocol.Stale, 5, 1},
		{7, false, "", 7, 2}, {5, false, protocol.Stale, 7, 2}, {8, true, protocol.Unavailable, 7, 2}, {8, false, "", 8, 3},
	} {
		sent.Store(c.sent)
		fail.Store(c.fail)
		_, err := Call(t.Context(), controller, command, say(""))
		if protocol.CodeOf(err) != c.code || own.Load() != c.own || entered.Load() != c.entered {
			t.Errorf("step %d: %v, kept %d, entered %d", i, err, own.Load(), entered.Load())
		}
	}
}

func TestTraceTravels(t *testing.T) {
	traces := make(chan CallInfo, 2)
	home := NewMux(allow)
	Handle(home, protocol.HomeRenew, func(ctx context.Context, _ protocol.RenewRequest) (protocol.RenewReply, error) {
		traces <- Info(ctx)
		return protocol.RenewReply{}, nil
	})
	var agent *Session
	agent, controller := pair(t, muxWith(func(ctx context.Context, _ protocol.CommandRequest) (protocol.CommandReply, error) {
		traces <- Info(ctx)
		_, err := NewHome(agent).Renew(ctx, protocol.RenewRequest{})
		return protocol.CommandReply{}, err
	}), home, nil)
	const id = "0123456789abcdef0123456789abcdef"
	if _, err := Call(WithTrace(t.Context(), id), controller, command, say("")); err != nil {
		t.Fatal(err)
	}
	there, back := <-traces, <-traces
	if there.Trace != id || back.Trace != id || there.Method != command.Name || back.Method != "Home.Renew" || there.CallID == 0 {
		t.Errorf("%+v, %+v", there, back)
	}
	if Info(t.Context()) != (CallInfo{}) {
		t.Error("a context of no call has one")
	}
}

func TestSizesAreLimited(t *testing.T) {
	m := NewMux(allow)
	entered := 0
	Handle(m, command, func(_ context.Context, r protocol.CommandRequest) (protocol.CommandReply, error) {
		entered++
		if r.Command == "big" {
			return protocol.CommandReply{Output: strings.Repeat("x", 2<<20)}, nil
		}
		return protocol.CommandReply{}, nil
	})
	Handle(m, protocol.HomeHello, func(_ context.Context, h protocol.Hello) (protocol.Welcome, error) {
		return protocol.Welcome{AckSeq: int64(len(h.InventoryHash))}, nil
	})
	_, controller := pair(t, m, nil, func(_, co *Options) { co.MaxMessage = 8 << 20 })
	if _, err := Call(t.Context(), controller, command, say("big")); protocol.CodeOf(err) != protocol.Exhausted {
		t.Errorf("an answer over the limit: %v", err)
	}
	if _, err := Call(t.Context(), controller, command, say(strings.Repeat("x", 2<<20))); protocol.CodeOf(err) != protocol.Invalid || entered != 1 {
		t.Errorf("a request over the limit: %v, entered %d", err, entered)
	}
	if _, err := Call(t.Context(), controller, command, say("small")); err != nil {
		t.Errorf("after them: %v", err)
	}
	big := strings.Repeat("h", 3<<20)
	if w, err := Call(t.Context(), controller, protocol.HomeHello, protocol.Hello{InventoryHash: big}); err != nil || w.AckSeq != 3<<20 {
		t.Errorf("a hello of 3 MiB: %v", err)
	}
}

func TestUnknownMethodIsSaid(t *testing.T) {
	_, controller := pair(t, NewMux(nil), nil, nil)
	for range 2 {
		if _, err := Call(t.Context(), controller, command, say("")); protocol.CodeOf(err) != protocol.Invalid {
			t.Error(err)
		}
	}
}

func TestFailpoints(t *testing.T) {
	ran := 0
	_, controller := pair(t, muxWith(func(context.Context, protocol.CommandRequest) (protocol.CommandReply, error) {
		ran++
		return protocol.CommandReply{}, nil
	}), nil, nil)
	t.Cleanup(func() { _ = failpoint.Arm("") })
	for _, c := range []struct {
		point string
		ran   int
	}{{"rpc.call.before", 0}, {"rpc.serve.before", 0}, {"rpc.serve.after", 1}, {"rpc.call.after", 1}} {
		ran = 0
		if err := failpoint.Arm(c.point + "=error"); err != nil {
			t.Fatal(err)
		}
		if _, err := Call(t.Context(), controller, command, say("")); protocol.CodeOf(err) != protocol.Unavailable || ran != c.ran {
			t.Errorf("%s: %v, handler ran %d times", c.point, err, ran)
		}
	}
	_ = failpoint.Arm("")
	if _, err := Call(t.Context(), controller, command, say("")); err != nil {
		t.Error(err)
	}
}

// TestKeptStreamsAreClosed: streams are reused in a burst, and none is left when the session is idle.
func TestKeptStreamsAreClosed(t *testing.T) {
	agent, controller := pair(t, echoMux(), nil, nil)
	for range 50 {
		if _, err := Call(t.Context(), controller, command, say("")); err != nil {
			t.Fatal(err)
		}
	}
	if n := controller.mux.NumStreams(); n != 1 {
		t.Errorf("50 calls in a row used %d streams", n)
	}
	deadline := time.Now().Add(keepIdle + 5*time.Second)
	for agent.mux.NumStreams()+controller.mux.NumStreams() > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d and %d streams are still open", agent.mux.NumStreams(), controller.mux.NumStreams())
		}
		time.Sleep(20 * time.Millisecond)
	}
	if _, err := Call(t.Context(), controller, command, say("")); err != nil {
		t.Fatal(err)
	}
}
