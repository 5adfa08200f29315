package tunnel

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/payperplay/payperplay/controller/store"
)

// batchMax bounds one transaction; batchTime its duration.
const (
	batchMax  = 256
	batchTime = 30 * time.Second
)

// batcher lets changes that arrive together share a transaction, and so an fsync: 10,000 agents that come back at once
// would else wait for 10,000 of them. A change that fails is tried again alone, so it spoils no other.
type batcher struct {
	db    store.DB
	mu    sync.Mutex
	queue []*change
	busy  bool
}

type change struct {
	ctx  context.Context
	fn   func(tx store.Tx) error
	done chan error
}

// do runs fn in an Update, perhaps with others'. When ctx ends first, fn may still happen and what it captured must not be read.
func (b *batcher) do(ctx context.Context, fn func(tx store.Tx) error) error {
	c := &change{ctx: ctx, fn: fn, done: make(chan error, 1)}
	b.mu.Lock()
	b.queue = append(b.queue, c)
	if !b.busy {
		b.busy = true
		go b.run()
	}
	b.mu.Unlock()
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run works until the queue is empty.
func (b *batcher) run() {
	for {
		b.mu.Lock()
		n := min(len(b.queue), batchMax)
		batch := b.queue[:n:n]
		b.queue = b.queue[n:]
		if n == 0 {
			b.queue, b.busy = nil, false
			b.mu.Unlock()
			return
		}
		b.mu.Unlock()
		b.commit(batch)
	}
}

func (b *batcher) commit(batch []*change) {
	err := b.update(batch)
	if err == nil || len(batch) == 1 {
		for _, c := range batch {
			c.done <- err
		}
		return
	}
	for _, c := range batch {
		c.done <- b.update([]*change{c})
	}
}

var errGivenUp = errors.New("the caller gave up")

func (b *batcher) update(batch []*change) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(batch[0].ctx), batchTime)
	defer cancel()
	return b.db.Update(ctx, func(tx store.Tx) error {
		for _, c := range batch {
			if c.ctx.Err() != nil {
				if len(batch) == 1 {
					return errGivenUp
				}
				continue
			}
			if err := c.fn(tx); err != nil {
				return err
			}
		}
		return nil
	})
}
