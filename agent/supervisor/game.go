package supervisor

import (
	"context"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/payperplay/payperplay/agent/docker"
	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/minecraft"
)

// game is what a game says of itself. -1 means unknown.
type game struct {
	online, max int
	names       map[string]bool
	heard       int // joins and leaves that its console told
	tps         float64
}

var unknownGame = game{online: -1, max: -1, tps: -1}

func (g *game) set(name string, in bool) {
	g.heard++
	if !in {
		delete(g.names, name)
		return
	}
	if g.names == nil {
		g.names = map[string]bool{}
	}
	g.names[name] = true
}

const (
	gameEvery   = 15 * time.Second
	pingTimeout = 2 * time.Second
	pingers     = 4
)

func ping(ctx context.Context, c docker.Container) (minecraft.Status, error) {
	addr := net.JoinHostPort(c.IP.String(), strconv.Itoa(c.Spec.GamePort))
	return minecraft.Ping(ctx, addr, minecraft.PingOptions{Timeout: pingTimeout})
}

// watchGames asks every running game for players and ticks now and then.
func (s *Supervisor) watchGames(ctx context.Context) {
	tick := time.NewTicker(gameEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var wg sync.WaitGroup
		slots := make(chan struct{}, pingers)
		for _, r := range s.all() {
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				r.question(ctx)
			})
		}
		wg.Wait()
	}
}

// question asks one game.
func (r *runner) question(ctx context.Context) {
	r.mu.Lock()
	c, spec, st := r.live, r.row.Spec, r.row.Observed.State
	r.mu.Unlock()
	if c.ID == "" || st != protocol.StateRunning {
		return
	}
	status, err := r.s.o.Ping(ctx, c)
	if err != nil {
		status = minecraft.Status{Online: -1, Max: -1}
	}
	tps := -1.0
	if spec.Console.RCON && spec.Console.TPS != "" {
		ctx, cancel := context.WithTimeout(ctx, pingTimeout)
		defer cancel()
		if text, err := r.s.o.Commands.Ask(ctx, r.id, spec.Console.TPS); err == nil {
			tps = parseTPS(text)
		}
	}
	r.mu.Lock()
	known, heard := len(r.game.names), r.game.heard
	r.mu.Unlock()
	var names map[string]bool
	if status.Online >= 0 && status.Online != known && spec.Console.RCON && spec.Console.List != "" {
		names = r.list(ctx, spec.Console.List)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.live.ID != c.ID {
		return
	}
	r.game.online, r.game.max, r.game.tps = status.Online, status.Max, tps
	if names != nil && r.game.heard == heard { // else the console knows it better than an answer from before
		r.game.names = names
	}
}

// list asks who is on. After a restart of the agent only the game knows; joins and leaves themselves are told by its console.
func (r *runner) list(ctx context.Context, command string) map[string]bool {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	text, err := r.s.o.Commands.Ask(ctx, r.id, command)
	if err != nil {
		return nil
	}
	return parseList(text)
}

// parseList reads "There are 2 of a max of 20 players online: bob, alice"; nil when it is something else.
func parseList(text string) map[string]bool {
	_, list, ok := strings.Cut(escapes.ReplaceAllString(text, ""), "online:")
	if !ok {
		return nil
	}
	names := map[string]bool{}
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); playerName.MatchString(name) {
			names[name] = true
		}
	}
	return names
}

// play takes the first status of a game that has become ready.
func (r *runner) play(s minecraft.Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.game.online, r.game.max = s.Online, s.Max
}

// occupied tells whether players may be on: an unknown count counts as occupied.
func (r *runner) occupied(ctx context.Context, v view) bool {
	s, err := r.s.o.Ping(ctx, *v.C)
	return err != nil || s.Online != 0
}

var playerName = regexp.MustCompile(`^[A-Za-z0-9_.*]{1,32}$`)

var number = regexp.MustCompile(`[0-9]+(?:\.[0-9]+)?`)

// parseTPS reads the newest figure of "TPS from last 1m, 5m, 15m: 20.0, 20.0, 20.0" and its relatives; -1 when there is none.
func parseTPS(text string) float64 {
	text = escapes.ReplaceAllString(text, "")
	if i := strings.LastIndexByte(text, ':'); i >= 0 {
		text = text[i+1:]
	}
	n, err := strconv.ParseFloat(number.FindString(text), 64)
	if err != nil || n > 10_000 {
		return -1
	}
	return n
}

// Live is a server whose container runs, for the sampler.
type Live struct {
	Server      string
	Epoch       int64
	State       protocol.State
	PID         int
	GamePort    int
	MemoryLimit int64
	Started     time.Time
	Players     int // -1 = unknown
	PlayersMax  int
	PlayerNames []string
	TPS         float64
}

// Live lists the servers that run.
func (s *Supervisor) Live() []Live {
	var out []Live
	for _, r := range s.all() {
		r.mu.Lock()
		if c := r.live; c.ID != "" && c.PID > 0 {
			l := Live{Server: r.id, Epoch: c.Epoch, State: r.row.Observed.State, PID: c.PID, GamePort: c.Spec.GamePort, MemoryLimit: c.Spec.MemoryBytes,
				Started: c.Started, Players: r.game.online, PlayersMax: r.game.max, TPS: r.game.tps}
			for name := range r.game.names {
				l.PlayerNames = append(l.PlayerNames, name)
			}
			slices.Sort(l.PlayerNames)
			out = append(out, l)
		}
		r.mu.Unlock()
	}
	slices.SortFunc(out, func(a, b Live) int { return strings.Compare(a.Server, b.Server) })
	return out
}
