package console

import (
	"context"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/payperplay/payperplay/protocol"
)

const (
	maxCommand    = 4 << 10 // bytes
	commandRate   = 10      // a second, per actor and server
	commandBurst  = 20
	typingEntries = 4_096
)

// Command runs one command on the server's node.
func (c *Console) Command(ctx context.Context, req protocol.CommandRequest) (protocol.CommandReply, error) {
	reply, err := c.command(ctx, req)
	outcome := "ok"
	if err != nil {
		outcome = string(protocol.CodeOf(err))
	}
	c.metrics.commands.WithLabelValues(outcome).Inc()
	return reply, err
}

func (c *Console) command(ctx context.Context, req protocol.CommandRequest) (protocol.CommandReply, error) {
	var none protocol.CommandReply
	switch {
	case len(req.Command) > maxCommand:
		return none, protocol.Faultf(protocol.Invalid, "shorten it", "the command has %d bytes, at most %d are allowed", len(req.Command), maxCommand)
	case strings.ContainsAny(req.Command, "\r\n\x00"):
		return none, protocol.Faultf(protocol.Invalid, "send one command at a time", "the command has a line break or a NUL in it")
	case !c.typing.allow(req.Actor, req.Server, time.Now()):
		return none, protocol.Faultf(protocol.Exhausted, "wait a second", "more than %d commands a second", commandRate)
	}
	con, err := c.agent(ctx, req.Server)
	if err != nil {
		return none, err
	}
	if con == nil {
		return none, protocol.Faultf(protocol.Conflict, "start the server first", "the server is on no node, so it takes no commands")
	}
	ctx, cancel := context.WithTimeout(ctx, commandWithin)
	defer cancel()
	return con.Command(ctx, req)
}

// typing limits how fast an actor sends commands to a server.
type typing struct {
	mu  *sync.Mutex
	who map[[2]string]*rate.Limiter
}

func newTyping() typing { return typing{mu: new(sync.Mutex), who: map[[2]string]*rate.Limiter{}} }

func (t typing) allow(actor, server string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := [2]string{actor, server}
	l := t.who[key]
	if l == nil {
		if len(t.who) >= typingEntries {
			for k, old := range t.who { // those with a full budget are as good as new
				if old.TokensAt(now) >= commandBurst {
					delete(t.who, k)
				}
			}
		}
		if len(t.who) >= typingEntries {
			return false
		}
		l = rate.NewLimiter(commandRate, commandBurst)
		t.who[key] = l
	}
	return l.AllowN(now, 1)
}
