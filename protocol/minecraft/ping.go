package minecraft

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

// DefaultPingTimeout bounds a whole ping, dial included, where the context sets no nearer deadline.
const DefaultPingTimeout = 5 * time.Second

// PingOptions say how to ask; the zero value suits a game on its own address.
type PingOptions struct {
	Host        string        // address to name in the handshake; default: the host that is dialled
	Protocol    int32         // version to claim; default -1, "only asking"
	Timeout     time.Duration // default DefaultPingTimeout
	ProxyHeader bool          // put a PROXY v2 LOCAL header in front, for servers that insist on one
}

// Ping dials addr (host:port, no SRV lookup) and asks for the server's status. An answer means that the game takes
// players; errors are those of the dial, context.DeadlineExceeded, ErrMalformed and ErrTooLarge.
func Ping(ctx context.Context, addr string, o PingOptions) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout())
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return Status{}, fmt.Errorf("ping %s: %w", addr, err)
	}
	defer func() { _ = conn.Close() }()
	s, err := PingConn(ctx, conn, addr, o)
	if err != nil {
		return Status{}, fmt.Errorf("ping %s: %w", addr, err)
	}
	return s, nil
}

func (o PingOptions) timeout() time.Duration {
	if o.Timeout > 0 {
		return o.Timeout
	}
	return DefaultPingTimeout
}

// PingConn asks over a connection that the caller has opened and closes; addr only fills the handshake.
func PingConn(ctx context.Context, conn net.Conn, addr string, o PingOptions) (Status, error) {
	deadline := time.Now().Add(o.timeout())
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return Status{}, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	request, err := pingRequest(addr, o)
	if err != nil {
		return Status{}, err
	}
	s, err := exchange(conn, request)
	switch { // the socket only knows of its deadline, which says too little: it is also how a cancelled context gets here
	case err != nil && ctx.Err() != nil:
		err = ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = context.DeadlineExceeded
	}
	return s, err
}

func exchange(conn net.Conn, request []byte) (Status, error) {
	if _, err := conn.Write(request); err != nil {
		return Status{}, err
	}
	r := bufio.NewReader(conn)
	p, err := ReadPacket(r, MaxStatus)
	if err != nil {
		return Status{}, err
	}
	s, err := ParseStatus(p)
	if err != nil {
		return Status{}, err
	}
	s.Latency = latency(conn, r)
	return s, nil
}

func pingRequest(addr string, o PingOptions) ([]byte, error) {
	host, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, err
	}
	h := Handshake{Protocol: o.Protocol, Address: o.Host, Port: uint16(port), Intent: IntentStatus}
	if h.Address == "" {
		h.Address = host
	}
	if h.Protocol == 0 {
		h.Protocol = -1
	}
	var out []byte
	if o.ProxyHeader {
		out = append(out, proxySignature...)
		out = append(out, 0x20, 0, 0, 0) // version 2, LOCAL, no address
	}
	out = h.AppendPacket(out)
	return AppendPacket(out, IDStatusRequest, nil), nil
}

const proxySignature = "\r\n\r\n\x00\r\nQUIT\n"

// latency times one ping packet. A server that has given its status but not this answer is up all the same.
func latency(conn net.Conn, r *bufio.Reader) time.Duration {
	start := time.Now()
	token := uint64(start.UnixNano())
	if _, err := conn.Write(AppendPacket(nil, IDPing, binary.BigEndian.AppendUint64(nil, token))); err != nil {
		return 0
	}
	p, err := ReadPacket(r, 64)
	if err != nil || p.ID != IDPong || len(p.Data) != 8 || binary.BigEndian.Uint64(p.Data) != token {
		return 0
	}
	return time.Since(start)
}
