package bolt

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol/durable"
	"github.com/payperplay/payperplay/protocol/failpoint"
	bbolt "go.etcd.io/bbolt"
	bberrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"
)

const (
	metaName   = "_meta"
	schemaName = "_schema"
	magic      = "payperplay store"
	format     = 1 // raised when the file's layout changes; history: 1 (2026-11) first
)

func indexBucket(table, index string) string { return table + "/" + index }

// Open opens the store at path, making it first if there is none, and raises the term. It fails at once, with the way out,
// when another process has the file, when the file is not ours, and when it is damaged.
func Open(ctx context.Context, path string, opts Options) (*DB, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if err := store.CheckDefs(opts.Tables); err != nil {
		return nil, err
	}
	if err := ensure(ctx, path); err != nil {
		return nil, err
	}
	h, findings, err := inspect(path, unix.LOCK_EX)
	if err != nil {
		return nil, err
	}
	if len(findings) > 0 {
		return nil, damagedFile(path, findings[0].String())
	}
	if h.damaged != "" {
		opts.Logger.Warn("store header was damaged, opened with the other one: the last change may be missing",
			"path", path, "damage", h.damaged)
	}
	db := &DB{
		path: path, tables: map[string]*table{}, doubleRun: opts.DoubleRun, maxBytes: opts.MaxBytes, compactLive: compactLive,
		log: opts.Logger, writer: store.NewTurn(),
	}
	for _, def := range opts.Tables {
		db.tables[def.Name] = &table{def: def, seed: crcTable(def.Name)}
	}
	if db.b, err = openFile(path, db.options()); err != nil {
		return nil, err
	}
	db.page = pageSize(db.b)
	dropLeftover(path)
	dropOld(path)
	if err := db.lead(ctx); err != nil {
		return nil, errors.Join(err, db.b.Close())
	}
	if opts.CompactAbove == 0 {
		opts.CompactAbove = compactAbove
	}
	db.compactAtOpen(ctx, opts.CompactAbove)
	if err := db.Broken(); err != nil { // the next start finds the one file or the other, whole
		return nil, errors.Join(err, db.Close())
	}
	if db.m, err = newMetrics(opts.Metrics, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// options of the handle on the file, and on the copy that takes its place.
func (db *DB) options() *bbolt.Options {
	return &bbolt.Options{Timeout: time.Nanosecond, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType, MaxSize: int(db.maxBytes)}
}

// ensure makes an empty store when path does not exist: under another name first, so that path is never half a store.
func ensure(ctx context.Context, path string) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	tmp, err := tempBeside(path)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "the store cannot be made: "+err.Error(),
			"make the directory "+filepath.Dir(path)+" and let this user write there")
	}
	defer func() { _ = os.Remove(tmp) }()
	if err := initFile(tmp); err != nil {
		return err
	}
	err = publish(tmp, path, unix.RENAME_NOREPLACE)
	if errors.Is(err, fs.ErrExist) {
		return nil // another process was first; the lock decides who leads
	}
	return err
}

func tempBeside(path string) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".new-*")
	if err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

// publish gives tmp its final name, durably.
func publish(tmp, path string, flags uint) error {
	if err := failpoint.Hit("store.rename.before"); err != nil {
		return err
	}
	if err := unix.Renameat2(unix.AT_FDCWD, tmp, unix.AT_FDCWD, path, flags); err != nil {
		return &os.LinkError{Op: "rename", Old: tmp, New: path, Err: err}
	}
	if err := durable.SyncDir(filepath.Dir(path)); err != nil {
		return err
	}
	return failpoint.Hit("store.rename.after")
}

func initFile(path string) error {
	b, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Nanosecond, NoFreelistSync: true})
	if err != nil {
		return err
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	err = b.Update(func(btx *bbolt.Tx) error {
		t := &tx{b: btx}
		for _, name := range []string{metaName, schemaName} {
			if _, err := btx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		return errors.Join(
			t.putMeta("magic", []byte(magic)), t.putMetaInt("format", format),
			t.putMeta("cluster", hex.AppendEncode(nil, id)), t.putMetaInt("term", 0))
	})
	return errors.Join(err, b.Close())
}

// openFile opens the bbolt file; a page that cannot be read is an error.
func openFile(path string, opts *bbolt.Options) (b *bbolt.DB, err error) {
	var opened *os.File
	defer catchFaults()()
	defer func() {
		if p := recover(); p != nil {
			b, err = nil, damagedFile(path, fmt.Sprintf("a page cannot be read: %v", p))
		}
	}()
	opts.OpenFile = func(name string, flag int, mode os.FileMode) (f *os.File, err error) {
		f, err = os.OpenFile(name, flag, mode)
		opened = f
		return f, err
	}
	b, err = bbolt.Open(path, 0o600, opts)
	if errors.Is(err, bberrors.ErrTimeout) {
		return nil, inUse(path)
	}
	if err == nil && !durable.IsAt(opened, path) {
		return nil, errors.Join(inUse(path), b.Close()) // it was compacted or restored between the look and the lock
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the store "+path+" cannot be opened: "+err.Error(),
			"look at the file's owner and mode; a damaged one is replaced with `controller store restore`")
	}
	return b, nil
}

func damagedFile(path, why string) error {
	return fault.New(fault.Unavailable, "the store "+path+" is damaged: "+why,
		"see what is left with `controller store check`, and restore a backup with `controller store restore`")
}

func inUse(path string) error {
	by := ""
	if pid := lockHolder(path); pid != "" {
		by = " (pid " + pid + ")"
	}
	return fault.New(fault.Conflict, "the store "+path+" is in use by another process"+by,
		"stop that controller, or give this one another --data")
}

// identity is what _meta says about the file.
type identity struct {
	cluster      string
	term, format int64
}

// readIdentity refuses a file that is not ours or that a newer version has written.
func readIdentity(t *tx, path string) (identity, error) {
	var id identity
	text := func(key string) (string, error) {
		b := t.b.Bucket([]byte(metaName))
		if b == nil {
			return "", nil
		}
		v, err := get(b, metaName, []byte(key))
		if v == nil || err != nil {
			return "", err
		}
		p, err := unseal(metaName, key, v)
		return string(p), err
	}
	got, err := text("magic")
	if err != nil {
		return id, err
	}
	if got != magic {
		return id, notOurs(path, "it is another program's bbolt file")
	}
	var errs [3]error
	id.cluster, errs[0] = text("cluster")
	id.format, errs[1] = t.metaInt("format")
	id.term, errs[2] = t.metaInt("term")
	if err := errors.Join(errs[:]...); err != nil {
		return id, err
	}
	if id.format > format {
		return id, fault.New(fault.Precondition,
			fmt.Sprintf("the store %s has format %d, this controller knows formats up to %d", path, id.format, format),
			"run the newer controller that wrote it")
	}
	return id, nil
}

// lead checks the file, brings its tables to what the rooms declare, and raises the term: one transaction.
func (db *DB) lead(ctx context.Context) error {
	defer catchFaults()()
	b, err := db.b.Begin(true)
	if err != nil {
		return err
	}
	t := &tx{db: db, ctx: ctx, b: b}
	defer t.end()
	id, err := readIdentity(t, db.path)
	if err != nil {
		return err
	}
	if err := refuseMoved(t, db.path); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(db.tables)) {
		if err := t.migrate(db.tables[name]); err != nil {
			return err
		}
	}
	db.cluster = id.cluster
	db.term.Store(id.term + 1)
	if err := t.putMetaInt("term", id.term+1); err != nil {
		return err
	}
	if err := t.flush(); err != nil {
		return err
	}
	return t.commit()
}

// schema is what _schema keeps of a table.
type schema struct {
	Indexes []store.IndexDef `json:"indexes"`
}

func readSchema(btx *bbolt.Tx, name string) (s schema, found bool, err error) {
	b, err := bucket(btx, schemaName)
	if err != nil {
		return s, false, err
	}
	v, err := get(b, schemaName, []byte(name))
	if v == nil || err != nil {
		return s, false, err
	}
	p, err := unseal(schemaName, name, v)
	if err != nil {
		return s, false, err
	}
	return s, true, json.Unmarshal(p, &s)
}

func writeSchema(btx *bbolt.Tx, name string, s schema) error {
	b, err := bucket(btx, schemaName)
	if err != nil {
		return err
	}
	p, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return put(b, schemaName, []byte(name), seal(schemaName, name, p))
}
