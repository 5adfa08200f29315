package bolt

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
	bbolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// Size is how large the file is and how much of it is free for rows to come, in bytes.
type Size struct {
	File int64 `json:"file"`
	Free int64 `json:"free"`
}

// Live is what rows and indexes take.
func (s Size) Live() int64 { return max(0, s.File-s.Free) }

// Size tells how large the file is. It costs a stat.
func (db *DB) Size() Size {
	db.swapping.RLock()
	defer db.swapping.RUnlock()
	return Size{File: fileSize(db.path), Free: free(db.b, db.page)}
}

// Sizes is Size as two numbers: the file, and what of it is free.
func (db *DB) Sizes() (file, free int64) {
	s := db.Size()
	return s.File, s.Free
}

// Broken is why the store takes no more changes: nil while it does. A full disk is none: that passes.
func (db *DB) Broken() error {
	if err := db.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// free counts the bytes of free pages, as of the last commit; pages that only wait for a reader count too.
func free(b *bbolt.DB, page int64) int64 {
	s := b.Stats()
	return int64(s.FreePageN+s.PendingPageN) * page
}

// pageSize must not be asked of a handle that may be closed meanwhile: bbolt panics.
func pageSize(b *bbolt.DB) int64 { return int64(b.Info().PageSize) }

// live is the part of the file that a copy will take, roughly.
func live(b *bbolt.DB) int64 {
	var bytes int64
	_ = b.View(func(btx *bbolt.Tx) error {
		bytes = btx.Size()
		return nil
	})
	return max(0, bytes-free(b, pageSize(b)))
}

func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

var errRoom = errors.New("not enough room")

// roomFor refuses when the disk of dir does not hold so many bytes more, with something to spare.
func roomFor(dir string, bytes int64, what string) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return nil //nolint:nilerr // the write will say what is wrong
	}
	have, need := int64(fs.Bavail)*fs.Bsize, bytes+bytes/8+roomLeft
	if have >= need {
		return nil
	}
	return fault.Wrap(errRoom, fault.ReadOnly,
		fmt.Sprintf("the disk has no room for %s: it needs %s, %s are free", what, protocol.FormatSize(need), protocol.FormatSize(have)),
		"free space on the disk that holds "+dir)
}

// Rows gives the kept number of rows of each table.
func (db *DB) Rows(ctx context.Context) (map[string]int64, error) {
	out := make(map[string]int64, len(db.tables))
	err := db.View(ctx, func(tx store.Tx) error {
		for name := range db.tables {
			n, err := tx.Engine().Count(name)
			if err != nil {
				return err
			}
			out[name] = n
		}
		return nil
	})
	return out, err
}
