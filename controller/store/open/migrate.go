package open

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

// Phase is a part of a move.
type Phase string

// The phases that go through all rows.
const (
	Copying   Phase = "copying"
	Comparing Phase = "comparing"
)

// Progress is how far a move is. It comes for every row: whoever shows it chooses when.
type Progress struct {
	Phase       Phase
	Table       string
	Rows, Total int64 // of all tables, in this phase
}

// MoveOptions for Migrate.
type MoveOptions struct {
	Progress func(Progress) // nil: nobody watches
	// Force moves a Postgres store although a controller seems to lead it: that one can change nothing any more, and ends.
	Force bool
}

// Moved is what a move did.
type Moved struct {
	From   string        `json:"from"`
	To     string        `json:"to"`
	Tables []MovedTable  `json:"tables"`
	Rows   int64         `json:"rows"`
	Term   int64         `json:"term"` // of the new store; the next start raises it
	Took   time.Duration `json:"-"`
	Head   store.Header  `json:"-"`
}

// MovedTable is one table of it.
type MovedTable struct {
	Name string `json:"name"`
	Rows int64  `json:"rows"`
}

// Migrate moves the state at from to the empty place at to. The old store is held meanwhile, so no controller may lead it;
// it keeps all its rows and gets a mark, so that none starts on it by mistake. The new one gets a higher term and is
// compared with the old one row by row, both ways, before it can be opened. Killed at any point, it can be run again:
// at most one of the two can be opened at any time, and never a part.
func Migrate(ctx context.Context, from, to string, o MoveOptions) (m Moved, err error) {
	a, err := Parse(from)
	if err != nil {
		return m, err
	}
	b, err := Parse(to)
	if err != nil {
		return m, err
	}
	if a.String() == b.String() {
		return m, fault.New(fault.Invalid, "the store is to be moved to where it is", "name two different addresses")
	}
	// Looked at before the old store is held, which ends a controller that leads it. One that is not empty may be what an earlier
	// move made: the mark of the old store tells.
	if err := look(ctx, b); err != nil && (o.Force || fault.KindOf(err) != fault.Conflict) {
		return m, err
	}
	began := time.Now()
	origin, err := engineOf(a).hold(ctx, a, o.Force)
	if err != nil {
		return m, err
	}
	defer closing(origin, &err)
	mark, err := origin.Moved(ctx)
	if err != nil {
		return m, err
	}
	if mark != nil && mark.To != b.String() {
		return m, store.MovedError(a.String(), *mark)
	}
	stage, err := engineOf(b).stage(ctx, b)
	if fault.KindOf(err) == fault.Conflict && mark != nil {
		return m, fault.Wrap(err, fault.Conflict, fmt.Sprintf("%s was moved to %s already, on %s", a, b, mark.At.UTC().Format(time.DateTime+" UTC")), "start the controller with --store "+b.String())
	}
	if err != nil {
		return m, err
	}
	defer closing(stage, &err)
	m = Moved{From: a.String(), To: b.String(), Tables: []MovedTable{}}
	if err := m.fill(ctx, origin, stage, o.Progress); err != nil {
		return m, err
	}
	if err := m.switchOver(ctx, origin, stage); err != nil {
		return m, err
	}
	m.Took = time.Since(began)
	return m, nil
}

// look says whether a store can be made at a, and leaves nothing there.
func look(ctx context.Context, a Address) error {
	stage, err := engineOf(a).stage(ctx, a)
	if err != nil {
		return err
	}
	return stage.Close()
}

// fill copies and compares.
func (m *Moved) fill(ctx context.Context, origin store.Origin, stage store.Stage, progress func(Progress)) error {
	show := func(phase Phase) func(store.Header, store.Row) {
		var n int64
		return func(h store.Header, r store.Row) {
			if n++; progress != nil {
				progress(Progress{Phase: phase, Table: r.Table, Rows: n, Total: h.Rows()})
			}
		}
	}
	if err := transfer(ctx, origin, stage, 1, show(Copying)); err != nil {
		return err
	}
	if err := failpoint.Hit("store.migrate.copied"); err != nil {
		return err
	}
	err := compare(ctx, origin, stage, 1, show(Comparing))
	var d difference
	if errors.As(err, &d) {
		return fault.Wrap(err, fault.Internal, "the copy is not the same as "+m.From+": "+d.what,
			"nothing was changed; run `controller store check` on the old store, and keep it in use")
	}
	if err != nil {
		return err
	}
	if m.Head, err = headOf(ctx, stage); err != nil {
		return err
	}
	for _, t := range m.Head.Tables {
		m.Tables = append(m.Tables, MovedTable{Name: t.Name, Rows: t.Rows})
	}
	m.Rows, m.Term = m.Head.Rows(), m.Head.Term
	return failpoint.Hit("store.migrate.compared")
}

// switchOver first bars the old store and then opens the new one: a kill in between leaves none, never two.
func (m *Moved) switchOver(ctx context.Context, origin store.Origin, stage store.Stage) error {
	if err := origin.Retire(ctx, &store.Moved{To: m.To, At: time.Now().UTC().Truncate(time.Second)}); err != nil {
		return err
	}
	if err := failpoint.Hit("store.migrate.retired"); err != nil {
		return err
	}
	err := stage.Publish(ctx)
	if err != nil {
		return fault.Wrap(err, fault.KindOf(err), "the copy was whole, but could not be put in its place: "+err.Error(), "run the same command once more; until then neither store can be opened")
	}
	return failpoint.Hit("store.migrate.published")
}

var errHeadOnly = errors.New("only the header")

func headOf(ctx context.Context, src store.Source) (h store.Header, err error) {
	err = src.Dump(ctx, func(got store.Header) error { h = got; return errHeadOnly }, func(store.Row) error { return nil })
	if errors.Is(err, errHeadOnly) {
		err = nil
	}
	return h, err
}
