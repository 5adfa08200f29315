package tunnel

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// limiter bounds what strangers cost: handshakes under way per address, and failures per address (a token bucket that
// failed handshakes and refused joins drain). Those who hold a certificate and behave never touch the bucket.
type limiter struct {
	perIP  int     // handshakes under way from one address
	burst  float64 // failures one address may have at once
	refill float64 // failures forgiven per second
	max    int     // addresses remembered

	mu   sync.Mutex
	seen map[netip.Addr]*visitor
}

type visitor struct {
	pending int
	tokens  float64
	at      time.Time
}

func newLimiter(perIP int, burst, refill float64) *limiter {
	return &limiter{perIP: perIP, burst: burst, refill: refill, max: 8192, seen: map[netip.Addr]*visitor{}}
}

// enter counts a connection of ip in; false: it has too many under way or failed too often.
func (l *limiter) enter(ip netip.Addr, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := l.visitor(ip, now)
	if v == nil || v.pending >= l.perIP || v.tokens < 1 {
		return false
	}
	v.pending++
	return true
}

// leave counts it out; failed drains the address's bucket.
func (l *limiter) leave(ip netip.Addr, now time.Time, failed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := l.visitor(ip, now)
	if v == nil {
		return
	}
	v.pending = max(0, v.pending-1)
	if failed {
		v.tokens = max(0, v.tokens-1)
	}
}

// visitor gives the entry of ip, filled up to now; nil when the map is full of addresses that count.
func (l *limiter) visitor(ip netip.Addr, now time.Time) *visitor {
	v := l.seen[ip]
	if v == nil {
		if len(l.seen) >= l.max {
			l.forget(now)
		}
		if len(l.seen) >= l.max {
			return nil
		}
		v = &visitor{tokens: l.burst, at: now}
		l.seen[ip] = v
	}
	l.fill(v, now)
	return v
}

func (l *limiter) fill(v *visitor, now time.Time) {
	v.tokens = min(l.burst, v.tokens+now.Sub(v.at).Seconds()*l.refill)
	v.at = now
}

// forget drops addresses that are as good as new.
func (l *limiter) forget(now time.Time) {
	for ip, v := range l.seen {
		if l.fill(v, now); v.pending == 0 && v.tokens >= l.burst {
			delete(l.seen, ip)
		}
	}
}

// addrOf is the peer's address as limits count it: an IPv6 customer has a /64.
func addrOf(conn net.Conn) (exact, counted netip.Addr) {
	ap, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}, netip.Addr{}
	}
	exact = ap.Addr().Unmap().WithZone("")
	counted = exact
	if exact.Is6() {
		if p, err := exact.Prefix(64); err == nil {
			counted = p.Addr()
		}
	}
	return exact, counted
}
