package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol/failpoint"
	bbolt "go.etcd.io/bbolt"
)

var _ store.Source = (*DB)(nil)

// Dump gives everything in the file as of now, tables that no room declares too.
func (db *DB) Dump(ctx context.Context, head func(store.Header) error, row func(store.Row) error) error {
	if db.closed.Load() {
		return errClosed
	}
	return dump(ctx, db.begin, db.path, head, row)
}

func dump(ctx context.Context, begin func() (*bbolt.Tx, error), path string, head func(store.Header) error, row func(store.Row) error) error {
	if err := failpoint.Hit("store.dump.before"); err != nil {
		return err
	}
	defer catchFaults()()
	btx, err := begin()
	if err != nil {
		return closedOr(err)
	}
	defer func() { _ = btx.Rollback() }()
	t := &tx{b: btx, ctx: ctx}
	h, err := readHead(t, path)
	if err != nil {
		return err
	}
	if err := head(h); err != nil {
		return err
	}
	for _, table := range h.Tables {
		if err := dumpTable(t, table, row); err != nil {
			return err
		}
	}
	return failpoint.Hit("store.dump.after")
}

func readHead(t *tx, path string) (store.Header, error) {
	id, err := readIdentity(t, path)
	if err != nil {
		return store.Header{}, err
	}
	h := store.Header{Cluster: id.cluster, Term: id.term, Tables: []store.TableHead{}, Sequences: map[string]int64{}}
	schemas, err := bucket(t.b, schemaName)
	if err != nil {
		return h, err
	}
	var names []string
	if err := each(t, schemas, schemaName, func(k, _ []byte) { names = append(names, string(k)) }); err != nil {
		return h, err
	}
	for _, name := range names {
		s, _, err := readSchema(t.b, name)
		if err != nil {
			return h, err
		}
		stats, err := readStats(t, name)
		if err != nil {
			return h, err
		}
		h.Tables = append(h.Tables, store.TableHead{Name: name, Indexes: s.Indexes, Rows: stats.count})
	}
	return h, readSequences(t, h.Sequences)
}

func readStats(t *tx, name string) (stats, error) {
	tt := &txTable{table: &table{def: store.TableDef{Name: name}}}
	err := t.loadStats(tt)
	return tt.stats, err
}

func readSequences(t *tx, into map[string]int64) error {
	b, err := t.metaBucket()
	if err != nil {
		return err
	}
	var names []string
	err = each(t, b, metaName, func(k, _ []byte) {
		if name, ok := strings.CutPrefix(string(k), "q/"); ok {
			names = append(names, name)
		}
	})
	for _, name := range names {
		if err == nil {
			into[name], err = t.metaInt("q/" + name)
		}
	}
	return err
}

// dumpTable gives the rows of a table, and an error when they are not those that were written.
func dumpTable(t *tx, head store.TableHead, row func(store.Row) error) error {
	rows, err := bucket(t.b, head.Name)
	if err != nil {
		return err
	}
	want, err := readStats(t, head.Name)
	if err != nil {
		return err
	}
	var got stats
	var raw [][]byte
	values := make([]store.Value, len(head.Indexes))
	seed := crcTable(head.Name)
	c := cursor{c: rows.Cursor(), table: head.Name}
	k, v, err := c.first()
	for ; k != nil && err == nil; k, v, err = c.next() {
		if got.count%256 == 0 && t.ctx.Err() != nil {
			return t.ctx.Err()
		}
		got.count++
		var doc []byte
		raw, doc, err = openRow(seed, k, v, raw)
		if err == nil {
			err = decodeValues(head.Indexes, raw, values)
		}
		if err != nil {
			return &store.DamagedError{Table: head.Name, Key: string(k), Why: err.Error()}
		}
		got.digest += mix(rowCRC(v))
		if err := row(store.Row{Table: head.Name, Key: string(k), Doc: doc, Values: values}); err != nil {
			return err
		}
	}
	if err == nil && got != want {
		err = &store.DamagedError{Table: head.Name, Why: fmt.Sprintf("it has %d rows and should have %d, or they are not those that were written last", got.count, want.count)}
	}
	return err
}

// decodeValues is the reverse of encodeValue.
func decodeValues(indexes []store.IndexDef, raw [][]byte, into []store.Value) error {
	if len(raw) != len(indexes) {
		return fmt.Errorf("it has %d index values, not %d", len(raw), len(indexes))
	}
	for i, x := range indexes {
		b := raw[i]
		into[i] = store.Value{Set: b != nil, Kind: x.Kind}
		switch {
		case b == nil:
		case x.Kind == store.KindString && len(b) > 0 && bytes.IndexByte(b, 0) == len(b)-1:
			into[i].Str = string(b[:len(b)-1])
		case x.Kind == store.KindBool && len(b) == 1:
			into[i].Int = int64(b[0])
		case slices.Contains([]store.Kind{store.KindInt64, store.KindTime}, x.Kind) && len(b) == 8:
			into[i].Int = int64(binary.BigEndian.Uint64(b) ^ 1<<63)
		default:
			return fmt.Errorf("its value for index %s is malformed", x.Name)
		}
	}
	return nil
}

// readsOf begins read transactions of a file that no compaction replaces.
func readsOf(b *bbolt.DB) func() (*bbolt.Tx, error) {
	return func() (*bbolt.Tx, error) { return b.Begin(false) }
}
