package tunnel

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/failpoint"
	"github.com/payperplay/payperplay/protocol/rpc"
)

const dialTime = 10 * time.Second

// dial opens one TLS connection to addr, from the address that this machine was told to dial from. A fault says what is wrong in words for people.
func (a *Agent) dial(ctx context.Context, addr string, cfg *tls.Config) (*tls.Conn, error) {
	if err := failpoint.Hit("agent.tunnel.dial.before"); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	var from net.Dialer
	if a.opts.Source.IsValid() {
		from.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(a.opts.Source, 0))
	}
	raw, err := from.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, unreachable(addr, err)
	}
	conn := tls.Client(rpc.Wire(raw), rpc.TuneTLS(cfg))
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		if f := (*protocol.Fault)(nil); errors.As(err, &f) {
			return nil, f
		}
		return nil, unreachable(addr, err)
	}
	if err := failpoint.Hit("agent.tunnel.dial.after"); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

func unreachable(addr string, err error) error {
	next := "check that the controller runs and that this machine may reach it"
	var dns *net.DNSError
	if errors.As(err, &dns) {
		next = "check the name given with --controller, and this machine's DNS"
	}
	return protocol.Faultf(protocol.Unavailable, next, "the controller at %s cannot be reached: %v", addr, err)
}
