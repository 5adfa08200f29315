package main

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/payperplay/payperplay/protocol/minecraft"
)

// players is who is in the game.
type players struct {
	log  *logger
	max  int
	mu   sync.Mutex
	here map[string]*player
	next int32
}

type player struct {
	name string
	id   int32
	conn net.Conn
	mu   sync.Mutex // one writer at a time
}

func newPlayers(log *logger, limit int) *players {
	return &players{log: log, max: limit, here: map[string]*player{}}
}

// join lets a player in, or says why not. A second login of a name ends the first, as vanilla does.
func (ps *players) join(name string, conn net.Conn, from string) (*player, string) {
	ps.mu.Lock()
	old := ps.here[strings.ToLower(name)]
	if old == nil && len(ps.here) >= ps.max {
		ps.mu.Unlock()
		return nil, "The server is full!"
	}
	ps.next++
	p := &player{name: name, id: ps.next, conn: conn}
	ps.here[strings.ToLower(name)] = p
	ps.mu.Unlock()
	if old != nil {
		old.disconnect("You logged in from another location")
		ps.log.info(name + " lost connection: You logged in from another location")
		ps.log.info(name + " left the game")
	}
	ps.log.line("User Authenticator #1", "INFO", fmt.Sprintf("UUID of player %s is %s", name, minecraft.OfflineUUID(name)))
	ps.log.info(fmt.Sprintf("%s[/%s] logged in with entity id %d at (0.5, 64.0, 0.5)", name, from, p.id))
	ps.log.info(name + " joined the game")
	return p, ""
}

func (ps *players) leave(p *player, why string) {
	ps.mu.Lock()
	mine := ps.here[strings.ToLower(p.name)] == p
	if mine {
		delete(ps.here, strings.ToLower(p.name))
	}
	ps.mu.Unlock()
	if mine {
		ps.log.info(p.name + " lost connection: " + why)
		ps.log.info(p.name + " left the game")
	}
}

func (ps *players) all() []*player {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	list := make([]*player, 0, len(ps.here))
	for _, p := range ps.here {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *player) int { return int(a.id - b.id) })
	return list
}

func (ps *players) names() []string {
	var names []string
	for _, p := range ps.all() {
		names = append(names, p.name)
	}
	return names
}

func (ps *players) chat(text string) {
	for _, p := range ps.all() {
		p.send(playChat, append(minecraft.AppendString(nil, minecraft.TextJSON(text)), 0))
	}
}

func (ps *players) kick(name, why string) bool {
	ps.mu.Lock()
	p := ps.here[strings.ToLower(name)]
	ps.mu.Unlock()
	if p == nil {
		return false
	}
	p.disconnect(why)
	ps.leave(p, why)
	return true
}

func (ps *players) kickAll(why string) {
	for _, p := range ps.all() {
		ps.kick(p.name, why)
	}
}

func (p *player) send(id int32, data []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
	_, _ = p.conn.Write(minecraft.AppendPacket(nil, id, data)) // a broken connection shows in the reader
}

func (p *player) disconnect(why string) {
	p.send(playKick, minecraft.AppendString(nil, minecraft.TextJSON(why)))
	_ = p.conn.Close()
}
