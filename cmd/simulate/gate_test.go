package simulate

import (
	"context"
	"sync"
	"time"
)

// gate holds up who passes while it is shut: a partition, a paused process, an engine that hangs. It may be shut several times over.
type gate struct {
	mu    sync.Mutex
	shut  int
	since time.Time
	open  chan struct{} // closed when it opens
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut++; g.shut == 1 {
		g.since, g.open = time.Now(), make(chan struct{})
	}
}

func (g *gate) reopen() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut--; g.shut == 0 {
		close(g.open)
	}
}

// pass waits until the gate is open; false when ctx ended first.
func (g *gate) pass(ctx context.Context) bool {
	for {
		g.mu.Lock()
		shut, open := g.shut > 0, g.open
		g.mu.Unlock()
		if !shut {
			return ctx.Err() == nil
		}
		select {
		case <-open:
		case <-ctx.Done():
			return false
		}
	}
}

// closed tells for how long the gate has been shut; 0 while it is open.
func (g *gate) closed() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut == 0 {
		return 0
	}
	return max(time.Since(g.since), 1)
}
