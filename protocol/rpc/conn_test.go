package rpc

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

// counted counts what is written, which under TLS is a record and a system call each.
type counted struct {
	net.Conn
	writes atomic.Int64
}

func (c *counted) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// TestACallIsOneWriteEachWay: opening a stream travels with the request and confirming it with the answer, also of the first call.
func TestACallIsOneWriteEachWay(t *testing.T) {
	a, c := net.Pipe()
	agentEnd, controllerEnd := &counted{Conn: a}, &counted{Conn: c}
	agent, _ := sessions(t, agentEnd, controllerEnd, nil, echoMux(), func(a, c *Options) {
		a.DeadAfter, c.DeadAfter = time.Hour, time.Hour // no heartbeat
		a.Heartbeat = 0
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for i := int64(1); i <= 3; i++ {
		if _, err := Call(ctx, agent, protocol.ConsoleCommand, protocol.CommandRequest{Command: "list"}); err != nil {
			t.Fatal(err)
		}
		if out, in := agentEnd.writes.Load(), controllerEnd.writes.Load(); out != i || in != i {
			t.Fatalf("after %d calls: %d writes one way, %d the other", i, out, in)
		}
	}
}
