package host

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/payperplay/payperplay/protocol"
)

const (
	checkDeadline = 4 * time.Second
	leastDisk     = 1 << 30 // bytes
	leastShare    = 20      // one part in so many, of bytes and inodes
)

// Check is the health check. It never waits longer than checkDeadline for a hung engine.
func (h *Host) Check(ctx context.Context, _ protocol.CheckRequest) (protocol.CheckReply, error) {
	ctx, cancel := context.WithTimeout(ctx, checkDeadline)
	defer cancel()
	var problems []string
	if err := h.o.Engine.Ping(ctx); err != nil {
		problems = append(problems, err.Error())
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(h.o.Data, &fs); err != nil {
		problems = append(problems, fmt.Sprintf("the data directory cannot be read: %v", err))
	} else {
		problems = append(problems, full(int64(fs.Bavail)*fs.Bsize, int64(fs.Blocks)*fs.Bsize, int64(fs.Ffree), int64(fs.Files))...)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	problems = append(problems, h.proof.problems()...)
	r := protocol.CheckReply{OK: len(problems) == 0, Problems: problems, Degraded: h.impaired(), Docker: h.engine, Now: time.Now().UTC()}
	return r, nil
}

// full says in plain words that the disk has little room.
func full(free, total, inodesFree, inodes int64) []string {
	var out []string
	if free < min(leastDisk, total/leastShare) {
		out = append(out, fmt.Sprintf("the disk is nearly full: %s of %s are free", protocol.FormatSize(free), protocol.FormatSize(total)))
	}
	if inodes > 0 && inodesFree < inodes/leastShare {
		out = append(out, fmt.Sprintf("the disk has few inodes left: %d of %d", inodesFree, inodes))
	}
	return out
}
