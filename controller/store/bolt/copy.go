package bolt

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"os"

	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol/failpoint"
	bbolt "go.etcd.io/bbolt"
)

// content is what a bucket holds: how many entries, and the sum of their mixed checksums, whatever their order.
type content struct {
	entries int64
	sum     uint64
}

func (c *content) add(k, v []byte) {
	crc := crc32.Update(crc32.Update(crc32.Update(0, castagnoli, k), castagnoli, []byte{0}), castagnoli, v)
	c.entries++
	c.sum += mix(crc) ^ uint64(len(k))<<32 ^ uint64(len(v))
}

// copyBuckets copies all of from into to and says what it has copied. Rows are checked on the way: a damaged store is not
// compacted, because the copy would look whole.
func copyBuckets(ctx context.Context, from *bbolt.Tx, to *bbolt.DB) (map[string]content, error) {
	c := copier{ctx: ctx, to: to}
	defer c.end()
	out := map[string]content{}
	for _, name := range bucketNames(from) {
		got, err := c.bucket(from, name)
		if err != nil {
			return nil, err
		}
		out[name] = got
	}
	return out, c.commit()
}

func bucketNames(btx *bbolt.Tx) []string {
	var names []string
	_ = btx.ForEach(func(k []byte, _ *bbolt.Bucket) error {
		names = append(names, string(k))
		return nil
	})
	return names
}

// copier writes a file in transactions of about copyBatch bytes.
type copier struct {
	ctx   context.Context
	to    *bbolt.DB
	btx   *bbolt.Tx
	bytes int
}

func (c *copier) end() {
	if c.btx != nil {
		_ = c.btx.Rollback()
	}
}

func (c *copier) begin() (err error) {
	if c.btx == nil {
		c.btx, err = c.to.Begin(true)
	}
	return err
}

func (c *copier) commit() error {
	if err := c.ctx.Err(); err != nil || c.btx == nil {
		return err
	}
	if err := failpoint.Hit("store.compact.batch"); err != nil {
		return err
	}
	btx := c.btx
	c.btx, c.bytes = nil, 0
	return commitGuarded(btx)
}

// bucket copies one bucket; for a table it also compares the rows with the kept count and digest.
func (c *copier) bucket(from *bbolt.Tx, name string) (content, error) {
	var got content
	src, err := bucket(from, name)
	if err != nil {
		return got, err
	}
	check, err := newRowCheck(from, name)
	if err != nil {
		return got, err
	}
	dst, err := c.make(name, src.Sequence())
	if err != nil {
		return got, err
	}
	cur := cursor{c: src.Cursor(), table: name}
	k, v, err := cur.first()
	for ; k != nil && err == nil; k, v, err = cur.next() {
		if v == nil {
			return got, &store.DamagedError{Table: name, Key: string(k), Why: "it is a bucket where a row should be"}
		}
		if err := check.row(k, v); err != nil {
			return got, err
		}
		got.add(k, v)
		if err := put(dst, name, k, v); err != nil {
			return got, err
		}
		if c.bytes += len(k) + len(v) + elemSize; c.bytes > copyBatch {
			if err := c.commit(); err != nil {
				return got, err
			}
			if dst, err = c.make(name, src.Sequence()); err != nil {
				return got, err
			}
		}
	}
	if err != nil {
		return got, err
	}
	return got, check.done()
}

// make opens a bucket of the copy in the transaction under way.
func (c *copier) make(name string, sequence uint64) (*bbolt.Bucket, error) {
	if err := c.begin(); err != nil {
		return nil, err
	}
	b, err := c.btx.CreateBucketIfNotExists([]byte(name))
	if err != nil {
		return nil, err
	}
	b.FillPercent = 0.9 // keys come in order; a tenth is left for rows that grow
	if sequence != 0 {
		err = b.SetSequence(sequence)
	}
	return b, err
}

// rowCheck verifies the entries of one bucket: rows of a table against their checksums and the table's count and digest, our
// own values against theirs. Index entries have no checksum; they are only copied.
type rowCheck struct {
	name  string
	seed  uint32
	table bool
	own   bool
	kept  stats
	got   stats
}

func newRowCheck(btx *bbolt.Tx, name string) (*rowCheck, error) {
	c := &rowCheck{name: name, seed: crcTable(name), own: name == metaName || name == schemaName}
	if c.own {
		return c, nil
	}
	_, found, err := readSchema(btx, name)
	if err != nil || !found {
		return c, err
	}
	c.table = true
	tt := &txTable{table: &table{def: store.TableDef{Name: name}}}
	err = (&tx{b: btx}).loadStats(tt)
	c.kept = tt.stats
	return c, err
}

func (c *rowCheck) row(k, v []byte) error {
	if !c.table && !c.own {
		return nil
	}
	if _, _, err := openRow(c.seed, k, v, nil); err != nil {
		return &store.DamagedError{Table: c.name, Key: string(k), Why: err.Error()}
	}
	c.got.add(v)
	return nil
}

func (c *rowCheck) done() error {
	if c.table && c.got != c.kept {
		return &store.DamagedError{Table: c.name, Why: fmt.Sprintf("it has %d rows and should have %d, or they are not those that were written last", c.got.count, c.kept.count)}
	}
	return nil
}

// compare reads the copy back, pages first, and tells where it differs from what was copied.
func compare(ctx context.Context, b *bbolt.DB, path string, want map[string]content) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	h, err := parseHeader(f, fileSize(path), path)
	if err != nil {
		return err
	}
	if found := walkPages(f, h); len(found) > 0 || h.damaged != "" {
		return fmt.Errorf("store: the compacted copy is not sound: %s%v", h.damaged, found)
	}
	btx, err := b.Begin(false)
	if err != nil {
		return err
	}
	defer func() { _ = btx.Rollback() }()
	names := bucketNames(btx)
	if len(names) != len(want) {
		return fmt.Errorf("store: the compacted copy has %d buckets and should have %d", len(names), len(want))
	}
	for _, name := range names {
		src, err := bucket(btx, name)
		if err != nil {
			return err
		}
		var got content
		var last []byte
		err = each(&tx{b: btx, ctx: ctx}, src, name, func(k, v []byte) {
			if last == nil || bytes.Compare(last, k) < 0 {
				got.add(k, v)
			}
			last = append(last[:0], k...)
		})
		if err != nil {
			return err
		}
		if got != want[name] {
			return fmt.Errorf("store: the compacted copy of %s differs: %d entries instead of %d", name, got.entries, want[name].entries)
		}
	}
	return nil
}
