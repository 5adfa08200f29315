package supervisor

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/payperplay/payperplay/protocol"
)

// Vanilla's words, which all its descendants keep. What a player writes begins with "<name>", "[", "*" or "/" and cannot match.
var (
	logPrefix = regexp.MustCompile(`^\[[^\]]*\](?: ?\[[^\]]*\])*:? `)
	joined    = regexp.MustCompile(`^([A-Za-z0-9_.*]{1,32})(?:\[[^\]]*\])? joined the game$`)
	left      = regexp.MustCompile(`^([A-Za-z0-9_.*]{1,32}) left the game$`)
	escapes   = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]|§.")
)

// playerEvent reads a console line.
func playerEvent(text string) (name string, in, ok bool) {
	if !strings.HasSuffix(text, " the game") && !strings.Contains(text, " the game\x1b") {
		return "", false, false
	}
	text = escapes.ReplaceAllString(text, "")
	text = text[len(logPrefix.FindString(text)):]
	if m := joined.FindStringSubmatch(text); m != nil {
		return m[1], true, true
	}
	if m := left.FindStringSubmatch(text); m != nil {
		return m[1], false, true
	}
	return "", false, false
}

// watch listens to the console for players and for the ready pattern.
func (r *runner) watch() {
	r.unwatch = r.s.o.Console.Watch(r.id, r.line)
}

// line runs where the console writes: it must be quick. Each line comes once, so whoever joins or leaves in it is told once,
// whatever the game has answered meanwhile when it was asked who is on.
func (r *runner) line(l protocol.Line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name, in, isPlayer := r.read(l)
	if !isPlayer {
		return
	}
	r.facts = append(r.facts, protocol.Fact{Player: &protocol.PlayerFact{Server: r.id, Epoch: r.row.Observed.Epoch, Name: name, Joined: in}})
	r.wake()
}

// read takes from a line whether the game is ready and who is on. It needs mu.
func (r *runner) read(l protocol.Line) (name string, in, isPlayer bool) {
	if l.Kind != "" {
		return "", false, false
	}
	if !r.logReady && r.row.Spec.Ready.LogPattern != "" && r.row.Observed.Ready.IsZero() && r.pattern().MatchString(l.Text) {
		r.logReady = true
		r.wake()
	}
	if name, in, isPlayer = playerEvent(l.Text); isPlayer {
		r.game.set(name, in)
	}
	return name, in, isPlayer
}

// searchReady looks for the ready line, and for who is on, among the lines that are there already; line has told of them.
func (r *runner) searchReady(since time.Time) {
	r.mu.Lock()
	pattern := r.row.Spec.Ready.LogPattern
	r.mu.Unlock()
	if pattern == "" {
		return
	}
	lines := r.s.o.Console.LastLines(r.id, 1000)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range lines {
		if !l.Time.Before(since) {
			r.read(l)
		}
	}
}

// flushFacts makes reports of what the players did.
func (r *runner) flushFacts(ctx context.Context) {
	r.mu.Lock()
	facts := r.facts
	r.facts = nil
	r.mu.Unlock()
	if len(facts) == 0 {
		return
	}
	if err := r.s.o.Journal.Append(ctx, facts...); err != nil {
		r.log.Warn("player facts wait", "err", err)
		r.mu.Lock()
		r.facts = append(facts, r.facts...)
		r.mu.Unlock()
	}
}

// leave says goodbye for all players when the game has ended.
func (r *runner) leave(ctx context.Context) {
	r.mu.Lock()
	for name := range r.game.names {
		r.facts = append(r.facts, protocol.Fact{Player: &protocol.PlayerFact{Server: r.id, Epoch: r.row.Observed.Epoch, Name: name}})
	}
	r.game = unknownGame
	r.mu.Unlock()
	r.flushFacts(ctx)
}

// pattern gives the compiled ready pattern; one that cannot be compiled is taken literally. It needs mu.
func (r *runner) pattern() *regexp.Regexp {
	text := r.row.Spec.Ready.LogPattern
	if r.ready == nil || r.readyText != text {
		ready, err := regexp.Compile(text)
		if err != nil {
			ready = regexp.MustCompile(regexp.QuoteMeta(text))
		}
		r.ready, r.readyText = ready, text
	}
	return r.ready
}
