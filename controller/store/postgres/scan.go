package postgres

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/payperplay/payperplay/controller/store"
)

// A scan reads in batches, each beginning behind the last row of the one before: the connection is free in between for
// what the loop's body does, and one that ends early leaves nothing open. The transaction makes the batches one snapshot.

// batchSizes are written into the statements, so that there are few of them and the planner knows how little is wanted.
var batchSizes = [...]int{1, 16, 128, 512}

const batchBytes = 1 << 20 // what a batch should hold at most, going by the rows before

type walk struct {
	tt    *txTable
	q     store.Query
	index int // -1: the rows themselves
	col   string
	// last is where the next batch begins.
	lastKey   string
	lastValue any
	begun     bool
}

type found struct {
	key   string
	row   row
	value any
}

// Scan walks the rows or an index.
func (t *tx) Scan(q store.Query, yield func(key string, doc []byte, err error) bool) error {
	tt, err := t.table(q.Table, false)
	if err != nil {
		return err
	}
	w := walk{tt: tt, q: q, index: -1, col: "key"}
	if q.Index != "" {
		for i, x := range tt.def.Indexes {
			if x.Name == q.Index {
				w.index, w.col = i, ident(x.Name)
			}
		}
		if w.index < 0 {
			return fmt.Errorf("store: table %s has no index %s", q.Table, q.Index)
		}
	}
	tt.ranging++
	defer func() { tt.ranging-- }()
	return t.walk(&w, yield)
}

func (t *tx) walk(w *walk, yield func(key string, doc []byte, err error) bool) error {
	given, next := 0, batchSizes[1]
	if w.q.Limit > 0 {
		next = w.q.Limit
	}
	for {
		size := atLeast(next)
		rows, bytes, err := t.batch(w, size)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if t.write {
				w.tt.know(r.key, r.row) // a loop that changes what it found asks no second time
			}
			doc := r.row.doc
			if r.row.err != nil {
				doc = nil
			}
			if !yield(r.key, doc, r.row.err) {
				return nil
			}
			if given++; w.q.Limit > 0 && given >= w.q.Limit {
				return nil
			}
		}
		if len(rows) < size {
			return nil
		}
		last := rows[len(rows)-1]
		w.begun, w.lastKey, w.lastValue = true, last.key, last.value
		next = size * 4
		for next > 1 && bytes/size*next > batchBytes {
			next /= 4
		}
	}
}

func atLeast(n int) int {
	for _, size := range batchSizes {
		if size >= n {
			return size
		}
	}
	return batchSizes[len(batchSizes)-1]
}

func (t *tx) batch(w *walk, size int) (out []found, bytes int, err error) {
	sql, args := w.statement(size)
	out = make([]found, 0, min(size, 64))
	err = t.send(t.ctx, step{sql: sql, args: args, rows: func(rows pgx.Rows) error {
		for rows.Next() {
			var f found
			into := []any{&f.key, &f.row.crc, &f.row.doc}
			if w.index >= 0 {
				into = append(into, &f.value)
			}
			if err := rows.Scan(into...); err != nil {
				return err
			}
			f.row.err = verify(w.tt.seed, w.tt.def.Name, f.key, f.row.crc, f.row.doc)
			bytes += len(f.row.doc)
			out = append(out, f)
		}
		return nil
	}})
	return out, bytes, err
}

// statement is the SQL of one batch.
func (w *walk) statement(size int) (string, []any) {
	var b strings.Builder
	var args []any
	param := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	b.WriteString("SELECT key, _crc, doc")
	if w.index >= 0 {
		b.WriteString(", " + w.col)
	}
	b.WriteString(" FROM " + w.tt.name + " WHERE ")
	above, order := " > ", ""
	if w.q.Reverse {
		above, order = " < ", " DESC"
	}
	switch {
	case w.q.Equal != nil:
		b.WriteString(w.col + " = " + param(argument(*w.q.Equal)))
		after := w.q.After
		if w.begun {
			after = w.lastKey
		}
		if after != "" {
			b.WriteString(" AND key" + above + param(after))
		}
		fmt.Fprintf(&b, " ORDER BY key%s LIMIT %d", order, size)
		return b.String(), args
	case w.index >= 0:
		b.WriteString(w.col + " IS NOT NULL")
	default:
		b.WriteString("true")
	}
	unique := w.index < 0 || w.tt.def.Indexes[w.index].Unique
	if w.q.From != nil && !(w.begun && !w.q.Reverse) {
		b.WriteString(" AND " + w.col + " >= " + param(argument(*w.q.From)))
	}
	if w.q.To != nil && !(w.begun && w.q.Reverse) {
		b.WriteString(" AND " + w.col + " < " + param(argument(*w.q.To)))
	}
	switch {
	case w.begun && w.index < 0:
		b.WriteString(" AND key" + above + param(w.lastKey))
	case w.begun && unique:
		b.WriteString(" AND " + w.col + above + param(w.lastValue))
	case w.begun:
		fmt.Fprintf(&b, " AND (%s, key)%s(%s, %s)", w.col, above, param(w.lastValue), param(w.lastKey))
	}
	fmt.Fprintf(&b, " ORDER BY %s%s", w.col, order)
	if !unique {
		b.WriteString(", key" + order)
	}
	fmt.Fprintf(&b, " LIMIT %d", size)
	return b.String(), args
}
