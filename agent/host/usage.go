package host

import (
	"context"
	"time"
)

const usageEvery = time.Minute

// keepUsage measures the servers' disks one after the other. A walk over a large world rests twenty times as long as it took.
func (h *Host) keepUsage(ctx context.Context) {
	rest := time.NewTimer(usageEvery / 6)
	defer rest.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-rest.C:
		}
		began := time.Now()
		found := map[string]int64{}
		for _, l := range h.o.Servers() {
			if n, err := h.o.DiskUsage(ctx, l.Server); err == nil {
				found[l.Server] = n
			}
		}
		h.mu.Lock()
		h.disk = found
		h.mu.Unlock()
		rest.Reset(max(usageEvery, 20*time.Since(began)))
	}
}
