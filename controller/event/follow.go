package event

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/payperplay/payperplay/controller/store"
)

// bell wakes everyone who waits, and only that: whoever wakes looks for himself.
type bell struct {
	mu   sync.Mutex
	ring chan struct{}
}

func (b *bell) strike() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.ring)
	b.ring = make(chan struct{})
}

func (b *bell) listen() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ring
}

// Follow yields the events after the number after that f chooses (its After, Limit and Reverse do not count), those that
// are there first and then each new one, without gap or duplicate, until ctx ends or the loop breaks. It ends with one
// error: ErrCursorGone, an error of the store, or ctx's. A negative after means from now on.
func (l *Log) Follow(ctx context.Context, after int64, f Filter) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		f.After, f.Limit, f.Reverse = 0, 256, false
		if err := f.validate(); err != nil {
			yield(Event{}, err)
			return
		}
		l.m.follow(1)
		defer l.m.follow(-1)
		if err := l.db.View(ctx, func(tx store.Tx) error { return lost(tx, after) }); err != nil {
			yield(Event{}, err)
			return
		}
		for {
			woken := l.bell.listen() // before the look, so that nothing slips in between
			page, pos, err := l.since(ctx, after, f)
			if err != nil {
				yield(Event{}, err)
				return
			}
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
			}
			if more := pos > after; more {
				after = pos
				continue
			}
			if after < 0 {
				after = pos
			}
			if err := wait(ctx, woken, l.poll); err != nil {
				yield(Event{}, err)
				return
			}
		}
	}
}

// since reads the next page after a position and says up to where it has looked.
func (l *Log) since(ctx context.Context, after int64, f Filter) (page []Event, pos int64, err error) {
	err = l.db.View(ctx, func(tx store.Tx) error {
		page, pos = nil, 0
		head, err := l.Head(tx)
		if err != nil {
			return err
		}
		if after < 0 {
			pos = head
			return nil
		}
		if err := checkCursor(tx, after, head); err != nil {
			return err
		}
		if f.After = after; after == head {
			pos = head
			return nil
		}
		page, pos, err = read(tx, f)
		if pos == 0 {
			pos = head
		}
		return err
	})
	return page, pos, err
}

// checkCursor tells whether everything after the cursor is still in the log.
func checkCursor(tx store.Tx, after, head int64) error {
	gone, err := watermark(tx)
	if err == nil && (after < gone || after > head) {
		err = ErrCursorGone
	}
	return err
}

// Wait returns when there is an event after the number after, or ctx ends.
func (l *Log) Wait(ctx context.Context, after int64) error {
	for {
		woken := l.bell.listen()
		var head int64
		err := l.db.View(ctx, func(tx store.Tx) (err error) {
			head, err = l.Head(tx)
			return err
		})
		if err != nil || head > after {
			return err
		}
		if err := wait(ctx, woken, l.poll); err != nil {
			return err
		}
	}
}

func wait(ctx context.Context, woken <-chan struct{}, poll time.Duration) error {
	timer := time.NewTimer(poll)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-woken:
	case <-timer.C:
	}
	return nil
}
