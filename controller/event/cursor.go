package event

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
)

// cursorRow is a durable cursor: everything up to Seq is done. The row trimmedRow is the log's own: up to Seq is deleted.
type cursorRow struct {
	Name    string    `json:"name"`
	Seq     int64     `json:"seq"`
	Hold    bool      `json:"hold,omitempty"`
	From    int64     `json:"from,omitempty"` // of a hole: numbers above it and below Seq are of a lost time
	Updated time.Time `json:"updated"`
}

const trimmedRow = ".trimmed"

var cursors = store.Table[cursorRow]{
	Name: "event_cursors",
	Key:  func(c cursorRow) string { return c.Name },
}

// watermark is the number up to which events have been trimmed.
func watermark(tx store.Tx) (int64, error) {
	c, err := cursors.Get(tx, trimmedRow)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	return c.Seq, err
}

// CursorOptions say how a cursor begins and what it may hold up.
type CursorOptions struct {
	// Hold keeps events that the cursor has not passed, however old: for money and audit.
	Hold bool
	// FromNow begins a new cursor at the newest event; otherwise it begins at the oldest one there is.
	FromNow bool
}

// Cursor is a reader's durable place in the log.
type Cursor struct {
	log  *Log
	name string
}

// Cursor opens the cursor of that name and makes it first if there is none. From that moment a holding one holds.
func (l *Log) Cursor(ctx context.Context, name string, opts CursorOptions) (*Cursor, error) {
	if strings.HasPrefix(name, ".") {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("the cursor name %q begins with a dot", name), "")
	}
	err := l.db.Update(ctx, func(tx store.Tx) error {
		c, err := cursors.Get(tx, name)
		if err == nil {
			if c.Hold == opts.Hold {
				return nil
			}
			c.Hold = opts.Hold
			return cursors.Put(tx, c)
		}
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		c = cursorRow{Name: name, Hold: opts.Hold, Updated: time.Now().UTC()}
		if opts.FromNow {
			c.Seq, err = l.Head(tx)
		} else {
			c.Seq, err = watermark(tx)
		}
		if err != nil {
			return err
		}
		return cursors.Put(tx, c)
	})
	if err != nil {
		return nil, err
	}
	return &Cursor{log: l, name: name}, nil
}

// Position is the number of the last event that is done.
func (c *Cursor) Position(tx store.Tx) (int64, error) {
	r, err := cursors.Get(tx, c.name)
	return r.Seq, err
}

// Read returns up to batch (1..1000) events after the position; none when there are none. ErrCursorGone when some of them
// have been trimmed, which cannot happen to a holding cursor.
func (c *Cursor) Read(ctx context.Context, batch int) (page []Event, err error) {
	f := Filter{Limit: batch}
	if err := f.validate(); err != nil {
		return nil, err
	}
	err = c.log.db.View(ctx, func(tx store.Tx) error {
		page = nil
		pos, err := c.Position(tx)
		if err != nil {
			return err
		}
		head, err := c.log.Head(tx)
		if err != nil {
			return err
		}
		if err := checkCursor(tx, pos, head); err != nil {
			return err
		}
		f.After = pos
		page, _, err = read(tx, f)
		return err
	})
	return page, err
}

// Wait returns when there is something to Read, or ctx ends.
func (c *Cursor) Wait(ctx context.Context) error {
	var pos int64
	err := c.log.db.View(ctx, func(tx store.Tx) (err error) {
		pos, err = c.Position(tx)
		return err
	})
	if err != nil {
		return err
	}
	return c.log.Wait(ctx, pos)
}

// Commit marks everything up to seq as done, in the transaction of the reader's own change, so that both happen or none.
// The same place again is fine; going back, or beyond the newest event, is kind conflict. After ErrCursorGone, commit Head.
func (c *Cursor) Commit(tx store.Tx, seq int64) error {
	r, err := cursors.Get(tx, c.name)
	if err != nil {
		return err
	}
	if seq == r.Seq {
		return nil
	}
	head, err := c.log.Head(tx)
	if err != nil {
		return err
	}
	if seq < r.Seq || seq > head {
		return fault.New(fault.Conflict, fmt.Sprintf("cursor %s is at %d of %d and cannot move to %d", c.name, r.Seq, head, seq),
			"read from its position again")
	}
	r.Seq, r.Updated = seq, time.Now().UTC()
	return cursors.Put(tx, r)
}
