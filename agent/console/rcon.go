package console

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gorcon/rcon"

	"github.com/payperplay/payperplay/protocol"
)

const (
	rconWithin   = 10 * time.Second // a command without a sooner deadline
	rconDial     = 2 * time.Second
	rconEnd      = 500 * time.Millisecond // for the rest of a long answer, when the game does not say where it ends
	maxRCON      = 1000                   // bytes of a command; longer ones go to stdin (the game reads 1446 bytes with header)
	rconPacket   = 64 << 10
	rconFragment = 4096 // characters the game puts into one packet of an answer
)

var errNotSent = errors.New("not sent")

// rconLine is a kept RCON connection. Commands take turns.
type rconLine struct {
	addr, password string
	turn           chan struct{} // capacity 1: held while a command runs

	mu     sync.Mutex
	conn   net.Conn
	closed bool
	id     int32 // of the last command; guarded by turn
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
		conn, err := r.connect(ctx)
		if err != nil {
			return "", fmt.Errorf("%w: %w", errNotSent, protocol.Faultf(protocol.Unavailable, "wait until the game has started", "RCON does not answer: %v", err))
		}
		out, sent, err := r.talk(ctx, conn, command)
		if err == nil {
			return out, nil
		}
		r.hangUp()
		switch {
		case !sent && try == 0 && ctx.Err() == nil: // the kept connection died just now
		case !sent:
			return "", fmt.Errorf("%w: %w", errNotSent, protocol.Faultf(protocol.Unavailable, "try again", "RCON broke: %v", err))
		case ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded):
			return "", protocol.Faultf(protocol.Timeout, "look at the console before you send it again", "the game did not answer in time; the command may have run")
		default:
			return "", protocol.Faultf(protocol.Unavailable, "look at the console before you send it again", "RCON broke: %v; the command may have run", err)
		}
	}
}

// connect gives the kept connection, or dials and logs in.
func (r *rconLine) connect(ctx context.Context) (net.Conn, error) {
	r.mu.Lock()
	conn, closed := r.conn, r.closed
	r.mu.Unlock()
	if closed {
		return nil, net.ErrClosed
	}
	if conn != nil {
		if alive(conn) {
			return conn, nil
		}
		r.hangUp()
	}
	d := net.Dialer{Timeout: rconDial}
	conn, err := d.DialContext(ctx, "tcp", r.addr)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	err = login(conn, r.password)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed && err == nil {
		err = net.ErrClosed
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	r.conn = conn
	return conn, nil
}

func (r *rconLine) hangUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn != nil {
		_ = r.conn.Close()
		r.conn = nil
	}
}

// login says the password. Some games send an empty packet before the answer.
func login(conn net.Conn, password string) error {
	if err := conn.SetDeadline(time.Now().Add(rconDial)); err != nil {
		return err
	}
	if _, err := rcon.NewPacket(rcon.SERVERDATA_AUTH, 1, password).WriteTo(conn); err != nil {
		return err
	}
	for range 2 {
		p, err := readPacket(conn)
		if err != nil {
			return err
		}
		if p.ID == -1 {
			return rcon.ErrAuthFailed
		}
		if p.Type == rcon.SERVERDATA_AUTH_RESPONSE {
			return nil
		}
	}
	return rcon.ErrInvalidAuthResponse
}

// readPacket reads one packet. The library alone would make room for whatever size the game, which is a tenant's program, claims.
func readPacket(conn net.Conn) (*rcon.Packet, error) {
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(size[:])
	if n > rconPacket {
		return nil, fmt.Errorf("the game announced a packet of %d bytes", n)
	}
	p := new(rcon.Packet)
	_, err := p.ReadFrom(io.MultiReader(bytes.NewReader(size[:]), io.LimitReader(conn, int64(n))))
	return p, err
}

// talk sends the command and gathers the answer. The game splits long answers into packets without saying which is the last. So when one is full,
// a packet that the game answers with an error of its own marks the end; it is not sent before, because the game reads one packet at a time.
func (r *rconLine) talk(ctx context.Context, conn net.Conn, command string) (out string, sent bool, err error) {
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return "", false, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	r.id = r.id%1_000_000 + 2
	if n, err := rcon.NewPacket(rcon.SERVERDATA_EXECCOMMAND, r.id, command).WriteTo(conn); err != nil {
		return "", n > 0, err
	}
	answer, sure, err := gather(conn, r.id)
	if err != nil {
		return "", true, err
	}
	if !sure { // what comes later must not be taken for the next answer
		r.hangUp()
		return answer, true, nil
	}
	if !stop() {
		return "", true, ctx.Err()
	}
	return answer, true, conn.SetDeadline(time.Time{})
}

// gather reads the packets of one answer. It is not sure of the end when the game did not answer the packet that marks it.
func gather(conn net.Conn, id int32) (answer string, sure bool, err error) {
	var all strings.Builder
	end := int32(0) // id of the packet that marks the end, once it was sent
	for {
		if end != 0 {
			if err := conn.SetReadDeadline(time.Now().Add(rconEnd)); err != nil {
				return "", false, err
			}
		}
		p, err := readPacket(conn)
		switch {
		case end != 0 && errors.Is(err, os.ErrDeadlineExceeded):
			return all.String(), false, nil
		case err != nil:
			return "", false, err
		case end != 0 && p.ID == end:
			return all.String(), true, nil
		case p.ID != id:
			return "", false, rcon.ErrInvalidPacketID
		}
		body := p.Body()
		if all.Len()+len(body) <= maxAnswer {
			all.WriteString(body)
		}
		if end != 0 {
			continue
		}
		if len(body) < rconFragment {
			return all.String(), true, nil
		}
		end = id + 1
		if _, err := rcon.NewPacket(rcon.SERVERDATA_RESPONSE_VALUE, end, "").WriteTo(conn); err != nil {
			return "", false, err
		}
	}
}
