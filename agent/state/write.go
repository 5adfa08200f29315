package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

// write is one caller's part of a transaction.
type write struct {
	fn   func(*bolt.Tx) error
	done chan error
	err  error
}

const (
	maxGroup    = 256
	reserveName = "agent.reserve"
	reserveSize = 8 << 20
	// reserveEvery is how often it is tried to set the space aside again.
	reserveEvery = time.Minute
)

// do hands fn to the writer and waits until it is on disk. When ctx ends first, the write may still happen.
func (j *Journal) do(ctx context.Context, fn func(*bolt.Tx) error) error {
	w := &write{fn: fn, done: make(chan error, 1)}
	select {
	case j.writes <- w:
	case <-j.closed:
		return protocol.Faultf(protocol.Unavailable, "", "the agent is stopping")
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-w.done:
		return err
	case <-j.done:
		select {
		case err := <-w.done:
			return err
		default:
			return protocol.Faultf(protocol.Unavailable, "", "the agent is stopping")
		}
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ask is do for a write that has an answer. fn may run twice, so it starts from nothing each time, and a caller whose ctx ended first
// gets no answer: the writer may be at work on it still.
func ask[T any](ctx context.Context, j *Journal, fn func(*bolt.Tx) (T, error)) (T, error) {
	var given, none T
	err := j.do(ctx, func(tx *bolt.Tx) (err error) {
		given, err = fn(tx)
		return err
	})
	if err != nil {
		return none, err
	}
	return given, nil
}

// writer is the only goroutine that writes. What queues up during one fsync goes into the next transaction together.
func (j *Journal) writer() {
	defer close(j.done)
	for {
		select {
		case w := <-j.writes:
			j.commit(j.gather(w))
		case <-j.closed:
			for {
				select {
				case w := <-j.writes:
					j.commit(j.gather(w))
				default:
					return
				}
			}
		}
	}
}

func (j *Journal) gather(first *write) []*write {
	group := []*write{first}
	for len(group) < maxGroup {
		select {
		case w := <-j.writes:
			group = append(group, w)
		default:
			return group
		}
	}
	return group
}

// commit runs the group in one transaction. When one of them fails, each gets its own, so that it cannot hurt the others.
func (j *Journal) commit(group []*write) {
	if err := j.transact(group); err != nil && len(group) > 1 {
		for _, w := range group {
			w.err = j.transact([]*write{w})
		}
	} else {
		for _, w := range group {
			w.err = err
		}
	}
	for _, w := range group {
		w.done <- w.err
	}
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

func (j *Journal) transact(group []*write) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	next, first, bytes, lost, dropped := j.next, j.first, j.bytes, j.lost, j.dropped
	err := j.retry(func() error {
		j.next, j.first, j.bytes, j.lost, j.dropped = next, first, bytes, lost, dropped
		return j.db.Update(func(tx *bolt.Tx) error {
			for _, w := range group {
				if err := w.fn(tx); err != nil {
					return err
				}
			}
			return failpoint.Hit("state.commit.before")
		})
	})
	if err != nil {
		j.next, j.first, j.bytes, j.lost, j.dropped = next, first, bytes, lost, dropped
		clear(j.progress)
		return explain(err)
	}
	if j.lost > lost {
		j.log.Warn("too many reports wait for the controller: the oldest were dropped", "dropped", j.lost-lost, "first", j.first, "bytes", j.bytes)
	}
	j.reserveAgain()
	j.syncs.Inc()
	j.written.Add(float64(len(group)))
	return failpoint.Hit("state.commit.after")
}

func explain(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return protocol.Faultf(protocol.ReadOnly, "free space on the node's disk", "the node's disk is full: the agent cannot write its journal")
	}
	return err
}

// keepReserve sets a little disk space aside, so that stops and reports can still be written when tenants have filled the disk.
func (j *Journal) keepReserve() {
	f, err := os.OpenFile(j.reserve, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	if err := syscall.Fallocate(int(f.Fd()), 0, 0, reserveSize); err != nil {
		j.log.Warn("no disk space could be set aside for the journal", "path", j.reserve, "err", err)
		return
	}
	j.reserved = true
}

// reserveAgain sets the space aside anew some time after it was given back, if there is room by then.
func (j *Journal) reserveAgain() {
	var fs syscall.Statfs_t
	if j.reserved || time.Since(j.tried) < reserveEvery || syscall.Statfs(filepath.Dir(j.reserve), &fs) != nil {
		return
	}
	j.tried = time.Now()
	if int64(fs.Bavail)*fs.Bsize > 4*reserveSize {
		j.keepReserve()
	}
}

func (j *Journal) freeReserve(err error) bool {
	if !errors.Is(err, syscall.ENOSPC) {
		return false
	}
	if err := os.Remove(j.reserve); err != nil {
		return false
	}
	j.reserved, j.tried = false, time.Now()
	j.log.Warn("disk is full, reserved space given back to the journal", "bytes", reserveSize)
	return true
}

// recoverRead runs a read and turns bbolt's panics on torn pages into errors.
func (j *Journal) recoverRead(fn func(*bolt.Tx) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = damaged(j.path, fmt.Errorf("%v", r))
		}
	}()
	return j.db.View(fn)
}
