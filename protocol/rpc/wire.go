package rpc

import (
	"bufio"
	"crypto/tls"
	"net"
	"sync"
)

const (
	wireRead  = 64 << 10               // bytes asked of the kernel at once on a bulk connection
	wireWrite = 2 * (tlsRecord + 1024) // bytes held back at most: one yamux frame as TLS records
)

// Wire prepares a raw connection for TLS on either side: it tunes the socket (TuneConn) and lets a bulk session read and write several TLS records
// in one system call. Put the result under tls.Client or tls.Server. Without it everything works, bulk a little slower.
func Wire(raw net.Conn) net.Conn {
	_ = TuneConn(raw) // a connection that is no TCP socket needs no tuning
	return &wire{Conn: raw}
}

// TuneTLS sets what the tunnel wants of TLS: version 1.3, full records from the first byte, session tickets only where both sides ask for them:
// a client by its ClientSessionCache, a server by Tickets.
func TuneTLS(c *tls.Config) *tls.Config {
	c.MinVersion = tls.VersionTLS13
	c.DynamicRecordSizingDisabled = true
	c.SessionTicketsDisabled = c.ClientSessionCache == nil
	return c
}

// Tickets lets clients of c that come back skip the certificates: what was proven when the ticket was given counts until the client's certificate
// expires, a week at most. Keys are still exchanged anew (PSK with ECDHE), VerifyConnection still sees the client's certificate, and nothing
// is kept here for any client. key must be as secret as the CA's key and the same after a restart.
func Tickets(c *tls.Config, key [32]byte) *tls.Config {
	c.SessionTicketsDisabled = false
	c.SetSessionTicketKeys([][32]byte{key})
	return c
}

// wire is plain until a bulk session widens it.
type wire struct {
	net.Conn
	in *bufio.Reader

	mu     sync.Mutex // TLS may send its close notice beside the sender of frames
	out    []byte
	corked bool
}

// widen is called before the session's goroutines start; TLS is between two reads then.
func (w *wire) widen() {
	if w.in == nil {
		w.in = bufio.NewReaderSize(w.Conn, wireRead)
		w.out = make([]byte, 0, wireWrite)
	}
}

// NetConn gives the socket.
func (w *wire) NetConn() net.Conn { return w.Conn }

func (w *wire) Read(p []byte) (int, error) {
	if w.in != nil {
		return w.in.Read(p)
	}
	return w.Conn.Read(p)
}

func (w *wire) cork() {
	w.mu.Lock()
	w.corked = true
	w.mu.Unlock()
}

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.corked || len(w.out)+len(p) > cap(w.out) {
		if err := w.flush(); err != nil {
			return 0, err
		}
		return w.Conn.Write(p)
	}
	w.out = append(w.out, p...)
	return len(p), nil
}

func (w *wire) uncork() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.corked = false
	return w.flush()
}

func (w *wire) flush() error {
	if len(w.out) == 0 {
		return nil
	}
	_, err := w.Conn.Write(w.out)
	w.out = w.out[:0]
	return err
}
