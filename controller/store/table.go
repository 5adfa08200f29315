package store

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Table is a table of rows of type T, which is stored as JSON. It has no state: declare it as a package variable.
type Table[T any] struct {
	Name    string         // [a-z][a-z0-9_]*, at most 40 characters; unique in the store
	Key     func(T) string // the primary key: not empty, at most 512 bytes of UTF-8 without NUL
	Indexes []Index[T]
	// Grows says that new keys come after all others, as a log's do: engines may pack the rows tighter.
	Grows bool
}

// TableDef is a Table without its type: what an engine must know to open.
type TableDef struct {
	Name    string
	Indexes []IndexDef
	Grows   bool
	// Values computes the index values of a stored document, in the order of Indexes; engines call it to build a new index.
	Values func(doc []byte) ([]Value, error)
}

// IndexDef is an Index without its type.
type IndexDef struct {
	Name   string
	Kind   Kind
	Unique bool
}

// Def is the table for an engine's Open.
func (t Table[T]) Def() TableDef {
	def := TableDef{Name: t.Name, Grows: t.Grows}
	for _, x := range t.Indexes {
		def.Indexes = append(def.Indexes, IndexDef{Name: x.Name, Kind: x.Kind, Unique: x.Unique})
	}
	def.Values = func(doc []byte) ([]Value, error) {
		var v T
		if err := json.Unmarshal(doc, &v); err != nil {
			return nil, err
		}
		return t.values(v)
	}
	return def
}

// CheckDefs is what engines call first: names that both engines can hold, and none twice.
func CheckDefs(defs []TableDef) error {
	tables := map[string]bool{}
	for _, d := range defs {
		if !tableName.MatchString(d.Name) {
			return fmt.Errorf("store: table name %q: want %s", d.Name, tableName)
		}
		if tables[d.Name] {
			return fmt.Errorf("store: table %s is declared twice", d.Name)
		}
		tables[d.Name] = true
		indexes := map[string]bool{}
		for _, x := range d.Indexes {
			switch {
			case !tableName.MatchString(x.Name):
				return fmt.Errorf("store: index name %q of table %s: want %s", x.Name, d.Name, tableName)
			case x.Name == "key" || x.Name == "doc" || indexes[x.Name]:
				return fmt.Errorf("store: index %s of table %s is declared twice or reserved", x.Name, d.Name)
			case x.Kind != KindString && x.Kind != KindInt64 && x.Kind != KindTime && x.Kind != KindBool:
				return fmt.Errorf("store: index %s of table %s has the unknown kind %q", x.Name, d.Name, x.Kind)
			}
			indexes[x.Name] = true
		}
	}
	return nil
}

func (t Table[T]) values(v T) ([]Value, error) {
	if len(t.Indexes) == 0 {
		return nil, nil
	}
	out := make([]Value, len(t.Indexes))
	for i, x := range t.Indexes {
		raw, ok := x.Of(v)
		if !ok {
			continue
		}
		var err error
		if out[i], err = NewValue(x.Kind, raw); err != nil {
			return nil, fmt.Errorf("table %s, index %s: %w", t.Name, x.Name, err)
		}
	}
	return out, nil
}

// Get reads a row: ErrNotFound, *DamagedError. A key that could not be stored is not found.
func (t Table[T]) Get(tx Tx, key string) (T, error) {
	var zero T
	if CheckKey(key) != nil {
		return zero, fmt.Errorf("%s %q: %w", t.Name, key, ErrNotFound)
	}
	doc, err := tx.Engine().Get(t.Name, key)
	if errors.Is(err, ErrNotFound) {
		return zero, fmt.Errorf("%s %q: %w", t.Name, key, ErrNotFound)
	}
	if err != nil {
		return zero, err
	}
	return t.decode(key, doc)
}

func (t Table[T]) decode(key string, doc []byte) (T, error) {
	var v, zero T
	if err := json.Unmarshal(doc, &v); err != nil {
		return zero, &DamagedError{Table: t.Name, Key: key, Why: "it does not decode: " + err.Error()}
	}
	return v, nil
}

// Lookup reads the row with value in a unique index: ErrNotFound, *DamagedError.
func (t Table[T]) Lookup(tx Tx, index string, value any) (T, error) {
	var zero T
	x, err := t.index(index)
	if err != nil {
		return zero, err
	}
	if !x.Unique {
		return zero, fmt.Errorf("store: Lookup on index %s of table %s, which is not unique", index, t.Name)
	}
	for row, err := range t.Match(tx, index, value, "", 1, false) {
		return row, err
	}
	return zero, fmt.Errorf("%s with %s %v: %w", t.Name, index, value, ErrNotFound)
}

// Put inserts or replaces the row. ErrConflict names the unique index that is taken; ErrInvalid a text that cannot be stored.
func (t Table[T]) Put(tx Tx, v T) error {
	key := t.Key(v)
	if err := CheckKey(key); err != nil {
		return fmt.Errorf("table %s: %w", t.Name, err)
	}
	doc, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("table %s, row %q: %w", t.Name, key, err)
	}
	if err := CheckDoc(doc); err != nil {
		return fmt.Errorf("table %s, row %q: %w", t.Name, key, err)
	}
	values, err := t.values(v)
	if err != nil {
		return err
	}
	return tx.Engine().Put(t.Name, key, doc, values)
}

// Delete removes a row; one that does not exist is no error.
func (t Table[T]) Delete(tx Tx, key string) error {
	if CheckKey(key) != nil {
		return nil
	}
	return tx.Engine().Delete(t.Name, key)
}

// Count is the number of rows; it costs no scan.
func (t Table[T]) Count(tx Tx) (int64, error) { return tx.Engine().Count(t.Name) }

func (t Table[T]) index(name string) (Index[T], error) {
	for _, x := range t.Indexes {
		if x.Name == name {
			return x, nil
		}
	}
	return Index[T]{}, fmt.Errorf("store: table %s has no index %q", t.Name, name)
}
