package bolt

import (
	"fmt"
	"runtime/debug"

	"github.com/payperplay/payperplay/controller/store"
	bbolt "go.etcd.io/bbolt"
)

// bbolt trusts its pages: on a damaged file it panics, or reads outside the mapping. Both become errors here, so that
// one bad page does not end the controller. Each call into bbolt is guarded by itself; a panic of a room's code passes.

// catchFaults makes this goroutine's bad reads panic instead of ending the process; call the result at the end.
func catchFaults() func() {
	old := debug.SetPanicOnFault(true)
	return func() { debug.SetPanicOnFault(old) }
}

// guard is deferred around calls into bbolt.
func guard(err *error, table, key string) {
	if p := recover(); p != nil {
		*err = &store.DamagedError{Table: table, Key: key, Why: fmt.Sprintf("a page cannot be read: %v", p)}
	}
}

// cursor is a bbolt cursor whose steps are guarded.
type cursor struct {
	c     *bbolt.Cursor
	table string
}

func (c cursor) first() (k, v []byte, err error) {
	defer guard(&err, c.table, "")
	k, v = c.c.First()
	return k, v, touch(k, v)
}

func (c cursor) last() (k, v []byte, err error) {
	defer guard(&err, c.table, "")
	k, v = c.c.Last()
	return k, v, touch(k, v)
}

func (c cursor) next() (k, v []byte, err error) {
	defer guard(&err, c.table, "")
	k, v = c.c.Next()
	return k, v, touch(k, v)
}

func (c cursor) prev() (k, v []byte, err error) {
	defer guard(&err, c.table, "")
	k, v = c.c.Prev()
	return k, v, touch(k, v)
}

func (c cursor) seek(to []byte) (k, v []byte, err error) {
	defer guard(&err, c.table, "")
	k, v = c.c.Seek(to)
	return k, v, touch(k, v)
}

// sink keeps the reads of touch alive.
//
//go:noinline
func sink(byte) {}

// touch reads both ends of what bbolt returned, so that a slice outside the mapping fails here and not in our code.
func touch(slices ...[]byte) error {
	for _, s := range slices {
		if n := len(s); n > 0 {
			sink(s[0])
			sink(s[n-1])
		}
	}
	return nil
}

func get(b *bbolt.Bucket, table string, key []byte) (v []byte, err error) {
	defer guard(&err, table, string(key))
	v = b.Get(key)
	return v, touch(v)
}

func put(b *bbolt.Bucket, table string, key, value []byte) (err error) {
	defer guard(&err, table, string(key))
	return b.Put(key, value)
}

func del(b *bbolt.Bucket, table string, key []byte) (err error) {
	defer guard(&err, table, string(key))
	return b.Delete(key)
}

func bucket(tx *bbolt.Tx, name string) (b *bbolt.Bucket, err error) {
	defer guard(&err, name, "")
	if b = tx.Bucket([]byte(name)); b == nil {
		return nil, &store.DamagedError{Table: name, Why: "its bucket is missing"}
	}
	return b, nil
}
