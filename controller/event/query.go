package event

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
)

// Filter chooses events; an empty field chooses all.
type Filter struct {
	Types  []string // exact ("server.started") or a family ("server.*"); any of them
	Server string
	Node   string
	Owner  string
	Since  time.Time // At not before
	Until  time.Time // At before
	// For Query only: After is the cursor (0: from the beginning, in reverse from the end), Limit 1..1000 (0: 100).
	After   int64
	Limit   int
	Reverse bool // newest first
}

const (
	maxLimit = 1000
	// budget is how many rows one Query looks at before it hands back what it has, so that a filter that fits nothing
	// cannot keep the store's pages busy for long.
	budget = 20_000
)

func (f *Filter) validate() error {
	for _, t := range f.Types {
		family, isFamily := strings.CutSuffix(t, ".*")
		if isFamily && slices.Contains(Families(), family) || !isFamily && typeForm.MatchString(t) {
			continue
		}
		return fault.New(fault.Invalid, fmt.Sprintf("the event type %q is not known", t),
			"use an exact type such as server.started, or one of "+strings.Join(Families(), ".*, ")+".*")
	}
	if f.Limit < 0 || f.Limit > maxLimit || f.After < 0 {
		return fault.New(fault.Invalid, fmt.Sprintf("limit %d or cursor %d is out of range", f.Limit, f.After),
			fmt.Sprintf("use a limit of 1 to %d and a cursor that a query has returned", maxLimit))
	}
	if f.Limit == 0 {
		f.Limit = 100
	}
	return nil
}

// Match tells whether the filter chooses e; it looks at everything but After, Limit and Reverse.
func (f Filter) Match(e Event) bool {
	return matchType(f.Types, e.Type) &&
		(f.Server == "" || f.Server == e.Server) &&
		(f.Node == "" || f.Node == e.Node) &&
		(f.Owner == "" || f.Owner == e.Owner) &&
		(f.Since.IsZero() || !e.At.Before(f.Since)) &&
		(f.Until.IsZero() || e.At.Before(f.Until))
}

func matchType(types []string, t string) bool {
	if len(types) == 0 {
		return true
	}
	for _, want := range types {
		if want == t {
			return true
		}
		if family, ok := strings.CutSuffix(want, "*"); ok && strings.HasPrefix(t, family) {
			return true
		}
	}
	return false
}

// Query reads one page. next is the cursor for the following page and 0 when there is none; a page can be short or even
// empty while next is not 0.
func (l *Log) Query(ctx context.Context, f Filter) (page []Event, next int64, err error) {
	if err := f.validate(); err != nil {
		return nil, 0, err
	}
	err = l.db.View(ctx, func(tx store.Tx) error {
		page, next = nil, 0
		var err error
		page, next, err = read(tx, f)
		return err
	})
	return page, next, err
}

// read fills one page from tx.
func read(tx store.Tx, f Filter) (page []Event, next int64, err error) {
	seen := 0
	for r, err := range rows(tx, f) {
		if err != nil {
			return nil, 0, err
		}
		if f.Reverse && r.Logged.Before(f.Since) {
			break // nothing older can have happened later
		}
		// The row after the last one proves that there is a next page.
		if len(page) == f.Limit || seen == budget {
			return page, next, nil
		}
		seen++
		next = r.Seq
		if f.Match(r.Event) {
			page = append(page, r.Event)
		}
	}
	return page, 0, nil
}

// rows walks one server's events by its index, and all others by number.
func rows(tx store.Tx, f Filter) iter.Seq2[row, error] {
	if !f.Reverse && !f.Since.IsZero() {
		first, err := firstLogged(tx, f.Since)
		if err != nil {
			return func(yield func(row, error) bool) { yield(row{}, err) }
		}
		f.After = max(f.After, first-1)
	}
	after := ""
	if f.After > 0 {
		after = store.SeqKey(f.After)
	}
	switch {
	case f.Server != "":
		return events.Match(tx, "server", f.Server, after, 0, f.Reverse)
	case !f.Reverse:
		return events.Range(tx, "", store.SeqKey(f.After+1), nil, 0, false)
	case after != "":
		return events.Range(tx, "", nil, after, 0, true)
	}
	return events.Range(tx, "", nil, nil, 0, true)
}

// firstLogged is the first event logged at or after since: no earlier one can have an At that late. It is a binary search by
// number; in a hole that a restore left, the next row speaks for it.
func firstLogged(tx store.Tx, since time.Time) (int64, error) {
	lo, hi, err := bounds(tx)
	if err != nil {
		return 0, err
	}
	for lo < hi {
		mid := lo + (hi-lo)/2
		r, err := rowFrom(tx, mid)
		if err != nil {
			return 0, err
		}
		if r.Logged.Before(since) {
			lo = r.Seq + 1
		} else {
			hi = mid
		}
	}
	return lo, nil
}

// rowFrom is the first row with a number of at least seq.
func rowFrom(tx store.Tx, seq int64) (row, error) {
	for r, err := range events.Range(tx, "", store.SeqKey(seq), nil, 1, false) {
		return r, err
	}
	return row{}, store.ErrNotFound
}

// bounds is the half-open range of numbers that are in the log.
func bounds(tx store.Tx) (first, end int64, err error) {
	last, found, err := lastRow(tx)
	if !found || err != nil {
		return 0, 0, err
	}
	for r, err := range events.Range(tx, "", nil, nil, 1, false) {
		return r.Seq, last.Seq + 1, err
	}
	return 0, 0, nil
}

// Head is the number of the newest event, 0 when there has been none. Read it in the View in which the state is read,
// and follow from it: nothing is missed and nothing comes twice.
func (l *Log) Head(tx store.Tx) (int64, error) {
	last, found, err := lastRow(tx)
	if err != nil || found {
		return last.Seq, err
	}
	return watermark(tx)
}
