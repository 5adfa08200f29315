package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
)

// Terminal is the input and output of one container.
type Terminal struct {
	c  *Client
	id string
}

// Terminal gives the input and output of a container, which need not run yet.
func (c *Client) Terminal(id string) *Terminal { return &Terminal{c: c, id: id} }

// ID gives the container's full id.
func (t *Terminal) ID() string { return t.id }

// Ended says that the container ran and runs no more, or is gone.
func (t *Terminal) Ended(ctx context.Context) (bool, error) {
	in, err := t.c.Inspect(ctx, t.id)
	if IsGone(err) {
		return true, nil
	}
	return err == nil && !in.Running && in.Status != "created" && in.Status != "restarting", err
}

// Logs reads what the engine kept of the container's output since a moment (inclusive; zero = everything), with time stamps, both streams,
// in the engine's own framing. With follow it ends when the container ends, or with ctx.
func (t *Terminal) Logs(ctx context.Context, since time.Time, follow bool) (io.ReadCloser, error) {
	o := container.LogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Follow: follow}
	if !since.IsZero() {
		o.Since = fmt.Sprintf("%d.%09d", since.Unix(), since.Nanosecond())
	}
	if err := t.c.agreeSoon(ctx, "reading the console"); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	late := time.AfterFunc(quick, func() { cancel(context.DeadlineExceeded) })
	body, err := t.c.api.ContainerLogs(ctx, t.id, o)
	if err == nil && late.Stop() {
		return &logs{ReadCloser: body, cancel: cancel}, nil
	}
	if err == nil {
		_ = body.Close()
	}
	err = t.c.explain(errors.Join(err, context.Cause(ctx)), "reading the console")
	cancel(nil)
	return nil, err
}

// agreeSoon is begin for streams, which live longer than a call.
func (c *Client) agreeSoon(ctx context.Context, doing string) error {
	_, cancel, err := c.begin(ctx, quick, doing)
	if err == nil {
		cancel()
	}
	return err
}

type logs struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

func (l *logs) Close() error {
	l.cancel(nil)
	return l.ReadCloser.Close()
}

// Stdin opens the container's standard input. It lives until it is closed, the container ends or ctx ends.
func (t *Terminal) Stdin(ctx context.Context) (io.WriteCloser, error) {
	if err := t.c.agreeSoon(ctx, "attaching to the console"); err != nil {
		return nil, err
	}
	type answer struct {
		h   types.HijackedResponse
		err error
	}
	// The client's handshake does not look at the context: a hung engine would hold us for ever.
	got := make(chan answer, 1)
	go func() {
		h, err := t.c.api.ContainerAttach(ctx, t.id, container.AttachOptions{Stream: true, Stdin: true})
		got <- answer{h, err}
	}()
	late := time.NewTimer(quick)
	defer late.Stop()
	var failure error
	select {
	case a := <-got:
		if a.err != nil {
			return nil, t.c.explain(a.err, "attaching to the console")
		}
		forget := context.AfterFunc(ctx, func() { _ = a.h.Conn.Close() })
		return &stdin{conn: a.h.Conn, forget: forget}, nil
	case <-late.C:
		failure = t.c.explain(context.DeadlineExceeded, "attaching to the console")
	case <-ctx.Done():
		failure = ctx.Err()
	}
	go func() {
		if a := <-got; a.err == nil {
			a.h.Close()
		}
	}()
	return nil, failure
}

type stdin struct {
	conn   net.Conn
	forget func() bool
}

// Write types into the game. A game that does not read its input for 5 s is an error.
func (s *stdin) Write(p []byte) (int, error) {
	if err := s.conn.SetWriteDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return 0, err
	}
	return s.conn.Write(p)
}

func (s *stdin) Close() error {
	s.forget()
	return s.conn.Close()
}
