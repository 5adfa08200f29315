package host

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

// metadataAddress is where clouds hand out a machine's user-data: no server may reach it.
const metadataAddress = "169.254.169.254:80"

const (
	probeFirst = 3 * time.Second  // after the start, if the firewall has not been put in place by then
	probeAgain = time.Hour        // what was right may be undone by others
	probeRetry = 15 * time.Second // after it could not be tried
	probeOpen  = time.Minute      // after something was reached
)

// ErrOpen says that a server could reach what it must not.
var ErrOpen = errors.New("a container reaches what no server may reach")

// proof is what is known of what servers can reach.
type proof struct {
	tried bool
	open  []string // what a server could reach and must not
	err   error    // why it is not known
}

// keepProbing proves it after each change of the firewall, and now and then. Check tells what was found and starts nothing itself: a check
// must not wait for a container.
func (h *Host) keepProbing(ctx context.Context) {
	var changed <-chan struct{}
	if h.o.Firewall != nil {
		changed = h.o.Firewall.Changed()
	}
	for wait := probeFirst; ; {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-changed:
			timer.Stop()
		}
		err := h.Probe(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			wait = probeAgain
		case errors.Is(err, ErrOpen):
			wait = probeOpen
			h.log.Error("servers can reach what they must not", "err", err)
		default:
			wait = probeRetry
			h.log.Warn("what servers can reach was not proved", "err", err)
		}
	}
}

// Probe proves, with a container that has a server's rights, that servers cannot reach the cloud's metadata and this machine itself. What it
// finds is told by Facts and Check from then on. ErrOpen: one can; any other error says why it could not be tried.
func (h *Host) Probe(ctx context.Context) error {
	open, err := h.o.Probe(ctx, []string{metadataAddress})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	h.mu.Lock()
	h.proof = proof{true, open, err}
	h.mu.Unlock()
	if err == nil && len(open) > 0 {
		err = fmt.Errorf("%w: %s; see what comes before the agent's rules: iptables -S DOCKER-USER, iptables -S INPUT", ErrOpen, strings.Join(open, ", "))
	}
	return err
}

// problems are what no server may be started with.
func (p proof) problems() []string {
	if !slices.Contains(p.open, metadataAddress) {
		return nil
	}
	return []string{"servers can reach the cloud's metadata address " + metadataAddress + ", and with it this machine's user-data: see iptables -S DOCKER-USER"}
}

// doubts are what makes the node degraded.
func (p proof) doubts() []string {
	switch {
	case !p.tried:
		return []string{"it is not proved yet that servers cannot reach the cloud's metadata address"}
	case p.err != nil:
		return []string{"it cannot be proved that servers cannot reach the cloud's metadata address: " + p.err.Error()}
	}
	var out []string
	for _, addr := range p.open {
		if addr != metadataAddress {
			out = append(out, "servers can open connections to this machine ("+addr+"): see iptables -S INPUT")
		}
	}
	return out
}

// ProbeSubnet is the network of the probe's bridge: the last /29 of the pool, which servers get last.
func ProbeSubnet(pool netip.Prefix) (netip.Prefix, error) {
	if !pool.Addr().Is4() || pool.Bits() > 29 {
		return netip.Prefix{}, protocol.Faultf(protocol.Invalid, "give --bridge-pool as 10.213.0.0/16", "the pool %s has no room for a bridge", pool)
	}
	b := pool.Masked().Addr().As4()
	last := binary.BigEndian.Uint32(b[:]) + 1<<(32-pool.Bits()) - 8
	binary.BigEndian.PutUint32(b[:], last)
	return netip.PrefixFrom(netip.AddrFrom4(b), 29), nil
}
