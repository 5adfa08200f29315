package bolt

import (
	"bytes"
	"fmt"

	"github.com/payperplay/payperplay/controller/store"
	bbolt "go.etcd.io/bbolt"
)

// table is what the handle knows of a table.
type table struct {
	def  store.TableDef
	seed uint32 // of its rows' checksums
}

// txTable is a table in one transaction.
type txTable struct {
	*table
	rows    *bbolt.Bucket
	indexes []*bbolt.Bucket
	stats   stats
	loaded  bool // stats are read
	dirty   bool // stats have to be written
	ranging int  // scans under way
	values  [][]byte
}

func (t *tx) table(name string, write bool) (*txTable, error) {
	if err := t.usable(write); err != nil {
		return nil, err
	}
	tt := t.open[name]
	if tt == nil {
		known, ok := t.db.tables[name]
		if !ok {
			return nil, fmt.Errorf("store: table %s was not in the tables given to Open", name)
		}
		rows, err := bucket(t.b, name)
		if err != nil {
			return nil, err
		}
		if known.def.Grows {
			rows.FillPercent = 0.95 // of a full page is left behind; the rest goes to the next one
		}
		tt = &txTable{table: known, rows: rows, indexes: make([]*bbolt.Bucket, len(known.def.Indexes))}
		if t.open == nil {
			t.open = make(map[string]*txTable, 4)
		}
		t.open[name] = tt
	}
	if !write {
		return tt, nil
	}
	if tt.ranging > 0 {
		return nil, fmt.Errorf("table %s: %w", name, store.ErrRanging)
	}
	return tt, t.loadStats(tt)
}

func (t *tx) index(tt *txTable, i int) (*bbolt.Bucket, error) {
	if tt.indexes[i] == nil {
		b, err := bucket(t.b, indexBucket(tt.def.Name, tt.def.Indexes[i].Name))
		if err != nil {
			return nil, err
		}
		tt.indexes[i] = b
	}
	return tt.indexes[i], nil
}

func (t *tx) loadStats(tt *txTable) error {
	if tt.loaded {
		return nil
	}
	b, err := t.metaBucket()
	if err != nil {
		return err
	}
	key := "s/" + tt.def.Name
	v, err := get(b, metaName, []byte(key))
	if err != nil {
		return err
	}
	if v == nil {
		return &store.DamagedError{Table: metaName, Key: key, Why: "it is missing"}
	}
	p, err := unseal(metaName, key, v)
	if err != nil {
		return err
	}
	if tt.stats, err = decodeStats(p); err != nil {
		return &store.DamagedError{Table: metaName, Key: key, Why: err.Error()}
	}
	tt.loaded = true
	return nil
}

// flush writes the counts and digests of the tables that changed.
func (t *tx) flush() error {
	for name, tt := range t.open {
		if !tt.dirty {
			continue
		}
		if err := t.putMeta("s/"+name, tt.stats.encode()); err != nil {
			return err
		}
	}
	return nil
}

// row reads and verifies a row; nil when there is none. The parts are valid until the next call for this table.
func (tt *txTable) row(key []byte) (raw []byte, values [][]byte, doc []byte, err error) {
	raw, err = get(tt.rows, tt.def.Name, key)
	if raw == nil || err != nil {
		return nil, nil, nil, err
	}
	values, doc, err = tt.open(key, raw)
	return raw, values, doc, err
}

func (tt *txTable) open(key, raw []byte) (values [][]byte, doc []byte, err error) {
	defer guard(&err, tt.def.Name, string(key))
	values, doc, err = openRow(tt.seed, key, raw, tt.values)
	if err == nil && len(values) != len(tt.def.Indexes) {
		err = fmt.Errorf("it has %d index values, not %d", len(values), len(tt.def.Indexes))
	}
	if err != nil {
		return nil, nil, &store.DamagedError{Table: tt.def.Name, Key: string(key), Why: err.Error()}
	}
	tt.values = values
	return values, doc, nil
}

// Get reads a row's document.
func (t *tx) Get(name, key string) ([]byte, error) {
	tt, err := t.table(name, false)
	if err != nil {
		return nil, err
	}
	raw, _, doc, err := tt.row([]byte(key))
	if err == nil && raw == nil {
		err = store.ErrNotFound
	}
	return doc, err
}

// Put writes a row and its index entries. A row that is the same already costs nothing.
func (t *tx) Put(name, key string, doc []byte, values []store.Value) error {
	tt, err := t.table(name, true)
	if err != nil {
		return err
	}
	k := []byte(key)
	encoded := make([][]byte, len(values))
	for i, v := range values {
		encoded[i] = encodeValue(v)
	}
	raw := encodeRow(tt.seed, k, encoded, doc)
	old, oldValues, _, err := tt.row(k)
	if err != nil || bytes.Equal(old, raw) {
		return err
	}
	if err := t.checkUnique(tt, oldValues, encoded); err != nil {
		return err
	}
	if err := t.reindex(tt, k, oldValues, encoded); err != nil {
		return t.poison(err)
	}
	if err := put(tt.rows, name, k, raw); err != nil {
		return t.poison(err)
	}
	if old != nil {
		tt.stats.remove(old)
	}
	tt.stats.add(raw)
	tt.dirty = true
	return nil
}

// poison fails the whole transaction: a row was changed by half.
func (t *tx) poison(err error) error {
	t.misuse = err
	return err
}

func (t *tx) checkUnique(tt *txTable, old, values [][]byte) error {
	for i, x := range tt.def.Indexes {
		if !x.Unique || values[i] == nil || old != nil && bytes.Equal(old[i], values[i]) {
			continue
		}
		b, err := t.index(tt, i)
		if err != nil {
			return err
		}
		taken, err := get(b, tt.def.Name, values[i])
		if err != nil {
			return err
		}
		if taken != nil {
			return store.Taken(tt.def.Name, x.Name)
		}
	}
	return nil
}

// reindex moves a row's entries from its old values to its new ones; nil slices for a row that comes or goes.
func (t *tx) reindex(tt *txTable, key []byte, old, values [][]byte) error {
	for i, x := range tt.def.Indexes {
		var was, is []byte
		if old != nil {
			was = old[i]
		}
		if values != nil {
			is = values[i]
		}
		if (was == nil) == (is == nil) && bytes.Equal(was, is) {
			continue
		}
		b, err := t.index(tt, i)
		if err != nil {
			return err
		}
		if was != nil {
			k, _ := entry(x, was, key)
			if err := del(b, tt.def.Name, k); err != nil {
				return err
			}
		}
		if is != nil {
			k, v := entry(x, is, key)
			if err := put(b, tt.def.Name, k, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// Delete removes a row and its index entries.
func (t *tx) Delete(name, key string) error {
	tt, err := t.table(name, true)
	if err != nil {
		return err
	}
	k := []byte(key)
	old, values, _, err := tt.row(k)
	if old == nil || err != nil {
		return err
	}
	if err := t.reindex(tt, k, values, nil); err != nil {
		return t.poison(err)
	}
	tt.stats.remove(old)
	tt.dirty = true
	if err := del(tt.rows, name, k); err != nil {
		return t.poison(err)
	}
	return nil
}

// Count is the kept number of rows.
func (t *tx) Count(name string) (int64, error) {
	tt, err := t.table(name, false)
	if err != nil {
		return 0, err
	}
	err = t.loadStats(tt)
	return tt.stats.count, err
}
