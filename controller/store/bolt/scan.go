package bolt

import (
	"bytes"
	"fmt"

	"github.com/payperplay/payperplay/controller/store"
)

// Scan walks the rows or an index.
func (t *tx) Scan(q store.Query, yield func(key string, doc []byte, err error) bool) error {
	tt, err := t.table(q.Table, false)
	if err != nil {
		return err
	}
	w := walk{tx: t, tt: tt, q: q, index: -1}
	if q.Index != "" {
		for i, x := range tt.def.Indexes {
			if x.Name == q.Index {
				w.index = i
			}
		}
		if w.index < 0 {
			return fmt.Errorf("store: table %s has no index %s", q.Table, q.Index)
		}
	}
	rows := tt.rows
	if w.index >= 0 {
		if rows, err = t.index(tt, w.index); err != nil {
			return err
		}
	}
	w.bounds()
	tt.ranging++
	defer func() { tt.ranging-- }()
	return w.run(cursor{c: rows.Cursor(), table: q.Table}, yield)
}

// walk is one scan: keys of the bucket in [lo, hi).
type walk struct {
	tx     *tx
	tt     *txTable
	q      store.Query
	index  int // -1: the rows themselves
	lo, hi []byte
}

func (w *walk) bounds() {
	encode := func(v *store.Value) []byte {
		switch {
		case v == nil:
			return nil
		case w.index < 0:
			return []byte(v.Str)
		}
		return encodeValue(*v)
	}
	if w.q.Equal == nil {
		w.lo, w.hi = encode(w.q.From), encode(w.q.To)
		return
	}
	w.lo = encode(w.q.Equal)
	w.hi = successor(w.lo)
	if w.q.After == "" || w.index < 0 || w.tt.def.Indexes[w.index].Unique {
		return
	}
	at := append(bytes.Clone(w.lo), w.q.After...)
	if w.q.Reverse {
		w.hi = at
	} else {
		w.lo = append(at, 0)
	}
}

// successor is the smallest key above every key that starts with prefix; nil if there is none.
func successor(prefix []byte) []byte {
	out := bytes.Clone(prefix)
	for i := len(out) - 1; i >= 0; i-- {
		if out[i]++; out[i] != 0 {
			return out[:i+1]
		}
	}
	return nil
}

// begin finds the first entry of the walk.
func (w *walk) begin(c cursor) (k, v []byte, err error) {
	switch {
	case !w.q.Reverse && w.lo == nil:
		return c.first()
	case !w.q.Reverse:
		return c.seek(w.lo)
	case w.hi == nil:
		return c.last()
	}
	if k, _, err = c.seek(w.hi); err != nil {
		return nil, nil, err
	}
	if k == nil {
		return c.last()
	}
	return c.prev()
}

func (w *walk) beyond(k []byte) bool {
	if w.q.Reverse {
		return w.lo != nil && bytes.Compare(k, w.lo) < 0
	}
	return w.hi != nil && bytes.Compare(k, w.hi) >= 0
}

func (w *walk) run(c cursor, yield func(key string, doc []byte, err error) bool) error {
	if w.lo != nil && w.hi != nil && bytes.Compare(w.lo, w.hi) >= 0 {
		return nil
	}
	k, v, err := w.begin(c)
	for steps, given := 1, 0; ; steps++ {
		if err != nil {
			return err
		}
		if k == nil || w.beyond(k) {
			return nil
		}
		if w.tx.done {
			return store.ErrTxDone
		}
		if steps%256 == 0 && w.tx.ctx.Err() != nil {
			return w.tx.ctx.Err()
		}
		key, doc, skip, rowErr := w.row(k, v)
		if !skip {
			if !yield(key, doc, rowErr) {
				return nil
			}
			if given++; w.q.Limit > 0 && given >= w.q.Limit {
				return nil
			}
		}
		if w.q.Reverse {
			k, v, err = c.prev()
		} else {
			k, v, err = c.next()
		}
	}
}

// row resolves one entry of the bucket that is walked.
func (w *walk) row(k, v []byte) (key string, doc []byte, skip bool, err error) {
	tt := w.tt
	if w.index < 0 {
		_, doc, err = tt.open(k, v)
		return string(k), doc, false, err
	}
	x := tt.def.Indexes[w.index]
	value, pk, err := splitEntry(x, k, v)
	if err != nil {
		return "", nil, false, &store.DamagedError{Table: tt.def.Name, Why: err.Error()}
	}
	if w.q.After != "" && (!w.q.Reverse && string(pk) <= w.q.After || w.q.Reverse && string(pk) >= w.q.After) {
		return "", nil, true, nil
	}
	raw, values, doc, err := tt.row(pk)
	switch {
	case err != nil:
		return string(pk), nil, false, err
	case raw == nil:
		err = &store.DamagedError{Table: tt.def.Name, Key: string(pk), Why: "index " + x.Name + " has an entry for it, but the row is missing"}
	case !bytes.Equal(values[w.index], value):
		err = &store.DamagedError{Table: tt.def.Name, Key: string(pk), Why: "index " + x.Name + " has an entry for it with another value"}
	}
	return string(pk), doc, false, err
}
