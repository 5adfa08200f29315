package rpc

import (
	"errors"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

const (
	notSentLowat = 128 << 10        // bytes: with a large window the socket's send buffer would be the queue (119 ms → 29 ms beside a copy, measured)
	userTimeout  = 20 * time.Second // the kernel's own end for sent data that nobody acknowledges; ours comes first
)

// TuneConn sets the tunnel's socket options: no Nagle, a short queue of unsent bytes, a bound on unacknowledged ones, and no TCP keepalive,
// because the heartbeat is it. It gives an error for what is no TCP socket.
func TuneConn(conn net.Conn) error {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return errors.New("rpc: not a TCP connection")
	}
	if err := tcp.SetNoDelay(true); err != nil {
		return err
	}
	if err := tcp.SetKeepAlive(false); err != nil {
		return err
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	var opt error
	err = raw.Control(func(fd uintptr) {
		opt = errors.Join(
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, notSentLowat),
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout/time.Millisecond)),
		)
	})
	return errors.Join(err, opt)
}
