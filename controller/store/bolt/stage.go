package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol/failpoint"
	bbolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// Stage is a store file that is being filled under another name beside its place. It implements store.Stage.
type Stage struct {
	b         *bbolt.DB
	tmp, path string
}

var _ store.Stage = (*Stage)(nil)

// NewStage begins a store that will be at path, where nothing may be. What an earlier one that was killed left beside
// path is taken away.
func NewStage(path string) (*Stage, error) {
	if _, err := os.Lstat(path); err == nil {
		return nil, occupied(path)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Wrap(err, fault.Invalid, "the store cannot be made: "+err.Error(), "look at the directory's owner and mode")
	}
	pattern := "." + filepath.Base(path) + ".stage-*"
	sweep(filepath.Join(filepath.Dir(path), pattern))
	f, err := os.CreateTemp(filepath.Dir(path), pattern)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the store cannot be made: "+err.Error(),
			"make the directory "+filepath.Dir(path)+" and let this user write there")
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	// Not synced at each commit: before Publish the file counts for nothing.
	b, err := openFile(f.Name(), &bbolt.Options{Timeout: time.Nanosecond, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType, NoSync: true})
	if err != nil {
		return nil, errors.Join(err, os.Remove(f.Name()))
	}
	return &Stage{b: b, tmp: f.Name(), path: path}, nil
}

func occupied(path string) error {
	return fault.New(fault.Conflict, "there is a store already: "+path, "name an empty place, or move that file away first")
}

// sweep removes stages whose process is gone: nobody has them locked. One that is just being made may go as well; its
// maker fails then, and nothing else happens.
func sweep(pattern string) {
	old, _ := filepath.Glob(pattern)
	for _, path := range old {
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			_ = os.Remove(path)
		}
		_ = f.Close()
	}
}

// Dump gives what was loaded.
func (s *Stage) Dump(ctx context.Context, head func(store.Header) error, row func(store.Row) error) error {
	return dump(ctx, readsOf(s.b), s.tmp, head, row)
}

// Load fills the file in a few big transactions.
func (s *Stage) Load(ctx context.Context, head store.Header, rows iter.Seq2[store.Row, error]) error {
	err := s.load(ctx, head, rows)
	if isFull(err) {
		return fault.Wrap(err, fault.ReadOnly, "the disk is full: nothing was made", "free space on the disk that holds "+s.path)
	}
	return err
}

func (s *Stage) load(ctx context.Context, head store.Header, rows iter.Seq2[store.Row, error]) error {
	if err := s.b.Update(func(btx *bbolt.Tx) error { return writeHead(&tx{b: btx}, head) }); err != nil {
		return err
	}
	l := &loading{ctx: ctx, b: s.b, stats: map[string]stats{}, heads: map[string]store.TableHead{}}
	for _, t := range head.Tables {
		l.heads[t.Name] = t
	}
	defer l.rollback()
	for row, err := range rows {
		if err != nil {
			return err
		}
		if err := l.put(row); err != nil {
			return fmt.Errorf("table %s, row %q: %w", row.Table, row.Key, err)
		}
	}
	return l.finish(head)
}

func writeHead(t *tx, head store.Header) error {
	for _, name := range []string{metaName, schemaName} {
		if _, err := t.b.CreateBucket([]byte(name)); err != nil {
			return err
		}
	}
	for _, table := range head.Tables {
		if err := createTable(t.b, table); err != nil {
			return err
		}
	}
	for name, n := range head.Sequences {
		if err := t.putMetaInt("q/"+name, n); err != nil {
			return err
		}
	}
	return errors.Join(t.putMeta("magic", []byte(magic)), t.putMetaInt("format", format),
		t.putMeta("cluster", []byte(head.Cluster)), t.putMetaInt("term", head.Term))
}

func createTable(btx *bbolt.Tx, head store.TableHead) error {
	if err := store.CheckDefs([]store.TableDef{{Name: head.Name, Indexes: head.Indexes}}); err != nil {
		return err
	}
	if _, err := btx.CreateBucket([]byte(head.Name)); err != nil {
		return err
	}
	for _, x := range head.Indexes {
		if _, err := btx.CreateBucket([]byte(indexBucket(head.Name, x.Name))); err != nil {
			return err
		}
	}
	return writeSchema(btx, head.Name, schema{Indexes: head.Indexes})
}

// loading is the transaction under way and what is known of the tables.
type loading struct {
	ctx   context.Context
	b     *bbolt.DB
	btx   *bbolt.Tx
	bytes int
	heads map[string]store.TableHead
	stats map[string]stats
}

const loadBatch = 8 << 20 // bytes of rows per transaction

func (l *loading) put(row store.Row) (err error) {
	head, ok := l.heads[row.Table]
	switch {
	case !ok:
		return errors.New("the header does not name the table")
	case len(row.Values) != len(head.Indexes):
		return fmt.Errorf("it has %d index values, not %d", len(row.Values), len(head.Indexes))
	}
	if err := errors.Join(store.CheckKey(row.Key), store.CheckDoc(row.Doc)); err != nil {
		return err
	}
	if l.bytes > loadBatch {
		if err := l.commit(); err != nil {
			return err
		}
	}
	if l.btx == nil {
		if l.btx, err = l.b.Begin(true); err != nil {
			return err
		}
	}
	key, values := []byte(row.Key), make([][]byte, len(row.Values))
	for i, v := range row.Values {
		values[i] = encodeValue(v)
	}
	raw := encodeRow(crcTable(row.Table), key, values, row.Doc)
	l.bytes += len(raw) + len(key)
	st := l.stats[row.Table]
	st.add(raw)
	l.stats[row.Table] = st
	return l.write(head, key, raw, values)
}

func (l *loading) write(head store.TableHead, key, raw []byte, values [][]byte) error {
	rows := l.btx.Bucket([]byte(head.Name))
	if rows.Get(key) != nil {
		return errors.New("it comes twice")
	}
	rows.FillPercent = 0.95 // they come in the order of their keys
	if err := rows.Put(key, raw); err != nil {
		return err
	}
	for i, x := range head.Indexes {
		if values[i] == nil {
			continue
		}
		b := l.btx.Bucket([]byte(indexBucket(head.Name, x.Name)))
		k, v := entry(x, values[i], key)
		if x.Unique && b.Get(k) != nil {
			return store.Taken(head.Name, x.Name)
		}
		if err := b.Put(k, v); err != nil {
			return err
		}
	}
	return nil
}

func (l *loading) commit() error {
	if err := l.ctx.Err(); err != nil || l.btx == nil {
		return err
	}
	if err := failpoint.Hit("store.stage.batch"); err != nil {
		return err
	}
	btx := l.btx
	l.btx, l.bytes = nil, 0
	return btx.Commit()
}

func (l *loading) rollback() {
	if l.btx != nil {
		_ = l.btx.Rollback()
	}
}

// finish writes the counts and digests, and refuses rows that are not as many as the header says.
func (l *loading) finish(head store.Header) error {
	if err := l.commit(); err != nil {
		return err
	}
	return l.b.Update(func(btx *bbolt.Tx) error {
		t := &tx{b: btx}
		for _, table := range head.Tables {
			if got := l.stats[table.Name].count; got != table.Rows {
				return fmt.Errorf("table %s: %d rows came, the header says %d", table.Name, got, table.Rows)
			}
			if err := t.putMeta("s/"+table.Name, l.stats[table.Name].encode()); err != nil {
				return err
			}
		}
		return nil
	})
}

// Publish makes it the store at path, durably; a store that has appeared there meanwhile stays.
func (s *Stage) Publish(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := failpoint.Hit("store.stage.sync.before"); err != nil {
		return err
	}
	if err := errors.Join(s.b.Sync(), s.b.Close()); err != nil {
		return err
	}
	err := publish(s.tmp, s.path, unix.RENAME_NOREPLACE)
	if errors.Is(err, fs.ErrExist) {
		return occupied(s.path)
	}
	return err
}

// Close ends it; what was not published is gone.
func (s *Stage) Close() error {
	err := s.b.Close()
	if rm := os.Remove(s.tmp); rm != nil && !errors.Is(rm, fs.ErrNotExist) {
		err = errors.Join(err, rm)
	}
	return err
}
