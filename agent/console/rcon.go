package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/gorcon/rcon"

	"github.com/payperplay/payperplay/protocol"
)

const (
	rconWithin   = 10 * time.Second // a command without a sooner deadline
	rconDial     = 2 * time.Second
	maxRCON      = 1000 // bytes of a command; longer ones go to stdin (the game reads 1446 bytes with header)
	rconFragment = 4096 // characters the game puts into one packet of an answer
)

var errNotSent = errors.New("not sent")

// rconLine is a kept RCON connection. Commands take turns.
type rconLine struct {
	addr, password string
	turn           chan struct{} // capacity 1: held while a command runs

	mu     sync.Mutex
	conn   net.Conn // guarded by turn, and by mu for close
	closed bool
	id     int32
}

// close ends the connection; a nil line has none.
func (r *rconLine) close() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.conn != nil {
		_ = r.conn.Close()
	}
}

// mayHaveRun tells whether a command that failed with err may have reached the game.
func (r *rconLine) mayHaveRun(err error) bool { return !errors.Is(err, errNotSent) }

// do runs one command and gives its whole answer.
func (r *rconLine) do(ctx context.Context, command string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, rconWithin)
	defer cancel()
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return "", fmt.Errorf("%w: %w", errNotSent, protocol.Faultf(protocol.Timeout, "try again", "another command is still running"))
	}
	for try := 0; ; try++ {
		fresh, err := r.connect(ctx)
		if err != nil {
			return "", fmt.Errorf("%w: %w", errNotSent, protocol.Faultf(protocol.Unavailable, "wait until the game has started", "RCON does not answer: %v", err))
		}
		out, got, err := r.talk(ctx, command)
		if err == nil {
			return out, nil
		}
		r.hangUp()
		// A kept connection that the game closed long ago fails before a byte of the answer. It was closed, so nothing ran: once more on a fresh one.
		if !got && !fresh && try == 0 && ctx.Err() == nil && (errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || isReset(err)) {
			continue
		}
		if ctx.Err() != nil {
			return "", protocol.Faultf(protocol.Timeout, "look at the console before you send it again", "the game did not answer in time; the command may have run")
		}
		return "", protocol.Faultf(protocol.Unavailable, "look at the console before you send it again", "RCON broke: %v; the command may have run", err)
	}
}

// connect dials and logs in unless there is a connection.
func (r *rconLine) connect(ctx context.Context) (fresh bool, err error) {
	r.mu.Lock()
	conn, closed := r.conn, r.closed
	r.mu.Unlock()
	if closed {
		return false, net.ErrClosed
	}
	if conn != nil {
		if alive(conn) {
			return false, nil
		}
		r.hangUp()
	}
	d := net.Dialer{Timeout: rconDial}
	if conn, err = d.DialContext(ctx, "tcp", r.addr); err != nil {
		return true, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if _, err := rcon.Open(conn, r.password, rcon.SetDeadline(rconDial)); err != nil {
		_ = conn.Close()
		return true, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		_ = conn.Close()
		return true, net.ErrClosed
	}
	r.conn = conn
	return true, nil
}

func (r *rconLine) hangUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn != nil {
		_ = r.conn.Close()
		r.conn = nil
	}
}

// talk sends the command and gathers the answer. The game splits long answers into packets without saying which is the last. So when one is full,
// a packet that the game answers with an error of its own marks the end; it is not sent before, because the game reads one packet at a time.
func (r *rconLine) talk(ctx context.Context, command string) (out string, got bool, err error) {
	deadline, _ := ctx.Deadline()
	if err := r.conn.SetDeadline(deadline); err != nil {
		return "", false, err
	}
	defer context.AfterFunc(ctx, func() { _ = r.conn.SetDeadline(time.Unix(1, 0)) })()
	r.id = r.id%1_000_000 + 2
	id := r.id
	if _, err := rcon.NewPacket(rcon.SERVERDATA_EXECCOMMAND, id, command).WriteTo(r.conn); err != nil {
		return "", false, err
	}
	var answer strings.Builder
	asked := false
	for {
		var p rcon.Packet
		if _, err := p.ReadFrom(io.LimitReader(r.conn, 64<<10)); err != nil {
			return "", got, err
		}
		got = true
		switch {
		case asked && p.ID == id+1:
			return answer.String(), true, nil
		case p.ID != id:
			return "", true, rcon.ErrInvalidPacketID
		}
		body := p.Body()
		if answer.Len()+len(body) <= maxAnswer {
			answer.WriteString(body)
		}
		if len(body) < rconFragment && !asked {
			return answer.String(), true, nil
		}
		if !asked {
			asked = true
			if _, err := rcon.NewPacket(rcon.SERVERDATA_RESPONSE_VALUE, id+1, "").WriteTo(r.conn); err != nil {
				return "", true, err
			}
		}
	}
}
