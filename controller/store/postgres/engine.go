package postgres

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/payperplay/payperplay/controller/store"
)

// txTable is a table in one transaction.
type txTable struct {
	*table
	rows      map[string]row // as this transaction sees them, as far as it has looked
	rowsDelta int64
	digest    int64 // xor of the rows that went and came
	count     int64 // as it was before this transaction
	counted   bool
	ranging   int // scans under way
}

// row is one that was read or written; doc nil: there is none.
type row struct {
	doc []byte // in the spelling of jsonb where it was written here
	crc int32
	err error // it is damaged
}

// maxKnown is how many rows a transaction remembers of a table.
const maxKnown = 2048

func (tt *txTable) know(key string, r row) {
	if len(tt.rows) >= maxKnown {
		clear(tt.rows) // what was written is sent before anything is asked again
	}
	tt.rows[key] = r
}

func (t *tx) table(name string, write bool) (*txTable, error) {
	if err := t.usable(write); err != nil {
		return nil, err
	}
	if t.failed != nil {
		return nil, t.failed
	}
	tt := t.open[name]
	if tt == nil {
		known, ok := t.db.tables[name]
		if !ok {
			return nil, fmt.Errorf("store: table %s was not in the tables given to Open", name)
		}
		tt = &txTable{table: known, rows: map[string]row{}}
		if t.open == nil {
			t.open = make(map[string]*txTable, 4)
		}
		t.open[name] = tt
	}
	if write && tt.ranging > 0 {
		return nil, fmt.Errorf("table %s: %w", name, store.ErrRanging)
	}
	return tt, nil
}

// lookup asks for a row.
func (tt *txTable) lookup(key string, into *row) step {
	return step{sql: tt.get, args: []any{key}, rows: func(rows pgx.Rows) error {
		if !rows.Next() {
			return nil
		}
		if err := rows.Scan(&into.crc, &into.doc); err != nil {
			return err
		}
		into.err = verify(tt.seed, tt.def.Name, key, into.crc, into.doc)
		return nil
	}}
}

// row is the row as the transaction sees it.
func (t *tx) row(tt *txTable, key string) (row, error) {
	if r, ok := tt.rows[key]; ok {
		return r, r.err
	}
	var r row
	if err := t.send(t.ctx, tt.lookup(key, &r)); err != nil {
		return row{}, err
	}
	tt.know(key, r)
	return r, r.err
}

// Get reads a row's document.
func (t *tx) Get(name, key string) ([]byte, error) {
	tt, err := t.table(name, false)
	if err != nil {
		return nil, err
	}
	r, err := t.row(tt, key)
	if err == nil && r.doc == nil {
		err = store.ErrNotFound
	}
	return r.doc, err
}

// Put writes a row. A row that is the same already costs nothing.
func (t *tx) Put(name, key string, doc []byte, values []store.Value) error {
	tt, err := t.table(name, true)
	if err != nil {
		return err
	}
	if doc, err = canonical(doc); err != nil {
		if errors.Is(err, errJSON) {
			return fmt.Errorf("table %s, row %q: %w", name, key, err)
		}
		return err
	}
	old, err := t.settle(tt, key, values)
	switch {
	case err != nil:
		return err
	case old.doc != nil && bytes.Equal(old.doc, doc):
		return nil
	}
	crc := crcRow(tt.seed, key, doc)
	write := step{sql: tt.insert, args: tt.arguments(key, crc, doc, values)}
	if old.doc != nil {
		write.sql = tt.update
		tt.digest ^= mix(old.crc)
	} else {
		tt.rowsDelta++
	}
	tt.digest ^= mix(crc)
	tt.know(key, row{doc: doc, crc: crc})
	return t.later(write, len(doc))
}

// later keeps a write for the next round trip.
func (t *tx) later(write step, size int) error {
	t.wrote = true
	t.pending = append(t.pending, write)
	t.pendingBytes += size
	if len(t.pending) < maxPending && t.pendingBytes < maxPendingBytes {
		return nil
	}
	return t.send(t.ctx)
}

// settle finds the row that a Put replaces, and refuses a value of a unique index that another row has: in one round
// trip, or none where the transaction knows enough. A row of a table that only grows is assumed to be new; if it is not,
// its insert is refused and the closure runs again with care.
func (t *tx) settle(tt *txTable, key string, values []store.Value) (old row, err error) {
	old, known := tt.rows[key]
	if known && old.err != nil {
		return old, old.err
	}
	if !known && tt.def.Grows && !tt.unique && !t.careful {
		return row{}, nil
	}
	taken := -1
	if known {
		err = t.checkTaken(tt, key, old, values, &taken)
	} else {
		err = t.send(t.ctx, tt.meet(key, values, &old, &taken))
	}
	if err != nil {
		return old, err
	}
	tt.know(key, old)
	switch {
	case old.err != nil:
		return old, old.err
	case taken >= 0:
		return old, store.Taken(tt.def.Name, tt.def.Indexes[taken].Name)
	}
	return old, nil
}

// meet asks for the row and for the other rows that have its values in unique indexes: one statement.
func (tt *txTable) meet(key string, values []store.Value, old *row, taken *int) step {
	args := []any{key}
	for i, x := range tt.def.Indexes {
		if x.Unique {
			args = append(args, argument(values[i]))
		}
	}
	return step{sql: tt.fetch, args: args, rows: func(rows pgx.Rows) error {
		var crc *int32
		into, clashes := []any{&crc, &old.doc}, make([]bool, len(tt.def.Indexes))
		for i, x := range tt.def.Indexes {
			if x.Unique {
				into = append(into, &clashes[i])
			}
		}
		if !rows.Next() {
			return nil
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		*taken = slices.Index(clashes, true)
		if crc != nil {
			old.crc = *crc
			old.err = verify(tt.seed, tt.def.Name, key, old.crc, old.doc)
		}
		return nil
	}}
}

// checkTaken asks for the values that are new to a row that is known.
func (t *tx) checkTaken(tt *txTable, key string, old row, values []store.Value, taken *int) error {
	check, err := tt.toCheck(old, values)
	if err != nil || len(check) == 0 {
		return err
	}
	var steps []step
	for _, i := range check {
		steps = append(steps, step{sql: tt.taken[i], args: []any{argument(values[i]), key}, rows: func(rows pgx.Rows) error {
			if rows.Next() && *taken < 0 {
				*taken = i
			}
			return nil
		}})
	}
	return t.send(t.ctx, steps...)
}

// toCheck lists the unique indexes in which the row's value is new.
func (tt *txTable) toCheck(old row, values []store.Value) (check []int, err error) {
	if !tt.unique {
		return nil, nil
	}
	var was []store.Value
	if old.doc != nil {
		if was, err = tt.def.Values(old.doc); err != nil {
			was = nil // what does not decode any more is replaced
		}
	}
	for i, x := range tt.def.Indexes {
		if x.Unique && values[i].Set && (was == nil || was[i] != values[i]) {
			check = append(check, i)
		}
	}
	return check, nil
}

// Delete removes a row.
func (t *tx) Delete(name, key string) error {
	tt, err := t.table(name, true)
	if err != nil {
		return err
	}
	old, err := t.row(tt, key)
	if err != nil || old.doc == nil {
		return err
	}
	tt.rowsDelta--
	tt.digest ^= mix(old.crc)
	tt.know(key, row{})
	return t.later(step{sql: tt.remove, args: []any{key}}, 0)
}

// Count is the kept number of rows.
func (t *tx) Count(name string) (int64, error) {
	tt, err := t.table(name, false)
	if err != nil || tt.counted {
		return tt.total(), err
	}
	found := false
	err = t.send(t.ctx, step{sql: t.db.sql("SELECT rows FROM @._counts WHERE name = $1"), args: []any{name}, rows: func(rows pgx.Rows) error {
		if found = rows.Next(); !found {
			return nil
		}
		return rows.Scan(&tt.count)
	}})
	if err == nil && !found {
		err = &store.DamagedError{Table: "_counts", Key: name, Why: "it is missing"}
	}
	tt.counted = err == nil
	return tt.total(), err
}

func (tt *txTable) total() int64 {
	if tt == nil {
		return 0
	}
	return tt.count + tt.rowsDelta
}

// Next takes the next number of a sequence. The last one is remembered from commit to commit; each commit makes sure
// that the database agrees.
func (t *tx) Next(name string) (int64, error) {
	if err := t.usable(true); err != nil {
		return 0, err
	}
	if err := store.CheckKey(name); err != nil {
		return 0, err
	}
	s, known := t.seqs[name]
	if !known {
		var last int64
		if last, known = t.db.seqs[name]; !known || t.careful {
			last = 0
			err := t.send(t.ctx, step{sql: t.db.sql("SELECT value FROM @._sequences WHERE name = $1"), args: []any{name}, rows: func(rows pgx.Rows) error {
				if !rows.Next() {
					return nil
				}
				return rows.Scan(&last)
			}})
			if err != nil {
				return 0, err
			}
		}
		s = sequence{was: last, is: last}
		if t.seqs == nil {
			t.seqs = map[string]sequence{}
		}
	}
	s.is++
	t.seqs[name] = s
	t.wrote = true
	return s.is, nil
}
