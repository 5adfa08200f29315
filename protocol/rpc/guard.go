package rpc

import (
	"encoding/binary"
	"fmt"
	"time"
)

// Pings a peer may send: each costs yamux a goroutine until the answer is sent, so a flood of them must not be served.
const (
	pingBurst  = 32
	pingPerSec = 8
)

// guard follows yamux's frames as they come in, whole or in parts, and says when a peer asks for more than any honest one does.
// Stream counts, windows and message sizes are bounded elsewhere; this is what yamux itself leaves open.
type guard struct {
	part [yamuxHeader]byte
	have int
	skip uint32 // bytes of the data frame that are still to come

	pings    int   // used of the burst
	refilled int64 // watch clock, ns: when pings was last counted down
}

func (g *guard) check(p []byte, now int64) error {
	for len(p) > 0 {
		if g.skip > 0 {
			n := min(uint64(g.skip), uint64(len(p)))
			g.skip -= uint32(n)
			p = p[n:]
			continue
		}
		n := copy(g.part[g.have:], p)
		g.have += n
		p = p[n:]
		if g.have < yamuxHeader {
			return nil
		}
		g.have = 0
		if err := g.frame(now); err != nil {
			return err
		}
	}
	return nil
}

func (g *guard) frame(now int64) error {
	switch g.part[1] {
	case yamuxData:
		g.skip = binary.BigEndian.Uint32(g.part[8:])
	case yamuxPing:
		if binary.BigEndian.Uint16(g.part[2:])&yamuxSYN != 0 {
			return g.ping(now)
		}
	}
	return nil
}

func (g *guard) ping(now int64) error {
	if back := (now - g.refilled) * pingPerSec / int64(time.Second); back > 0 {
		g.pings = int(max(0, int64(g.pings)-back))
		g.refilled = now
	}
	if g.pings++; g.pings > pingBurst {
		return fmt.Errorf("%w: a flood of pings", ErrHostile)
	}
	return nil
}
