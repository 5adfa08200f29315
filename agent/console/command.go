package console

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/payperplay/payperplay/protocol"
)

const (
	maxCommand = 4 << 10 // bytes
	maxActor   = 64      // bytes shown
	maxAnswer  = 64 << 10
)

// Command implements protocol.Console: it records the command, sends it, and records what the game answered by RCON ("< …").
// What the game prints itself, as it does for commands from stdin, is in the console anyway.
func (c *Console) Command(ctx context.Context, req protocol.CommandRequest) (protocol.CommandReply, error) {
	if err := checkCommand(req.Command); err != nil {
		return protocol.CommandReply{}, err
	}
	s := c.known(req.Server)
	if s == nil {
		return protocol.CommandReply{}, notRunning()
	}
	s.mu.Lock()
	epoch, running := s.epoch, s.tail != nil && !s.tail.finished()
	s.mu.Unlock()
	if req.Epoch != 0 && epoch != 0 && req.Epoch != epoch {
		return protocol.CommandReply{}, protocol.Faultf(protocol.Stale, "try again", "the command is for epoch %d, the server is at epoch %d here", req.Epoch, epoch)
	}
	if !running {
		return protocol.CommandReply{}, notRunning()
	}
	if _, err := c.record(s, protocol.LineCommand, "> "+req.Command+" ("+actorName(req.Actor)+")"); err != nil {
		return protocol.CommandReply{}, err
	}
	reply, err := c.send(ctx, s, req.Command)
	if err != nil {
		_, _ = c.record(s, protocol.LineCommand, "< not delivered: "+protocol.AsFault(err).Message)
		return reply, err
	}
	if reply.Output != "" {
		_, err = c.record(s, protocol.LineCommand, "< "+strings.ReplaceAll(strings.TrimRight(reply.Output, "\r\n"), "\n", "\n< "))
	}
	return reply, err
}

// Ask runs a command of the agent's own by RCON and gives the answer; nothing is recorded. Without RCON it is Unavailable.
func (c *Console) Ask(ctx context.Context, id, command string) (string, error) {
	if err := checkCommand(command); err != nil {
		return "", err
	}
	s := c.known(id)
	if s == nil {
		return "", notRunning()
	}
	r := s.remote()
	if r == nil {
		return "", protocol.Faultf(protocol.Unavailable, "", "the server has no RCON, so it cannot answer")
	}
	out, err := r.do(ctx, command)
	c.count("rcon", err)
	return out, err
}

// Tell sends a command of the agent's own, by RCON or else by stdin; nothing is recorded.
func (c *Console) Tell(ctx context.Context, id, command string) error {
	if err := checkCommand(command); err != nil {
		return err
	}
	s := c.known(id)
	if s == nil {
		return notRunning()
	}
	_, err := c.send(ctx, s, command)
	return err
}

// SetRCON says where the server's RCON is from now on; an empty addr means that it has none.
func (c *Console) SetRCON(id, addr, password string) {
	s, err := c.server(id)
	if err != nil {
		c.log.Warn("console got an RCON address for no server", "server", id, "err", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rcon.close()
	s.rcon = nil
	if addr != "" {
		s.rcon = &rconLine{addr: addr, password: password, turn: make(chan struct{}, 1)}
	}
}

func (s *server) remote() *rconLine {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rcon
}

// send tries RCON first. Only when the command certainly did not leave is stdin tried: a command must not run twice.
func (c *Console) send(ctx context.Context, s *server, command string) (protocol.CommandReply, error) {
	if r := s.remote(); r != nil && len(command) <= maxRCON {
		out, err := r.do(ctx, command)
		c.count("rcon", err)
		if err == nil {
			out = clean([]byte(out))
			return protocol.CommandReply{Output: out, Via: "rcon"}, nil
		}
		if r.mayHaveRun(err) {
			return protocol.CommandReply{Via: "rcon"}, err
		}
	}
	err := s.stdin.write(ctx, command+"\n")
	c.count("stdin", err)
	return protocol.CommandReply{Via: "stdin"}, err
}

func (c *Console) count(via string, err error) {
	outcome := "ok"
	if err != nil {
		outcome = string(protocol.CodeOf(err))
	}
	c.metrics.commands.WithLabelValues(via, outcome).Inc()
}

func checkCommand(text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return protocol.Faultf(protocol.Invalid, "type a command", "the command is empty")
	case len(text) > maxCommand:
		return protocol.Faultf(protocol.Invalid, "shorten it", "the command has %d bytes, at most %d are allowed", len(text), maxCommand)
	case strings.ContainsAny(text, "\r\n\x00"):
		return protocol.Faultf(protocol.Invalid, "send one command at a time", "the command has a line break or a NUL in it")
	case !utf8.ValidString(text):
		return protocol.Faultf(protocol.Invalid, "send UTF-8", "the command is not valid UTF-8")
	}
	return nil
}

// actorName keeps an actor's name on its line and short.
func actorName(actor string) string {
	if actor == "" {
		return "unknown"
	}
	name := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return '?'
		}
		return r
	}, actor)
	if len(name) > maxActor {
		name = strings.ToValidUTF8(name[:maxActor], "") + "…"
	}
	return name
}

func notRunning() error {
	return protocol.Faultf(protocol.Conflict, "start the server first", "the server is not running, so it takes no commands")
}
