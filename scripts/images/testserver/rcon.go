package main

import (
	"bufio"
	"context"
	"crypto/subtle"
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// Source RCON as vanilla speaks it: little-endian length, id, type, body, two zero bytes.
const (
	rconReply   = 0
	rconCommand = 2
	rconLogin   = 3
	rconMax     = 4096 // bytes of one body
	rconIdle    = 10 * time.Minute
)

func (g *game) listenRCON(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", ":"+strconv.Itoa(g.knobs.rconPort))
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go g.serveRCON(ctx, conn)
		}
	}()
	g.log.info("RCON running on 0.0.0.0:" + strconv.Itoa(g.knobs.rconPort))
	return nil
}

// serveRCON closes the connection at the client's EOF: clients wait for that.
func (g *game) serveRCON(ctx context.Context, conn net.Conn) {
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	r := bufio.NewReader(conn)
	allowed := false
	for {
		_ = conn.SetDeadline(time.Now().Add(rconIdle))
		id, kind, body, err := readRCON(r)
		if err != nil {
			return
		}
		switch {
		case kind == rconLogin:
			allowed = subtle.ConstantTimeCompare([]byte(body), []byte(g.knobs.rconPassword)) == 1
			if !allowed {
				id = -1
			}
			err = writeRCON(conn, id, rconCommand, "")
		case !allowed:
			err = writeRCON(conn, -1, rconCommand, "")
		case kind == rconCommand:
			answer := strings.Join(g.command(body), "\n")
			if strings.HasPrefix(body, "say ") { // as vanilla: what all players see is on the console too
				g.log.info(answer)
			}
			for len(answer) > rconMax && err == nil {
				err = writeRCON(conn, id, rconReply, answer[:rconMax])
				answer = answer[rconMax:]
			}
			if err == nil {
				err = writeRCON(conn, id, rconReply, answer)
			}
		default:
			err = writeRCON(conn, id, rconReply, "Unknown request "+strconv.Itoa(int(kind)))
		}
		if err != nil {
			return
		}
	}
}

func readRCON(r io.Reader) (id, kind int32, body string, err error) {
	var head [4]byte
	if _, err = io.ReadFull(r, head[:]); err != nil {
		return 0, 0, "", err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n < 10 || n > rconMax+10 {
		return 0, 0, "", io.ErrUnexpectedEOF
	}
	b := make([]byte, n)
	if _, err = io.ReadFull(r, b); err != nil {
		return 0, 0, "", err
	}
	id = int32(binary.LittleEndian.Uint32(b))
	kind = int32(binary.LittleEndian.Uint32(b[4:]))
	return id, kind, strings.TrimRight(string(b[8:]), "\x00"), nil
}

func writeRCON(w io.Writer, id, kind int32, body string) error {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(body)+10))
	b = binary.LittleEndian.AppendUint32(b, uint32(id))
	b = binary.LittleEndian.AppendUint32(b, uint32(kind))
	b = append(append(b, body...), 0, 0)
	_, err := w.Write(b)
	return err
}
