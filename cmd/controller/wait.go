package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/protocol"
)

type waitFlags struct {
	wait    bool
	timeout time.Duration
}

func (w *waitFlags) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&w.wait, "wait", false, "wait until it is so, showing progress")
	cmd.Flags().DurationVar(&w.timeout, "timeout", 15*time.Minute, "with --wait: give up after this long (the order stands)")
}

// condition tells whether a wait is over, or that it can not end well any more.
type condition func(client.Server) (bool, error)

func becameRunning(s client.Server) (bool, error) {
	switch {
	case s.State == "running":
		return true, nil
	case s.Desired != "running":
		return false, protocol.Faultf(protocol.Conflict, s.Next, "%s will not run: %s", s.Name, s.Explain)
	case s.Observed == "failed", s.Observed == "crashed" && s.RetryAt == nil && s.State == "crashed":
		return false, protocol.Faultf(protocol.Unavailable, s.Next, "%s did not start: %s", s.Name, s.Explain)
	default:
		return false, nil
	}
}

func becameStopped(s client.Server) (bool, error) {
	switch {
	case s.Desired == "running":
		return false, protocol.Faultf(protocol.Conflict, "", "%s was started again", s.Name)
	case s.RetryAt != nil: // it crashed, and its node would start it again
		return false, nil
	default:
		return s.Observed == "stopped" || s.Observed == "absent" || s.Observed == "crashed" || s.Observed == "failed", nil
	}
}

func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// progress writes what a server is doing: one line that changes on a terminal, one line per change elsewhere.
type progress struct {
	w        io.Writer
	live     bool
	quiet    bool
	last     string
	began    time.Time
	wroteRaw bool
}

func (c *cli) newProgress() *progress {
	return &progress{w: c.err, live: isTerminal(c.err), quiet: c.quiet, began: time.Now()}
}

func (p *progress) show(text string) {
	if p.quiet {
		return
	}
	text = plain(text)
	if p.live {
		fmt.Fprintf(p.w, "\r\033[K%s (%s)", text, span(time.Since(p.began)))
		p.wroteRaw = true
		return
	}
	if text != p.last {
		fmt.Fprintln(p.w, text)
	}
	p.last = text
}

func (p *progress) end() {
	if p.wroteRaw {
		fmt.Fprint(p.w, "\r\033[K")
	}
}

// waitFor polls the server until done; a controller that is away for a while does not end the wait.
func (c *cli) waitFor(ctx context.Context, cl *client.Client, s client.Server, w waitFlags, done condition) (client.Server, error) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	p := c.newProgress()
	defer p.end()
	name, id := s.Name, s.ID
	for {
		ok, err := done(s)
		if ok || err != nil {
			return s, err
		}
		text := s.Name + ": " + s.Explain
		if s.Progress != "" {
			text += " (" + s.Progress + ")"
		}
		p.show(text)
		next, err := c.poll(ctx, cl, id, p)
		if err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				return s, protocol.Faultf(protocol.Timeout, "the order stands; look again with 'controller server show "+name+"'", "%s is still %s after %s", name, s.State, w.timeout)
			}
			return s, err
		}
		s = next
	}
}

// poll reads the server again, after a moment.
func (c *cli) poll(ctx context.Context, cl *client.Client, id string, p *progress) (client.Server, error) {
	wait := 200 * time.Millisecond
	for {
		select {
		case <-ctx.Done():
			return client.Server{}, ctx.Err()
		case <-time.After(wait):
		}
		s, err := cl.Server(ctx, id)
		if protocol.CodeOf(err) != protocol.Unavailable || ctx.Err() != nil {
			return s, err
		}
		p.show("the controller does not answer; trying again")
		wait = min(2*wait, 2*time.Second)
	}
}

// waitGone waits until nothing is left of a deleted server. Its name may already be another's, so it asks by id.
func (c *cli) waitGone(ctx context.Context, cl *client.Client, s client.Server, w waitFlags) error {
	_, err := c.waitFor(ctx, cl, s, w, func(client.Server) (bool, error) { return false, nil })
	if protocol.CodeOf(err) == protocol.NotFound {
		return nil
	}
	return err
}
