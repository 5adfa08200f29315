package store

import "hash/maphash"

// Memo keeps the rows of a table between walks over all of it, for those who look at everything again and again and change nothing:
// a row whose document is still the same is not decoded again, and decoding is nearly all that such a walk costs.
// It is used by one goroutine at a time.
type Memo[T any] struct {
	table Table[T]
	seed  maphash.Seed
	rows  map[string]*remembered[T]
	round uint64
	stale bool // all is not what rows are
	all   map[string]T
}

type remembered[T any] struct {
	hash  uint64 // of the document
	round uint64 // of the walk that saw it last
	row   T
}

// Memo makes an empty one.
func (t Table[T]) Memo() *Memo[T] {
	return &Memo[T]{table: t, seed: maphash.MakeSeed(), rows: map[string]*remembered[T]{}, all: map[string]T{}}
}

// All gives every row as tx sees it, by key. The map and what rows point to are shared with later answers: nobody may change them.
// An error of the store, or *DamagedError.
func (m *Memo[T]) All(tx Tx) (map[string]T, error) {
	m.round++
	seen := 0
	var damage error
	err := tx.Engine().Scan(Query{Table: m.table.Name}, func(key string, doc []byte, err error) bool {
		if err == nil {
			err = m.take(key, doc)
		}
		seen++
		damage = err
		return err == nil
	})
	if damage != nil {
		return nil, damage
	}
	if err != nil {
		return nil, err
	}
	if m.stale || seen != len(m.all) {
		m.collect(seen)
	}
	return m.all, nil
}

// take remembers one row.
func (m *Memo[T]) take(key string, doc []byte) error {
	hash := maphash.Bytes(m.seed, doc)
	r := m.rows[key]
	if r != nil && r.hash == hash {
		r.round = m.round
		return nil
	}
	row, err := m.table.decode(key, doc)
	if err != nil {
		return err
	}
	m.rows[key] = &remembered[T]{hash: hash, round: m.round, row: row}
	m.stale = true
	return nil
}

// collect forgets the rows that are gone and makes a new answer; the old one may be in somebody's hands.
func (m *Memo[T]) collect(seen int) {
	m.all = make(map[string]T, seen)
	for key, r := range m.rows {
		if r.round != m.round {
			delete(m.rows, key)
			continue
		}
		m.all[key] = r.row
	}
	m.stale = false
}
