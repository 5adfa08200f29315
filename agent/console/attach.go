package console

import (
	"context"

	"github.com/payperplay/payperplay/protocol"
)

// Attach follows a container from where the history ends. Call it right after the container was started, after each restart of it, and for
// every container found running when the agent starts. Following outlives ctx. It is a no-op while that container is followed already.
func (c *Console) Attach(ctx context.Context, id string, src Source, o Upstream) error {
	s, err := c.server(id)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch = o.Epoch
	if o.MaxBytes > 0 {
		s.book.limit(o.MaxBytes)
	}
	if s.tail != nil && s.tail.src.ID() == src.ID() && !s.tail.finished() {
		return nil
	}
	if s.tail != nil {
		s.tail.stop()
	}
	s.stdin.reset(src)
	s.tail = startTail(ctx, c, s, src)
	return nil
}

// Drain waits until the last line of the server's container is in the history. The container must have exited; call it before removing it.
func (c *Console) Drain(ctx context.Context, id string) error {
	s := c.known(id)
	if s == nil {
		return nil
	}
	s.mu.Lock()
	t := s.tail
	s.mu.Unlock()
	if t == nil {
		return nil
	}
	t.lookAgain()
	select {
	case <-t.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Detach stops following; the history stays.
func (c *Console) Detach(id string) {
	if s := c.known(id); s != nil {
		s.detach()
	}
}

func (s *server) detach() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tail != nil {
		s.tail.stop()
		s.tail = nil
	}
	s.stdin.reset(nil)
	s.rcon.close()
	s.rcon = nil
}

// Remove ends the server's followers and deletes its history.
func (c *Console) Remove(id string) error {
	s, err := c.server(id)
	if err != nil {
		return err
	}
	s.detach()
	c.mu.Lock()
	delete(c.servers, id)
	c.mu.Unlock()
	return s.book.remove()
}

// System records what the agent has to say: "started", "stopped", "crashed: exit code 1".
func (c *Console) System(id, text string) {
	s, err := c.server(id)
	if err == nil {
		_, err = c.record(s, protocol.LineSystem, text)
	}
	if err != nil {
		c.metrics.failures.Inc()
		c.log.Warn("console line was not recorded", "server", id, "err", err)
	}
}

// Watch calls fn with every new line of the server after it is written, in order, until cancel. fn runs where the line was written:
// it must return quickly and call nothing of this room.
func (c *Console) Watch(id string, fn func(protocol.Line)) (cancel func()) {
	s, err := c.server(id)
	if err != nil {
		c.log.Warn("console is not watched", "server", id, "err", err)
		return func() {}
	}
	s.write.Lock()
	defer s.write.Unlock()
	s.watchSeq++
	key := s.watchSeq
	s.watchers[key] = fn
	return func() {
		s.write.Lock()
		defer s.write.Unlock()
		delete(s.watchers, key)
	}
}
