package event

import (
	"fmt"
	"sync"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
)

// Era is what the numbers jump to the next multiple of when the log is found to be older than its readers: more than any
// store logs between a backup and its restore, and small enough that JavaScript can hold nine million jumps.
const Era = 1_000_000_000

// Rows of the log's own in the cursors' table: baseRow's Seq is added to the sequence; each hole is a jump.
const (
	baseRow  = ".base"
	holeRow  = ".hole."
	holesEnd = ".hole/" // the first text after all holes
)

// Skip leaves a hole in the numbers, up to the next multiple of Era: the store was restored from a backup, and the numbers after
// it were given before, to other events. What comes after has numbers that nobody has seen, and a reader whose cursor lies
// in the hole gets ErrCursorGone. Numbers that this process gave before it noticed belong to the hole too.
func (l *Log) Skip(tx store.Tx) error {
	base, _, err := l.offset(tx)
	if err != nil {
		return err
	}
	n, err := tx.Next("events")
	if err != nil {
		return err
	}
	if _, err := l.clock(tx); err != nil { // learns where this process began
		return err
	}
	head := base + n
	to := (head/Era + 1) * Era
	if err := cursors.Put(tx, cursorRow{Name: baseRow, Seq: to - n}); err != nil {
		return err
	}
	if err := cursors.Put(tx, cursorRow{Name: holeRow + store.SeqKey(to), Seq: to, From: min(l.began.Load(), head-1)}); err != nil {
		return err
	}
	l.forget() // for what this transaction still appends, and whoever comes after it
	return nil
}

// numbering is the offset of the numbers as far as it is known. It is learnt after a commit, by functions that may run when the next
// writer is through already: era tells what was read before a Skip from what was read after it.
type numbering struct {
	mu    sync.Mutex
	known bool
	base  int64
	era   int64 // Skips so far, also those that were rolled back
}

func (l *Log) forget() {
	l.numbers.mu.Lock()
	defer l.numbers.mu.Unlock()
	l.numbers.known = false
	l.numbers.era++
}

func (l *Log) learnt(base, era int64) {
	l.numbers.mu.Lock()
	defer l.numbers.mu.Unlock()
	if era == l.numbers.era {
		l.numbers.known, l.numbers.base = true, base
	}
}

// offset is what is added to the sequence, and the era it belongs to. It is read once, and again after a Skip.
func (l *Log) offset(tx store.Tx) (base, era int64, err error) {
	l.numbers.mu.Lock()
	known := l.numbers.known
	base, era = l.numbers.base, l.numbers.era
	l.numbers.mu.Unlock()
	if known {
		return base, era, nil
	}
	b, err := cursors.Get(tx, baseRow)
	if fault.KindOf(err) == fault.NotFound {
		err = nil
	}
	return b.Seq, era, err
}

// lost tells whether a number lies in a hole: whoever holds it read it before the store was restored.
func lost(tx store.Tx, after int64) error {
	for c, err := range cursors.Range(tx, "", holeRow, holesEnd, 0, false) {
		if err != nil {
			return err
		}
		if after > c.From && after < c.Seq {
			return fault.Wrap(ErrCursorGone, fault.Precondition,
				fmt.Sprintf("the cursor %d is of a time before the store was restored from a backup", after), fault.Next(ErrCursorGone))
		}
	}
	return nil
}
