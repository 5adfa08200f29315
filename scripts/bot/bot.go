// Package bot runs a player for tests: a mineflayer bot (scripts/bot/bot.js) in a Node process, installed from npm on
// first use into build/bot. It joins a server as a person's client would, chats, stays and leaves.
package bot

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options say where and as whom to join.
type Options struct {
	Host    string        // default 127.0.0.1
	Port    int           // of the game
	Name    string        // default bot
	Version string        // default 1.21.4
	Say     string        // said once after the spawn; empty = nothing
	Stay    time.Duration // in the game before it leaves by itself
	Timeout time.Duration // hard end of the process, default 60 s
}

// Event is one thing that happened to the bot.
type Event struct {
	Kind   string `json:"event"` // spawn, chat, said, kick, error, end
	Millis int64  `json:"ms"`    // since the process started
	Text   string `json:"text,omitempty"`
	Reason string `json:"reason,omitempty"`
	Error  string `json:"error,omitempty"`
}

// Bot is a running player.
type Bot struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	stderr strings.Builder
	done   chan struct{} // closed when the process has ended
	err    error         // of the process; read after done

	mu     sync.Mutex
	events []Event
	wake   chan struct{} // closed and replaced at each event
}

// ErrEnded means that the bot left, was thrown out or failed before what was waited for happened.
var ErrEnded = errors.New("the bot ended")

// Run installs the bot if need be, starts it and returns once it has spawned. The process ends with ctx, by Stop, or by
// itself after Stay.
func Run(ctx context.Context, o Options) (*Bot, error) {
	dir, err := install(ctx)
	if err != nil {
		return nil, err
	}
	b, err := start(ctx, dir, o)
	if err != nil {
		return nil, err
	}
	if _, err := b.Wait(ctx, "spawn", ""); err != nil {
		b.Stop()
		return nil, fmt.Errorf("bot %s did not spawn: %w", o.Name, err)
	}
	return b, nil
}

func start(ctx context.Context, dir string, o Options) (*Bot, error) {
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	args := []string{"bot.js", "--host", or(o.Host, "127.0.0.1"), "--port", strconv.Itoa(o.Port), "--name", or(o.Name, "bot"), "--version", or(o.Version, "1.21.4"),
		"--stay", seconds(o.Stay), "--timeout", seconds(o.Timeout)}
	if o.Say != "" {
		args = append(args, "--say", o.Say)
	}
	b := &Bot{cmd: exec.CommandContext(ctx, "node", args...), done: make(chan struct{}), wake: make(chan struct{})}
	b.cmd.Dir = dir
	b.cmd.Stderr = &b.stderr
	b.cmd.WaitDelay = 5 * time.Second
	in, err := b.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	b.in = in
	if err := b.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the bot (scripts/prepare node installs what it needs): %w", err)
	}
	go b.read(out)
	return b, nil
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) }

func (b *Bot) read(out io.Reader) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var e Event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue
		}
		b.mu.Lock()
		b.events = append(b.events, e)
		close(b.wake)
		b.wake = make(chan struct{})
		b.mu.Unlock()
	}
	b.err = b.cmd.Wait()
	close(b.done)
}

// Wait returns the first event, past or coming, of that kind whose text or reason holds text. ErrEnded if the bot ends
// without one.
func (b *Bot) Wait(ctx context.Context, kind, text string) (Event, error) {
	for seen := 0; ; {
		b.mu.Lock()
		events, wake := b.events[seen:], b.wake
		b.mu.Unlock()
		for _, e := range events {
			if e.Kind == kind && strings.Contains(e.Text+e.Reason, text) {
				return e, nil
			}
		}
		seen += len(events)
		select {
		case <-wake:
		case <-ctx.Done():
			return Event{}, ctx.Err()
		case <-b.done:
			b.mu.Lock()
			rest := len(b.events) > seen
			b.mu.Unlock()
			if !rest {
				return Event{}, fmt.Errorf("%w without %s %q: %s", ErrEnded, kind, text, b.story())
			}
		}
	}
}

// Say chats.
func (b *Bot) Say(text string) error {
	_, err := io.WriteString(b.in, strings.ReplaceAll(text, "\n", " ")+"\n")
	return err
}

// Events is what happened so far.
func (b *Bot) Events() []Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]Event(nil), b.events...)
}

// Done is closed when the bot's process has ended.
func (b *Bot) Done() <-chan struct{} { return b.done }

// Err is nil if the bot spawned, said what it was to say and left; call it after Done.
func (b *Bot) Err() error {
	<-b.done
	if b.err != nil {
		return fmt.Errorf("%w: %s", b.err, b.story())
	}
	return nil
}

// Stop ends the process now and waits for its end.
func (b *Bot) Stop() {
	_ = b.cmd.Process.Kill()
	<-b.done
}

// story is what a failed test wants to read: the last events and what Node complained about.
func (b *Bot) story() string {
	events := b.Events()
	text, err := json.Marshal(events[max(0, len(events)-5):])
	if err != nil {
		return err.Error()
	}
	complaint := b.stderr.String()
	return string(text) + " " + complaint[max(0, len(complaint)-500):]
}
