package bolt

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol/failpoint"
	bbolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// Origin is a store file held so that no controller can open it. It implements store.Origin.
type Origin struct {
	b    *bbolt.DB
	path string
}

var _ store.Origin = (*Origin)(nil)

// Hold locks the store at path without leading it: its term stays. It fails at once when a controller has the file, when
// the file is damaged and when it is not ours.
func Hold(ctx context.Context, path string) (*Origin, error) {
	h, findings, err := inspect(path, unix.LOCK_EX)
	if err != nil {
		return nil, err
	}
	if len(findings) > 0 {
		return nil, damagedFile(path, findings[0].String())
	}
	if h.damaged != "" {
		return nil, damagedFile(path, h.damaged)
	}
	b, err := openFile(path, &bbolt.Options{Timeout: time.Nanosecond, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, err
	}
	o := &Origin{b: b, path: path}
	if _, err := o.Moved(ctx); err != nil { // also tells whether it is ours
		return nil, errors.Join(err, b.Close())
	}
	return o, nil
}

// Dump gives everything in the file.
func (o *Origin) Dump(ctx context.Context, head func(store.Header) error, row func(store.Row) error) error {
	return dump(ctx, readsOf(o.b), o.path, head, row)
}

// Moved reads the mark.
func (o *Origin) Moved(ctx context.Context) (m *store.Moved, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer catchFaults()()
	err = o.b.View(func(btx *bbolt.Tx) error {
		t := &tx{b: btx}
		if _, err := readIdentity(t, o.path); err != nil {
			return err
		}
		m, err = readMoved(t)
		return err
	})
	return m, err
}

// Retire writes the mark, or takes it away.
func (o *Origin) Retire(ctx context.Context, mark *store.Moved) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := failpoint.Hit("store.retire.before"); err != nil {
		return err
	}
	defer catchFaults()()
	err := o.b.Update(func(btx *bbolt.Tx) error {
		t := &tx{b: btx}
		if mark != nil {
			doc, err := json.Marshal(mark)
			if err != nil {
				return err
			}
			return t.putMeta(movedKey, doc)
		}
		b, err := t.metaBucket()
		if err != nil {
			return err
		}
		return del(b, metaName, []byte(movedKey))
	})
	if isFull(err) {
		return fault.Wrap(err, fault.ReadOnly, "the disk is full: the store could not be marked", "free space on the disk that holds "+o.path)
	}
	if err != nil {
		return err
	}
	return failpoint.Hit("store.retire.after")
}

// Close lets the file go.
func (o *Origin) Close() error { return o.b.Close() }

const movedKey = "moved"

// readMoved reads the mark of a store that was left; nil when there is none.
func readMoved(t *tx) (*store.Moved, error) {
	b, err := t.metaBucket()
	if err != nil {
		return nil, err
	}
	v, err := get(b, metaName, []byte(movedKey))
	if v == nil || err != nil {
		return nil, err
	}
	p, err := unseal(metaName, movedKey, v)
	if err != nil {
		return nil, err
	}
	var m store.Moved
	if err := json.Unmarshal(p, &m); err != nil {
		return nil, &store.DamagedError{Table: metaName, Key: movedKey, Why: err.Error()}
	}
	return &m, nil
}

// refuseMoved is the error of opening a store that was left.
func refuseMoved(t *tx, path string) error {
	m, err := readMoved(t)
	if m == nil || err != nil {
		return err
	}
	return store.MovedError(path, *m)
}

// File is a store file that is only read. It implements store.Source.
type File struct {
	b    *bbolt.DB
	path string
}

// Read opens a store file, a backup most often, which nobody may have open for writing. It changes nothing.
func Read(ctx context.Context, path string) (*File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	h, findings, err := inspect(path, unix.LOCK_SH)
	if err != nil {
		return nil, err
	}
	if len(findings) > 0 {
		return nil, damagedFile(path, findings[0].String())
	}
	if h.damaged != "" {
		return nil, damagedFile(path, h.damaged)
	}
	b, err := openFile(path, &bbolt.Options{Timeout: time.Nanosecond, ReadOnly: true})
	if err != nil {
		return nil, err
	}
	return &File{b: b, path: path}, nil
}

// Dump gives everything in the file.
func (f *File) Dump(ctx context.Context, head func(store.Header) error, row func(store.Row) error) error {
	return dump(ctx, readsOf(f.b), f.path, head, row)
}

// Close lets the file go.
func (f *File) Close() error { return f.b.Close() }
