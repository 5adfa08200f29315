package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/payperplay/payperplay/controller/store"
	bbolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// inspection gathers a report.
type inspection struct{ *store.Report }

// Check reads the whole file, which no other process may have open for writing, and reports damage: pages that do not fit
// together, rows with a wrong checksum, rows that are missing (by count and digest), index entries without their row and
// rows without their entry. It changes nothing. An error means that it could not look: the file is in use, cannot be read,
// or is not ours. It is meant to run in a child process: the pages are checked before they are mapped, but a disk that
// fails meanwhile can still end the process.
func Check(ctx context.Context, path string) (*store.Report, error) {
	r := inspection{store.NewReport(path)}
	h, findings, err := inspect(path, unix.LOCK_SH)
	if err != nil {
		return nil, err
	}
	if h.damaged != "" {
		r.Add(store.Finding{What: "the header is damaged, the last change may be missing: " + h.damaged})
	}
	if r.Findings = append(r.Findings, findings...); len(findings) > 0 {
		return r.Report, nil // what the broken pages hold cannot be read safely
	}
	b, err := openFile(path, &bbolt.Options{Timeout: time.Nanosecond, ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer func() { _ = b.Close() }()
	defer catchFaults()()
	btx, err := b.Begin(false)
	if err != nil {
		return nil, err
	}
	t := &tx{b: btx, ctx: ctx}
	defer func() { _ = btx.Rollback() }()
	id, err := readIdentity(t, path)
	var damaged *store.DamagedError
	switch {
	case errors.As(err, &damaged):
		r.Fail(metaName, err)
	case err != nil:
		return nil, err
	}
	r.Cluster, r.Term = id.cluster, id.term
	return r.Report, r.tables(t)
}

// tables checks every table that the file's own schema names, and every bucket that it does not.
func (r inspection) tables(t *tx) error {
	b, err := bucket(t.b, schemaName)
	if err != nil {
		r.Fail(schemaName, err)
		return nil
	}
	known := map[string]bool{metaName: true, schemaName: true}
	var names []string
	if err := each(t, b, schemaName, func(k, _ []byte) { names = append(names, string(k)) }); err != nil {
		return err
	}
	for _, name := range names {
		s, _, err := readSchema(t.b, name)
		if err != nil {
			r.Fail(schemaName, err)
			known[name] = true
			continue
		}
		known[name] = true
		for _, x := range s.Indexes {
			known[indexBucket(name, x.Name)] = true
		}
		if err := r.table(t, name, s); err != nil {
			return err
		}
	}
	_ = t.b.ForEach(func(k []byte, _ *bbolt.Bucket) error {
		if !known[string(k)] && !known[strings.SplitN(string(k), "/", 2)[0]] {
			r.Add(store.Finding{Table: string(k), What: "no table of that name is known: its entry in " + schemaName + " is missing"})
		}
		return nil
	})
	r.meta(t)
	return nil
}

// meta checks the frames of the engine's own values, the sequences among them.
func (r inspection) meta(t *tx) {
	b, err := t.metaBucket()
	if err != nil {
		r.Fail(metaName, err)
		return
	}
	_ = each(t, b, metaName, func(k, v []byte) {
		if _, err := unseal(metaName, string(k), v); err != nil {
			r.Fail(metaName, err)
		}
		if name, ok := strings.CutPrefix(string(k), "s/"); ok && t.b.Bucket([]byte(name)) == nil {
			r.Add(store.Finding{Table: name, What: "its bucket is missing"})
		}
	})
}

func (r inspection) table(t *tx, name string, s schema) error {
	rows, err := bucket(t.b, name)
	if err != nil {
		r.Fail(name, err)
		return nil
	}
	indexes := make([]*bbolt.Bucket, len(s.Indexes))
	for i, x := range s.Indexes {
		if indexes[i], err = bucket(t.b, indexBucket(name, x.Name)); err != nil {
			r.Fail(name, err)
		}
	}
	want := make([]int64, len(s.Indexes)) // entries that the rows ask for
	var got stats
	seed, broken := crcTable(name), false
	err = each(t, rows, name, func(k, v []byte) {
		values, _, err := openRow(seed, k, v, nil)
		if err == nil && len(values) != len(s.Indexes) {
			err = fmt.Errorf("it has %d index values, not %d", len(values), len(s.Indexes))
		}
		if err != nil {
			broken = true
			r.Add(store.Finding{Table: name, Key: string(k), What: err.Error()})
			return
		}
		got.add(v)
		for i, x := range s.Indexes {
			if values[i] != nil && indexes[i] != nil {
				want[i]++
				r.entryOf(name, x, indexes[i], values[i], k)
			}
		}
	})
	if err != nil {
		return err
	}
	r.Tables = append(r.Tables, store.TableReport{Name: name, Rows: got.count})
	r.compare(t, name, got, broken)
	for i, x := range s.Indexes {
		if indexes[i] == nil {
			continue
		}
		if err := r.index(t, name, x, i, rows, indexes[i], want[i]); err != nil {
			return err
		}
	}
	return nil
}

// entryOf checks that the index has the entry of a row.
func (r inspection) entryOf(name string, x store.IndexDef, b *bbolt.Bucket, value, key []byte) {
	k, v := entry(x, value, key)
	got, err := get(b, name, k)
	if err != nil {
		r.Fail(name, err)
	} else if got == nil || !bytes.Equal(got, v) {
		r.Add(store.Finding{Table: name, Key: string(key), What: "index " + x.Name + " has no entry for it"})
	}
}

// compare looks at the kept count and digest.
func (r inspection) compare(t *tx, name string, got stats, broken bool) {
	tt := &txTable{table: &table{def: store.TableDef{Name: name}}}
	if err := t.loadStats(tt); err != nil {
		r.Fail(name, err)
		return
	}
	switch {
	case tt.stats.count != got.count:
		r.Add(store.Finding{Table: name, What: fmt.Sprintf("it has %d whole rows and should have %d", got.count, tt.stats.count)})
	case tt.stats.digest != got.digest && !broken:
		r.Add(store.Finding{Table: name, What: "its rows are not those that were written last: the digest differs"})
	}
}

// index checks that every entry has its row.
func (r inspection) index(t *tx, name string, x store.IndexDef, i int, rows, b *bbolt.Bucket, want int64) error {
	var n int64
	seed := crcTable(name)
	err := each(t, b, name, func(k, v []byte) {
		n++
		value, key, err := splitEntry(x, k, v)
		if err != nil {
			r.Add(store.Finding{Table: name, What: err.Error()})
			return
		}
		raw, err := get(rows, name, key)
		if err != nil {
			r.Fail(name, err)
			return
		}
		if raw == nil {
			r.Add(store.Finding{Table: name, Key: string(key), What: "index " + x.Name + " has an entry for it, but the row is missing"})
			return
		}
		values, _, err := openRow(seed, key, raw, nil)
		if err == nil && i < len(values) && !bytes.Equal(values[i], value) {
			r.Add(store.Finding{Table: name, Key: string(key), What: "index " + x.Name + " has an entry for it with another value"})
		}
	})
	if err == nil && n != want {
		r.Add(store.Finding{Table: name, What: fmt.Sprintf("index %s has %d entries and should have %d", x.Name, n, want)})
	}
	return err
}

// each walks a bucket; a page that cannot be read is an error.
func each(t *tx, b *bbolt.Bucket, name string, fn func(k, v []byte)) error {
	c := cursor{c: b.Cursor(), table: name}
	k, v, err := c.first()
	for n := 1; k != nil && err == nil; n++ {
		if n%1024 == 0 && t.ctx.Err() != nil {
			return t.ctx.Err()
		}
		fn(k, v)
		k, v, err = c.next()
	}
	return err
}
