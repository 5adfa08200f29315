package bolt

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/payperplay/payperplay/controller/store"
)

// migrate makes the buckets of a new table, and rebuilds the rows and indexes of one whose declaration has changed.
func (t *tx) migrate(tb *table) error {
	name := tb.def.Name
	s, found, err := readSchema(t.b, name)
	if err != nil {
		return err
	}
	if found && slices.Equal(s.Indexes, tb.def.Indexes) {
		return nil
	}
	if !found {
		if _, err := t.b.CreateBucket([]byte(name)); err != nil {
			return err
		}
		if err := t.putMeta("s/"+name, stats{}.encode()); err != nil {
			return err
		}
	}
	for _, x := range s.Indexes {
		if err := t.b.DeleteBucket([]byte(indexBucket(name, x.Name))); err != nil {
			return err
		}
	}
	for _, x := range tb.def.Indexes {
		if _, err := t.b.CreateBucket([]byte(indexBucket(name, x.Name))); err != nil {
			return err
		}
	}
	if err := writeSchema(t.b, name, schema{Indexes: tb.def.Indexes}); err != nil || !found {
		return err
	}
	t.db.log.Info("rebuilding the indexes of a table", "table", name)
	return t.rebuild(tb)
}

// rebuild writes every row again with the index values of the new declaration, a batch at a time, because a bbolt cursor
// does not survive changes.
func (t *tx) rebuild(tb *table) error {
	const batch = 512
	tt, err := t.table(tb.def.Name, true)
	if err != nil {
		return err
	}
	tt.stats, tt.dirty = stats{}, true
	type row struct{ key, raw []byte }
	for from := []byte(nil); ; {
		rows := make([]row, 0, batch)
		c := cursor{c: tt.rows.Cursor(), table: tb.def.Name}
		k, v, err := c.first()
		if from != nil {
			k, v, err = c.seek(from)
		}
		for ; k != nil && err == nil && len(rows) < batch; k, v, err = c.next() {
			rows = append(rows, row{bytes.Clone(k), bytes.Clone(v)})
		}
		if err != nil {
			return err
		}
		for _, r := range rows {
			if err := t.rebuildRow(tt, r.key, r.raw); err != nil {
				return fmt.Errorf("new indexes for table %s: %w", tb.def.Name, err)
			}
		}
		if len(rows) < batch {
			return nil
		}
		from = append(rows[len(rows)-1].key, 0)
	}
}

func (t *tx) rebuildRow(tt *txTable, key, raw []byte) error {
	_, doc, err := openRow(tt.seed, key, raw, nil)
	if err != nil {
		return &store.DamagedError{Table: tt.def.Name, Key: string(key), Why: err.Error()}
	}
	values, err := tt.def.Values(doc)
	if err != nil {
		return fmt.Errorf("row %q: %w", key, err)
	}
	encoded := make([][]byte, len(values))
	for i, v := range values {
		encoded[i] = encodeValue(v)
	}
	if err := t.checkUnique(tt, nil, encoded); err != nil {
		return fmt.Errorf("row %q: %w", key, err)
	}
	if err := t.reindex(tt, key, nil, encoded); err != nil {
		return err
	}
	sealed := encodeRow(tt.seed, key, encoded, doc)
	tt.stats.add(sealed)
	return put(tt.rows, tt.def.Name, key, sealed)
}
