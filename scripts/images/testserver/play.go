package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"strconv"
	"time"

	"github.com/payperplay/payperplay/protocol/minecraft"
)

// Packets of protocol 340 (1.12.2), the one version that can play here.
const (
	protocol1122   = 340
	loginSuccess   = 0x02
	playChat       = 0x0F
	playKick       = 0x1A
	playKeepAlive  = 0x1F
	playJoin       = 0x23
	playPosition   = 0x2F
	playHealth     = 0x41
	playSpawnPoint = 0x46
	sentChat       = 0x02
	maxPlayPacket  = 256 << 10
	readTimeout    = 30 * time.Second
	keepAliveEvery = 5 * time.Second
)

func (g *game) listen(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", ":"+strconv.Itoa(g.knobs.port))
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
			go g.serve(ctx, conn)
		}
	}()
	return nil
}

func (g *game) serve(ctx context.Context, conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(readTimeout))
	r := bufio.NewReader(conn)
	from := conn.RemoteAddr().String()
	if g.knobs.proxy {
		source, err := readProxyHeader(r)
		if err != nil {
			g.log.line("Netty IO", "WARN", "connection without a PROXY header from "+from)
			return
		}
		if source != "" {
			from = source
		}
	}
	if first, err := r.Peek(1); err != nil || first[0] == minecraft.LegacyPing {
		if start, _ := r.Peek(min(max(r.Buffered(), 1), 3)); minecraft.IsLegacyPing(start) {
			_, _ = conn.Write(g.status(protocol1122).AppendLegacyPong(nil))
			return
		}
	}
	p, err := minecraft.ReadPacket(r, minecraft.MaxHandshake)
	if err != nil {
		return
	}
	h, err := minecraft.ParseHandshake(p)
	switch {
	case err != nil:
	case h.Intent == minecraft.IntentStatus:
		g.serveStatus(conn, r, h.Protocol)
	default:
		g.serveLogin(ctx, conn, r, h, from)
	}
}

func (g *game) status(protocol int32) minecraft.Status {
	return minecraft.Status{Version: "testserver 1.12.2", Protocol: protocol, Online: len(g.players.all()), Max: g.knobs.maxPlayers, Description: g.knobs.motd}
}

// serveStatus answers in the client's own version, so that every client counts itself as fitting.
func (g *game) serveStatus(conn net.Conn, r *bufio.Reader, protocol int32) {
	for range 4 { // one request and one ping; a little patience for repeats
		p, err := minecraft.ReadPacket(r, 64)
		if err != nil {
			return
		}
		var out []byte
		switch p.ID {
		case minecraft.IDStatusRequest:
			if out, err = g.status(max(protocol, 0)).AppendResponse(nil); err != nil {
				return
			}
		case minecraft.IDPing:
			out = minecraft.AppendPacket(nil, minecraft.IDPong, p.Data)
		default:
			return
		}
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}

func (g *game) serveLogin(ctx context.Context, conn net.Conn, r *bufio.Reader, h minecraft.Handshake, from string) {
	p, err := minecraft.ReadPacket(r, minecraft.MaxLogin)
	if err != nil {
		return
	}
	login, err := minecraft.ParseLoginStart(h.Protocol, p)
	if err != nil {
		return
	}
	if h.Protocol != protocol1122 {
		_, _ = conn.Write(minecraft.AppendLoginKick(nil, "This test server plays 1.12.2 only"))
		g.log.info(login.Name + " lost connection: speaks protocol " + strconv.Itoa(int(h.Protocol)))
		return
	}
	success := minecraft.AppendString(nil, minecraft.OfflineUUID(login.Name).String())
	success = minecraft.AppendString(success, login.Name)
	if _, err := conn.Write(minecraft.AppendPacket(nil, loginSuccess, success)); err != nil {
		return
	}
	who, refusal := g.players.join(login.Name, conn, from)
	if who == nil {
		_, _ = conn.Write(minecraft.AppendPacket(nil, playKick, minecraft.AppendString(nil, minecraft.TextJSON(refusal))))
		g.log.info(login.Name + " lost connection: " + refusal)
		return
	}
	g.play(ctx, who, r)
}

// play spawns the player on nothing and listens to its chat until it goes.
func (g *game) play(ctx context.Context, p *player, r *bufio.Reader) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g.spawn(p)
	g.players.chat(p.name + " joined the game")
	go func() {
		for n := uint64(1); wait(ctx, keepAliveEvery); n++ {
			p.send(playKeepAlive, binary.BigEndian.AppendUint64(nil, n))
		}
	}()
	for {
		_ = p.conn.SetReadDeadline(time.Now().Add(readTimeout))
		packet, err := minecraft.ReadPacket(r, maxPlayPacket)
		if err != nil {
			g.players.leave(p, reason(err))
			return
		}
		if packet.ID == sentChat {
			d := minecraft.NewDecoder(packet.Data)
			text := d.String(1024)
			if d.Err() != nil {
				g.players.leave(p, "Internal Exception: bad chat")
				return
			}
			g.log.info("<" + p.name + "> " + text)
			g.players.chat("<" + p.name + "> " + text)
		}
	}
}

func reason(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
		return "Disconnected"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "Timed out"
	default:
		return "Internal Exception: " + err.Error()
	}
}

func (g *game) spawn(p *player) {
	join := binary.BigEndian.AppendUint32(nil, uint32(p.id))
	join = append(join, 1)                           // creative
	join = binary.BigEndian.AppendUint32(join, 0)    // overworld
	join = append(join, 0, byte(g.knobs.maxPlayers)) // peaceful
	join = append(minecraft.AppendString(join, "flat"), 0)
	p.send(playJoin, join)
	p.send(playSpawnPoint, make([]byte, 8))
	var at []byte
	for _, v := range []float64{0.5, 64, 0.5} {
		at = binary.BigEndian.AppendUint64(at, math.Float64bits(v))
	}
	at = append(at, make([]byte, 8+1)...) // yaw, pitch, all absolute
	p.send(playPosition, minecraft.AppendVarInt(at, 1))
	health := binary.BigEndian.AppendUint32(nil, math.Float32bits(20))
	health = minecraft.AppendVarInt(health, 20)
	p.send(playHealth, binary.BigEndian.AppendUint32(health, math.Float32bits(5)))
}
