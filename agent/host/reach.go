package host

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

// reachTime is how long an answer may take. The kernel asks again after a second: two questions, so that a lost packet is no proof.
const reachTime = 2500 * time.Millisecond

// Reach tells which of the addresses (HOST:PORT) anybody answers at, from where it runs.
func Reach(ctx context.Context, addrs []string) []bool {
	out := make([]bool, len(addrs))
	var wg sync.WaitGroup
	for i, addr := range addrs {
		wg.Go(func() { out[i] = answers(ctx, addr) })
	}
	wg.Wait()
	return out
}

// answers: a refusal is an answer, too, since a packet got there and one came back.
func answers(ctx context.Context, addr string) bool {
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err == nil {
		_ = conn.Close()
		return true
	}
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET)
}
