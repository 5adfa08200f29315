package store

import (
	"fmt"
	"iter"
)

// Range yields rows whose value in index lies in [from, to), in order, streaming. Index "" is the primary key; a nil bound
// is open; limit 0 is none; reverse walks from the end. A damaged row is yielded as an error and the walk goes on if the
// loop does. Changing the table inside the loop fails with ErrRanging.
func (t Table[T]) Range(tx Tx, index string, from, to any, limit int, reverse bool) iter.Seq2[T, error] {
	q := Query{Table: t.Name, Index: index, Limit: limit, Reverse: reverse}
	var err error
	if q.From, err = t.bound(index, from); err == nil {
		q.To, err = t.bound(index, to)
	}
	return t.scan(tx, q, err)
}

// Match yields the rows whose value in index equals value, in the order of their keys, beginning after the key after
// ("" for all; in reverse: before it). It is how to page through an index that is not unique.
func (t Table[T]) Match(tx Tx, index string, value any, after string, limit int, reverse bool) iter.Seq2[T, error] {
	q := Query{Table: t.Name, Index: index, After: after, Limit: limit, Reverse: reverse}
	var err error
	if index == "" || value == nil {
		err = fmt.Errorf("store: Match on table %s needs an index and a value", t.Name)
	} else if q.Equal, err = t.bound(index, value); err == nil && after != "" {
		err = CheckKey(after)
	}
	return t.scan(tx, q, err)
}

func (t Table[T]) bound(index string, v any) (*Value, error) {
	kind := KindString
	if index != "" {
		x, err := t.index(index)
		if err != nil {
			return nil, err
		}
		kind = x.Kind
	}
	if v == nil {
		return nil, nil
	}
	out, err := NewValue(kind, v)
	return &out, err
}

func (t Table[T]) scan(tx Tx, q Query, err error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		if err != nil {
			yield(zero, err)
			return
		}
		stopped := false
		err := tx.Engine().Scan(q, func(key string, doc []byte, err error) bool {
			row := zero
			if err == nil {
				row, err = t.decode(key, doc)
			}
			stopped = !yield(row, err)
			return !stopped
		})
		if err != nil && !stopped {
			yield(zero, err)
		}
	}
}
