package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

type emitFunc = func(protocol.LineBatch) error

func followMux(fn func(context.Context, protocol.FollowRequest, emitFunc) error) *Mux {
	m := NewMux(allow)
	HandleStream(m, protocol.ConsoleFollow, fn)
	return m
}

func exportMux(fn func(context.Context, protocol.ExportRequest, io.Writer) error) *Mux {
	m := NewMux(allow)
	HandleRaw(m, protocol.ConsoleExport, fn)
	return m
}

func TestStreamInOrder(t *testing.T) {
	_, controller := pair(t, followMux(func(_ context.Context, r protocol.FollowRequest, emit emitFunc) error {
		for i := range int64(1000) {
			if err := emit(protocol.LineBatch{Head: r.After + i}); err != nil {
				return err
			}
		}
		return nil
	}), nil, nil)
	next := int64(5)
	err := NewRemote(controller, nil).Follow(t.Context(), protocol.FollowRequest{After: 5}, func(b protocol.LineBatch) error {
		if b.Head != next {
			return fmt.Errorf("got %d, want %d", b.Head, next)
		}
		next++
		return nil
	})
	if err != nil || next != 1005 {
		t.Fatalf("%d, %v", next, err)
	}
}

func TestStreamEndsWithAFault(t *testing.T) {
	_, controller := pair(t, followMux(func(_ context.Context, _ protocol.FollowRequest, emit emitFunc) error {
		_ = emit(protocol.LineBatch{Head: 1})
		return protocol.Faultf(protocol.NotFound, "", "no such server")
	}), nil, nil)
	got := 0
	err := CallStream(t.Context(), controller, protocol.ConsoleFollow, protocol.FollowRequest{}, func(protocol.LineBatch) error { got++; return nil })
	if protocol.CodeOf(err) != protocol.NotFound || got != 1 {
		t.Errorf("%d items, %v", got, err)
	}
}

// TestStreamEndsByTheCaller: by an error of emit or by its context; the handler hears of it.
func TestStreamEndsByTheCaller(t *testing.T) {
	ended := make(chan error, 1)
	_, controller := pair(t, followMux(func(ctx context.Context, _ protocol.FollowRequest, emit emitFunc) error {
		_ = emit(protocol.LineBatch{})
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}), nil, nil)
	enough := errors.New("enough")
	for name, want := range map[string]error{"emit": enough, "cancel": context.Canceled} {
		ctx, cancel := context.WithCancel(t.Context())
		err := CallStream(ctx, controller, protocol.ConsoleFollow, protocol.FollowRequest{}, func(protocol.LineBatch) error {
			if name == "emit" {
				return enough
			}
			cancel()
			return nil
		})
		cancel()
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			t.Fatalf("%s: the handler was not told", name)
		}
	}
}

// TestSlowEmitSlowsTheSender: what is under way is bounded by the window, however long the caller takes.
func TestSlowEmitSlowsTheSender(t *testing.T) {
	const size = 16 << 10
	var sent atomic.Int64
	_, controller := pair(t, followMux(func(_ context.Context, _ protocol.FollowRequest, emit emitFunc) error {
		batch := protocol.LineBatch{Lines: []protocol.Line{{Text: strings.Repeat("x", size)}}}
		for range 200 {
			if err := emit(batch); err != nil {
				return err
			}
			sent.Add(1)
		}
		return nil
	}), nil, nil)
	got := int64(0)
	err := CallStream(t.Context(), controller, protocol.ConsoleFollow, protocol.FollowRequest{}, func(protocol.LineBatch) error {
		got++
		if got <= 3 {
			time.Sleep(100 * time.Millisecond) // the caller is slow: that is what is tested
		}
		if ahead := (sent.Load() - got) * size; ahead > 2*WindowControl {
			return fmt.Errorf("the sender is %d bytes ahead", ahead)
		}
		return nil
	})
	if err != nil || got != 200 {
		t.Fatalf("%d items, %v", got, err)
	}
}

// TestOneSlowStreamDoesNotHoldOthers: calls pass while a stream's caller reads nothing.
func TestOneSlowStreamDoesNotHoldOthers(t *testing.T) {
	m := followMux(func(_ context.Context, _ protocol.FollowRequest, emit emitFunc) error {
		for {
			if err := emit(protocol.LineBatch{Lines: []protocol.Line{{Text: strings.Repeat("x", 16<<10)}}}); err != nil {
				return err
			}
		}
	})
	Handle(m, command, func(context.Context, protocol.CommandRequest) (protocol.CommandReply, error) {
		return protocol.CommandReply{}, nil
	})
	_, controller := pair(t, m, nil, nil)
	ctx, cancel := context.WithCancel(t.Context())
	held := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		first := true
		_ = CallStream(ctx, controller, protocol.ConsoleFollow, protocol.FollowRequest{}, func(protocol.LineBatch) error {
			if first {
				close(held)
				first = false
			}
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	<-held
	for range 100 {
		if _, err := Call(t.Context(), controller, command, say("")); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	<-done
}

// TestAQuietStreamLives: hours without a line are no reason to end a follow, and none of its waits is without an end.
func TestAQuietStreamLives(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, c := net.Pipe()
		_, controller := sessions(t, a, c, followMux(func(ctx context.Context, _ protocol.FollowRequest, emit emitFunc) error {
			select {
			case <-time.After(3 * time.Hour):
				return emit(protocol.LineBatch{Head: 9})
			case <-ctx.Done():
				return ctx.Err()
			}
		}), nil, nil)
		got := int64(0)
		err := CallStream(t.Context(), controller, protocol.ConsoleFollow, protocol.FollowRequest{}, func(b protocol.LineBatch) error { got = b.Head; return nil })
		if err != nil || got != 9 {
			t.Errorf("%d, %v", got, err)
		}
	})
}

func TestRawIsExact(t *testing.T) {
	data := make([]byte, 3<<20+17)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	agentMux := exportMux(func(_ context.Context, _ protocol.ExportRequest, w io.Writer) error {
		for rest, n := data, 1; len(rest) > 0; n = n*3 + 1 {
			n = min(n, len(rest))
			if _, err := w.Write(rest[:n]); err != nil {
				return err
			}
			rest = rest[n:]
		}
		return nil
	})
	for _, window := range []uint32{WindowControl, WindowBulk} {
		agent, controller := pair(t, agentMux, nil, func(ao, co *Options) { ao.Window, co.Window = window, window })
		var got bytes.Buffer
		remote := NewRemote(nil, func(context.Context) (*Session, error) { return controller, nil })
		if err := remote.Export(t.Context(), protocol.ExportRequest{}, &got); err != nil || !bytes.Equal(got.Bytes(), data) {
			t.Fatalf("window %d: %d bytes of %d, %v", window, got.Len(), len(data), err)
		}
		if agent.Err() != nil {
			t.Fatal(agent.Err())
		}
	}
}

func TestRawFaults(t *testing.T) {
	_, controller := pair(t, exportMux(func(_ context.Context, r protocol.ExportRequest, w io.Writer) error {
		_, _ = io.WriteString(w, "some")
		if r.Server == "panic" {
			panic("boom")
		}
		if r.Server == "fine" {
			return nil
		}
		return protocol.Faultf(protocol.NotFound, "", "no such server")
	}), nil, nil)
	for server, code := range map[string]protocol.Code{"none": protocol.NotFound, "panic": protocol.Internal} {
		if err := CallRaw(t.Context(), controller, protocol.ConsoleExport, protocol.ExportRequest{Server: server}, io.Discard); protocol.CodeOf(err) != code {
			t.Errorf("%s: %v", server, err)
		}
	}
	if err := CallRaw(t.Context(), controller, protocol.ConsoleExport, protocol.ExportRequest{Server: "fine"}, shortWriter{}); !errors.Is(err, io.ErrShortWrite) {
		t.Error(err)
	}
}

type shortWriter struct{}

func (shortWriter) Write(p []byte) (int, error) { return len(p) / 2, nil }

// TestTruncatedRawIsAnError, however it was cut: the stream closed in a piece, between pieces, the session, or the end mark alone lost.
func TestTruncatedRawIsAnError(t *testing.T) {
	piece := (&header{kind: kindPiece, body: 10}).append(nil)
	for name, bytes := range map[string][]byte{
		"nothing":    nil,
		"in header":  piece[:1],
		"in piece":   append(append([]byte(nil), piece...), "four"...),
		"no end":     append(append([]byte(nil), piece...), "0123456789"...),
		"other kind": (&header{kind: kindItem, body: 0}).append(nil),
	} {
		a, c := tlsPair(t)
		bare, err := yamux.Client(a, nil)
		if err != nil {
			t.Fatal(err)
		}
		s, err := NewSession(c, Options{})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			st, err := bare.AcceptStream()
			if err != nil {
				return
			}
			_, _ = st.Read(make([]byte, 1000))
			_, _ = st.Write(bytes)
			_ = st.Close()
		}()
		if err := CallRaw(t.Context(), s, protocol.ConsoleExport, protocol.ExportRequest{}, io.Discard); protocol.CodeOf(err) != protocol.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
		_ = s.Close(nil)
		_ = bare.Close()
	}
}

func TestRawWithoutItsEndMarkIsAnError(t *testing.T) {
	_, controller := pair(t, exportMux(func(_ context.Context, _ protocol.ExportRequest, w io.Writer) error {
		_, err := io.WriteString(w, "all of it")
		return err
	}), nil, nil)
	if err := failpoint.Arm("rpc.serve.after=error"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = failpoint.Arm("") })
	if err := CallRaw(t.Context(), controller, protocol.ConsoleExport, protocol.ExportRequest{}, io.Discard); protocol.CodeOf(err) != protocol.Unavailable {
		t.Error(err)
	}
}
