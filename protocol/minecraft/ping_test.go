package minecraft

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listen answers each connection with serve, on a real socket.
func listen(t *testing.T, serve func(net.Conn, *bufio.Reader)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serve(conn, bufio.NewReader(conn))
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

var shown = Status{Version: "1.21.4", Protocol: 769, Online: 3, Max: 20, Description: "hi"}

func answer(t *testing.T, conn net.Conn, r *bufio.Reader) Handshake {
	p, err := ReadPacket(r, MaxHandshake)
	if err != nil {
		t.Error(err)
		return Handshake{}
	}
	h, err := ParseHandshake(p)
	if err != nil {
		t.Error(err)
	}
	if p, err = ReadPacket(r, 16); err != nil || p.ID != IDStatusRequest || len(p.Data) > 0 {
		t.Error("no status request", p, err)
	}
	wire, err := shown.AppendResponse(nil)
	if err != nil {
		t.Error(err)
	}
	_, _ = conn.Write(wire)
	return h
}

func TestPing(t *testing.T) {
	var asked Handshake
	addr := listen(t, func(conn net.Conn, r *bufio.Reader) {
		asked = answer(t, conn, r)
		p, err := ReadPacket(r, 16)
		if err != nil || p.ID != IDPing {
			t.Error(p, err)
		}
		_, _ = conn.Write(AppendPacket(nil, IDPong, p.Data))
	})
	s, err := Ping(t.Context(), addr, PingOptions{Host: "play.example"})
	if err != nil {
		t.Fatal(err)
	}
	if s.Latency <= 0 || s.Latency > time.Second {
		t.Errorf("latency %v", s.Latency)
	}
	if s.Online != 3 || s.Max != 20 || s.Version != "1.21.4" || s.Description != "hi" {
		t.Errorf("%+v", s)
	}
	if asked.Address != "play.example" || asked.Protocol != -1 || asked.Intent != IntentStatus {
		t.Errorf("asked %+v", asked)
	}
}

func TestPingWithoutPong(t *testing.T) {
	addr := listen(t, func(conn net.Conn, r *bufio.Reader) { answer(t, conn, r) })
	if s, err := Ping(t.Context(), addr, PingOptions{}); err != nil || s.Online != 3 || s.Latency != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestPingSendsProxyHeader(t *testing.T) {
	addr := listen(t, func(conn net.Conn, r *bufio.Reader) {
		head := make([]byte, 16)
		if _, err := io.ReadFull(r, head); err != nil || string(head[:12]) != proxySignature || !bytes.Equal(head[12:], []byte{0x20, 0, 0, 0}) {
			t.Errorf("%x, %v", head, err)
		}
		answer(t, conn, r)
	})
	if _, err := Ping(t.Context(), addr, PingOptions{ProxyHeader: true}); err != nil {
		t.Error(err)
	}
}

func TestPingFails(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	for name, c := range map[string]struct {
		addr string
		want error
	}{
		"hangs up":     {listen(t, func(net.Conn, *bufio.Reader) {}), io.EOF},
		"silence":      {listen(t, func(_ net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) }), context.DeadlineExceeded},
		"talks HTTP":   {listen(t, func(c net.Conn, _ *bufio.Reader) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") }), io.ErrUnexpectedEOF},
		"huge promise": {listen(t, func(c net.Conn, _ *bufio.Reader) { _, _ = c.Write(AppendVarInt(nil, 1<<30)) }), ErrTooLarge},
		"not a status": {listen(t, func(c net.Conn, _ *bufio.Reader) { _, _ = c.Write(AppendPacket(nil, 5, []byte("x"))) }), ErrMalformed},
		"just started": {closed.Addr().String(), nil},
		"no port":      {"127.0.0.1", nil},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			_, err := Ping(t.Context(), c.addr, PingOptions{Timeout: 300 * time.Millisecond})
			if err == nil || (c.want != nil && !errors.Is(err, c.want) && !strings.Contains(err.Error(), "reset by peer")) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("took %v", took)
			}
			if err != nil && !strings.Contains(err.Error(), c.addr) {
				t.Errorf("%q does not name the address", err)
			}
		})
	}
}

// TestPingConnHasItsOwnDeadline: a caller that brings a connection and no deadline is not held up by silence.
func TestPingConnHasItsOwnDeadline(t *testing.T) {
	addr := listen(t, func(_ net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) })
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	done := make(chan error, 1)
	go func() {
		_, err := PingConn(t.Context(), conn, addr, PingOptions{Timeout: 50 * time.Millisecond})
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	case <-time.After(5 * time.Second):
		_ = conn.Close()
		t.Errorf("still waiting after 5 s; then %v", <-done)
	}
}

func TestPingObeysItsContext(t *testing.T) {
	reached := make(chan struct{})
	addr := listen(t, func(_ net.Conn, r *bufio.Reader) {
		_, _ = r.Peek(1)
		close(reached)
		_, _ = io.Copy(io.Discard, r)
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-reached; cancel() }()
	if _, err := Ping(ctx, addr, PingOptions{Timeout: time.Minute}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want Canceled", err)
	}
}
