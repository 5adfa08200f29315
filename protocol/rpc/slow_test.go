package rpc

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

// linkPair gives the ends of a TLS connection through k.
func linkPair(t testing.TB, l net.Listener, k *link) (agent, controller net.Conn) {
	t.Helper()
	a, c := tlsPairVia(t, l, k.addr())
	return a, c
}

// TestF07ControlOnASlowLink: 100 KB/s and 8 copies on the bulk session; a control call takes less than 2 s and no session is lost.
func TestF07ControlOnASlowLink(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	k := newLink(t, l.Addr().String(), 100e3, 5*time.Millisecond)
	m := exportMux(func(_ context.Context, _ protocol.ExportRequest, w io.Writer) error {
		for {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return err
			}
		}
	})
	Handle(m, command, func(context.Context, protocol.CommandRequest) (protocol.CommandReply, error) {
		return protocol.CommandReply{}, nil
	})
	ca, cc := linkPair(t, l, k)
	controlAgent, control := sessions(t, ca, cc, m, nil, func(ao, _ *Options) { ao.Heartbeat = 500 * time.Millisecond })
	ba, bc := linkPair(t, l, k)
	bulkAgent, bulk := sessions(t, ba, bc, m, nil, func(ao, co *Options) { ao.Window, co.Window = WindowBulk, WindowBulk })

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan struct{}, 8)
	for range 8 {
		go func() {
			_ = CallRaw(ctx, bulk, protocol.ConsoleExport, protocol.ExportRequest{}, io.Discard)
			done <- struct{}{}
		}()
	}
	time.Sleep(500 * time.Millisecond) // the line fills
	for range 5 {
		start := time.Now()
		if _, err := Call(ctx, control, command, say("")); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("a control call took %v", took)
		}
		time.Sleep(200 * time.Millisecond)
	}
	for name, s := range map[string]*Session{"control agent": controlAgent, "control": control, "bulk agent": bulkAgent, "bulk": bulk} {
		if s.Err() != nil {
			t.Errorf("the %s session was lost: %v", name, s.Err())
		}
	}
	cancel()
	for range 8 {
		<-done
	}
	// Close at once: the line needs seconds to empty, and a close notice waits no longer than a second.
	start := time.Now()
	_ = bulkAgent.Close(nil)
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("closing took %v", took)
	}
}

// TestF07ASharedSessionLives: even where someone puts 8 copies on the control session of such a link, bytes come, so the session lives.
func TestF07ASharedSessionLives(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	k := newLink(t, l.Addr().String(), 100e3, 5*time.Millisecond)
	m := exportMux(func(ctx context.Context, _ protocol.ExportRequest, w io.Writer) error {
		for ctx.Err() == nil {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
	a, c := linkPair(t, l, k)
	agent, controller := sessions(t, a, c, m, nil, func(ao, co *Options) {
		ao.Heartbeat, ao.DeadAfter, co.DeadAfter = 200*time.Millisecond, time.Second, time.Second
	})
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	done := make(chan struct{}, 8)
	for range 8 {
		go func() {
			_ = CallRaw(ctx, controller, protocol.ConsoleExport, protocol.ExportRequest{}, io.Discard)
			done <- struct{}{}
		}()
	}
	for range 8 {
		<-done
	}
	if agent.Err() != nil || controller.Err() != nil {
		t.Errorf("a living session was ended: %v, %v", agent.Err(), controller.Err())
	}
}
